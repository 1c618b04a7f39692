"""Rule 4: an end of the log that somebody without the key signed does not pass; nor does a log that tells of one person alone."""

import contextlib
import sqlite3

import pytest

from linkwell.base.errors import SignatureError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.chain import End, Entry, read_head, write_head
from linkwell.cases.guards import GUARDS
from linkwell.cases.replay import APPROVED, OPENED, PROPOSED, Replay


def test_a_head_signed_with_another_key_does_not_pass(workspace: Workspace) -> None:
    """The log's end is cut and a head written that fits it, as the code writes it, but with a key of one's own."""
    book = CaseBook.open(workspace)
    for version in ("v1", "v2", "v3"):
        book.log("release made", "ada", None, {"version": version})
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM log WHERE seq = 3")
        for guard in GUARDS.values():
            connection.execute(guard)
        (last,) = connection.execute("SELECT hash FROM log WHERE seq = 2").fetchone()
    path = workspace.root / "log.head"
    write_head(path, bytes(32), End(2, last))
    with pytest.raises(SignatureError, match="head was changed"):
        CaseBook.open(workspace)
    with pytest.raises(SignatureError, match="head was changed"):
        book.verify_log()
    write_head(path, workspace.master_key(), End(2, last))  # whoever has the key can; so the test cuts where it says
    assert read_head(path, workspace.master_key()) is not None
    assert book.verify_log().entries == 2


def _entry(seq: int, who: str, action: str, detail: str) -> Entry:
    return Entry(seq, "2026-01-01T00:00:00Z", who, action, 1, detail, "", "")


@pytest.mark.parametrize("second", ["ada", "ADA", "a da", "ada\ufe0f"])
def test_a_log_that_tells_of_one_person_is_refused(second: str) -> None:
    """However an approval by the proposer got into the log, in whatever spelling, the replay does not take it."""
    opened = '{"covered":1,"entries":1,"kind":"illegal","source":"report"}'
    decided = '{"decision":"takedown","replaces":0}'
    for who, holds in ((second, False), ("ben", True)):
        replay = Replay()
        replay.add(_entry(1, "anonymous", OPENED, opened))
        replay.add(_entry(2, "ada", PROPOSED, decided))
        if holds:
            replay.add(_entry(3, who, APPROVED, decided))
            assert replay.states == {1: "upheld"}
        else:
            with pytest.raises(SignatureError, match="without two people"):
                replay.add(_entry(3, who, APPROVED, decided))


def test_an_approval_of_nothing_is_refused() -> None:
    """Nor one without a proposal before it."""
    replay = Replay()
    with pytest.raises(SignatureError, match="without two people"):
        replay.add(_entry(1, "ben", APPROVED, '{"decision":"takedown"}'))
