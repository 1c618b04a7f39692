"""Rule 4: what a case is about cannot be exchanged behind the log, nor cases and log be put back to an earlier day unseen."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.release.conftest import SETTINGS, SetBuild, set_build, some_urls
from tests.release.test_create import make, uphold

from linkwell.base.errors import DamagedFileError, LinkwellError, SignatureError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.guards import GUARDS
from linkwell.engine import Engine
from linkwell.feed import init_feed, make_keys
from linkwell.lists import Finding

__all__ = ["set_build"]

OTHER = link_id("https://other.example/harmless.jpg")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with keys, a feed, a case of a finding and a case of a report with one resolved link."""
    made = Workspace.create(tmp_path / "workspace", "birds", SETTINGS)
    make_keys(made)
    init_feed(made)
    book = CaseBook.open(made)
    book.open_from_findings([Finding(bytes([n]) * 16, "exact", "list-a", "md5") for n in (7, 3, 5)])
    number = book.report(["https://a.example/photo.jpg", "https://b.example/photo.jpg"], kind="illegal", who=None)
    book.add_resolved([(number, b"\x09" * 16)])
    book.add_resolved([(number, b"\x04" * 16), (number, b"\x09" * 16)])
    book.verify_log()
    return made


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET link_id = ? WHERE id = 1",
        "UPDATE entries SET link_id = ? WHERE case_number = 2 AND id = (SELECT max(id) FROM entries)",
        "UPDATE entries SET canonical_id = ? WHERE id = (SELECT max(id) FROM entries)",
        "UPDATE resolved SET link_id = ? WHERE rowid = 1",
    ],
)
def test_an_exchanged_entry_is_noticed(workspace: Workspace, statement: str) -> None:
    """One id put in the place of another, with the guards taken off and put back: the counts agree, and the proof fails."""
    with contextlib.closing(sqlite3.connect(workspace.cases, isolation_level=None)) as connection:
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, (OTHER,)).rowcount == 1
        for guard in GUARDS.values():
            connection.execute(guard)
    with pytest.raises(SignatureError, match="is not what the log tells"):
        CaseBook.open(workspace).verify_log()


def test_the_log_holds_no_id(workspace: Workspace) -> None:
    """What the log keeps of entries is made with the master key: the ids alone do not give it."""
    with contextlib.closing(sqlite3.connect(workspace.cases)) as connection:
        text = "".join(detail for (detail,) in connection.execute("SELECT detail FROM log"))
    assert "code" in text
    for n in (7, 3, 5, 9, 4):
        assert (bytes([n]) * 16).hex() not in text
    assert link_id("https://a.example/photo.jpg").hex() not in text


def test_cases_and_log_removed_together_stop_everything(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """Where releases are, an empty book is not begun anew: nothing would be in quarantine any more."""
    set_build(some_urls(40))
    make(workspace, "v1", engine)
    for path in (*workspace.root.glob("cases.sqlite*"), workspace.root / "log.head"):
        path.unlink()
    with pytest.raises(DamagedFileError):
        CaseBook.open(workspace)


def test_cases_and_log_of_an_earlier_day_make_no_release(
    workspace: Workspace, engine: Engine, set_build: SetBuild, tmp_path: Path
) -> None:
    """An older pair of cases and log, which is whole in itself, does not know what an earlier release names: no new one is made."""
    set_build(some_urls(40))
    kept = [workspace.cases, workspace.root / "log.head"]
    for path in kept:
        shutil.copy(path, tmp_path / path.name)
    uphold(workspace, [some_urls(40)[3]], "illegal")
    make(workspace, "v1", engine)
    for path in workspace.root.glob("cases.sqlite*"):
        path.unlink()
    for path in kept:
        shutil.copy(tmp_path / path.name, path)
    CaseBook.open(workspace).verify_log()
    with pytest.raises(LinkwellError, match="releases name"):
        make(workspace, "v2", engine)
