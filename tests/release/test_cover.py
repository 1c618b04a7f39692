"""Which cells leave together."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.release.conftest import SetBuild, some_urls
from tests.release.test_create import rows_of

from linkwell.base.settings import RecallSettings, Settings
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.release import Partition, create_release, open_release
from linkwell.release.cover import BIN_BLOCK_CELLS, BLOCK_CELLS, block_starts, cover_seed, draw_cover, merged_groups

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
    cell_rows=rows,
    min_rows=st.integers(1, 60),
    padding=st.tuples(st.integers(1, 9), st.integers(0, 2)),
    seed=st.binary(max_size=8),
    data=st.data(),
)
def test_a_cover_holds_the_hits_and_depends_on_them_only(
    cell_rows: dict[int, int], min_rows: int, padding: tuple[int, int], seed: bytes, data: st.DataObject
) -> None:
    """Hits are covered, every group with a member in it is in it whole, the count is padded where cells are left."""
    per_batch, per_hit = padding
    hits = data.draw(st.sets(st.sampled_from(sorted(cell_rows)), min_size=0))
    blocks = sorted({min(cell_rows), *data.draw(st.lists(st.integers(0, 10_000), max_size=4))})

    def draw(cells: list[int]) -> list[int]:
        return draw_cover(
            cells, cell_rows, blocks, min_rows=min_rows, batch_cells=per_batch, padding_per_hit=per_hit, seed=seed
        )

    chosen = draw(sorted(hits))
    assert chosen == sorted(set(chosen))
    assert hits <= set(chosen) <= cell_rows.keys()
    groups = merged_groups(cell_rows, min_rows)
    assert all(set(groups[cell]) <= set(chosen) for cell in chosen)
    covered = {cell for hit in hits for cell in groups[hit]}
    missing = -(-max(len(covered) * (1 + per_hit), 1) // per_batch) * per_batch - len(chosen)
    assert missing >= 0
    assert not [c for c in cell_rows if c not in chosen and len(groups[c]) <= missing]
    assert draw(data.draw(st.permutations(sorted(hits)))) == chosen


def draw(hits: list[int], blocks: tuple[int, ...] = (0,), seed: bytes = b"s", batch: int = 20) -> set[int]:
    """A cover over 400 cells of ten rows."""
    cells = dict.fromkeys(range(400), 10)
    return set(draw_cover(hits, cells, blocks, min_rows=10, batch_cells=batch, padding_per_hit=1, seed=seed))


def test_padding_follows_the_seed() -> None:
    """Another seed draws other cells; the order does not depend on the hits."""
    first, second, third = draw([5], seed=b"a"), draw([6], seed=b"a"), draw([5], seed=b"b")
    assert len((first - {5}) & (second - {6})) >= 18
    assert len((first - {5}) & (third - {5})) < 10


def test_padding_comes_from_the_blocks_of_the_hits() -> None:
    """As many from each block as it has hits: somebody who knows where such entries tend to be learns nothing from the rest."""
    blocks = (0, 100, 200, 300)
    hits = [110, 111, 112, 310]
    padding = draw(hits, blocks, batch=40) - set(hits)
    where = Counter(cell // 100 for cell in padding)
    assert where == {1: 27, 3: 9}


def test_what_a_block_lacks_comes_from_its_neighbours() -> None:
    """A block of five cells cannot give nineteen: the nearest blocks give the rest."""
    assert draw([2], (0, 5, 30, 60)) < set(range(30))
    assert len(draw([2], (0, 5, 30, 60))) == 20


@given(
    st.lists(st.integers(0, 3), max_size=700), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 90)), max_size=8)
)
def test_blocks_are_runs_of_look_alikes(looks: list[int], runs: list[tuple[int, int]]) -> None:
    """Every block begins where the look changes, or after so many; none but a lone one is short; a bin that has enough cells begins one."""
    bins = np.sort(np.array([bin_ for bin_, count in runs for _ in range(count)] or [0] * len(looks), np.int64))
    found = bins * 4 + np.resize(np.sort(looks), len(bins)) if looks else bins
    starts = block_starts(found, bins, 1_000)
    assert starts[:1] == ((1_000,) if len(bins) else ())
    sizes = np.diff([*starts, 1_000 + len(bins)])
    assert len(sizes) < 2 or sizes.min() >= BIN_BLOCK_CELLS
    for start in starts[1:]:
        place = start - 1_000
        assert found[place] != found[place - 1] or any(s >= 4 * BLOCK_CELLS for s in sizes)
    for each in np.unique(bins):
        first = int(np.argmax(bins == each))
        if first >= BIN_BLOCK_CELLS and (bins == each).sum() >= BIN_BLOCK_CELLS:
            assert 1_000 + first in starts


def test_a_hit_of_the_highest_bin_is_padded_with_that_bin() -> None:
    """Twenty cells of the highest bin behind a few of lower ones: the padding is of the same bin as the hits, as far as it goes."""
    bins = np.array([0] * 300 + [5] * 9 + [9] * 20)
    blocks = block_starts(bins, bins, 0)
    cells = dict.fromkeys(range(len(bins)), 10)
    drawn = draw_cover([310, 315, 320], cells, blocks, min_rows=10, batch_cells=8, padding_per_hit=1, seed=b"s")
    assert bins[drawn].tolist() == [9] * 8


def hold(workspace: Workspace, urls: list[str]) -> int:
    """A case that nobody has decided."""
    return CaseBook.open(workspace).report(urls, kind="illegal", who="ada")


def test_what_is_held_leaves_with_padding_and_stays_with_it(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """A release leaves out the cell of a suspected entry among others; the next one leaves out the same, and a recall would too."""
    toml = (workspace.root / "linkwell.toml").read_text()
    text = toml.replace("cells_per_batch = 1", "cells_per_batch = 4")
    (workspace.root / "linkwell.toml").write_text(text)
    workspace = Workspace.open(workspace.root)
    urls = some_urls(300)
    set_build(urls)
    create_release(workspace, "v1", engine=engine, without_audit="a test", who="ada")
    before = rows_of(open_release(workspace, "v1"))
    hold(workspace, [urls[7]])
    create_release(workspace, "v2", engine=engine, without_audit="a test", who="ada")
    gone = set(before.values()) - set(rows_of(open_release(workspace, "v2")).values())
    assert before[urls[7]] in gone
    assert len(gone) == 4
    other = next(url for url in urls if before[url] not in gone)
    hold(workspace, [other])
    create_release(workspace, "v3", engine=engine, without_audit="a test", who="ada")
    later = set(before.values()) - set(rows_of(open_release(workspace, "v3")).values())
    assert gone < later
    assert len(later) == 8
    leaving = Partition(workspace).leaving(
        {before[urls[7]]}, dict.fromkeys(range(30), 10), workspace.settings, min_rows=10
    )
    assert leaving.cells == gone
    assert not leaving.drawn


def test_a_killed_release_leaves_no_cover(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """A cover over cells that nobody has seen goes with them."""
    set_build(some_urls(100))
    hold(workspace, some_urls(1))
    create_release(workspace, "v1", engine=engine, without_audit="a test", who="ada")
    partition = Partition(workspace)
    assert [cover.origin for cover in partition.covers] == ["release v1"]
    partition.undo("v1")
    assert Partition(workspace).covers == ()


def test_without_hits_a_cover_is_padding_alone() -> None:
    """A batch that comes because its day has come has as many cells as one with a hit."""
    assert len(draw([])) == 20
    like = draw_cover(
        [], dict.fromkeys(range(400), 10), (0, 100), min_rows=10, batch_cells=8, padding_per_hit=1, seed=b"s", like=[3]
    )
    assert max(like) < 100


def test_seeds_differ_by_workspace_dataset_and_number() -> None:
    """Whoever lacks the key draws other cells."""
    seeds = {cover_seed(key, name, number) for key in (b"a", b"b") for name in ("x", "y") for number in (0, 1)}
    assert len(seeds) == 8
    assert Settings().recall == RecallSettings(cells_per_batch=8, padding_cells_per_hit=1)
