"""Taking cells and links out of every release that is kept."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.release.conftest import SetBuild, some_urls
from tests.release.test_create import make, rows_of, uphold

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine
from linkwell.feed import FeedClient, published_targets
from linkwell.release import Release, list_releases, open_release, publish_release, reissue, verify_release


@pytest.fixture
def two_releases(workspace: Workspace, engine: Engine, set_build: SetBuild) -> tuple[Release, Release]:
    """v1 with 120 links and v2 with 150, both published."""
    set_build(some_urls(120))
    make(workspace, "v1", engine)
    set_build(some_urls(150))
    make(workspace, "v2", engine)
    for version in ("v1", "v2"):
        publish_release(workspace, version, "ada")
    return open_release(workspace, "v1"), open_release(workspace, "v2")


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_cell_leaves_every_release_for_good(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release], set_build: SetBuild
) -> None:
    """Both versions go up a revision without the cell; nothing else changes; it does not come back with the next release."""
    cell = 4
    gone = {url for url, c in rows_of(two_releases[0]).items() if c == cell}
    before = bytes_below(workspace.feed / "data")
    infos = reissue(workspace, removed_cells=[cell], removed_links=[], engine=engine)
    assert [(i.version, i.revision) for i in infos] == [("v1", 2), ("v2", 2)]
    for old in two_releases:
        new = open_release(workspace, old.version)
        assert new.manifest.reconciliation.removed["recalled_cells"] == len(gone)
        assert new.manifest.previous == old.reference()
        assert not gone & set(rows_of(new))
        assert cell not in new.cell_numbers()
        untouched = {p.sha256 for p in old.manifest.parts if cell not in p.cells}
        assert untouched <= {p.sha256 for p in new.manifest.parts}
        verify_release(workspace, old.version)
    after = bytes_below(workspace.feed / "data")
    assert all(after[name] == data for name, data in before.items() if name in after)
    assert len(set(before) - set(after)) >= 1
    set_build(some_urls(170))
    third = make(workspace, "v3", engine)
    assert not gone & set(rows_of(third))
    assert third.manifest.reconciliation.removed == {"recalled_cells": len(gone)}


def test_no_byte_of_a_removed_row_stays(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release]
) -> None:
    """After a reissue no file below releases/ or feed/ holds a removed URL, in any page or dictionary."""
    rows = rows_of(two_releases[0])
    gone = [url for url, c in rows.items() if c == 2] + [some_urls(150)[149]]
    reissue(workspace, removed_cells=[2], removed_links=[link_id(gone[-1])], engine=engine)
    for folder in (workspace.releases, workspace.feed):
        for path in folder.rglob("*"):
            if path.suffix == ".parquet" and ".partition" not in path.parts:
                table = pq.read_table(path)
                assert not set(table["url"].to_pylist()) & set(gone)
            if path.is_file():
                data = path.read_bytes()
                assert not any(url.encode() in data or link_id(url) in data for url in gone), path
    assert not (workspace.releases / ".work").exists()


def test_links_leave_alone_under_their_class(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release]
) -> None:
    """An open removal takes the row and nothing else, and the counts name its class; releases without it stay as they are."""
    url = some_urls(150)[140]
    uphold(workspace, [url], "opt-out")
    before = bytes_below(two_releases[0].folder)
    reissue(workspace, removed_cells=[], removed_links=[link_id(url)], engine=engine)
    assert bytes_below(two_releases[0].folder) == before
    new = open_release(workspace, "v2")
    assert new.revision == 2
    assert new.manifest.reconciliation.removed == {"opt_out": 1}
    assert new.rows == 149


def test_the_feed_follows_in_the_same_go(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release], tmp_path: Path
) -> None:
    """A client sees the new manifests, gets every part they name, and the old parts are gone from the feed."""
    client = FeedClient.open(str(workspace.feed), tmp_path / "s", trusted_root=workspace.feed / "metadata/1.root.json")
    client.refresh()
    reissue(workspace, removed_cells=[0, 12], removed_links=[], engine=engine)
    client.refresh()
    named = set()
    for version in ("v1", "v2"):
        release = open_release(workspace, version)
        assert client.read(f"releases/birds/{version}/manifest.json") == (release.folder / "manifest.json").read_bytes()
        for part in release.manifest.parts:
            client.fetch_unlisted(part.path, part.sha256, part.bytes, tmp_path / part.file_name)
            named.add(part.file_name)
    assert {p.name for p in (workspace.feed / "data/birds").iterdir()} == named


def test_a_reissue_given_twice_changes_nothing_more(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release]
) -> None:
    """The second call finds nothing to do: same revisions, same bytes."""
    reissue(workspace, removed_cells=[3], removed_links=[link_id(some_urls(1)[0])], engine=engine)
    before = bytes_below(workspace.releases), bytes_below(workspace.feed)
    reissue(workspace, removed_cells=[3], removed_links=[link_id(some_urls(1)[0])], engine=engine)
    assert (bytes_below(workspace.releases), bytes_below(workspace.feed)) == before


def test_a_release_that_loses_every_row_is_empty_and_holds(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release]
) -> None:
    """All cells recalled: no part, no row, a warning, and it verifies."""
    reissue(workspace, removed_cells=two_releases[1].cell_numbers(), removed_links=[], engine=engine)
    release = open_release(workspace, "v1")
    assert (release.rows, release.parts) == (0, [])
    assert "empty" in release.manifest.warnings[-1]
    assert verify_release(workspace, "v2").rows == 0


class Killed(BaseException):
    """Stands for kill -9: no handler of Exception sees it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], bool]:
    """Let the process die at its n-th rename or removal of a file."""
    count = 0

    def counting(name: str) -> None:
        real = getattr(Path, name)

        def act(self: Path, *args: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                raise Killed
            return real(self, *args, **options)

        monkeypatch.setattr(Path, name, act)

    counting("replace")
    counting("unlink")
    return lambda: count >= step


def test_a_kill_at_any_step_leaves_whole_releases(
    workspace: Workspace, engine: Engine, set_build: SetBuild, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed at step after step, every release verifies as it was or as it shall be, and the same call finishes."""
    set_build(some_urls(60))
    make(workspace, "v1", engine)
    publish_release(workspace, "v1", "ada")
    url = some_urls(60)[31]
    hit = False
    step = 0
    while not hit or step < 200:
        step += 3
        with monkeypatch.context() as patch:
            died = kill_at(patch, step)
            try:
                reissue(workspace, removed_cells=[1], removed_links=[link_id(url)], engine=engine)
                finished = True
            except Killed:
                finished = False
                assert died()
        release = open_release(workspace, "v1")
        verify_release(workspace, "v1")
        assert (release.revision == 1) == (url in rows_of(release))
        hit = True
        if finished:
            break
    assert step > 10
    assert open_release(workspace, "v1").revision == 2
    client = FeedClient.open(str(workspace.feed), tmp_path / "s", trusted_root=workspace.feed / "metadata/1.root.json")
    client.refresh()
    assert b'"revision": 2' in client.read("releases/birds/v1/manifest.json")
    assert not [p for p in workspace.root.rglob("*.tmp") if p.is_file()]


_KILL_SELF = """
import os, signal, sys
from pathlib import Path
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
import importlib
module = importlib.import_module('linkwell.release.reissue')
workspace = Workspace.open(Path(sys.argv[1]))
real = getattr(module, sys.argv[2])
def die(*arguments, **options):
    if sys.argv[3] == "after":
        real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, sys.argv[2], die)
module.reissue(workspace, removed_cells=[1], removed_links=[], engine=SerialEngine())
"""


@pytest.mark.parametrize(
    ("function", "when"), [("write_manifest", "before"), ("write_manifest", "after"), ("publish_standing", "after")]
)
def test_kill_9_around_the_manifest(
    workspace: Workspace, engine: Engine, set_build: SetBuild, function: str, when: str
) -> None:
    """A process really killed before or after the new manifest, or after the feed: the same call finishes."""
    set_build(some_urls(60))
    make(workspace, "v1", engine)
    publish_release(workspace, "v1", "ada")
    command = [sys.executable, "-c", _KILL_SELF, str(workspace.root), function, when]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    verify_release(workspace, "v1")
    (info,) = reissue(workspace, removed_cells=[1], removed_links=[], engine=engine)
    assert info.revision == 2
    verify_release(workspace, "v1")
    parts = {p.file_name for p in open_release(workspace, "v1").manifest.parts}
    assert {p.name for p in (workspace.feed / "data/birds").iterdir()} == parts
    assert {p.name for p in (workspace.releases / "v1/parts").iterdir()} == parts
    assert "releases/birds/v1/manifest.json" in published_targets(workspace)
    assert len(list_releases(workspace)) == 1


def test_dictionary_columns_are_rebuilt(
    workspace: Workspace, engine: Engine, two_releases: tuple[Release, Release]
) -> None:
    """A verdict that only removed rows had is not in the part's dictionary any more, and columns keep their types."""
    release = two_releases[0]
    table = pq.read_table(release.parts[0])
    cells = sorted({int(cell) for cell in table["cell"].to_pylist() if cell is not None})
    reissue(workspace, removed_cells=cells[1:], removed_links=[], engine=engine)
    new = pq.read_table(next(p for p in open_release(workspace, "v1").parts if p not in release.parts))
    assert new.schema.names == table.schema.names
    assert pa.types.is_dictionary(new.schema.field("train_ai").type)
    assert set(new["cell"].to_pylist()) == {cells[0]}
