"""Findings and reports become decisions: cases with a clock, quarantine, two people for every decision, a log that only grows."""

from linkwell.cases.book import ANONYMOUS, MACHINE, CaseBook
from linkwell.cases.kinds import DECISIONS, KINDS, REPORTABLE, STATES, Kind, check_person, person_key
from linkwell.cases.resolve import resolve_reports
from linkwell.cases.values import Case, LogReport, Takedown

__all__ = [
    "ANONYMOUS",
    "DECISIONS",
    "KINDS",
    "MACHINE",
    "REPORTABLE",
    "STATES",
    "Case",
    "CaseBook",
    "Kind",
    "LogReport",
    "Takedown",
    "check_person",
    "person_key",
    "resolve_reports",
]
