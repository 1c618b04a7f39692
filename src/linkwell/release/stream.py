"""Rows in public order to cells, as a stream: what `cells.gather` and `cells.cut` do to arrays, for rows that do not fit in memory.

Only tied rows (links of one canonical URL or one content) are held, some 40 bytes each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import UsageError
from linkwell.release.cells import Int64s, cut
from linkwell.release.profile import UInt64s


@dataclass(frozen=True)
class Ties:
    """Rows that must stay together, all of which are in the stream."""

    rows: Int64s
    """Ascending."""
    group: Int64s
    """Of each of them, numbers from 0."""
    members: Int64s
    """The rows again, group by group."""
    starts: Int64s
    """Where each group begins in `members`, and the end of the last."""

    @classmethod
    def of(cls, rows: Int64s, leaders: Int64s) -> "Ties":
        """From ascending rows and for each the number its group shares."""
        distinct, group = np.unique(leaders, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.append(np.searchsorted(group[order], np.arange(len(distinct))), len(rows))
        return cls(rows, group.astype(np.int64), rows[order], starts.astype(np.int64))


Piece = tuple[Int64s, Int64s, UInt64s]
"""Rows; beside each the number of its group, or of its cell; and its key, or the key of the row it was brought to."""


def gathered(pieces: Iterable[tuple[Int64s, UInt64s]], ties: Ties) -> Iterator[Piece]:
    """Bring tied rows together, each group at the place of its first row; everything else keeps its order.

    Args:
        pieces: rows in order, with their keys; those of `ties` among them.
        ties: what stays together.

    Yields:
        rows in the new order; group numbers are equal for rows of one group, and never fall.
    """
    seen = np.zeros(len(ties.starts) - 1, bool)
    sizes = np.diff(ties.starts)
    next_group = 0
    for rows, keys in pieces:
        counts = np.ones(len(rows), np.int64)
        if len(ties.rows):
            place = np.minimum(np.searchsorted(ties.rows, rows), len(ties.rows) - 1)
            tied = np.flatnonzero(ties.rows[place] == rows)
            group = ties.group[place[tied]]
            counts[tied] = 0
            unseen = np.flatnonzero(~seen[group])
            groups, first = np.unique(group[unseen], return_index=True)
            leads = tied[unseen[first]]
            counts[leads] = sizes[groups]
            seen[groups] = True
        out = np.repeat(rows, counts)
        if len(ties.rows) and len(leads):
            offsets = np.cumsum(counts) - counts
            within = _ranges(sizes[groups])
            out[np.repeat(offsets[leads], sizes[groups]) + within] = ties.members[
                np.repeat(ties.starts[groups], sizes[groups]) + within
            ]
        yield out, np.repeat(np.arange(next_group, next_group + len(rows)), counts), np.repeat(keys, counts)
        next_group += len(rows)


def cut_stream(pieces: Iterable[Piece], min_rows: int) -> Iterator[Piece]:
    """Cut rows into cells, as `cells.cut` does with all of them at once.

    Args:
        pieces: rows and their groups, from `gathered`.
        min_rows: k.

    Yields:
        the rows in order with their cells, from 0; no cell is in two pieces.
    """
    if min_rows < 1:
        raise UsageError("a cell has at least one row", "release.cell_min_rows")
    rows, groups, keys = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint64)
    cell = 0
    for more_rows, more_groups, more_keys in pieces:
        rows, groups = np.concatenate([rows, more_rows]), np.concatenate([groups, more_groups])
        keys = np.concatenate([keys, more_keys])
        ends = np.flatnonzero(groups[1:] != groups[:-1]) + 1
        starts = [0]
        while len(ends):
            place = int(np.searchsorted(ends, starts[-1] + min_rows))
            # A cell is cut off only when as many rows are sure to follow it: else it may be the last.
            if place == len(ends) or len(rows) - int(ends[place]) < min_rows:
                break
            starts.append(int(ends[place]))
        done = starts[-1]
        if done:
            marks = np.zeros(done, np.int64)
            marks[starts[1:-1]] = 1
            yield rows[:done], cell + np.cumsum(marks), keys[:done]
            cell += len(starts) - 1
            rows, groups, keys = rows[done:].copy(), groups[done:].copy(), keys[done:].copy()
    if len(rows):
        yield rows, cell + cut(groups, min_rows), keys


def _ranges(sizes: Int64s) -> npt.NDArray[np.int64]:
    """0, 1, … for each size, one after the other."""
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - sizes, sizes)
