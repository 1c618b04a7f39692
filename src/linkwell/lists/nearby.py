"""Which of few PDQ hashes are near a listed one: every pair compared, in blocks, half a hash first.

Exact by construction. The cost is the product of both sides; the smaller side is looped over. Larger banks have `ring`.
"""

import numpy as np
import numpy.typing as npt

from linkwell.ledger import MATCHED_DISTANCE
from linkwell.lists.columns import Rows
from linkwell.lists.exact import Hits, Owners

_WORDS = 4
_BLOCK = 32_768

_Words = npt.NDArray[np.uint64]
"""(4, hashes): the four words of each hash."""


class NearScan:
    """PDQ hashes of all lists, found within a distance of `MATCHED_DISTANCE` bits."""

    def __init__(self, values: Rows, owners: Owners) -> None:
        self._words = _words(values)
        self.owners = owners

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that it is made of."""
        return {"values": self.values(np.arange(len(self.owners))), "owners": self.owners}

    def values(self, entries: npt.NDArray[np.int64]) -> Rows:
        """Entries by their place among `owners`."""
        return np.ascontiguousarray(self._words[:, entries].T).view(np.uint8)

    def mark(self, queries: Rows, hits: Hits, reported: int = 0) -> None:  # noqa: ARG002 - the bank is small
        """Set `hits[owner, row]` for every entry near the query of that row."""
        words = _words(queries)
        if words.shape[1] < self._words.shape[1]:
            for row in range(words.shape[1]):
                hits[self.owners[_near(self._words, words[:, row])], row] = True
        else:
            for entry in range(self._words.shape[1]):
                hits[self.owners[entry], _near(words, self._words[:, entry])] = True


def _near(many: _Words, one: _Words) -> npt.NDArray[np.int64]:
    """The places in `many` of the hashes near `one`."""
    found = []
    for start in range(0, many.shape[1], _BLOCK):
        block = many[:, start : start + _BLOCK]
        half = np.bitwise_count(block[0] ^ one[0]) + np.bitwise_count(block[1] ^ one[1])
        near = np.flatnonzero(half <= MATCHED_DISTANCE)
        if near.size:
            bits = np.bitwise_count(block[:, near] ^ one[:, None]).sum(axis=0, dtype=np.uint16)
            found.append(near[bits <= MATCHED_DISTANCE] + start)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _words(values: Rows) -> _Words:
    words = np.ascontiguousarray(values).view(np.uint64)
    return np.ascontiguousarray(words.reshape(len(values), _WORDS).T)
