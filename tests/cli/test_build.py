"""The command `build`."""

import json
from pathlib import Path

from tests.build.archives import gzipped, wat_pages
from typer.testing import CliRunner

from linkwell.base.workspace import Workspace
from linkwell.cli import app


def test_json_has_the_agreed_keys_and_exit_code_0(workspace: Workspace, tmp_path: Path) -> None:
    """One object: pages, images, links, rejected, seconds and more."""
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(gzipped(wat_pages(3)))
    done = CliRunner().invoke(app, ["-w", str(workspace.root), "build", str(path), "--crawl", "C", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert {"pages", "images", "links", "rejected", "seconds"} <= report.keys()
    assert (report["pages"], report["images"], report["links"], report["crawl"]) == (3, 9, 9, "C")


def test_people_read_a_summary_and_damage_gives_exit_code_1(workspace: Workspace, tmp_path: Path) -> None:
    """A cut archive: what was read is said, and that somebody must act."""
    path = tmp_path / "x.warc.wat.gz"
    path.write_bytes(gzipped(wat_pages(30))[:-200])
    done = CliRunner().invoke(app, ["build", str(path), "-w", str(workspace.root)])
    assert done.exit_code == 1, done.output
    assert "87 links" in done.stdout
    assert "1 truncated files" in done.stdout
