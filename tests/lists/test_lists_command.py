"""The commands `lists import`, `lists show` and `lists forget`."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from linkwell.base.errors import MissingError, TwoPersonError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli.lists import add_lists_commands
from linkwell.lists import load_matcher

_MD5 = "00112233445566778899aabbccddeeff"


def _run(workspace: Workspace, *arguments: str) -> Result:
    app = typer.Typer()
    add_lists_commands(app)
    return CliRunner().invoke(app, ["lists", *arguments, "-w", str(workspace.root)])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A list of two entries, both good."""
    path = tmp_path / "good.txt"
    path.write_text(f"# synthetic\nmd5 {_MD5}\nurl http://a.example/b.jpg\n")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A list with one good row and 30 bad ones."""
    path = tmp_path / "bad.txt"
    path.write_text(f"# synthetic\nmd5 {_MD5}\n" + f"md5 {_MD5}00\n" * 30)
    return path


def test_a_good_list_exits_0(workspace: Workspace, good: Path) -> None:
    """All rows load: exit 0, and the list is there."""
    result = _run(workspace, "import", str(good), "--source", "hotline")
    assert result.exit_code == 0, result.output
    assert "1 md5, 1 url" in result.output
    assert "synthetic" in result.output
    assert not load_matcher(workspace).empty


def test_rows_set_aside_exit_1(workspace: Workspace, bad: Path) -> None:
    """Rows set aside need somebody: exit 1, each named by number and reason, the good ones loaded; no row is echoed."""
    result = _run(workspace, "import", str(bad), "--source", "hotline")
    assert result.exit_code == 1
    assert "line 3: not the 32 hex digits of a md5 signal" in result.output
    assert "and more" in result.output
    assert _MD5 not in result.output
    assert not load_matcher(workspace).empty


def test_json_is_one_object(workspace: Workspace, bad: Path) -> None:
    """`--json` prints one object with counts, reasons and line numbers, and nothing else on standard output."""
    result = _run(workspace, "import", str(bad), "--source", "hotline", "--json")
    report = json.loads(result.stdout)
    assert report["source"] == "hotline"
    assert report["loaded"] == {"md5": 1}
    assert report["rejected"] == {"not the 32 hex digits of a md5 signal": 30}
    assert report["rejected_count"] == 30
    assert report["rejected_rows"][0] == {"line": 3, "reason": "not the 32 hex digits of a md5 signal"}
    assert report["synthetic"] is True
    assert result.exit_code == 1


def test_show_and_forget(workspace: Workspace, good: Path) -> None:
    """`show` names what is there, never an entry; `forget` removes it; without lists `show` says so."""
    assert "No hash list" in _run(workspace, "show").output
    _run(workspace, "import", str(good), "--source", "hotline", "--real")
    shown = _run(workspace, "show")
    assert "hotline" in shown.output
    assert _MD5 not in shown.output
    (row,) = json.loads(_run(workspace, "show", "--json").stdout)["lists"]
    assert row["entries"] == {"md5": 1, "url": 1}
    assert row["synthetic"] is False
    assert _run(workspace, "forget", "hotline", "--as", "ada").exit_code == 2
    assert isinstance(_run(workspace, "forget", "hotline", "--as", "ada", "--second", "Ada").exception, TwoPersonError)
    assert not load_matcher(workspace).empty
    two = ("--as", "ada", "--second", "ben")
    assert _run(workspace, "forget", "hotline", *two, "--json").stdout.strip() == '{"forgotten": "hotline"}'
    assert load_matcher(workspace).empty
    assert isinstance(_run(workspace, "forget", "hotline", *two).exception, MissingError)


@pytest.mark.parametrize("command", ["import", "show", "forget"])
def test_help_has_an_example(workspace: Workspace, command: str) -> None:
    """Each command's help ends with an example of it."""
    assert f"Example: linkwell lists {command}" in _run(workspace, command, "--help").output


def test_a_list_that_has_expired_already_is_not_taken_for_one_that_matches(workspace: Workspace, good: Path) -> None:
    """It is imported, as its supplier may extend it, and it is said that nothing of it is matched."""
    result = _run(workspace, "import", str(good), "--source", "hotline", "--expires", "2020-01-01", "--json")
    assert result.exit_code == 0, result.output
    assert "has expired" in result.stderr
    assert json.loads(result.stdout)["source"] == "hotline"
    again = _run(workspace, "import", str(good), "--source", "hotline", "--expires", "never")
    assert "has expired" not in again.output


def test_a_list_that_ends_does_not_come_to_hold_for_ever(workspace: Workspace, good: Path) -> None:
    """Imported again without a word, it ends when it did, and that is said; once it has ended, somebody must say how long it goes on."""
    notes = ["--expires", "2999-01-01", "--terms", "agreement 7"]
    _run(workspace, "import", str(good), "--source", "hotline", *notes)
    again = _run(workspace, "import", str(good), "--source", "hotline", "--classification", "A")
    assert "As before: its terms, its expiry." in again.output
    (shown,) = json.loads(_run(workspace, "show", "--json").stdout)["lists"]
    assert (shown["expires"], shown["terms"], shown["classification"]) == ("2999-01-01", "agreement 7", "A")
    two = ["--as", "ada", "--second", "ben"]
    assert _run(workspace, "note", "hotline", "--expires", "2020-01-01", *two).exit_code == 0
    refused = _run(workspace, "import", str(good), "--source", "hotline")
    assert isinstance(refused.exception, UsageError)
    assert "expired on 2020-01-01" in str(refused.exception)
    (shown,) = json.loads(_run(workspace, "show", "--json").stdout)["lists"]
    assert shown["expired"]
    assert _run(workspace, "import", str(good), "--source", "hotline", "--expires", "never").exit_code == 0
    (shown,) = json.loads(_run(workspace, "show", "--json").stdout)["lists"]
    assert not shown["expired"]
