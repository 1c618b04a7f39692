"""Image bytes to digests, and the restricted table of them by link id."""

from typing import TYPE_CHECKING

from linkwell.base.faces import face_of

if TYPE_CHECKING:
    from linkwell.ledger.digests import Digests, exact_digests, piecewise_digests
    from linkwell.ledger.dihedral import VARIANTS, dihedral_hashes
    from linkwell.ledger.looks import MOST_LOOKS, pdq_looks
    from linkwell.ledger.parts import require_parts
    from linkwell.ledger.pdq import MATCHED_DISTANCE, MATCHED_QUALITY, PDQ_BYTES, pdq_hash
    from linkwell.ledger.table import ledger_parts, ledger_table, read_ledger, read_ledger_part, write_ledger_part

# Picture processes only hash, and do without Arrow's 50 MB.
__getattr__ = face_of(
    __name__,
    {
        "digests": ("Digests", "exact_digests", "piecewise_digests"),
        "dihedral": ("VARIANTS", "dihedral_hashes"),
        "looks": ("MOST_LOOKS", "pdq_looks"),
        "parts": ("require_parts",),
        "pdq": ("MATCHED_DISTANCE", "MATCHED_QUALITY", "PDQ_BYTES", "pdq_hash"),
        "table": ("ledger_parts", "ledger_table", "read_ledger", "read_ledger_part", "write_ledger_part"),
    },
)

__all__ = [
    "MATCHED_DISTANCE",
    "MATCHED_QUALITY",
    "MOST_LOOKS",
    "PDQ_BYTES",
    "VARIANTS",
    "Digests",
    "dihedral_hashes",
    "exact_digests",
    "ledger_parts",
    "ledger_table",
    "pdq_hash",
    "pdq_looks",
    "piecewise_digests",
    "read_ledger",
    "read_ledger_part",
    "require_parts",
    "write_ledger_part",
]
