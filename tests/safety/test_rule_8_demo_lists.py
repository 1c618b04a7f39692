"""Ground rule 8: every list made for a demo is synthetic and says so in its own header."""

from pathlib import Path

from linkwell.base.workspace import Workspace
from linkwell.demo.sources import Choice, list_lines, unrelated_lines
from linkwell.lists import import_list


def test_the_demo_s_lists_say_that_they_are_synthetic(workspace: Workspace, tmp_path: Path) -> None:
    """The importer reads it from the header, without being told."""
    choice = Choice(["md5 " + "ab" * 16], [])
    for name, lines in {"a": unrelated_lines(3), "b": list_lines(choice)}.items():
        path = tmp_path / f"list-{name}.txt"
        path.write_text("\n".join([*lines, ""]))
        assert import_list(workspace, path, source=f"list-{name}").synthetic
