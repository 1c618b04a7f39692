"""Rule 3: seeing the entries of a case, and forgetting a list, take two people, and the log names both."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from linkwell.base.errors import TwoPersonError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import app
from linkwell.lists import load_matcher


def _log(workspace: Workspace) -> list[tuple[str, str, dict[str, object]]]:
    with contextlib.closing(sqlite3.connect(workspace.cases)) as connection:
        rows = connection.execute("SELECT action, who, detail FROM log ORDER BY seq").fetchall()
    return [(action, who, json.loads(detail)) for action, who, detail in rows]


def test_entries_are_shown_to_two_people(workspace: Workspace) -> None:
    """One person, under however many spellings, sees none; the log gets both names before the ids come out."""
    book = CaseBook.open(workspace)
    number = book.report(["https://a.example/photo.jpg"], kind="illegal", who=None)
    before = _log(workspace)
    for second in ("ada", "ADA", "a\u00a0da", "ada\ufe0f"):
        with pytest.raises(TwoPersonError):
            book.entries(number, "ada", second)
    assert _log(workspace) == before
    assert len(book.entries(number, "ada", "ben")) == 1
    assert _log(workspace)[-1] == ("entries shown", "ada", {"entries": 1, "second": "ben"})


def test_a_list_is_forgotten_by_two_people(workspace: Workspace, tmp_path: Path) -> None:
    """Without its list nothing is found any more, so nobody forgets one alone; that it came and went stands in the log."""
    listed = tmp_path / "list.txt"
    listed.write_text("# synthetic\nmd5 00000000000000000000000000000001\n")
    run = CliRunner()
    base = ["-w", str(workspace.root)]
    assert run.invoke(app, ["lists", "import", str(listed), "--source", "org", "--as", "ada", *base]).exit_code == 0
    for people in ([], ["--as", "ada"], ["--as", "ada", "--second", " Ada"], ["--second", "ben"]):
        assert run.invoke(app, ["lists", "forget", "org", *people, *base]).exit_code != 0
        assert not load_matcher(workspace).empty
    assert run.invoke(app, ["lists", "forget", "org", "--as", "ada", "--second", "ben", *base]).exit_code == 0
    assert load_matcher(workspace).empty
    assert _log(workspace) == [
        ("list imported", "ada", {"source": "org", "replaced": 0, "md5": 1, "generation": 1}),
        ("list forgotten", "ada", {"source": "org", "second": "ben", "generation": 2}),
    ]
