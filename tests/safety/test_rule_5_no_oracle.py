"""Ground rule 5: whether a URL is in a dataset, a list or a case is never visible from outside; reported URLs are never fetched."""

import contextlib
import shutil
import socket
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.audit.conftest import World, url_of, world

from linkwell.audit import audit
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, book
from linkwell.cli import main
from linkwell.engine import Engine
from linkwell.lists import read_findings

__all__ = ["world"]

NAMES = {
    "in the dataset": url_of("plain"),
    "on a list": url_of("listed"),
    "in a case": url_of("in-a-case"),
    "taken down": url_of("taken-down"),
    "another spelling": "HTTPS://A.example/x/../plain.jpg#top",
    "unknown": "https://nowhere.example/never-seen.jpg",
}


@pytest.fixture
def prepared(
    world: World,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> Workspace:
    """A workspace with links, a list, findings, a case and a takedown; its clock stands still, and nothing may be fetched."""

    def refuse(*_args: object, **_options: object) -> None:
        pytest.fail("a reported URL was fetched, or its host looked up")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(book, "utc_now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    shards = world.shards(["plain", "listed", "in-a-case", "taken-down"])
    world.listed([f"url {url_of('listed')}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    cases = CaseBook.open(world.workspace)
    cases.open_from_findings(read_findings(world.workspace))
    cases.report([url_of("in-a-case")], kind="privacy", who=None)
    number = cases.report([url_of("taken-down")], kind="privacy", who=None)
    cases.propose(number, "takedown", "ada")
    cases.approve(number, "grace")
    return world.workspace


def _report(workspace: Path, url: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[object, str, str]:
    arguments = ["linkwell", "-w", str(workspace), "cases", "report", url, "--kind", "privacy", *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as stop:
            main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def _shape(workspace: Path) -> dict[str, object]:
    """The database without its values: rows of each table, and of each value the type and length; files and their sizes."""
    shape: dict[str, object] = {}
    with contextlib.closing(sqlite3.connect(workspace / "cases.sqlite")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names from the schema
            shape[table] = [[(type(v).__name__, len(v) if hasattr(v, "__len__") else v) for v in row] for row in rows]
    for path in sorted(workspace.rglob("*")):
        if path.is_file() and not path.name.startswith("cases.sqlite-"):
            shape[str(path.relative_to(workspace))] = path.stat().st_size
    return shape


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_answer_is_the_same_for_every_url(
    prepared: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Known, listed, quarantined, taken down, spelt otherwise or unknown: same bytes, same exit code, same database shape."""
    answers, shapes = {}, {}
    for number, (name, url) in enumerate(NAMES.items()):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(prepared.root, copy)
        answers[name] = _report(copy, url, capsys, *options)
        shapes[name] = _shape(copy)
        CaseBook.open(Workspace.open(copy)).verify_log()
    unknown = answers["unknown"]
    assert unknown[0] == 0
    assert unknown[1]
    assert {name for name, answer in answers.items() if answer != unknown} == set()
    assert {name for name, shape in shapes.items() if shape != shapes["unknown"]} == set()


def test_reporting_again_is_answered_like_the_first_time(
    prepared: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That somebody reported a URL before is not visible either: each report is a new case."""
    first = _report(prepared.root, NAMES["unknown"], capsys)
    second = _report(prepared.root, NAMES["unknown"], capsys)
    assert first[1].replace("case 4", "case 5") == second[1]
    assert (first[0], first[2]) == (second[0], second[2])


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_report_does_not_depend_on_the_url(
    prepared: Workspace, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A report that is refused for another reason is refused alike, and no message repeats the URL."""
    code, out, err = _report(prepared.root, NAMES[name], capsys, "--as", " ")
    assert (code, out) == (2, "")
    assert NAMES[name] not in err
    assert err == _report(prepared.root, NAMES["unknown"], capsys, "--as", " ")[2]
