"""Rule 8: the program itself: what a crash says, and who may write to what it makes."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from linkwell import cli

LINKWELL = str(Path(sys.executable).with_name("linkwell"))
LISTED = "https://suspected.example/0123456789abcdef.jpg"


def _crash(*_arguments: object, **_options: object) -> None:
    raise ValueError(f"could not convert {LISTED!r}") from KeyError(LISTED)


def test_an_error_nobody_foresaw_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library's message may quote a value; the program shows where it happened and of what kind it was, and exits with 3."""
    monkeypatch.setattr(cli, "app", _crash)
    monkeypatch.delenv("LINKWELL_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    told = capsys.readouterr()
    assert stopped.value.code == 3
    assert "ValueError" in told.err
    assert "_crash" in told.err
    assert LISTED not in told.out + told.err
    monkeypatch.setenv("LINKWELL_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        cli.main()
    assert LISTED in capsys.readouterr().err


def test_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    """Where the shell allows core files, a crash inside a command leaves none: memory holds lists and ledger."""
    crash = (
        "import os, resource; from linkwell import cli; "
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]; resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)); "
        "cli.app = lambda **_: (print(resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True), os.abort()); cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", crash], check=False, capture_output=True, cwd=tmp_path)
    assert done.returncode == -signal.SIGABRT
    assert done.stdout.split() == [b"0"]
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_writes_to_a_workspace(tmp_path: Path) -> None:
    """Under umask 000 the folders and files of a workspace are still writable for their owner alone, restricted ones unreadable."""
    root = tmp_path / "w"
    listed = tmp_path / "list.txt"
    listed.write_text("# synthetic\nmd5 00000000000000000000000000000001\n")
    commands = (
        ["init", str(root)],
        ["-w", str(root), "lists", "import", str(listed), "--source", "a"],
        ["feed", "keys"],
    )
    for command in commands:
        subprocess.run(
            [LINKWELL, *command],
            check=True,
            capture_output=True,
            umask=0,
            env={**os.environ, "LINKWELL_WORKSPACE": str(root)},
        )
    seen = {path: stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}
    assert {str(path): oct(mode) for path, mode in seen.items() if mode & 0o022} == {}
    closed = [root / name for name in ("ledger", "lists", "findings", "keys", "recalls", "cases.sqlite")]
    assert {str(path): oct(seen[path]) for path in closed if seen[path] & 0o077} == {}
