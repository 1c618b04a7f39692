"""Image bytes to digests, and the restricted table of them by link id."""

from linkwell.ledger.digests import Digests, exact_digests
from linkwell.ledger.parts import require_parts
from linkwell.ledger.pdq import MATCHED_DISTANCE, MATCHED_QUALITY, PDQ_BYTES, pdq_hash
from linkwell.ledger.table import ledger_table, read_ledger, write_ledger_part

__all__ = [
    "MATCHED_DISTANCE",
    "MATCHED_QUALITY",
    "PDQ_BYTES",
    "Digests",
    "exact_digests",
    "ledger_table",
    "pdq_hash",
    "read_ledger",
    "require_parts",
    "write_ledger_part",
]
