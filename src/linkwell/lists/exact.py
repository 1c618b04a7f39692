"""Which of many values are listed: a table of bits passes over nearly all that are not, then binary search, then all bytes compared.

Entries are digests and ids, whose first bytes are even; where they are not, the search is slower and its answer the same.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from linkwell.lists.columns import Rows

Owners = npt.NDArray[np.uint16]
"""For each entry, the number of the list it is from."""
Hits = npt.NDArray[np.bool_]
"""(owners, rows): whether a list has the value of a row."""

_WORD_BYTES: Final = 8
_WORD_BITS: Final = 64
_SPARSE_BITS: Final = 3
"""Bits of the table for an entry, as a power of two: one in eight to sixteen values that are not listed passes."""
_MIN_TABLE_BITS: Final = 10
_MAX_TABLE_BITS: Final = 34

_Words = npt.NDArray[np.uint64]


class ExactIndex:
    """Entries of one kind from all lists, found by equality: their width and 3 to 4 bytes more for each."""

    def __init__(self, words: _Words, rest: Rows, owners: Owners, table: npt.NDArray[np.uint8]) -> None:
        """Take up what `build` made: distinct entries in the order of their first eight bytes, `words`; the bytes after these; the bits."""
        self._words, self._rest, self._table = words, rest, table
        self._shift = np.uint64(_WORD_BITS - _table_bits(len(words)))
        self.owners = owners

    @classmethod
    def build(cls, values: Rows, owners: Owners) -> "ExactIndex":
        """The index of some entries, which need be in no order and may repeat."""
        words, values, owners = _in_order(values, owners)
        return cls(words, np.ascontiguousarray(values[:, _WORD_BYTES:]), owners, _bit_table(words))

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "ExactIndex":
        """The index that `arrays` was asked of."""
        words, rest, owners, table = (arrays[name] for name in ("words", "rest", "owners", "table"))
        return cls(words.view(np.uint64), rest.view(np.uint8), owners.view(np.uint16), table.view(np.uint8))

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that it is made of."""
        return {"words": self._words, "rest": self._rest, "owners": self.owners, "table": self._table}

    def values(self, entries: npt.NDArray[np.int64]) -> Rows:
        """Entries by their place among `owners`."""
        words = self._words[entries].astype(">u8").view(np.uint8).reshape(-1, _WORD_BYTES)
        return np.hstack([words, self._rest[entries]])

    def mark(self, queries: Rows, hits: Hits, reported: int = 0) -> None:  # noqa: ARG002 - exact entries are few for a query
        """Set `hits[owner, row]` for every entry that equals the query of that row."""
        words = _words(queries)
        places = words >> self._shift
        marks = self._table[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8)
        rows = np.flatnonzero(marks & 1)
        first = np.searchsorted(self._words, words[rows])
        equal = self._words[np.minimum(first, len(self._words) - 1)] == words[rows]
        rows, first = rows[equal], first[equal]
        # Entries whose first eight bytes are equal lie together: step through them, dropping the rows that are through.
        while rows.size:
            same_rest = (self._rest[first] == queries[rows, _WORD_BYTES:]).all(axis=1)
            hits[self.owners[first[same_rest]], rows[same_rest]] = True
            first = first + 1
            inside = first < len(self._words)
            rows, first = rows[inside], first[inside]
            same = self._words[first] == words[rows]
            rows, first = rows[same], first[same]


def distinct(values: Rows, owners: Owners) -> tuple[Rows, Owners]:
    """The entries without those that repeat a value of the same owner, in an order of no meaning.

    A list may hold one value many times over; each repetition would cost every search, and add nothing.
    """
    _, kept, owners = _in_order(values, owners)
    return kept, owners


def _in_order(values: Rows, owners: Owners) -> tuple[_Words, Rows, Owners]:
    """The distinct entries in the order of their first eight bytes, and these as numbers."""
    words = _words(values)
    order = np.argsort(words, kind="stable")
    words, values, owners = words[order], values[order], owners[order]
    equal_next = np.flatnonzero(words[1:] == words[:-1])
    if not equal_next.size:
        return words, values, owners
    repeated = np.zeros(len(values), np.bool_)
    repeated[equal_next] = repeated[equal_next + 1] = True
    suspects = np.flatnonzero(repeated)
    keys = np.hstack([values[suspects], owners[suspects].astype(">u2").view(np.uint8).reshape(-1, 2)])
    _, firsts = np.unique(keys, axis=0, return_index=True)
    kept = np.sort(np.concatenate([np.flatnonzero(~repeated), suspects[firsts]]))
    return words[kept], values[kept], owners[kept]


def _words(values: Rows) -> _Words:
    """The first eight bytes of each value as a number."""
    return np.ascontiguousarray(values[:, :_WORD_BYTES]).view(">u8").ravel().astype(np.uint64)


def _table_bits(count: int) -> int:
    """The table has two to the power of this many bits."""
    return min(max(count.bit_length() + _SPARSE_BITS, _MIN_TABLE_BITS), _MAX_TABLE_BITS)


def _bit_table(ordered: _Words) -> npt.NDArray[np.uint8]:
    """One bit for each value that the first bits of a word can have, set where an entry has it."""
    bits = _table_bits(len(ordered))
    table = np.zeros(1 << (bits - 3), np.uint8)
    for first in range(0, len(ordered), 1 << 20):
        places = ordered[first : first + (1 << 20)] >> np.uint64(_WORD_BITS - bits)
        np.bitwise_or.at(table, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8))
    return table
