"""Killed runs, full disks, read-only and damaged files: the copy is whole, nothing is passed over, a rerun finishes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from linkwell.base.errors import BusyError, FormatError, MissingError, UsageError
from linkwell.base.shards import commit, temporary_path
from linkwell.base.workspace import folder_lock
from linkwell.engine import Engine
from linkwell.purge import PurgeOptions, apply, plan, verify
from linkwell.purge import note as note_module
from linkwell.purge import rewrite as rewrite_module

Rows = Callable[..., list[Any]]
SCRIPT = Path(__file__).with_name("kill_at_every_step.py")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".linkwell" not in p.parts
    }


@pytest.mark.slow
def test_killed_at_any_step_the_same_command_finishes(
    maker: Any, rows_of: Rows, recalled: Any, engine: Engine, tmp_path: Path
) -> None:
    """SIGKILL at each of the steps of `apply`: the rerun leaves what an undisturbed run leaves, with true receipts."""
    rows = rows_of(range(1, 4), 12)
    for shard in range(2):
        maker.shard(f"{shard:05d}", [r for r in rows if r.place % 2 == shard], ours=True)
    maker.describe()
    gone = recalled([2], rows, links=[rows[0]])
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(maker.root, undisturbed)
    receipt = apply(undisturbed, gone, engine=engine)
    told = {
        "cells": sorted(gone.cells),
        "ids": [i.ljust(16, b"\0").hex() for i in gone.link_ids.tolist()],
        "expected": {f.name: f.sha256_after for f in receipt.statement.files},
        "rows": receipt.statement.rows_removed,
    }
    (tmp_path / "told.json").write_text(json.dumps(told))
    every = os.environ.get("LINKWELL_KILL_EVERY", "4")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(maker.root), str(tmp_path / "work"), str(tmp_path / "told.json"), every],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 40


def test_trouble_between_two_renames_is_in_the_receipt(
    spoiled: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tar was replaced and the parquet could not be: the receipt says both, and the next apply finishes."""
    root, gone, _rows = spoiled
    before = contents(root)

    def failing(temporary: Path, final: Path) -> None:
        if final.name == "00000.parquet":
            raise OSError(5, "Input/output error")
        commit(temporary, final)

    with monkeypatch.context() as patch:
        patch.setattr(note_module, "commit", failing)
        stated = apply(root, gone, engine=engine).statement
    assert list(stated.problems) == ["00000.tar"]
    files = {f.name: f for f in stated.files}
    assert files["00000.tar"].rows_removed > 0 == files["00000.parquet"].rows_removed
    assert files["00000.tar"].sha256_before == hashlib.sha256(before["00000.tar"]).hexdigest()
    assert apply(root, gone, engine=engine).statement.complete
    assert verify(root, gone, None).clean


@pytest.fixture
def spoiled(maker: Any, rows_of: Rows, recalled: Any) -> Any:
    """A copy of three shards, all with hits; and what is recalled."""
    rows = rows_of(range(1, 4), 12)
    for shard in range(3):
        maker.shard(f"{shard:05d}", [r for r in rows if r.place % 3 == shard], ours=True)
    maker.describe()
    return maker.root, recalled([2], rows), rows


def assert_only_the_first_shard_failed(
    root: Path, gone: Any, before: dict[str, bytes], engine: Engine, why: str
) -> None:
    receipt = apply(root, gone, engine=engine)
    after = contents(root)
    assert not receipt.statement.complete
    assert list(receipt.statement.problems) == ["00000.tar"]
    assert why in receipt.statement.problems["00000.tar"]
    for name, old in before.items():
        assert (after[name] == old) == (name.startswith("00000") or name == "linkwell.copy"), name
    assert after.keys() == before.keys()


