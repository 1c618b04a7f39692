"""Importing, showing and forgetting lists, whatever happens on the way. All entries are made up."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from linkwell.base import shards
from linkwell.base.errors import BusyError, FormatError, MissingError, StorageError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests
from linkwell.lists import forget_list, import_list, load_matcher, loading, show_lists


def _md5(number: int) -> str:
    return f"{number:032x}"


def _file(tmp_path: Path, text: str, name: str = "list.txt") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def _lines(*numbers: int) -> str:
    return "# synthetic\n" + "".join(f"md5 {_md5(number)}\n" for number in numbers)


def _has(workspace: Workspace, number: int) -> bool:
    digests = Digests(1, number.to_bytes(16), bytes(20), bytes(32))
    return bool(load_matcher(workspace).match_digests(digests))


def _files(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.lists.iterdir()}


def test_counts_add_up(workspace: Workspace, tmp_path: Path) -> None:
    """Every row is either loaded or set aside with its number and reason, and `show_lists` tells the same."""
    text = f"# synthetic\nmd5 {_md5(1)}\nmd5 bad\nvideo_md5 {_md5(2)}\n\nmd5 {_md5(1)}\nurl http://a.example/b\nwhat\n"
    report = import_list(workspace, _file(tmp_path, text), source="hotline")
    assert report.loaded == {"md5": 2, "url": 1}
    assert report.rejected == (
        (3, "not the 32 hex digits of a md5 signal"),
        (4, "unsupported signal type video_md5"),
        (8, "unknown signal type"),
    )
    assert report.rejected_count == sum(report.rejected_reasons.values()) == 3
    assert (report.synthetic, report.replaced, report.list_format) == (True, False, "signals")
    (info,) = show_lists(workspace)
    assert (info.source, info.counts, info.rejected_count) == ("hotline", report.loaded, 3)
    assert (info.synthetic, info.file_name, info.list_format) == (True, "list.txt", "signals")


def test_reports_stay_small(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is bad throughout is counted in full and named in part."""
    monkeypatch.setattr(loading, "MAX_NAMED_ROWS", 5)
    report = import_list(workspace, _file(tmp_path, _lines(1) + "md5 x\n" * 50), source="hotline")
    assert len(report.rejected) == 5
    assert report.rejected_count == 50


