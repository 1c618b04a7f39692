"""Rule 8: what pads a covered batch cannot be told from what is hit, by anybody who has everything that is public."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from tests.recall.conftest import SETTINGS, cells_by_url, dataset, release, take_down

from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.recall import create_recall
from linkwell.release import Partition, open_release
from linkwell.release.cover import cover_seed, draw_cover, merged_groups

__all__ = ["dataset", "release"]


def test_padding_cannot_be_drawn_again_from_public_things(dataset: Workspace) -> None:
    """With the manifest, the dataset's name and the number of the batch, but without the workspace's key, other cells are drawn."""
    manifest_sha256 = open_release(dataset, "v1").manifest_sha256
    blocks = Partition(dataset).blocks()
    cells = cells_by_url(dataset)
    rows = {cell: list(cells.values()).count(cell) for cell in set(cells.values())}
    hit = next(iter(cells))
    take_down(dataset, [hit], "illegal")
    create_recall(dataset, engine=SerialEngine(), who="ana")
    table = pq.read_table(dataset.recalls / "000001" / "cells.parquet")
    padding = set(table["cell"].to_pylist()) - {cells[hit]}
    assert len(padding) == 3
    keys = [b"", bytes(32), bytes.fromhex(manifest_sha256), b"birds"]
    guesses = [cover_seed(key, "birds", number) for key in keys for number in range(3)]
    guesses.append(hashlib.sha256(f"{manifest_sha256}\0birds\0{1}".encode()).digest())
    for seed in guesses:
        drawn = draw_cover([cells[hit]], rows, blocks, min_rows=10, batch_cells=4, padding_per_hit=1, seed=seed)
        assert set(drawn) - {cells[hit]} != padding


def test_a_batch_made_again_is_the_same(tmp_path: Path, dataset: Workspace, release: Callable[..., None]) -> None:
    """The secret is the workspace's: a killed command draws the same cells again, and another workspace draws others."""
    key = dataset.master_key()
    other = Workspace.create(tmp_path / "other", "birds", SETTINGS).master_key()
    assert cover_seed(key, "birds", 1) == cover_seed(key, "birds", 1)
    seeds = [cover_seed(k, d, n) for k in (key, other) for d in ("a", "b") for n in (1, 2)]
    assert len(set(seeds)) == len(seeds)


def test_groups_of_thin_cells_pad_as_well() -> None:
    """Cells that open recalls thinned out go together; such a group in a batch must not say that it was hit."""
    cell_rows = dict.fromkeys(range(40), 10) | dict.fromkeys(range(10, 20), 5)
    groups = merged_groups(cell_rows, 10)
    thin = {cell for cell, group in groups.items() if len(group) > 1}
    assert thin
    drawn: set[int] = set()
    for number in range(20):
        drawn.update(
            draw_cover([0], cell_rows, (0,), min_rows=10, batch_cells=12, padding_per_hit=1, seed=bytes([number]))
        )
    assert thin <= drawn
