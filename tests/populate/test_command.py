"""`linkwell populate` as one types it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.archive import Site, write_warc

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.build import build
from linkwell.cases import CaseBook
from linkwell.engine import SerialEngine
from linkwell.lists import import_list

LINKWELL = str(Path(sys.executable).with_name("linkwell"))


@pytest.fixture
def archive(tmp_path: Path, workspace: Workspace) -> Path:
    """An archive of one site with four pictures, built into links."""
    site = Site("site.example")
    shown = []
    for number in range(4):
        _, data = site.picture(f"p{number}", seed=number)
        (tmp_path / f"p{number}.sha1").write_text(hashlib.sha1(data).hexdigest())
        shown.append((f"p{number}.jpg", f"caption of picture {number}"))
    site.page("index", shown)
    path = write_warc(tmp_path / "crawl.warc.gz", site.responses)
    build(workspace, [str(path)], crawl="c", engine=SerialEngine())
    return path


def _populate(workspace: Workspace, to: Path, archive: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            LINKWELL,
            "-w",
            str(workspace.root),
            "populate",
            str(to),
            "--from-archive",
            str(archive),
            "--workers",
            "1",
            *more,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_list_it_says_that_nothing_was_matched(workspace: Workspace, tmp_path: Path, archive: Path) -> None:
    """Populating without a hash list works, and is never silent about it."""
    done = _populate(workspace, tmp_path / "copy", archive, "--json")
    assert done.returncode == 0, done.stderr
    assert "no hash list is loaded" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["success"], answer["failed"], answer["withheld"]) == (4, {}, 0)


def test_a_match_opens_a_case_and_is_not_named(workspace: Workspace, tmp_path: Path, archive: Path) -> None:
    """Exit code 1 says that a person must act; neither output nor copy say on what, and the entry is quarantined."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"# synthetic\nsha1 {(tmp_path / 'p2.sha1').read_text()}\n")
    import_list(workspace, listed, source="org-a")
    done = _populate(workspace, tmp_path / "copy", archive)
    assert done.returncode == 1, done.stderr
    assert "3 of 4 links" in done.stdout
    assert "p2" not in done.stdout + done.stderr
    assert CaseBook.open(workspace).quarantined() == {link_id("http://site.example/p2.jpg")}
    again = _populate(workspace, tmp_path / "other", archive, "--json")
    assert again.returncode == 0, again.stderr  # it is left out now, and nothing new was found
    assert json.loads(again.stdout)["withheld"] == 1
