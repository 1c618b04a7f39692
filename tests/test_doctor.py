"""`linkwell doctor` finds what is wrong, and only that."""

from pathlib import Path

import pytest

from linkwell.base.workspace import Workspace
from linkwell.doctor import Check, examine
from linkwell.feed import init_feed, make_keys
from linkwell.lists import import_list


def _found(workspace: Workspace | None) -> dict[str, Check]:
    return {check.name: check for check in examine(workspace)}


def test_a_machine_that_runs_the_tests_is_well() -> None:
    """Every requirement is installed; nothing is said of a workspace where there is none."""
    found = _found(None)
    assert found["libraries"].state == "ok"
    assert found["python"].state == "ok"
    assert "workspace" not in found


def test_a_fresh_workspace_has_notes_but_nothing_wrong(workspace: Workspace) -> None:
    """What is not there yet is a note with the command that makes it."""
    found = _found(workspace)
    assert [name for name, check in found.items() if check.state == "wrong"] == []
    assert "linkwell lists import" in found["hash lists"].advice
    assert "linkwell feed" in found["feed"].advice


def test_what_is_there_is_opened_and_counted(workspace: Workspace, tmp_path: Path) -> None:
    """Lists load with their canaries, the feed is read as a stranger would."""
    listed = tmp_path / "list.txt"
    listed.write_text("# synthetic\nmd5 " + "ab" * 16 + "\n")
    import_list(workspace, listed, source="org")
    make_keys(workspace)
    init_feed(workspace)
    found = _found(workspace)
    assert found["hash lists"].state == "ok"
    assert found["feed"].state == "ok"


@pytest.mark.parametrize("harm", ["key", "list", "permissions", "feed"])
def test_what_is_broken_is_found_and_named(workspace: Workspace, tmp_path: Path, harm: str) -> None:
    """Each harm is reported by its own check, with advice, and the others go on."""
    listed = tmp_path / "list.txt"
    listed.write_text("# synthetic\nmd5 " + "ab" * 16 + "\n")
    import_list(workspace, listed, source="org")
    make_keys(workspace)
    init_feed(workspace)
    match harm:
        case "key":
            (workspace.keys / "master.key").unlink()
            name = "master key"
        case "list":
            path = next(workspace.lists.rglob("*.parquet"))
            path.write_bytes(path.read_bytes()[:-1])
            name = "hash lists"
        case "permissions":
            workspace.lists.chmod(0o755)
            next(workspace.lists.rglob("*.parquet")).chmod(0o644)
            name = "permissions"
        case _:
            timestamp = workspace.feed / "metadata" / "timestamp.json"
            timestamp.write_text(timestamp.read_text().replace('"version": 1', '"version": 2'))
            name = "feed"
    found = _found(workspace)
    assert found[name].state == "wrong"
    assert found[name].advice
    assert found["workspace"].state == "ok"
