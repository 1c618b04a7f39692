"""Compare links, and what the ledger knows of their images, with hash lists; store what is found, and that it was looked for."""

from linkwell.audit.bound import upper_count, upper_share
from linkwell.audit.personal import PERSONAL_DATA_KINDS, personal_data
from linkwell.audit.record import AuditRecord, find_audit, links_fingerprint
from linkwell.audit.report_page import report_lines, write_report_page
from linkwell.audit.residual import ResidualRisk, residual_risk
from linkwell.audit.run import AuditReport, audit
from linkwell.audit.sample import Sample, draw_sample, enter_sample
from linkwell.audit.scan import UNCHECKED_REASONS

__all__ = [
    "PERSONAL_DATA_KINDS",
    "UNCHECKED_REASONS",
    "AuditRecord",
    "AuditReport",
    "ResidualRisk",
    "Sample",
    "audit",
    "draw_sample",
    "enter_sample",
    "find_audit",
    "links_fingerprint",
    "personal_data",
    "report_lines",
    "residual_risk",
    "upper_count",
    "upper_share",
    "write_report_page",
]
