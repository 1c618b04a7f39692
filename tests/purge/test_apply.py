"""What `apply` does to a copy, checked by other means than Linkwell's own."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import webdataset

from linkwell.engine import Engine, LocalEngine
from linkwell.purge import apply, plan, verify

Rows = Callable[..., list[Any]]


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of every file of a copy."""
    return {
        p.relative_to(folder).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".linkwell" not in p.parts
    }


def keys_in(tar: Path) -> list[str]:
    with tarfile.open(tar) as archive:
        return [m.name.split(".")[0] for m in archive if m.name.endswith(".jpg")]


@pytest.mark.parametrize("layout", ["ours", "img2dataset", "ours without parquet", "img2dataset without parquet"])
def test_hits_go_and_the_rest_stays(maker: Any, rows_of: Rows, recalled: Any, engine: Engine, layout: str) -> None:
    """Recalled cells and links leave tar, parquet and stats; everything else is what it was."""
    ours, parquet = layout.startswith("ours"), not layout.endswith("without parquet")
    first, second, clean = rows_of([1, 2], 20), rows_of([3], 30), rows_of([4, 5], 10)
    for name, rows in (("00000", first), ("00001", second), ("00002", clean)):
        maker.shard(name, rows, ours=ours, parquet=parquet)
    if ours:
        maker.describe()
    before = state_of(maker.root)
    gone = recalled([2], first, links=[second[7], second[8]])
    receipt = apply(maker.root, gone, engine=engine)
    after = state_of(maker.root)
    assert receipt.statement.complete
    assert {n for n in before if before[n] != after[n]} == {
        f"{shard}{suffix}"
        for shard in ("00000", "00001")
        for suffix in (".tar", "_stats.json", *([".parquet"] if parquet else []))
    }
    for name, rows in (("00000", first), ("00001", second)):
        kept = [r for r in rows if r.cell != 2 and r not in (second[7], second[8])]
        with tarfile.open(maker.root / f"{name}.tar") as archive:
            contents = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr] # files only
        pictures = [data for member, data in contents.items() if member.endswith(".jpg")]
        assert pictures == [r.pixels for r in kept if r.status == "success"]
        stats = json.loads((maker.root / f"{name}_stats.json").read_text())
        if parquet:
            assert stats == maker.stats_of(kept)
            table = pq.read_table(maker.root / f"{name}.parquet")
            assert table["url"].to_pylist() == [r.url for r in kept]
        else:
            assert stats["successes"] == sum(r.status == "success" for r in kept) == stats["status_dict"]["success"]
    assert verify(maker.root, gone, receipt).clean
    assert verify(maker.root, gone, receipt).untouched
    assert not plan(maker.root, gone).something_to_do


def test_a_purged_copy_opens_with_webdataset(maker: Any, rows_of: Rows, recalled: Any, engine: Engine) -> None:
    """The library webdataset reads the rewritten shard: whole samples, kept ones only; a shard left empty is valid and empty."""
    rows, all_gone = rows_of([1, 2], 12), rows_of([2], 5)
    maker.shard("00000", rows, ours=True)
    maker.shard("00001", all_gone, ours=True)
    maker.describe()
    apply(maker.root, recalled([2], rows), engine=engine)
    urls = [str(maker.root / "00000.tar"), str(maker.root / "00001.tar")]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
    assert [s["__key__"] for s in samples] == [r.cell_key for r in rows if r.cell == 1 and r.status == "success"]
    assert all({"jpg", "json", "txt"} <= s.keys() for s in samples)
    assert pq.read_table(maker.root / "00001.parquet").num_rows == 0
    assert json.loads((maker.root / "00001_stats.json").read_text())["count"] == 0


def test_applying_again_changes_nothing(maker: Any, rows_of: Rows, recalled: Any, engine: Engine) -> None:
    """A second apply rewrites no file, and its receipt says so and follows the first."""
    rows = rows_of([1, 2], 12)
    maker.shard("00000", rows, ours=True)
    maker.describe()
    first = apply(maker.root, recalled([2], rows), engine=engine)
    before = state_of(maker.root)
    second = apply(maker.root, recalled([2], rows), engine=engine)
    assert state_of(maker.root) == before
    assert first.statement.rows_removed > 0 == second.statement.rows_removed
    assert second.statement.previous


def test_shards_are_purged_in_parallel_processes(maker: Any, rows_of: Rows, recalled: Any) -> None:
    """The pool of processes gives the same copy and leaves nothing of the run behind."""
    rows = rows_of(range(1, 7), 8)
    for shard in range(3):
        maker.shard(f"{shard:05d}", [r for r in rows if r.cell % 3 == shard], ours=True)
    maker.describe()
    gone = recalled([1, 2], rows)
    receipt = apply(maker.root, gone, engine=LocalEngine(2))
    assert verify(maker.root, gone, receipt).clean
    left = {p.name for p in (maker.root / ".linkwell").iterdir()}
    assert left - {"seen.json"} == {"purge.key", "purge.lock", "receipts"}


def test_a_sample_goes_from_all_files_if_one_file_names_it(
    maker: Any, rows_of: Rows, recalled: Any, engine: Engine
) -> None:
    """Where the members say nothing, the parquet's URL decides; where the parquet's row lacks it, the JSON does."""
    rows = rows_of([1], 10)
    maker.shard("00000", rows, ours=False, told=False)
    apply(maker.root, recalled([], rows, links=[rows[3]]), engine=engine)
    assert "000000003" not in keys_in(maker.root / "00000.tar")
    assert len(keys_in(maker.root / "00000.tar")) == sum(r.status == "success" for r in rows) - 1


def test_samples_that_nothing_identifies_are_counted(maker: Any, rows_of: Rows, recalled: Any, engine: Engine) -> None:
    """Samples without URL, id or row are reported, never passed over."""
    rows = rows_of([1], 10)
    maker.shard("00000", rows, ours=False, parquet=False, told=False)
    found = plan(maker.root, recalled([], rows, links=[rows[3]]))
    assert found.unidentified == sum(r.status == "success" for r in rows)
