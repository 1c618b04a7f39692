"""Statements about consent and licence, read from where they stand, and the verdicts they come to."""

from linkwell.rights.licence import Licence, licence_of
from linkwell.rights.robots_tag import TRAINING_AGENTS
from linkwell.rights.statements import HEADER_NAMES, META_NAMES, header_signals, meta_signals
from linkwell.rights.verdicts import RESTRICTION_COLUMNS, UNSTATED, Signal, Verdicts, combine, restriction_rank

__all__ = [
    "HEADER_NAMES",
    "META_NAMES",
    "RESTRICTION_COLUMNS",
    "TRAINING_AGENTS",
    "UNSTATED",
    "Licence",
    "Signal",
    "Verdicts",
    "combine",
    "header_signals",
    "licence_of",
    "meta_signals",
    "restriction_rank",
]
