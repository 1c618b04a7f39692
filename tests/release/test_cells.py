"""Cutting rows into cells, as values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.errors import UsageError
from linkwell.release.cells import cut, deal, gather, tie

pairs = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=60)


def as_arrays(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(found, np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


@given(pairs)
def test_tied_rows_have_one_leader(found: list[tuple[int, int]]) -> None:
    """Components are what following the pairs by hand gives, and the leader is the smallest row."""
    rows, leaders = tie(*as_arrays(found))
    parent = {row: row for pair in found for row in pair}
    changed = True
    while changed:
        changed = False
        for a, b in found:
            low = min(parent[a], parent[b])
            if parent[a] != low or parent[b] != low:
                parent[a] = parent[b] = low
                changed = True
    assert dict(zip(rows.tolist(), leaders.tolist(), strict=True)) == parent


@given(
    order=st.permutations(list(range(60))),
    found=pairs,
    min_rows=st.integers(1, 25),
    kept=st.integers(0, 60),
)
def test_cells_are_large_enough_and_never_split_tied_rows(
    order: list[int], found: list[tuple[int, int]], min_rows: int, kept: int
) -> None:
    """Every row is in one cell; each cell has at least k rows (or there is one); tied rows share a cell; twice the same."""
    rows, leaders = tie(*as_arrays(found))
    given_order = np.array(order[:kept], np.int64)
    new_order, groups = gather(given_order, rows, leaders)
    assert sorted(new_order.tolist()) == sorted(order[:kept])
    cells = cut(groups, min_rows)
    sizes = np.bincount(cells) if kept else np.zeros(0)
    assert len(cells) == kept
    assert (sizes >= min_rows).all() or len(sizes) == 1
    assert (np.diff(cells) >= 0).all()
    cell_of = dict(zip(new_order.tolist(), cells.tolist(), strict=True))
    for row, leader in zip(rows.tolist(), leaders.tolist(), strict=True):
        together = {
            cell_of[r] for r, x in zip(rows.tolist(), leaders.tolist(), strict=True) if x == leader and r in cell_of
        }
        assert row not in cell_of or len(together) == 1
    again, groups_again = gather(given_order, rows, leaders)
    assert np.array_equal(again, new_order)
    assert np.array_equal(cut(groups_again, min_rows), cells)


def test_a_remainder_joins_the_cell_before() -> None:
    """Twenty-five rows with k = 10 are cells of 10 and 15."""
    assert np.bincount(cut(np.arange(25), 10)).tolist() == [10, 15]
    assert np.bincount(cut(np.arange(30), 10)).tolist() == [10, 10, 10]
    assert np.bincount(cut(np.zeros(25, np.int64), 10)).tolist() == [25]
    with pytest.raises(UsageError):
        cut(np.arange(3), 0)


def test_cells_of_usual_size_are_small() -> None:
    """Without large groups no cell reaches twice k, so that a recall does not cost more than it must."""
    assert np.bincount(cut(np.arange(100_003), 1_000)).max() < 2_000


@given(st.integers(0, 300), st.integers(1, 40))
def test_dealing_places_every_cell_once_and_mixes(count: int, per_shard: int) -> None:
    """Every cell is in one shard of at most the given number; dealing again gives the same; another name, another order."""
    dealt = deal("birds", range(count), per_shard)
    assert sorted(cell for shard in dealt for cell in shard) == list(range(count))
    assert all(len(shard) == per_shard for shard in dealt[:-1])
    assert dealt == deal("birds", reversed(range(count)), per_shard)
    if count > 100 > per_shard:
        assert dealt != deal("fish", range(count), per_shard)
        assert dealt[0] != list(range(per_shard))
