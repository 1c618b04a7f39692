"""The demo tells the whole story, on its own web and on a real archive, and gives nothing away."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer.main

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.build import current_build
from linkwell.cli import app
from linkwell.release import open_release, verify_release

LINKWELL = str(Path(sys.executable).with_name("linkwell"))


def _run(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        [LINKWELL, "demo", str(folder), *arguments], capture_output=True, text=True, check=False, cwd=folder.parent
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _column(paths: Iterable[Path], name: str) -> set[str]:
    return {str(value) for path in paths for value in pq.read_table(path, columns=[name])[name].to_pylist()}


def _check_nothing_left(folder: Path, told: str) -> set[str]:
    """What is recalled is in no file that leaves the house; returns the URLs that are gone."""
    workspace = Workspace.open(folder / "workspace")
    links = current_build(workspace).links
    release = open_release(workspace, "v1")
    gone = _column(links, "url") - _column(release.parts, "url")
    kept_texts = "\n".join(_column(release.parts, "text"))
    texts = {
        str(row["text"])
        for path in links
        for row in pq.read_table(path, columns=["url", "text"]).to_pylist()
        if row["url"] in gone and row["text"] not in kept_texts
    }
    copy = sorted((folder / "lab" / "copy").glob("*.parquet"))
    assert copy
    assert _column(copy, "url") == _column(release.parts, "url")
    report = (folder / "report.html").read_text("utf-8")
    listed = [line.split()[1] for line in (folder / "lists" / "list-b.txt").read_text().splitlines() if line[0] != "#"]
    values = gone | texts | {link_id(url).hex() for url in gone} | set(listed)
    for value in values:
        assert value not in told
        assert value not in report
    public = [p for p in (folder / "workspace" / "feed").rglob("*") if p.is_file()]
    public += [p for p in (folder / "lab").rglob("*") if p.is_file()]
    for path in public:
        data = path.read_bytes()
        assert not [None for value in gone | texts if value.encode() in data], path.name
    for pattern in ("<img", "<script", "src=", "url("):
        assert pattern not in report
    assert verify_release(workspace, "v1").rows == release.rows
    return gone


def _check_commands(commands: Iterable[str]) -> None:
    """Every command that a step names is one of the program's, with options it has."""
    root = typer.main.get_command(app)
    for command in commands:
        for part in command.split(" && "):
            if not part.startswith("linkwell "):
                assert part.startswith("("), part
                continue
            words = part.split()[1:]
            found = root
            while words and (commands_of := getattr(found, "commands", {})) and words[0] in commands_of:
                found = commands_of[words.pop(0)]
            runs_alone = getattr(found, "invoke_without_command", False)
            assert runs_alone or not getattr(found, "commands", {}), part
            options = {name for parameter in found.params for name in parameter.opts}
            assert {w for w in words if w.startswith("--")} <= options, part


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    """One command: from a crawl of its own web to a purged copy, with nothing recalled left anywhere that is public."""
    folder = tmp_path / "demo"
    told = _run(folder, "--json")
    result = json.loads(told)
    assert result["pages"] >= 300
    assert result["populated"] >= 250
    assert result["findings"] == {"exact": 4, "perceptual": 1, "url": 1}
    assert result["release"] == "v1-r2"
    assert result["left"] == 0
    assert result["recalled_rows"] >= 2 * result["cell_min_rows"]
    failures = {
        "opted_out",
        "http_404",
        "http_410",
        "dns",
        "timeout",
        "refused_address",
        "too_large",
        "too_many_pixels",
    }
    assert failures <= set(result["failed"])
    gone = _check_nothing_left(folder, told)
    assert len(gone) == result["recalled_rows"]
    signals = [line.split() for line in (folder / "lists" / "list-b.txt").read_text().splitlines()]
    assert {words[1] for words in signals if words[0] == "url"} <= gone
    _check_commands(step["command"] for step in result["steps"])
    report = (folder / "report.html").read_text("utf-8")
    for said in (
        "1,000 is the default",
        "synthetic",
        "✓ adds up",
        "Links per domain",
        "Language of the text",
        "Licences",
    ):
        assert said in report
    assert "does not add up" not in report


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(200)
def test_the_demo_runs_on_a_real_archive(tmp_path: Path, shared_data: Path) -> None:
    """A real archive of one page with 20 pictures: all 20 come out of the archive itself, and the cycle closes."""
    folder = tmp_path / "demo"
    told = _run(folder, "--warc", str(shared_data / "cc" / "books.toscrape.warc"))
    assert "20 pictures of 20 links" in told
    assert "Cells have 5 rows or more here" in told
    assert re.search(r"In short: 20 links built, 20 pictures fetched, \d+ rows recalled", told)
    assert 6 <= len(_check_nothing_left(folder, told)) < 20
    assert str(folder / "report.html") in told


@pytest.mark.slow
def test_an_archive_with_too_few_pictures_says_so(tmp_path: Path) -> None:
    """No archive, or one without captioned pictures, is a clear error and no half story."""
    (tmp_path / "demo").mkdir()
    result = subprocess.run(
        [LINKWELL, "demo", str(tmp_path / "demo"), "--warc", str(tmp_path / "none.warc")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3
    assert "there is no such file" in result.stderr
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    (tmp_path / "demo" / "linkwell-demo.json").unlink(missing_ok=True)
    result = subprocess.run([LINKWELL, "demo", str(tmp_path / "demo")], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no earlier demo" in result.stderr
