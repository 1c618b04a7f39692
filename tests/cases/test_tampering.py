"""Damage, full disks and kills: what the case book makes of them."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkwell.base.errors import BusyError, DamagedFileError, LinkwellError, SafetyError, SignatureError, StorageError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, store
from linkwell.cases.chain import End, write_head
from linkwell.cases.database import database_errors

URL = "https://a.example/photo.jpg"


class KilledError(BaseException):
    """Stands for a kill: no handler of ours may catch it."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Add `before` or `after` to be killed in place of the head's first or second writing."""
    points: list[str] = []

    def write(path: Path, master_key: bytes, end: End, following_end: End | None = None) -> None:
        point = "after" if following_end is None else "before"
        if point in points:
            raise KilledError
        write_head(path, master_key, end, following_end)

    monkeypatch.setattr(store, "write_head", write)
    yield points
    points.clear()


def test_killed_before_the_commit(workspace: Workspace, book: CaseBook, killed_at: list[str]) -> None:
    """A kill before the head announces the change leaves nothing of the change."""
    killed_at.append("before")
    with pytest.raises(KilledError):
        book.report([URL], kind="illegal", who=None)
    killed_at.clear()
    again = CaseBook.open(workspace)
    assert again.cases() == []
    assert again.verify_log().entries == 0


def test_killed_after_the_commit(workspace: Workspace, book: CaseBook, killed_at: list[str]) -> None:
    """A kill between the commit and the head's second writing leaves the whole change, and a log that holds."""
    killed_at.append("after")
    with pytest.raises(KilledError):
        book.report([URL], kind="illegal", who=None)
    killed_at.clear()
    assert book.verify_log().entries == 1
    book.report([URL], kind="illegal", who=None)  # without being opened again
    again = CaseBook.open(workspace)
    assert again.verify_log().entries == 2
    assert len(again.cases()) == 2


def test_opening_settles_an_announced_head(
    workspace: Workspace, book: CaseBook, killed_at: list[str], tmp_path: Path
) -> None:
    """After a kill, opening writes the head anew, so that the last entry cannot be cut off unnoticed."""
    before = tmp_path / "before.sqlite"
    book.report([URL], kind="illegal", who=None)
    shutil.copy(workspace.cases, before)
    killed_at.append("after")
    with pytest.raises(KilledError):
        book.report([URL], kind="illegal", who=None)
    killed_at.clear()
    CaseBook.open(workspace)
    shutil.copy(before, workspace.cases)
    with pytest.raises(SignatureError):
        CaseBook.open(workspace).verify_log()


def test_kill_9_at_any_moment(workspace: Workspace) -> None:
    """A process that reports in a loop and is killed by SIGKILL leaves whole cases, each with its entries and log entry."""
    code = (
        "import sys; from pathlib import Path\n"
        "from linkwell.base.workspace import Workspace; from linkwell.cases import CaseBook\n"
        "book = CaseBook.open(Workspace.open(Path(sys.argv[1])))\n"
        "while True:\n"
        "    book.report([f'https://a.example/{n}.jpg' for n in range(50)], kind='illegal', who=None)\n"
        "    print('.', flush=True)\n"
    )
    for reports in (1, 3, 4):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(reports):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
        book = CaseBook.open(workspace)
        assert all(case.entry_count == 50 for case in book.cases())
        assert book.verify_log().entries == len(book.cases()) >= reports


