"""Compare links, and what the ledger knows of their images, with hash lists; store what is found, and that it was looked for."""

from linkwell.audit.record import AuditRecord, find_audit, links_fingerprint
from linkwell.audit.run import AuditReport, audit
from linkwell.audit.scan import UNCHECKED_REASONS

__all__ = ["UNCHECKED_REASONS", "AuditRecord", "AuditReport", "audit", "find_audit", "links_fingerprint"]
