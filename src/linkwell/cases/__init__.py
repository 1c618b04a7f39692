"""Findings and reports become decisions: cases with a clock, quarantine, two people for every decision, a log that only grows."""

from linkwell.cases.book import ANONYMOUS, MACHINE, CaseBook
from linkwell.cases.kinds import DECISIONS, KINDS, REPORTABLE, STATES, Kind, two_people
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
    "resolve_reports",
    "two_people",
]
