"""How rows become cells, and cells become parts: values in, values out.

A cell is a fixed group of at least k rows that can only be removed together, so what protects an entry is how much the others
look like it. Rows come here in public order (`profile.py`); rows tied together (one canonical URL, one content) stay together.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import UsageError

Int64s = npt.NDArray[np.int64]


def tie(first: Int64s, second: Int64s) -> tuple[Int64s, Int64s]:
    """Connected components of the pairs `first[i]`, `second[i]`.

    Returns:
        The rows that are in any pair, ascending, and for each the smallest row it is tied to.
    """
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = places[: len(first)], places[len(first) :]
    label = np.arange(len(rows))
    while True:
        label_a, label_b = label[a], label[b]
        apart = label_a != label_b
        if not apart.any():
            return rows.astype(np.int64), rows[label].astype(np.int64)
        low = np.minimum(label_a, label_b)[apart]
        np.minimum.at(label, np.maximum(label_a, label_b)[apart], low)
        while not np.array_equal(label, label[label]):
            label = label[label]


def gather(order: Int64s, tied_rows: Int64s, leaders: Int64s) -> tuple[Int64s, Int64s]:
    """Bring tied rows together, each group at the place of its first row; everything else keeps its order.

    Args:
        order: row numbers in public order.
        tied_rows: ascending rows that are tied to others; some may not be in `order`.
        leaders: for each of them, the same number for all of one group.

    Returns:
        The rows in the new order, and beside each the number of its group: equal for rows of one group, never falling.
    """
    place = np.arange(len(order))
    lead = place.copy()
    if len(tied_rows):
        found = np.minimum(np.searchsorted(tied_rows, order), len(tied_rows) - 1)
        is_tied = tied_rows[found] == order
        groups, group = np.unique(leaders[found[is_tied]], return_inverse=True)
        first = np.full(len(groups), len(order), np.int64)
        np.minimum.at(first, group, place[is_tied])
        lead[is_tied] = first[group]
    gathered = np.argsort(lead, kind="stable")
    return order[gathered], lead[gathered]


def cut(groups: Int64s, min_rows: int) -> Int64s:
    """Cut rows into cells: each ends at the first end of a group where it has `min_rows`; a last remainder joins the cell before.

    Args:
        groups: the group of each row, in order; equal for rows that must stay together.
        min_rows: k.

    Returns:
        For each row the number of its cell, from 0. With fewer than `min_rows` rows in all there is one cell.
    """
    if min_rows < 1:
        raise UsageError("a cell has at least one row", "release.cell_min_rows")
    count = len(groups)
    if count == 0:
        return np.zeros(0, np.int64)
    ends = np.append(np.flatnonzero(groups[1:] != groups[:-1]) + 1, count)
    starts = [0]
    while count - starts[-1] >= 2 * min_rows:
        end = int(ends[np.searchsorted(ends, starts[-1] + min_rows)])
        if count - end < min_rows:
            break
        starts.append(end)
    marks = np.zeros(count, np.int64)
    marks[starts[1:]] = 1
    return np.cumsum(marks)


def deal(dataset: str, cells: Iterable[int], cells_per_shard: int) -> list[list[int]]:
    """Deal cells to shards in a pseudo-random order that the dataset's name and the cell numbers fix for ever.

    Neighbouring cells hold neighbouring hosts; dealt like this, a shard mixes hosts, and a recall touches few shards.

    Returns:
        The cells of each shard, ascending.
    """
    dealt = sorted(cells, key=lambda cell: hashlib.sha256(f"{dataset}\0{cell}".encode()).digest())
    return [sorted(dealt[i : i + cells_per_shard]) for i in range(0, len(dealt), cells_per_shard)]
