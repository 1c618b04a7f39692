"""`linkwell recall` as a person types it."""

import json
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner

from linkwell.base.workspace import Workspace
from linkwell.cli import app


def run(workspace: Workspace, *arguments: str) -> tuple[Any, str]:
    """The answer with --json, and the lines for people."""
    command = ["-w", str(workspace.root), "recall", *arguments]
    machine = CliRunner().invoke(app, [*command, "--json"])
    assert machine.exit_code == 0, machine.output + str(machine.exception)
    return json.loads(machine.stdout), CliRunner().invoke(app, command).stdout


def test_create_publish_list_show(dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]]) -> None:
    """The four commands say what they did in both forms, and name no link."""
    urls = sorted(cell_of(dataset))
    takedown(dataset, [urls[0]], "illegal")
    made, again = run(dataset, "create", "--as", "ana")
    assert [b["kind"] for b in made["batches"]] == ["covered"]
    assert again.startswith("Nothing new to recall.")
    assert "Not published yet: recall 1." in again
    assert run(dataset, "list")[0]["recalls"][0]["published"] is False
    published, _ = run(dataset, "publish", "--as", "ana")
    assert published["releases"] == ["v1-r2"]
    listed, table = run(dataset, "list")
    assert listed["recalls"][0]["published"] is True
    assert "covered" in table
    shown, lines = run(dataset, "show", "1")
    assert len(shown["cell_numbers"]) == shown["cells"] == 4
    assert "No reason is given" in lines
    takedown(dataset, [min(cell_of(dataset))], "dead")
    run(dataset, "create", "--as", "ana")
    assert run(dataset, "show", "2")[0]["reasons"] == {"dead": 1}
    printed = json.dumps([made, published, listed, shown]) + again + table + lines
    assert not any(url in printed for url in urls)


def test_an_empty_workspace_has_no_recalls(workspace: Workspace) -> None:
    """`recall list` says so."""
    listed, lines = run(workspace, "list")
    assert listed == {"recalls": []}
    assert lines == "There are no recalls.\n"