def test_many_parts_are_one_list(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than a part is written in parts as it is read, and every entry of every part matches."""
    monkeypatch.setattr(loading, "_PART_ROWS", 7)
    report = import_list(workspace, _file(tmp_path, _lines(*range(40))), source="hotline")
    assert report.loaded == {"md5": 40}
    assert len(_files(workspace)) == 1 + 6
    assert all(_has(workspace, number) for number in range(40))
    assert not _has(workspace, 40)


def test_import_replaces_the_source_only(workspace: Workspace, tmp_path: Path) -> None:
    """Importing a source again leaves nothing of its old list, and other sources as they were."""
    import_list(workspace, _file(tmp_path, _lines(1, 2)), source="hotline")
    import_list(workspace, _file(tmp_path, _lines(3)), source="other")
    before = _files(workspace)
    report = import_list(workspace, _file(tmp_path, _lines(2, 4)), source="hotline")
    assert report.replaced
    assert [_has(workspace, number) for number in (1, 2, 3, 4)] == [False, True, True, True]
    assert len(_files(workspace)) == len(before) == 3
    assert [info.source for info in show_lists(workspace)] == ["hotline", "other"]


def test_forget_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """A forgotten list matches nothing and no file of it is left; one that is not there is an error."""
    import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    forget_list(workspace, "hotline")
    assert not _has(workspace, 1)
    assert load_matcher(workspace).empty
    assert show_lists(workspace) == []
    assert _files(workspace) == {"index.parquet"}
    with pytest.raises(MissingError, match="hotline"):
        forget_list(workspace, "hotline")


def test_synthetic_can_be_said(workspace: Workspace, tmp_path: Path) -> None:
    """The caller's word about `synthetic` goes before the header's."""
    assert not import_list(workspace, _file(tmp_path, _lines(1)), source="a", synthetic=False).synthetic
    assert import_list(workspace, _file(tmp_path, f"md5 {_md5(1)}\n"), source="b", synthetic=True).synthetic


@pytest.mark.parametrize(
    ("text", "arguments", "error"),
    [
        (_lines(1), {"source": "Hot Line"}, UsageError),
        (_lines(1), {"source": "../x"}, UsageError),
        (_lines(1), {"source": "hotline", "list_format": "xml"}, UsageError),
        (_md5(1) + "\n", {"source": "hotline"}, FormatError),
        ("", {"source": "hotline"}, FormatError),
        ("md5 x\nmd5 y\n", {"source": "hotline"}, FormatError),
        ("", {"source": "hotline", "list_format": "md5"}, FormatError),
        (f"md5,{_md5(1)}\n", {"source": "hotline", "list_format": "tx-csv"}, FormatError),
    ],
)
def test_a_refused_import_changes_nothing(
    workspace: Workspace, tmp_path: Path, text: str, arguments: dict[str, str], error: type[Exception]
) -> None:
    """A list of which nothing loads, or a wrong call, leaves the list that was there."""
    import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    before = _files(workspace)
    with pytest.raises(error):
        import_list(workspace, _file(tmp_path, text), **arguments)  # type: ignore[arg-type] # source and list_format only
    assert _files(workspace) == before
    assert _has(workspace, 1)


def test_two_imports_do_not_meet(workspace: Workspace, tmp_path: Path) -> None:
    """While one import is at work, another is told so and changes nothing."""
    import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    with workspace.lock("lists"), pytest.raises(BusyError):
        import_list(workspace, _file(tmp_path, _lines(2)), source="hotline")
    assert _has(workspace, 1)


@pytest.mark.parametrize("failing", range(1, 6))
def test_a_full_disk_leaves_the_old_list(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whichever write fails for want of space, the old list is whole or the new one is, and nothing else is left."""
    monkeypatch.setattr(loading, "_PART_ROWS", 2)
    import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    real, calls = os.fsync, iter(range(1, 100))

    def full(descriptor: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(shards.os, "fsync", full)  # type: ignore[attr-defined] # the module's own import of os
        with pytest.raises(StorageError, match="space"):
            import_list(workspace, _file(tmp_path, _lines(2, 3, 4)), source="hotline")
    states = [_has(workspace, 1), all(_has(workspace, number) for number in (2, 3, 4))]
    assert states.count(True) == 1
    assert len([name for name in _files(workspace) if not name.startswith("index")]) == (1 if states[0] else 2)
    import_list(workspace, _file(tmp_path, _lines(5)), source="hotline")
    assert [_has(workspace, number) for number in (1, 2, 5)] == [False, False, True]


_KILLED = """
import os, signal, sys
from pathlib import Path
from linkwell.base import shards
from linkwell.base.workspace import Workspace
from linkwell.lists import importing, loading
loading._PART_ROWS = 2
killing, calls, real = int(sys.argv[3]), iter(range(1, 100)), os.fsync
def fsync(descriptor):
    if next(calls) == killing:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)
os.fsync = fsync
importing.import_list(Workspace.open(Path(sys.argv[1])), Path(sys.argv[2]), source="hotline")
"""


@pytest.mark.parametrize("first", [True, False], ids=["first list", "replacing"])
@pytest.mark.parametrize("killing", [1, 3, 5, 6, 7])
def test_a_killed_import_leaves_a_whole_list(
    workspace: Workspace, tmp_path: Path, killing: int, *, first: bool
) -> None:
    """Kill -9 at any write leaves the old list or the new one; the same command finishes the work and sweeps the rest."""
    if not first:
        import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    new = _file(tmp_path, _lines(2, 3, 4), "new.txt")
    command = [sys.executable, "-c", _KILLED, str(workspace.root), str(new), str(killing)]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode in (-signal.SIGKILL, 0)
    assert killed.returncode == -signal.SIGKILL or killing == 7
    assert _has(workspace, 1) == (not first and not _has(workspace, 2))
    assert _has(workspace, 2) == _has(workspace, 4)
    import_list(workspace, new, source="hotline")
    assert [_has(workspace, number) for number in (1, 2, 3, 4)] == [False, True, True, True]
    assert len(_files(workspace)) == 2


def test_everything_is_for_the_owner_only(workspace: Workspace, tmp_path: Path) -> None:
    """Folder 0700, every file in it 0600."""
    import_list(workspace, _file(tmp_path, _lines(1)), source="hotline")
    assert stat.S_IMODE(workspace.lists.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in workspace.lists.iterdir()} == {0o600}
