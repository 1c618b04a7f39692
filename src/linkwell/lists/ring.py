"""The ring index: every PDQ hash of a bank within 31 bits of a query, exactly, for banks from thousands to hundreds of millions.

A hash is a ring of sixteen parts of 16 bits. Say two hashes differ in d bits in all, d_i of them in part i, and d <= 31 < 16 * 2. Then
some part starts a run all of whose beginnings have fewer than two differing bits a part: the cycle lemma, with d_i - 2 going around a
ring whose sum is negative. So there is a part with d_i <= 1 whose neighbour has d_i + d_(i+1) <= 3 (Qin and Xiao, "Pigeonring", PVLDB
12(1), 2018). For each part there is a table, addressed by the part's value, that holds the entries and beside them the next part:
a query looks into 17 buckets of each table, reads the neighbours there in a row, and only one entry in 400 is looked up and compared
whole. 128 bytes a hash, all told.

Where much of a bank lies in few buckets, a query may find the half of it in its own. One that has spent more than queries of a bank of
that size do is given weights of its own in the place of those twos (`weights`): crowded tables are left out, and others searched further
around. Where that too would cost more than comparing the query with every hash, this is done; so none costs more than about two such scans.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from linkwell.lists.columns import Rows
from linkwell.lists.exact import Hits, Owners

if TYPE_CHECKING:
    from linkwell.lists import kernels

PARTS: Final = 16
_BUCKETS: Final = 1 << 16
_SPARE: Final = 32
"""Sketches are read so many at a time, beyond the last one too."""
_QUERIES: Final = 65_536
"""Searched at a time: the more, the more of them look into the same buckets while those are in the processor's cache."""

_ROOM: Final = 16
"""For so many pairs a query there is room, and for a thousand beside; where there are more, the search is done again."""

_NO_NUMBERS: Final = np.empty(0, np.uint32)
_NO_HITS: Final = np.zeros((0, 0), np.bool_)

Numbers = npt.NDArray[np.uint32]


class RingTables(NamedTuple):
    """What an index is made of, beside the bank itself."""

    starts: Numbers
    """(16, 65537)"""
    entries: Numbers
    """(16, hashes)"""
    sketches: npt.NDArray[np.uint16]
    """(16, hashes + 32)"""

    @classmethod
    def build(cls, values: Rows) -> "RingTables":
        """Make the tables of a bank, (hashes, 32): about 0.4 µs a hash."""
        from linkwell.lists import kernels  # noqa: PLC0415 - the compiler is loaded only where there is a large bank

        count = len(values)
        tables = cls(
            np.empty((PARTS, _BUCKETS + 1), np.uint32),
            np.empty((PARTS, count), np.uint32),
            np.zeros((PARTS, count + _SPARE), np.uint16),
        )
        kernels.build(values.view(np.uint16), *tables)
        return tables


class RingIndex:
    """PDQ hashes of all lists, found within 31 bits."""

    def __init__(self, values: Rows, owners: Owners, tables: RingTables | None = None) -> None:
        """Make an index, or take up one whose tables are there.

        Args:
            values: the bank, (hashes, 32).
            owners: for each, the number of its list.
            tables: made of exactly this bank.

        Raises:
            ValueError: the tables are of another size: the loops, which check no bounds, would read beyond them.
        """
        values = np.require(values, requirements=["C", "W"])  # another kind of array would be compiled for again
        self.tables = tables if tables is not None else RingTables.build(values)
        count = len(values)
        shapes = ((PARTS, _BUCKETS + 1), (PARTS, count), (PARTS, count + _SPARE))
        if tuple(table.shape for table in self.tables) != shapes or len(owners) != count:
            raise ValueError("the tables are not of this bank")
        self._words = values.view(np.uint64)
        self._parts = values.view(np.uint16)
        self.owners = owners
        self.budgets: kernels.Budgets | None = None
        """What a query may cost; by default, from the size of the bank."""
        self._bank: kernels.Bank | None = None

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "RingIndex":
        """The index that `arrays` was asked of."""
        tables = RingTables(
            arrays["starts"].view(np.uint32), arrays["entries"].view(np.uint32), arrays["sketches"].view(np.uint16)
        )
        return cls(arrays["values"].view(np.uint8), arrays["owners"].view(np.uint16), tables)

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that it is made of."""
        return {"values": self._words.view(np.uint8), "owners": self.owners, **self.tables._asdict()}

    def values(self, entries: npt.NDArray[np.int64]) -> Rows:
        """Entries by their place among `owners`."""
        return self._words[entries].view(np.uint8)

    def mark(self, queries: Rows, hits: Hits, reported: int = 0) -> None:
        """Set `hits[owner, row]` for every entry near the query of that row.

        Args:
            queries: (rows, 32)
            hits: (owners, rows)
            reported: a query that is near entries of each of the first so many owners is not searched to its end.
        """
        for first in range(0, len(queries), _QUERIES):
            piece = slice(first, first + _QUERIES)
            found = np.zeros((hits.shape[0], len(queries[piece])), np.bool_)
            self._search(queries[piece], found, reported, _NO_NUMBERS, _NO_NUMBERS)
            hits[:, piece] |= found

    def pairs(self, queries: Rows) -> tuple[Numbers, Numbers]:
        """Every pair of a query's row and an entry's number that are near, each once, in an order of no meaning."""
        rows, entries = [_NO_NUMBERS], [_NO_NUMBERS]
        for first in range(0, len(queries), _QUERIES):
            piece = queries[first : first + _QUERIES]
            room = _ROOM * len(piece) + 1_000
            while True:
                near = np.empty(room, np.uint32), np.empty(room, np.uint32)
                found = self._search(piece, _NO_HITS, 0, *near)
                if found <= room:
                    break
                room = found
            rows.append(near[0][:found] + np.uint32(first))
            entries.append(near[1][:found])
        return np.concatenate(rows), np.concatenate(entries)

    def _search(self, queries: Rows, hits: Hits, reported: int, pair_rows: Numbers, pair_entries: Numbers) -> int:
        from linkwell.lists import kernels  # noqa: PLC0415 - as above

        if self._bank is None:
            self._bank = kernels.Bank(self._words, self._parts, self.owners, *self.tables)
        if self.budgets is None:
            self.budgets = kernels.Budgets.of_bank(len(self.owners))
        queries = np.require(queries, requirements=["C", "W"])
        parts = queries.view(np.uint16)
        order = (
            np.argsort(parts.T, axis=1, kind="stable") if len(parts) > 1 else np.zeros((PARTS, len(parts)), np.int64)
        )
        return kernels.search(
            self._bank,
            kernels.Queries(queries.view(np.uint64), parts, order),
            kernels.Answer(hits, reported, np.full(len(queries), reported, np.int64), pair_rows, pair_entries),
            self.budgets,
        )


def table_canaries(values: Rows) -> tuple[Rows, Rows]:
    """For each value, 16 others at the greatest distance that matches, each of which only one table finds; and 16 a bit further.

    Two bits are turned over in every part but one; in that one part one bit, or two.
    """
    flips = np.full((PARTS, PARTS), 0b11, np.uint16)
    flips <<= (np.arange(PARTS, dtype=np.uint16) % 15)[None, :]  # another place in each part
    beyond = flips.copy()
    np.fill_diagonal(flips, np.uint16(1) << np.arange(PARTS, dtype=np.uint16))
    parts = np.ascontiguousarray(values).view(np.uint16)
    at_limit, further = ((parts[:, None, :] ^ each[None, :, :]).reshape(-1, PARTS) for each in (flips, beyond))
    return at_limit.view(np.uint8), further.view(np.uint8)
