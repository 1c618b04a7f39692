"""Compare links, and what the ledger knows of their images, with hash lists; store what is found, and that it was looked for."""

from typing import TYPE_CHECKING

from linkwell.base.faces import face_of

if TYPE_CHECKING:
    from linkwell.audit.bound import upper_count, upper_share
    from linkwell.audit.checkers import CheckReport, Question, Verdict, check_links, find_checker, read_verdicts
    from linkwell.audit.expansion import ExpandReport, expand
    from linkwell.audit.live import check_live, require_live
    from linkwell.audit.personal import PERSONAL_DATA_KINDS, personal_data
    from linkwell.audit.questions import questions_about
    from linkwell.audit.record import AuditRecord, find_audit, links_fingerprint
    from linkwell.audit.report_page import report_lines, write_report_page
    from linkwell.audit.residual import CONFIDENCE, ResidualRisk, residual_risk
    from linkwell.audit.run import AuditReport, audit, audit_findings
    from linkwell.audit.sample import Sample, draw_sample, enter_sample
    from linkwell.audit.scan import UNCHECKED_REASONS

# A worker that scans does without what asks partners and draws charts.
__getattr__ = face_of(
    __name__,
    {
        "bound": ("upper_count", "upper_share"),
        "checkers": ("CheckReport", "Question", "Verdict", "check_links", "find_checker", "read_verdicts"),
        "expansion": ("ExpandReport", "expand"),
        "live": ("check_live", "require_live"),
        "personal": ("PERSONAL_DATA_KINDS", "personal_data"),
        "questions": ("questions_about",),
        "record": ("AuditRecord", "find_audit", "links_fingerprint"),
        "report_page": ("report_lines", "write_report_page"),
        "residual": ("CONFIDENCE", "ResidualRisk", "residual_risk"),
        "run": ("AuditReport", "audit", "audit_findings"),
        "sample": ("Sample", "draw_sample", "enter_sample"),
        "scan": ("UNCHECKED_REASONS",),
    },
)

__all__ = [
    "CONFIDENCE",
    "PERSONAL_DATA_KINDS",
    "UNCHECKED_REASONS",
    "AuditRecord",
    "AuditReport",
    "CheckReport",
    "ExpandReport",
    "Question",
    "ResidualRisk",
    "Sample",
    "Verdict",
    "audit",
    "audit_findings",
    "check_links",
    "check_live",
    "draw_sample",
    "enter_sample",
    "expand",
    "find_audit",
    "find_checker",
    "links_fingerprint",
    "personal_data",
    "questions_about",
    "read_verdicts",
    "report_lines",
    "require_live",
    "residual_risk",
    "upper_count",
    "upper_share",
    "write_report_page",
]
