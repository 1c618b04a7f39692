"""Which links a reported URL means."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.errors import DamagedFileError
from linkwell.base.ids import link_id, link_ids
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, resolve_reports
from linkwell.engine import Engine, LocalEngine

STORED = "http://Example.com:80/a/../photo.jpg"
TYPED = "http://example.com/photo.jpg#large"
OTHER = "http://example.com/other.jpg"


@pytest.fixture
def links(tmp_path: Path) -> list[Path]:
    """Two shards; the first has the stored spelling."""
    paths = []
    for number, urls in enumerate(([OTHER, STORED], ["http://[broken/x.jpg", "http://example.com/PHOTO.jpg"])):
        paths.append(tmp_path / f"links-{number}.parquet")
        pq.write_table(pa.table({"link_id": link_ids(urls), "url": urls}), paths[-1])
    return paths


def test_another_spelling_is_found(workspace: Workspace, book: CaseBook, links: list[Path], engine: Engine) -> None:
    """The link whose canonical form was reported joins the case, and its quarantine and takedown; no other does."""
    number = book.report([TYPED], kind="opt-out", who=None)
    assert resolve_reports(workspace, links, engine) == 1
    assert book.quarantined() == {link_id(TYPED), link_id(STORED)}
    book.propose(number, "takedown", "ada")
    book.approve(number, "grace")
    assert {t.link_id for t in book.takedowns()} == {link_id(TYPED), link_id(STORED)}
    assert book.verify_log().cases == 1


def test_each_link_is_added_once(workspace: Workspace, book: CaseBook, links: list[Path], engine: Engine) -> None:
    """Asking again adds and logs nothing; a link that was reported as stored needs nothing added."""
    book.report([TYPED, STORED, OTHER], kind="dead", who=None)
    book.report([TYPED], kind="dead", who=None)
    assert resolve_reports(workspace, links, engine) == 1
    entries = book.verify_log().entries
    assert resolve_reports(workspace, links, engine) == 0
    assert book.verify_log().entries == entries


def test_later_reports_are_looked_for_too(
    workspace: Workspace, book: CaseBook, links: list[Path], engine: Engine
) -> None:
    """What was looked for before does not hide what is reported later."""
    book.report(["http://nowhere.example/x.jpg"], kind="dead", who=None)
    assert resolve_reports(workspace, links, engine) == 0
    book.report([TYPED], kind="dead", who=None)
    assert resolve_reports(workspace, links, engine) == 1


def test_rejected_reports_are_not(workspace: Workspace, book: CaseBook, links: list[Path], engine: Engine) -> None:
    """Nothing is added to a case that was rejected."""
    number = book.report([TYPED], kind="dead", who=None)
    book.propose(number, "reject", "ada")
    book.approve(number, "grace")
    assert resolve_reports(workspace, links, engine) == 0


def test_nothing_reported_nothing_read(workspace: Workspace, engine: Engine) -> None:
    """Without reports no shard is opened."""
    assert resolve_reports(workspace, [Path("gone.parquet")], engine) == 0


def test_in_processes(workspace: Workspace, book: CaseBook, links: list[Path]) -> None:
    """Worker processes read the reports themselves: no reported id is in a task list or mark."""
    book.report([TYPED], kind="dead", who=None)
    (key,) = book.reported()
    assert resolve_reports(workspace, links, LocalEngine(2)) == 1
    for path in (workspace.findings / "reports").iterdir():
        assert key.hex().encode() not in path.read_bytes()
        assert key not in path.read_bytes()
        assert link_id(STORED) not in path.read_bytes()


def test_a_shard_that_does_not_read(workspace: Workspace, book: CaseBook, links: list[Path], engine: Engine) -> None:
    """Is an error, not passed over."""
    book.report([TYPED], kind="dead", who=None)
    links[1].write_bytes(b"x")
    with pytest.raises(DamagedFileError):
        resolve_reports(workspace, links, engine)
