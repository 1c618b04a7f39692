"""The commands `cases …`, `log verify` and `audit`, as people and scripts meet them."""

import contextlib
import io
import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.audit.conftest import World, digests_of, url_of, world

import linkwell.build
import linkwell.release
from linkwell.base.errors import MissingError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import main

__all__ = ["world"]

URL = "https://a.example/photo.jpg"


@dataclass
class Ran:
    """What a command did."""

    code: object
    out: str
    err: str

    @property
    def answer(self) -> dict[str, object]:
        """Its JSON."""
        answer: dict[str, object] = json.loads(self.out)
        return answer


@dataclass
class Program:
    """The program, in one workspace."""

    workspace: Workspace
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Ran:
        """Run a command."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["linkwell", "-w", str(self.workspace.root), *arguments])
            with pytest.raises(SystemExit) as stop:
                main()
        return Ran(stop.value.code, *self.capsys.readouterr())


@pytest.fixture
def program(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Program:
    """The program in the test's workspace."""
    return Program(workspace, capsys)


@pytest.fixture
def shards(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two links as the current build, the first of them bad; no releases."""
    paths = world.shards(["bad", "good"])
    world.fetched(("bad", digests_of("bad")))
    build = SimpleNamespace(name="b1", links=paths, rights_policy_sha256="")
    monkeypatch.setattr(linkwell.build, "current_build", lambda _workspace: build)
    monkeypatch.setattr(linkwell.release, "list_releases", lambda _workspace: [])
    return paths


def test_a_case_from_report_to_takedown(program: Program, shards: list[Path]) -> None:
    """report, list, propose, approve by one and by another: exit codes 0, and 3 for one person alone."""
    assert program.run("cases", "list").out == "No case waits for a decision.\n"
    taken = program.run("cases", "report", URL, "--kind", "opt-out", "--json")
    assert (taken.code, taken.answer["case"]) == (0, 1)
    assert [row["state"] for row in program.run("cases", "list", "--json").answer["cases"]] == ["open"]  # type: ignore[attr-defined]
    assert program.run("cases", "propose", "1", "takedown", "--as", "ada").code == 0
    alone = program.run("cases", "approve", "1", "--as", "Ada")
    assert alone.code == 3
    assert "cannot approve" in alone.err
    decided = program.run("cases", "approve", "1", "--as", "grace", "--json")
    assert (decided.code, decided.answer["state"]) == (0, "upheld")
    assert program.run("cases", "list", "--json").answer == {"cases": []}
    listed = program.run("cases", "list", "--all", "--json").answer["cases"]
    assert [row["approved_by"] for row in listed] == ["grace"]  # type: ignore[attr-defined]


def test_approving_finds_the_links_a_report_means(program: Program, shards: list[Path]) -> None:
    """A URL typed in another form than the stored one takes down the stored link."""
    program.run("cases", "report", "HTTPS://A.example:443/bad.jpg#x", "--kind", "privacy")
    program.run("cases", "propose", "1", "takedown", "--as", "ada")
    assert program.run("cases", "approve", "1", "--as", "grace").code == 0
    assert link_id(url_of("bad")) in {t.link_id for t in CaseBook.open(program.workspace).takedowns()}


def test_show_counts_and_shows_ids_only_when_asked_and_logged(program: Program) -> None:
    """`cases show` names no entry; with --entries it needs two people, shows ids, and the log says who looked."""
    program.run("cases", "report", URL, "--kind", "illegal")
    shown = program.run("cases", "show", "1", "--json")
    assert shown.answer["entries"] == 1
    assert link_id(URL).hex() not in shown.out
    assert program.run("cases", "show", "1", "--entries").code == 2
    assert program.run("cases", "show", "1", "--entries", "--as", "ada").code == 2
    alone = program.run("cases", "show", "1", "--entries", "--as", "ada", "--second", "ADA", "--json")
    assert (alone.code, link_id(URL).hex() in alone.out) == (3, False)
    ids = program.run("cases", "show", "1", "--entries", "--as", "ada", "--second", "ben", "--json")
    assert ids.answer["link_ids"] == [link_id(URL).hex()]
    with contextlib.closing(sqlite3.connect(program.workspace.cases)) as connection:
        assert connection.execute("SELECT who, action FROM log ORDER BY seq DESC").fetchone() == (
            "ada",
            "entries shown",
        )


def test_urls_from_a_file_and_from_standard_input(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--file` reads one URL a line; '-' is standard input."""
    (tmp_path / "urls.txt").write_text(f"{URL}\n\n{URL}?2\n")
    program.run("cases", "report", "--kind", "dead", "--file", str(tmp_path / "urls.txt"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{URL}\n".encode())))
    program.run("cases", "report", "--kind", "dead", "--file", "-", f"{URL}?3")
    assert [case.entry_count for case in CaseBook.open(program.workspace).cases()] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["cases", "report", "--kind", "illegal"], 2),
        (["cases", "report", URL], 2),
        (["cases", "report", URL, "--kind", "boredom"], 2),
        (["cases", "report", "--kind", "dead", "--file", "gone.txt"], 3),
        (["cases", "show", "9"], 3),
        (["cases", "propose", "9", "takedown", "--as", "ada"], 3),
        (["cases", "propose", "9", "sell", "--as", "ada"], 2),
        (["cases", "propose", "9", "takedown"], 2),
        (["cases", "approve", "9", "--as", "ada"], 3),
    ],
)
def test_wrong_usage_and_missing_things(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    """2 for a wrong command, 3 for what is not there; nothing on standard output, no URL in the message."""
    monkeypatch.chdir(tmp_path)
    ran = program.run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert URL not in ran.err
    assert "Traceback" not in ran.err


def test_log_verify(program: Program) -> None:
    """0 and the head where the log holds; 3 and the place where it does not."""
    program.run("cases", "report", URL, "--kind", "illegal")
    ran = program.run("log", "verify", "--json")
    assert (ran.code, ran.answer["holds"], ran.answer["entries"]) == (0, True, 1)
    assert ran.answer["head"] == CaseBook.open(program.workspace).log_head()
    with contextlib.closing(sqlite3.connect(program.workspace.cases, isolation_level=None)) as connection:
        (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'log_no_update'").fetchone()
        connection.execute("DROP TRIGGER log_no_update")
        connection.execute("UPDATE log SET who = 'nobody'")
        connection.execute(guard)
    broken = program.run("log", "verify")
    assert (broken.code, broken.out) == (3, "")
    assert "log entry 1" in broken.err


def test_log_verify_asks_for_the_heads_of_releases(program: Program) -> None:
    """A head that a release's manifest names must be in the chain."""
    program.run("cases", "report", URL, "--kind", "illegal")
    manifest = program.workspace.releases / "v1" / "manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(json.dumps({"log_head": CaseBook.open(program.workspace).log_head()}))
    assert program.run("log", "verify", "--json").answer["anchors"] == 1
    manifest.write_text(json.dumps({"log_head": "0" * 64}))
    assert program.run("log", "verify").code == 3
    manifest.write_text("{")
    assert program.run("log", "verify").code == 3


def test_audit_says_what_it_found_and_opens_cases(
    program: Program,
    world: World,
    shards: list[Path],
) -> None:
    """Exit code 1 with findings, whose case is opened once; 0 without; 3 without lists."""
    assert program.run("audit").code == 3
    world.listed([f"md5 {'0' * 32}"])
    clean = program.run("audit", "--json")
    assert (clean.code, clean.answer["findings"], clean.answer["cases"]) == (0, {}, [])
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    found = program.run("audit", "--json")
    assert found.code == 1
    assert found.answer["checked"] == 2
    assert found.answer["findings"] == {"exact": 1}
    assert found.answer["unchecked"] == {"no_ledger_entry": 1}
    assert found.answer["cases"] == [1]
    again = program.run("audit")
    assert again.code == 1
    assert "1 exact found" in again.out
    book = CaseBook.open(program.workspace)
    assert book.quarantined() == {link_id(url_of("bad"))}
    assert len(book.cases()) == 1
    for text in (found.out, again.out, again.err):
        assert not any(v in text for v in ("a.example", link_id(url_of("bad")).hex(), digests_of("bad").md5.hex()))


def test_audit_of_a_release(
    program: Program,
    world: World,
    shards: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--release V` audits the parts of that release under its own label."""
    release = SimpleNamespace(version="v1", parts=tuple(shards))
    monkeypatch.setattr(linkwell.release, "open_release", lambda _workspace, _version: release)
    world.listed([f"md5 {'0' * 32}"])
    assert program.run("audit", "--release", "v1", "--json").answer["label"] == "release-v1"


def test_audit_without_a_build(
    program: Program,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing built: exit code 3, and what to do."""

    def none(_workspace: Workspace) -> None:
        raise MissingError("there is no build", advice="Make one with: linkwell build SOURCE")

    monkeypatch.setattr(linkwell.build, "current_build", none)
    world.listed([f"md5 {'0' * 32}"])
    ran = program.run("audit")
    assert ran.code == 3
    assert "linkwell build" in ran.err