@pytest.mark.parametrize("suffix", [".tar", ".parquet", "_stats.json"])
def test_a_full_disk_leaves_the_shard_as_it_was(
    spoiled: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """ENOSPC while a new file is written: a clear problem, the old file whole, no temporary file, the others done."""
    root, gone, _rows = spoiled
    before = contents(root)
    real = temporary_path

    def full(final: Path) -> Path:
        path = real(final)
        if final.name == f"00000{suffix}":
            path.symlink_to("/dev/full")
        return path

    with monkeypatch.context() as patch:
        patch.setattr(rewrite_module, "temporary_path", full)
        assert_only_the_first_shard_failed(root, gone, before, engine, "No space left on device")
    assert apply(root, gone, engine=engine).statement.complete
    assert verify(root, gone, None).clean


@pytest.mark.parametrize("suffix", [".tar", ".parquet"])
def test_a_read_only_file_is_named_and_the_others_are_done(spoiled: Any, engine: Engine, suffix: str) -> None:
    """A file its owner may not write is not replaced behind his back."""
    root, gone, _rows = spoiled
    before = contents(root)
    (root / f"00000{suffix}").chmod(0o444)
    assert_only_the_first_shard_failed(root, gone, before, engine, f"00000{suffix}: the file is read-only")
    (root / f"00000{suffix}").chmod(0o640)
    assert apply(root, gone, engine=engine).statement.complete
    assert (root / f"00000{suffix}").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".tar", lambda data: data[:-9_000] if len(data) > 20_000 else data[:700]),
        (".tar", lambda data: data[:1] + b"?" + data[2:]),
        (".parquet", lambda data: data[:-7]),
        (".parquet", lambda data: b"PAR1" + bytes(len(data) - 8) + b"PAR1"),
        ("_stats.json", lambda data: data[:-3]),
    ],
    ids=["tar cut", "tar header", "parquet cut", "parquet zeroed", "stats cut"],
)
def test_a_damaged_file_is_an_error_and_never_a_skip(
    spoiled: Any, engine: Engine, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    """Plan, apply and verify name the shard; it stays as it was; the others are purged."""
    root, gone, _rows = spoiled
    path = root / f"00000{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    before = contents(root)
    if suffix != "_stats.json":  # only a rewrite reads the stats
        assert list(plan(root, gone).problems) == ["00000.tar"]
    assert_only_the_first_shard_failed(root, gone, before, engine, "")
    report = verify(root, gone, None)
    assert not report.clean
    assert "00000.tar" in report.problems or "00000.tar" in report.left


def test_problems_and_errors_quote_nothing(spoiled: Any, engine: Engine, maker: Any) -> None:
    """A sample whose JSON is broken is named by its shard only: no URL, key or text of it."""
    root, gone, rows = spoiled
    path = root / "00000.tar"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"caption"', b'"caption\x01', 1))
    receipt = apply(root, gone, engine=engine, options=PurgeOptions(thorough=True))
    text = str(receipt.statement.problems)
    assert "JSON" in text
    assert not any(r.url in text or r.text in text or r.cell_key in text for r in rows)


def test_two_purges_at_once_are_refused(spoiled: Any, engine: Engine) -> None:
    """The second stops at once and touches nothing."""
    root, gone, _rows = spoiled
    before = contents(root)
    with folder_lock(root / ".linkwell", "purge"), pytest.raises(BusyError):
        apply(root, gone, engine=engine)
    assert contents(root) == before


def test_a_copy_of_another_dataset_is_refused(spoiled: Any, engine: Engine) -> None:
    """Cells of one dataset mean nothing in another."""
    root, gone, _rows = spoiled
    text = (root / "linkwell.copy").read_text().replace("birds", "fishes")
    (root / "linkwell.copy").write_text(text)
    with pytest.raises(UsageError, match="fishes"):
        apply(root, gone, engine=engine)
    (root / "linkwell.copy").write_text("[")
    with pytest.raises(FormatError):
        plan(root, gone)


def test_a_folder_with_nothing_to_purge_is_an_error(tmp_path: Path, recalled: Any, engine: Engine) -> None:
    """A wrong folder does not look like a purged one."""
    with pytest.raises(MissingError):
        plan(tmp_path / "nowhere", recalled([1], []))
    (tmp_path / "notes.doc").write_bytes(b"x")
    with pytest.raises(UsageError, match="nothing here"):
        apply(tmp_path, recalled([1], []), engine=engine)


def test_what_cannot_be_reached_is_reported(spoiled: Any, engine: Engine) -> None:
    """Files of other kinds, links, hard links and version control are counted by kind, not named."""
    root, gone, _rows = spoiled
    (root / "embeddings.npy").write_bytes(b"x")
    (root / "0000000200001.jpg").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / "other.tar").symlink_to(root / "00000.tar")
    os.link(root / "00001.tar", root.parent / "second-name.tar")
    receipt = apply(root, gone, engine=engine)
    assert receipt.statement.unreached == {
        ".git folders": 1,
        ".npy files": 1,
        "symbolic links": 1,
        "hard links to rewritten files": 1,
    }
    assert not (root / "0000000200001.jpg").exists()  # its key names the recalled cell
    assert "0000000200001" not in str(receipt)


def test_damage_found_while_rewriting_leaves_the_file(spoiled: Any, engine: Engine) -> None:
    """A parquet whose identity columns read and whose pictures' columns do not is not half rewritten."""
    root, gone, _rows = spoiled
    path = root / "00000.parquet"
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)
    before = contents(root)
    assert_only_the_first_shard_failed(root, gone, before, engine, "damaged")
