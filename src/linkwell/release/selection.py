"""Which rows of a build are released, and under which public class the others are left out. Values in, values out.

No exact removal of a covered entry may show: neither to anyone who holds an earlier release, nor to anyone who builds the same
links from the same public crawl. So a suspected entry leaves with its whole cell, from the first release on: new links get their cells
first, suspected or not, and what is not released is cells. The cell stays on record; should the suspicion fall, it comes whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkwell.release.cells import Int64s
from linkwell.release.order import NO_CELL
from linkwell.release.reconcile import REMOVED_CLASSES

CLASSES = tuple(REMOVED_CLASSES)
KEEP = -1


@dataclass(frozen=True)
class Rules:
    """What leaves rows out. Rows are numbered over all shards, ascending."""

    recalled_cells: Int64s
    """Cells that were recalled."""
    left_out_cells: Int64s
    """Cells that hold a suspected entry, and those that leave with them."""
    open_rows: Mapping[str, Int64s]
    """Rows of open takedowns, by public class."""
    duplicates: Int64s
    """Rows that have no cell and are tied to a link that has one."""
    hold_back: bool
    """Whether rows without a cell are too few for one."""

    def without_cell(self) -> Int64s:
        """Rows that get no cell, whatever else is true of them."""
        return np.unique(np.concatenate([self.duplicates, *self.open_rows.values()]))


def judge(
    first_row: int, old: npt.NDArray[np.uint32], new: npt.NDArray[np.uint32], rules: Rules
) -> npt.NDArray[np.int8]:
    """For each row of a shard `KEEP`, or the place in `CLASSES` of the class it is left out under.

    Whole cells come first, so that a row of a cell that goes does not show its own reason.

    Args:
        first_row: the number of the shard's first row.
        old: the cell each row's link has had since an earlier release, or `NO_CELL`.
        new: the cell it has got now, or `NO_CELL`.
        rules: what leaves rows out.
    """
    verdict = np.full(len(old), KEEP, np.int8)
    _leave_out(verdict, np.isin(old, rules.recalled_cells) & (old != NO_CELL), "recalled_cells")
    for cells in (old, new):
        _leave_out(verdict, np.isin(cells, rules.left_out_cells) & (cells != NO_CELL), "not_released")
    for name, rows in rules.open_rows.items():
        _leave_out(verdict, _here(rows, first_row, len(old)), name)
    _leave_out(verdict, _here(rules.duplicates, first_row, len(old)), "duplicates")
    if rules.hold_back:
        _leave_out(verdict, old == NO_CELL, "held_back")
    return verdict


def removed_counts(verdict: npt.NDArray[np.int8]) -> dict[str, int]:
    """How many rows are left out under each class."""
    counts = np.bincount(verdict[verdict != KEEP], minlength=len(CLASSES))
    return {name: int(count) for name, count in zip(CLASSES, counts, strict=True) if count}


def _leave_out(verdict: npt.NDArray[np.int8], rows: npt.NDArray[np.bool_], name: str) -> None:
    verdict[rows & (verdict == KEEP)] = CLASSES.index(name)


def _here(rows: Int64s, first_row: int, count: int) -> npt.NDArray[np.bool_]:
    """Which rows of a shard are among ascending rows of all shards."""
    found = np.zeros(count, bool)
    start, end = np.searchsorted(rows, [first_row, first_row + count])
    found[rows[start:end] - first_row] = True
    return found