def test_two_processes_at_once(workspace: Workspace, book: CaseBook) -> None:
    """Reports by two processes at the same time are all taken in, one after the other."""
    code = (
        "import sys; from pathlib import Path\n"
        "from linkwell.base.workspace import Workspace; from linkwell.cases import CaseBook\n"
        "book = CaseBook.open(Workspace.open(Path(sys.argv[1])))\n"
        "for n in range(15): book.report([f'https://a.example/{n}.jpg'], kind='illegal', who=None)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(workspace.root)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert book.verify_log().entries == 30


def test_damaged_database(workspace: Workspace, book: CaseBook) -> None:
    """A database whose bytes are not one any more is an error that names the file."""
    book.report([URL], kind="illegal", who=None)
    workspace.cases.write_bytes(b"x" * workspace.cases.stat().st_size)
    with pytest.raises(DamagedFileError) as raised:
        CaseBook.open(workspace)
    assert raised.value.where == str(workspace.cases)


def test_lost_database(workspace: Workspace, book: CaseBook) -> None:
    """A database that is gone while its log had entries is not quietly replaced by an empty one."""
    book.report([URL], kind="illegal", who=None)
    workspace.cases.unlink()
    with pytest.raises(DamagedFileError, match="gone"):
        CaseBook.open(workspace)
    assert not workspace.cases.exists()


def test_older_backup_of_the_database(workspace: Workspace, book: CaseBook, tmp_path: Path) -> None:
    """An older database under a newer head lost entries: nothing is added to it, and it does not verify."""
    book.report([URL], kind="illegal", who=None)
    shutil.copy(workspace.cases, tmp_path / "old.sqlite")
    book.report([URL], kind="illegal", who=None)
    shutil.copy(tmp_path / "old.sqlite", workspace.cases)
    again = CaseBook.open(workspace)
    with pytest.raises(SignatureError):
        again.report([URL], kind="illegal", who=None)
    with pytest.raises(SignatureError):
        again.verify_log()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"end":{}}', b"\xff\xfe", None])
def test_damaged_or_lost_head(workspace: Workspace, book: CaseBook, content: bytes | None) -> None:
    """A head that does not read, or is gone, stops everything."""
    book.report([URL], kind="illegal", who=None)
    head = workspace.root / "log.head"
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    with pytest.raises(SignatureError):
        CaseBook.open(workspace)
    with pytest.raises(SignatureError):
        book.report([URL], kind="illegal", who=None)


def test_full_disk(workspace: Workspace, book: CaseBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under the head takes the change back and says so; with room again the same report works."""

    def full(*_args: object) -> None:
        raise StorageError("cannot write: No space left on device", "log.head")

    monkeypatch.setattr(store, "write_head", full)
    with pytest.raises(StorageError):
        book.report([URL], kind="illegal", who=None)
    monkeypatch.undo()
    assert book.cases() == []
    book.report([URL], kind="illegal", who=None)
    assert book.verify_log().entries == 1


def test_full_disk_under_the_database(workspace: Workspace, book: CaseBook) -> None:
    """SQLite's own `full` is our StorageError, and names the file."""
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE large (value)")
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StorageError, match="full") as raised, database_errors(workspace.cases):
            connection.executemany("INSERT INTO large VALUES (?)", [(b"x" * 10_000,)] * 100)
    assert raised.value.where == str(workspace.cases)


def test_locked_database(workspace: Workspace, book: CaseBook) -> None:
    """SQLite's own `locked` is our BusyError."""
    with (
        contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as one,
        contextlib.closing(sqlite3.connect(workspace.cases, timeout=0)) as other,
    ):
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError), database_errors(workspace.cases):
            other.execute("BEGIN IMMEDIATE")


def test_errors_of_the_database_hold_no_value(workspace: Workspace) -> None:
    """A statement that the database refuses does not bring its values, ids of links, into the message."""
    secret = b"restricted-value"
    from linkwell.cases.database import open_database, writing  # noqa: PLC0415 - the inside, for this test alone
    from linkwell.cases.tables import entries  # noqa: PLC0415 - same

    engine = open_database(workspace.cases)
    with (
        pytest.raises(SafetyError) as raised,
        database_errors(workspace.cases),
        writing(engine).begin() as connection,
    ):
        connection.execute(entries.insert().values(case_number=99, link_id=secret, source="s"))
    chain: BaseException | None = raised.value
    while chain is not None:
        assert secret.decode() not in str(chain)
        chain = chain.__cause__


def test_another_master_key(workspace: Workspace, book: CaseBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write the files but has not the key cannot make a head that holds."""
    book.log("note", "ada", None, {})
    monkeypatch.setenv("LINKWELL_MASTER_KEY", "ab" * 32)
    with pytest.raises(LinkwellError, match="head"):
        CaseBook.open(workspace)
