"""From the entries of one kind to what finds them: a scan or a ring for PDQ, sorted words for what is matched exactly."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from linkwell.ledger import MATCHED_DISTANCE
from linkwell.lists.columns import Rows
from linkwell.lists.exact import ExactIndex, Hits, Owners, distinct
from linkwell.lists.nearby import NearScan
from linkwell.lists.ring import RingIndex, table_canaries

PDQ: Final = "pdq"
SCANNED_ENTRIES: Final = 4_096
"""Up to so many PDQ hashes are compared one by one (some microseconds a query), and no compiler is loaded."""

Arrays = Mapping[str, npt.NDArray[np.generic]]


class Index(Protocol):
    """Finds the entries of one kind."""

    owners: Owners
    """Of each entry, the number of its list."""

    def mark(self, queries: Rows, hits: Hits, reported: int = 0) -> None:
        """Set `hits[owner, row]` for every entry that the query of that row matches; only the first `reported` owners need be right."""
        ...

    def values(self, entries: npt.NDArray[np.int64]) -> Rows:
        """Entries by their place among `owners`."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that the index is made of, for `restore_index`."""
        ...


def build_index(kind: str, values: Rows, owners: Owners) -> Index:
    """The index of some entries, which need be in no order and may repeat."""
    if kind != PDQ:
        return ExactIndex.build(values, owners)
    values, owners = distinct(values, owners)
    return NearScan(values, owners) if len(values) <= SCANNED_ENTRIES else RingIndex(values, owners)


def restore_index(kind: str, arrays: Arrays) -> Index:
    """The index whose `arrays` these are."""
    if kind != PDQ:
        return ExactIndex.restore(arrays)
    if "entries" in arrays:
        return RingIndex.restore(arrays)
    return NearScan(arrays["values"].view(np.uint8), arrays["owners"].view(np.uint16))


def finds_its_canaries(kind: str, index: Index, owner: int, lists: int) -> bool:
    """Whether the index finds the canaries it holds by the search that serves real queries.

    PDQ ones also at the greatest distance that matches and not one bit beyond, wherever the bits are: so that each of a ring's
    tables has to find some alone.
    """
    canaries = index.values(np.flatnonzero(index.owners == owner))
    if not len(canaries):
        return False

    def found(values: Rows) -> npt.NDArray[np.bool_]:
        hits = np.zeros((lists, len(values)), np.bool_)
        index.mark(values, hits)
        return np.asarray(hits[owner], np.bool_)

    if not found(canaries).all():
        return False
    if kind != PDQ:
        return True
    at_limit, beyond = table_canaries(canaries)
    return bool(
        found(_flip(canaries, MATCHED_DISTANCE)).all()
        and found(at_limit).all()
        and not found(_flip(canaries, MATCHED_DISTANCE + 1)).any()
        and not found(beyond).any()
    )


def _flip(values: Rows, bits: int) -> Rows:
    """The values with that many bits turned over, spread over the whole width."""
    width = values.shape[1] * 8
    places = (np.arange(bits) * 7) % width  # 7 has no divisor in common with the width, so no place comes twice
    mask = np.zeros(width, np.uint8)
    mask[places] = 1
    return values ^ np.packbits(mask)
