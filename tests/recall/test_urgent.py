"""The urgent channel: exact, encrypted, agreed on by two, and in the log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from typer.testing import CliRunner

from linkwell.base.errors import MissingError, TwoPersonError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import app
from linkwell.recall import add_holder, list_holders, remove_holder, write_urgent

Cells = Callable[..., dict[str, int]]


@pytest.fixture
def keys() -> dict[str, pyrage.x25519.Identity]:
    """Two holders' keys."""
    return {name: pyrage.x25519.Identity.generate() for name in ("lab", "archive")}


@pytest.fixture
def held(dataset: Workspace, keys: dict[str, pyrage.x25519.Identity]) -> Workspace:
    """A dataset with two holders."""
    for name, key in keys.items():
        add_holder(dataset, name, str(key.to_public()), who="ana", second="ben")
    return dataset


def test_each_holder_opens_his_own_file(
    held: Workspace, keys: dict[str, pyrage.x25519.Identity], takedown: Any, cell_of: Cells, tmp_path: Path
) -> None:
    """It holds the ids of upheld covered entries and no others, no reason, and nobody else's key opens it."""
    urls = sorted(cell_of(held))
    takedown(held, urls[:2], "illegal")
    takedown(held, urls[5:6], "opt-out")
    CaseBook.open(held).report(urls[7:8], kind="illegal", who="ana")
    paths, entries = write_urgent(held, tmp_path / "out", (), who="ana", second="ben")
    assert entries == 2
    assert [path.name for path in paths] == ["archive.age", "lab.age"]
    for path in paths:
        assert path.stat().st_mode & 0o777 == 0o600
        message = json.loads(pyrage.decrypt(path.read_bytes(), [keys[path.stem]]))
        assert message["link_ids"] == sorted(link_id(url).hex() for url in urls[:2])
        assert (message["format"], message["dataset"]) == ("linkwell-urgent-1", "birds")
        assert "reason" not in message
        other = next(key for name, key in keys.items() if name != path.stem)
        with pytest.raises(pyrage.DecryptError):
            pyrage.decrypt(path.read_bytes(), [other])
        assert link_id(urls[0]) not in path.read_bytes()


def test_it_takes_two_people_and_stands_in_the_log(
    held: Workspace, takedown: Any, cell_of: Cells, tmp_path: Path
) -> None:
    """One person alone changes no holder and writes no file; what two do is logged, file by file, without an id."""
    url = min(cell_of(held))
    takedown(held, [url], "illegal")
    before = CaseBook.open(held).verify_log().entries
    for act in (
        lambda: write_urgent(held, tmp_path / "out", (), who="ana", second="Ana "),
        lambda: add_holder(held, "lab", list_holders(held)[0].age_key, who="ana", second="ana"),
        lambda: remove_holder(held, "lab", who="ana", second="ana"),
    ):
        with pytest.raises(TwoPersonError):
            act()
    assert not (tmp_path / "out").exists()
    assert CaseBook.open(held).verify_log().entries == before
    write_urgent(held, tmp_path / "out", ["lab"], who="ana", second="ben")
    assert CaseBook.open(held).verify_log().entries == before + 1
    assert b"urgent file written" in held.cases.read_bytes()


def test_what_cannot_be_sent_says_why(dataset: Workspace, takedown: Any, cell_of: Cells, tmp_path: Path) -> None:
    """No holder, an unknown one, a key that is none."""
    key = str(pyrage.x25519.Identity.generate().to_public())
    with pytest.raises(UsageError, match="no age key"):
        add_holder(dataset, "lab", "age1nonsense", who="ana", second="ben")
    with pytest.raises(UsageError, match="nobody"):
        write_urgent(dataset, tmp_path, (), who="ana", second="ben")
    add_holder(dataset, "lab", key, who="ana", second="ben")
    takedown(dataset, [min(cell_of(dataset))], "illegal")
    with pytest.raises(MissingError):
        write_urgent(dataset, tmp_path, ["library"], who="ana", second="ben")
    with pytest.raises(MissingError):
        remove_holder(dataset, "library", who="ana", second="ben")
    remove_holder(dataset, "lab", who="ana", second="ben")
    assert list_holders(dataset) == []


def test_nothing_to_tell_is_no_error(held: Workspace, tmp_path: Path) -> None:
    """A timer that looks every hour is not told that its command is wrong; nothing is written, nothing is logged."""
    before = CaseBook.open(held).verify_log().entries
    command = ["recall", "urgent", str(tmp_path / "out"), "--as", "ana", "--second", "ben", "-w", str(held.root)]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.exception
    assert "Nothing to tell" in told.stdout
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout) == {"files": [], "entries": 0}
    assert not (tmp_path / "out").exists()
    assert CaseBook.open(held).verify_log().entries == before


def test_the_commands_tell_the_same(held: Workspace, takedown: Any, cell_of: Cells, tmp_path: Path) -> None:
    """Holders are listed; a change without two people is wrong usage; files are named."""
    run = CliRunner()
    where = ["-w", str(held.root)]
    takedown(held, [min(cell_of(held))], "illegal")
    assert "archive" in run.invoke(app, ["recall", "holders", *where]).output
    assert isinstance(run.invoke(app, ["recall", "holders", "--remove", "lab", *where]).exception, UsageError)
    made = run.invoke(
        app, ["recall", "urgent", str(tmp_path / "o"), "--as", "ana", "--second", "ben", "--json", *where]
    )
    assert json.loads(made.stdout)["entries"] == 1
    measured = run.invoke(app, ["recall", "measure", "--chart", str(tmp_path / "leak.svg"), *where])
    assert measured.exit_code == 0
    assert "by hosts over time" in measured.output
    assert (tmp_path / "leak.svg").read_text().startswith("<svg")
