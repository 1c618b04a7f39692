"""Which of many values are listed: sorted words and binary search, then all bytes compared."""

import numpy as np
import numpy.typing as npt

from linkwell.lists.columns import Rows

Owners = npt.NDArray[np.uint16]
"""For each entry, the number of the list it is from."""
Hits = npt.NDArray[np.bool_]
"""(owners, rows): whether a list has the value of a row."""


class ExactIndex:
    """Entries of one kind from all lists, found by equality."""

    def __init__(self, values: Rows, owners: Owners) -> None:
        words = _words(values)
        order = np.argsort(words, kind="stable")
        self._words = words[order]
        self._values = np.ascontiguousarray(values[order])
        self._owners = owners[order]

    def mark(self, queries: Rows, hits: Hits) -> None:
        """Set `hits[owner, row]` for every entry that equals the query of that row."""
        words = _words(queries)
        first = np.searchsorted(self._words, words)
        rows = np.flatnonzero(self._words[np.minimum(first, len(self._words) - 1)] == words)
        first = first[rows]
        # Entries whose first eight bytes are equal lie together: step through them, dropping the rows that are through.
        while rows.size:
            equal = (self._values[first] == queries[rows]).all(axis=1)
            hits[self._owners[first[equal]], rows[equal]] = True
            first = first + 1
            inside = first < len(self._words)
            rows, first = rows[inside], first[inside]
            same = self._words[first] == words[rows]
            rows, first = rows[same], first[same]


def distinct(values: Rows, owners: Owners) -> tuple[Rows, Owners]:
    """The entries without those that repeat a value of the same owner, in an order of no meaning.

    A list may hold one value many times over; each repetition would cost every search, and add nothing.
    """
    words = _words(values)
    order = np.argsort(words, kind="stable")
    equal_next = np.flatnonzero(words[order[1:]] == words[order[:-1]])
    repeated = np.zeros(len(values), np.bool_)
    repeated[order[equal_next]] = repeated[order[equal_next + 1]] = True
    suspects = np.flatnonzero(repeated)
    keys = np.hstack([values[suspects], owners[suspects].astype(">u2").view(np.uint8).reshape(-1, 2)])
    _, firsts = np.unique(keys, axis=0, return_index=True)
    kept = np.sort(np.concatenate([np.flatnonzero(~repeated), suspects[firsts]]))
    return values[kept], owners[kept]


def _words(values: Rows) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each value as a number."""
    return np.ascontiguousarray(values[:, :8]).view(">u8").ravel().astype(np.uint64)
