"""Statements about consent and licence, read from where they stand, and the verdicts they come to."""

from linkwell.rights.embedded import Embedded, embedded_signals, read_embedded
from linkwell.rights.evidence import EVIDENCE_SCHEMA, PARSER, Evidence, evidence_table, page_evidence, seen_at_text
from linkwell.rights.licence import Licence, licence_of
from linkwell.rights.policy import DEFAULT_POLICY, POLICY_FILE, Policy, load_policy
from linkwell.rights.robots import Robots, parse_robots
from linkwell.rights.robots_tag import TRAINING_AGENTS
from linkwell.rights.rsl import MEDIA_TYPE as RSL_TYPE
from linkwell.rights.rsl import rsl_links
from linkwell.rights.statements import HEADER_NAMES, META_NAMES, RSL_LINK, header_signals, meta_signals
from linkwell.rights.verdicts import (
    RESTRICTION_COLUMNS,
    STRENGTH,
    UNSTATED,
    Signal,
    Verdicts,
    combine,
    restriction_rank,
    strongest,
)
from linkwell.rights.well_known import (
    MAX_REDIRECTS,
    MAX_WELL_KNOWN_BYTES,
    Capture,
    HostFiles,
    host_key,
    redirect_target,
    targets,
    well_known_kind,
)
from linkwell.rights.words import KINDS, statement_words, verdict_words

__all__ = [
    "DEFAULT_POLICY",
    "EVIDENCE_SCHEMA",
    "HEADER_NAMES",
    "KINDS",
    "MAX_REDIRECTS",
    "MAX_WELL_KNOWN_BYTES",
    "META_NAMES",
    "PARSER",
    "POLICY_FILE",
    "RESTRICTION_COLUMNS",
    "RSL_LINK",
    "RSL_TYPE",
    "STRENGTH",
    "TRAINING_AGENTS",
    "UNSTATED",
    "Capture",
    "Embedded",
    "Evidence",
    "HostFiles",
    "Licence",
    "Policy",
    "Robots",
    "Signal",
    "Verdicts",
    "combine",
    "embedded_signals",
    "evidence_table",
    "header_signals",
    "host_key",
    "licence_of",
    "load_policy",
    "meta_signals",
    "page_evidence",
    "parse_robots",
    "read_embedded",
    "redirect_target",
    "restriction_rank",
    "rsl_links",
    "seen_at_text",
    "statement_words",
    "strongest",
    "targets",
    "verdict_words",
    "well_known_kind",
]
