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
from linkwell.release.reconcile import REMOVED_CLASSES

CLASSES = tuple(REMOVED_CLASSES)
KEEP = -1


@dataclass(frozen=True)
class Candidates:
    """What is known of the rows of a build, by row number."""

    rows: int
    inherited_cells: Int64s
    """The cell each row's link has had since an earlier release; -1 for a new link."""
    is_first: bool
    """No release was made before this one."""
    tied_rows: Int64s
    """Rows (and, from `rows` up, links of earlier releases that are not in the build) that must stay together."""
    leaders: Int64s
    """For each of them the number of its group."""
    held_rows: Int64s
    """Rows in quarantine, or of covered takedowns."""
    open_rows: Mapping[str, Int64s]
    """Rows of open takedowns, by public class."""
    removed_cells: frozenset[int]
    """Cells that were recalled."""


def select(candidates: Candidates, min_rows: int) -> npt.NDArray[np.int8]:
    """For each row `KEEP`, or the place in `CLASSES` of the class it is left out under.

    Whole cells come first, so that a row of a cell that goes does not show its own reason. A suspected new link is kept here: it
    gets a cell, and then `leave_out_cells` takes that cell out.
    """
    verdict = np.full(candidates.rows, KEEP, np.int8)
    cells = candidates.inherited_cells
    is_old = cells >= 0
    _leave_out(verdict, np.isin(cells, list(candidates.removed_cells)) & is_old, "recalled_cells")
    held = np.zeros(candidates.rows, bool)
    held[candidates.held_rows] = True
    left_out_cells = np.unique(cells[held & is_old])
    _leave_out(verdict, np.isin(cells, left_out_cells) & is_old, "not_released")
    for name, rows in candidates.open_rows.items():
        exact = np.zeros(candidates.rows, bool)
        exact[rows] = True
        _leave_out(verdict, exact, name)
    _leave_out(verdict, _tied_to_old(candidates) & ~is_old, "duplicates")
    if not candidates.is_first:
        new = ~is_old & (verdict == KEEP)
        if new.sum() < min_rows:
            _leave_out(verdict, new, "held_back")
    return verdict


def leave_out_cells(
    verdict: npt.NDArray[np.int8], candidates: Candidates, new_rows: Int64s, new_cells: Int64s
) -> npt.NDArray[np.bool_]:
    """Mark the rows of new cells that hold a suspected entry as not released; returns which of `new_rows` they are."""
    held = np.zeros(candidates.rows, bool)
    held[candidates.held_rows] = True
    gone: npt.NDArray[np.bool_] = np.isin(new_cells, np.unique(new_cells[held[new_rows]]))
    verdict[new_rows[gone]] = CLASSES.index("not_released")
    return gone


def removed_counts(verdict: npt.NDArray[np.int8]) -> dict[str, int]:
    """How many rows are left out under each class."""
    counts = np.bincount(verdict[verdict != KEEP], minlength=len(CLASSES))
    return {name: int(count) for name, count in zip(CLASSES, counts, strict=True) if count}


def _leave_out(verdict: npt.NDArray[np.int8], rows: npt.NDArray[np.bool_], name: str) -> None:
    verdict[rows & (verdict == KEEP)] = CLASSES.index(name)


def _tied_to_old(candidates: Candidates) -> npt.NDArray[np.bool_]:
    """Rows tied to a link that has a cell, in the build or not."""
    found = np.zeros(candidates.rows, bool)
    here = candidates.tied_rows < candidates.rows
    has_cell = ~here
    has_cell[here] = candidates.inherited_cells[candidates.tied_rows[here]] >= 0
    with_old = np.isin(candidates.leaders, candidates.leaders[has_cell])
    found[candidates.tied_rows[with_old & here]] = True
    return found
