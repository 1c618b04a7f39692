"""A demo never harms what is not a demo."""

import json
from pathlib import Path

import pytest

from linkwell.base.errors import UsageError
from linkwell.demo.folder import MARKER_FILE, fresh_folder


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    """What is not there is made, and known as a demo from then on."""
    folder = fresh_folder(tmp_path / "a" / "b")
    assert json.loads((folder.root / MARKER_FILE).read_bytes())["format"] == "linkwell-demo-1"


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    """Everything of an earlier demo goes; nothing outside it, not even through a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    folder = fresh_folder(tmp_path / "demo")
    (folder.root / "workspace").mkdir()
    (folder.root / "workspace" / "old").write_text("old")
    (folder.root / "link").symlink_to(outside)
    again = fresh_folder(tmp_path / "demo")
    assert [p.name for p in again.root.iterdir()] == [MARKER_FILE]
    assert (outside / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("marker", [None, b"", b"[]", b"\xff\xfe", b'{"format": "something else"}'])
def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path, marker: bytes | None) -> None:
    """Without our marker, or with one that is not ours, nothing is touched."""
    (tmp_path / "thesis.txt").write_text("years of work")
    if marker is not None:
        (tmp_path / MARKER_FILE).write_bytes(marker)
    with pytest.raises(UsageError, match="no earlier demo"):
        fresh_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_file_or_a_link_is_no_folder(tmp_path: Path) -> None:
    """A file in the way, or a link to somewhere else, is an error."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="no folder"):
            fresh_folder(tmp_path / name)
