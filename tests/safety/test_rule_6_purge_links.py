"""Rule 6, at purge: a copy is not called clean while a link leads to samples elsewhere, and it does not choose where we write."""

import hashlib
from pathlib import Path

import pytest
from tests.purge.conftest import CopyMaker, make_rows, recalled_of

from linkwell.base.errors import UsageError
from linkwell.engine import SerialEngine
from linkwell.purge import apply, open_feed, plan, verify

ROWS = make_rows([1, 2, 3], 4)


@pytest.mark.parametrize("target", ["a shard", "a folder"])
def test_a_shard_behind_a_link_is_a_problem(tmp_path: Path, target: str) -> None:
    """What a link leads to outside is not rewritten, and neither plan, receipt nor verify passes over it."""
    outside, root = tmp_path / "outside", tmp_path / "copy"
    CopyMaker(outside).shard("00007", ROWS, ours=False)
    CopyMaker(root).shard("00000", ROWS, ours=False)
    link = root / ("00007.tar" if target == "a shard" else "more")
    link.symlink_to(outside / "00007.tar" if target == "a shard" else outside)
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outside.iterdir()}
    gone = recalled_of([2], ROWS)
    assert link.name in plan(root, gone).problems
    receipt = apply(root, gone, engine=SerialEngine())
    assert not receipt.statement.complete
    assert link.name in receipt.statement.problems
    assert not verify(root, gone, receipt).clean
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outside.iterdir()} == before
    link.unlink()
    assert apply(root, gone, engine=SerialEngine()).statement.complete


def test_a_link_inside_the_copy_is_no_problem(tmp_path: Path) -> None:
    """What it leads to is purged under its own name."""
    root = tmp_path / "copy"
    CopyMaker(root).shard("00000", ROWS, ours=False)
    (root / "again.tar").symlink_to("00000.tar")
    assert apply(root, recalled_of([2], ROWS), engine=SerialEngine()).statement.complete


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A copy from a stranger may bring `.linkwell` as a link: nothing is written, swept or removed where it leads."""
    victim, root = tmp_path / "victim", tmp_path / "copy"
    (victim / "run").mkdir(parents=True)
    (victim / "run" / "mine.txt").write_text("mine")
    (victim / ".mine.tmp").write_text("mine")
    CopyMaker(root).shard("00000", ROWS, ours=False)
    (root / ".linkwell").symlink_to(victim)
    with pytest.raises(UsageError):
        apply(root, recalled_of([2], ROWS), engine=SerialEngine())
    with pytest.raises(UsageError):
        open_feed(str(tmp_path), root / ".linkwell", root=None)
    assert sorted(path.name for path in victim.rglob("*")) == [".mine.tmp", "mine.txt", "run"]
