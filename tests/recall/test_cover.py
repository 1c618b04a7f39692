"""Which cells a covered batch names."""

from hypothesis import given
from hypothesis import strategies as st

from linkwell.recall.batch import cover, merged_groups

rows = st.dictionaries(st.integers(0, 10_000), st.integers(1, 40), min_size=1, max_size=60)


@given(cell_rows=rows, min_rows=st.integers(1, 60))
def test_groups_partition_the_cells_and_are_large_enough(cell_rows: dict[int, int], min_rows: int) -> None:
    """Every cell is in one group, which every cell of it agrees on; a group is smaller than asked only if it is all."""
    groups = merged_groups(cell_rows, min_rows)
    assert groups.keys() == cell_rows.keys()
    for cell, group in groups.items():
        assert cell in group
        assert all(groups[other] == group for other in group)
        assert sum(cell_rows[c] for c in group) >= min_rows or len(group) == len(cell_rows)


@given(
    cell_rows=rows, min_rows=st.integers(1, 60), per_batch=st.integers(1, 9), seed=st.binary(max_size=8), data=st.data()
)
def test_a_cover_holds_the_hits_and_depends_on_them_only(
    cell_rows: dict[int, int], min_rows: int, per_batch: int, seed: bytes, data: st.DataObject
) -> None:
    """Hits are covered, every group with a member in it is in it whole, the count is padded where cells are left."""
    hits = data.draw(st.sets(st.sampled_from(sorted(cell_rows)), min_size=1))
    chosen = cover(hits, cell_rows, min_rows=min_rows, cells_per_batch=per_batch, seed=seed)
    assert chosen == sorted(set(chosen))
    assert hits <= set(chosen) <= cell_rows.keys()
    groups = merged_groups(cell_rows, min_rows)
    assert all(set(groups[cell]) <= set(chosen) for cell in chosen)
    missing = -len(chosen) % per_batch
    assert not [c for c in cell_rows if c not in chosen and len(groups[c]) <= missing]
    order = data.draw(st.permutations(sorted(hits)))
    assert cover(order, cell_rows, min_rows=min_rows, cells_per_batch=per_batch, seed=seed) == chosen


@given(cell_rows=rows, min_rows=st.integers(1, 60), data=st.data())
def test_any_hit_of_a_group_gives_the_same_batch(cell_rows: dict[int, int], min_rows: int, data: st.DataObject) -> None:
    """Which cell of a thinned-out group was hit does not show."""
    cell = data.draw(st.sampled_from(sorted(cell_rows)))
    covers = {
        tuple(cover([other], cell_rows, min_rows=min_rows, cells_per_batch=4, seed=b"s"))
        for other in merged_groups(cell_rows, min_rows)[cell]
    }
    assert len(covers) == 1


def test_no_hits_bring_no_batch() -> None:
    """Without hits there is nothing to cover."""
    assert cover([], {1: 10}, min_rows=10, cells_per_batch=4, seed=b"") == []


def test_padding_follows_the_seed() -> None:
    """Another seed draws other cells; the order does not depend on the hits."""
    cell_rows = dict.fromkeys(range(100), 10)
    drawn = [
        set(cover([hit], cell_rows, min_rows=10, cells_per_batch=20, seed=seed)) - {hit}
        for hit, seed in ((5, b"a"), (6, b"a"), (5, b"b"))
    ]
    assert len(drawn[0] & drawn[1]) >= 18
    assert len(drawn[0] & drawn[2]) < 15
