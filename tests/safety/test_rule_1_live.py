"""Ground rule 1, at a live check: of what is fetched to be looked at, nothing but digests is ever written; and nobody looks by default."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.populate.conftest import HURRIED, draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer
from tests.safety.test_rule_1_populate import graveyard
from typer.testing import CliRunner

from linkwell.audit import check_live
from linkwell.base.errors import NoHashListError, SafetyError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import app
from linkwell.engine import SerialEngine
from linkwell.ledger import read_ledger
from linkwell.lists import import_list, read_findings

__all__ = ["graveyard"]

NAMES = ("good", "fine", "exact", "listed-url", "quarantined")


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A server with a picture for each name."""
    with HostileServer({f"/{name}.jpg": draw(number) for number, name in enumerate(NAMES)}) as running:
        yield running


class Story:
    """Links of which one is dead, one listed by its bytes, one by its URL, one in quarantine."""

    def __init__(self, tmp_path: Path, server: HostileServer, *, live: bool = True) -> None:
        self.workspace = Workspace.create(
            tmp_path / "workspace", "birds", HURRIED + f"[audit]\nlive = {str(live).lower()}\n"
        )
        self.urls = {name: f"http://{ADDRESS}:{server.port}/{name}.jpg" for name in (*NAMES, "dead")}
        self.links = write_links(tmp_path / "links.parquet", list(self.urls.values()))
        exact = hashlib.sha256(server.pictures["/exact.jpg"]).hexdigest()
        listed = tmp_path.with_name(f"{tmp_path.name}-list.txt")  # outside what is searched
        listed.write_text(f"# synthetic\nsha256 {exact}\nurl {self.urls['listed-url']}\n")
        import_list(self.workspace, listed, source="org-a")

    def look(self, limit: int = 100) -> dict[str, int] | None:
        """Run a live check."""
        done = check_live(
            self.workspace,
            [self.links],
            "test",
            limit=limit,
            engine=SerialEngine(),
            withhold={link_id(self.urls["quarantined"])},
            allow_net=(f"{ADDRESS}/32",),
        )
        return None if done is None else {"hashed": done.success, "withheld": done.withheld, **done.failed}


def test_only_digests_stay(
    tmp_path: Path, server: HostileServer, graveyard: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No piece of any picture is in any file that was ever written, matched or not; digests and matches are, encrypted."""
    story = Story(tmp_path, server)
    assert story.look() == {"hashed": 2, "withheld": 2, "http_404": 1}
    assert server.requests["/listed-url.jpg"] == server.requests["/quarantined.jpg"] == 0
    ids = {value for table in read_ledger(story.workspace, ["link_id"]) for value in table["link_id"].to_pylist()}
    assert ids == {link_id(story.urls[name]) for name in ("good", "fine", "exact")}
    found = {(one.link_id, one.finding_class) for one in read_findings(story.workspace)}
    assert found == {(link_id(story.urls["exact"]), "exact"), (link_id(story.urls["listed-url"]), "url")}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(graveyard) for path in files)
    for data in server.pictures.values():
        for start in (len(data) // 3, len(data) // 2, len(data) - 60):
            assert not [path for path in files if data[start : start + 48] in path.read_bytes()]
        digest = hashlib.sha256(data).digest()
        assert not [path for path in files if digest in path.read_bytes() or digest.hex().encode() in path.read_bytes()]
    assert not list((story.workspace.root / "audits").glob(".live*"))
    assert "exact" not in "".join(capfd.readouterr())


def test_what_the_ledger_has_is_not_fetched_again(tmp_path: Path, server: HostileServer) -> None:
    """A second look asks only for what never came; a limit is kept."""
    story = Story(tmp_path, server)
    assert story.look(limit=1) == {"hashed": 1, "withheld": 0}
    story.look()
    before = dict(server.requests)
    story.look()
    asked = {name for name in server.requests if server.requests[name] > before.get(name, 0)}
    assert asked - {"/robots.txt"} == {"/dead.jpg"}


def test_nobody_looks_by_default(tmp_path: Path, server: HostileServer) -> None:
    """Without the setting, or without a list, nothing is asked for."""
    story = Story(tmp_path, server, live=False)
    with pytest.raises(SafetyError, match="switched off"):
        story.look()
    empty = Workspace.create(tmp_path / "empty", "birds", "dataset = 'birds'\n[audit]\nlive = true\n")
    with pytest.raises(NoHashListError):
        check_live(empty, [story.links], "test", limit=1, engine=SerialEngine())
    assert not server.requests


def test_two_people_and_a_ground_stand_in_the_log(tmp_path: Path, server: HostileServer) -> None:
    """The command needs both, from two people, and the log has them before the first request."""
    story = Story(tmp_path, server)
    rows = "".join(f"{url},a bird in a tree\n" for url in story.urls.values())
    (tmp_path / "links.csv").write_text("url,text\n" + rows)
    where = ["-w", str(story.workspace.root)]
    runner = CliRunner()
    assert runner.invoke(app, ["import", str(tmp_path / "links.csv"), *where]).exit_code == 0
    command = ["audit", "live", "9", "--authorised-by", "licence 7", "--allow-net", f"{ADDRESS}/32", *where]
    assert runner.invoke(app, [*command, "--as", "ada"]).exit_code == 2
    assert runner.invoke(app, [*command, "--as", "ada", "--second", "Ada "]).exit_code != 0
    assert not server.requests
    done = runner.invoke(app, [*command, "--as", "ada", "--second", "ben", "--json"])
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout.splitlines()[-1])["matched"] == 2
    assert server.requests["/good.jpg"] == 1
    assert CaseBook.open(story.workspace).verify_log().entries >= 3
