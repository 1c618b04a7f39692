"""Ground rule 4: the log only grows, and `linkwell log verify` proves it."""
# ruff: noqa: S608 - the statements are put together from this file's own constants

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from linkwell.base.errors import SignatureError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.guards import GUARDS

ENTRIES = 6
COLUMNS = "seq, at, who, action, case_number, detail, prev_hash, hash"

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def book(workspace: Workspace) -> CaseBook:
    """A book whose log has six entries."""
    book = CaseBook.open(workspace)
    number = book.report(["https://a.example/photo.jpg"], kind="illegal", who=None)
    book.propose(number, "takedown", "ada")
    book.approve(number, "grace")
    for version in ("v1", "v2", "v3"):
        book.log("release made", "ada", None, {"version": version})
    assert book.verify_log().entries == ENTRIES
    return book


def _rehash(row: tuple[object, ...]) -> str:
    """The documented encoding of an entry, written anew: what somebody who knows the code would compute."""
    seq, at, who, action, case, detail, prev_hash = row
    message = b"linkwell:log:1\0"
    for field in (str(seq), at, who, action, "" if case is None else str(case), detail, prev_hash):
        raw = str(field).encode()
        message += len(raw).to_bytes(8, "big") + raw
    return hashlib.sha256(message).hexdigest()


def _rechain(connection: sqlite3.Connection, first: int, last: int | None = None) -> None:
    """Compute the hashes of entries `first` to `last` anew, so that they follow one another."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM log ORDER BY seq").fetchall()
    previous = rows[first - 2][7] if first > 1 else rows[0][6]
    for row in rows[first - 1 : last]:
        fixed = _rehash((*row[:6], previous))
        connection.execute("UPDATE log SET prev_hash = ?, hash = ? WHERE seq = ?", (previous, fixed, row[0]))
        previous = fixed


def _edit_and_rehash_row(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE log SET who = 'linus' WHERE seq = 4")
    _rechain(connection, 4, 4)


def _edit_and_rehash_last(connection: sqlite3.Connection) -> None:
    connection.execute(f"UPDATE log SET who = 'linus' WHERE seq = {ENTRIES}")
    _rechain(connection, ENTRIES)


def _edit_and_rehash_all(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE log SET who = 'linus' WHERE seq = 4")
    _rechain(connection, 4)


def _delete_and_renumber(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM log WHERE seq = 4")
    connection.execute("UPDATE log SET seq = seq - 1 WHERE seq > 4")
    _rechain(connection, 4)


def _swap(connection: sqlite3.Connection) -> None:
    for old, new in ((4, 99), (5, 4), (99, 5)):
        connection.execute("UPDATE log SET seq = ? WHERE seq = ?", (new, old))


def _insert(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE log SET seq = -seq - 1 WHERE seq >= 4")
    connection.execute("UPDATE log SET seq = -seq WHERE seq < 0")
    connection.execute("INSERT INTO log SELECT 4, at, who, action, NULL, '{}', prev_hash, hash FROM log WHERE seq = 5")
    _rechain(connection, 4, 4)


def _append(connection: sqlite3.Connection) -> None:
    connection.execute(
        f"INSERT INTO log SELECT {ENTRIES + 1}, at, who, action, NULL, '{{}}', hash, '' FROM log WHERE seq = {ENTRIES}"
    )
    _rechain(connection, ENTRIES + 1)


CHANGES: dict[str, Change] = {
    **{
        f"edit {column}": lambda c, column=column: c.execute(f"UPDATE log SET {column} = 'x' WHERE seq = 3")  # type: ignore[misc]
        for column in ("at", "who", "action", "detail", "prev_hash", "hash")
    },
    "edit case": lambda c: c.execute("UPDATE log SET case_number = 2 WHERE seq = 3"),
    "edit case away": lambda c: c.execute("UPDATE log SET case_number = NULL WHERE seq = 3"),
    "edit seq": lambda c: c.execute(f"UPDATE log SET seq = 99 WHERE seq = {ENTRIES}"),
    "edit and re-hash one row": _edit_and_rehash_row,
    "edit and re-hash the last row": _edit_and_rehash_last,
    "edit and re-hash all that follows": _edit_and_rehash_all,
    "delete the first": lambda c: c.execute("DELETE FROM log WHERE seq = 1"),
    "delete in the middle": lambda c: c.execute("DELETE FROM log WHERE seq = 4"),
    "delete and renumber and re-hash": _delete_and_renumber,
    "delete all": lambda c: c.execute("DELETE FROM log"),
    "swap two": _swap,
    "insert in the middle": _insert,
    "append a forged entry": _append,
    **{
        f"cut {n} from the end": lambda c, n=n: c.execute(f"DELETE FROM log WHERE seq > {ENTRIES - n}")  # type: ignore[misc]
        for n in (1, 2, 5)
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_tampering_is_noticed(book: CaseBook, workspace: Workspace, change: Change) -> None:
    """Whoever removes the guards, changes the log and puts the guards back does not pass."""
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        for statement in GUARDS.values():
            connection.execute(statement)
    with pytest.raises(SignatureError):
        CaseBook.open(workspace).verify_log()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET who = 'x'",
        "DELETE FROM log WHERE seq = 6",
        "DELETE FROM log",
        f"INSERT INTO log SELECT {ENTRIES + 2}, at, who, action, NULL, detail, hash, hash FROM log WHERE seq = {ENTRIES}",
        f"INSERT INTO log SELECT {ENTRIES + 1}, at, who, action, NULL, detail, prev_hash, hash FROM log WHERE seq = 2",
        "INSERT OR REPLACE INTO log SELECT 3, at, who, action, NULL, detail, prev_hash, hash FROM log WHERE seq = 2",
        "UPDATE OR REPLACE log SET seq = 1 WHERE seq = 2",
    ],
)
def test_the_database_only_appends(book: CaseBook, workspace: Workspace, statement: str) -> None:
    """The database refuses to change, remove, replace or skip an entry, also to a program that is not Linkwell."""
    with (
        contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="log only grows"),
    ):
        connection.execute(statement)
    assert book.verify_log().entries == ENTRIES


def test_nothing_is_added_to_a_log_that_was_cut(book: CaseBook, workspace: Workspace) -> None:
    """Tampering with the end is noticed by the next change already, which is refused."""
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER log_no_delete")
        connection.execute(f"DELETE FROM log WHERE seq = {ENTRIES}")
    with pytest.raises(SignatureError):
        book.report(["https://a.example/photo.jpg"], kind="illegal", who=None)


def test_older_head_and_log_together_miss_a_released_head(book: CaseBook, workspace: Workspace, tmp_path: Path) -> None:
    """Both put back to an older state hold by themselves; the head in a release's manifest gives them away."""
    for path in (workspace.cases, workspace.root / "log.head"):
        shutil.copy(path, tmp_path / path.name)
    book.log("release made", "ada", None, {"version": "v4"})
    released = book.log_head()
    for path in (workspace.cases, workspace.root / "log.head"):
        shutil.copy(tmp_path / path.name, path)
    again = CaseBook.open(workspace)
    assert again.verify_log().entries == ENTRIES
    with pytest.raises(SignatureError):
        again.verify_log([released])
