"""A release made of a build."""

from collections import Counter

import pyarrow.parquet as pq
import pytest
from tests.release.conftest import SetBuild, some_urls

from linkwell.base.errors import MissingError, SafetyError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.release import (
    Release,
    cells_of,
    create_release,
    current_release,
    list_releases,
    open_release,
    verify_release,
)


def rows_of(release: Release) -> dict[str, int]:
    """URL → cell."""
    found: dict[str, int] = {}
    for table in read_tables(release.parts, ["url", "cell"]):
        for row in table.to_pylist():
            assert row["url"] not in found
            found[row["url"]] = row["cell"]
    return found


def make(workspace: Workspace, version: str, engine: Engine) -> Release:
    create_release(workspace, version, engine=engine, without_audit="a test", who="ada")
    return open_release(workspace, version)


def uphold(workspace: Workspace, urls: list[str], kind: str) -> None:
    book = CaseBook.open(workspace)
    number = book.report(urls, kind=kind, who="ada")
    book.propose(number, "takedown", "ada")
    book.approve(number, "ben")


def test_every_row_is_released_in_cells_of_at_least_k(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """Every link of the build is in exactly one cell, every cell has 10 rows or more, and the release verifies."""
    set_build(some_urls(333))
    release = make(workspace, "v1", engine)
    rows = rows_of(release)
    assert sorted(rows) == sorted(some_urls(333))
    assert min(Counter(rows.values()).values()) >= 10
    assert release.cells == len(set(rows.values())) == 33
    report = verify_release(workspace, "v1")
    assert (report.rows, report.cells, report.quarantined) == (333, 33, 0)
    assert pq.read_schema(release.parts[0]).names == LINK_SCHEMA.names
    assert current_release(workspace).version == "v1"
    assert not (workspace.releases / ".work" / "create-v1").exists()


def test_a_shard_holds_whole_cells_as_runs(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """A part has at most three cells here, each a run of rows ordered by URL, and no cell is in two parts."""
    set_build(some_urls(200))
    release = make(workspace, "v1", engine)
    seen: set[int] = set()
    for part, path in zip(release.manifest.parts, release.parts, strict=True):
        table = pq.read_table(path, columns=["cell", "url"])
        keys = [(row["cell"], row["url"]) for row in table.to_pylist()]
        assert keys == sorted(keys)
        assert set(part.cells) == {cell for cell, _ in keys}
        assert len(part.cells) <= 3
        assert not seen & set(part.cells)
        seen |= set(part.cells)


def test_the_same_build_makes_the_same_bytes(
    workspace: Workspace, engine: Engine, set_build: SetBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second attempt after one that died before its manifest names the same parts."""
    set_build(some_urls(120))
    with monkeypatch.context() as patch:
        patch.setattr("linkwell.release.create.write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make(workspace, "v1", engine)
    assert list_releases(workspace) == []
    first = {p.name for p in (workspace.releases / "v1" / "parts").iterdir()}
    release = make(workspace, "v1", engine)
    assert {p.name for p in release.parts} == first


def test_links_of_one_canonical_url_share_a_cell(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Spellings of one URL are never split over cells, wherever the order would put them."""
    urls = some_urls(100)
    spellings = [f"HTTP://{url.removeprefix('http://')}" for url in urls[::7]]
    spellings += [url + "#top" for url in urls[::7]]
    set_build(urls + spellings)
    rows = rows_of(make(workspace, "v1", engine))
    for url in urls[::7]:
        assert rows[url] == rows[url + "#top"] == rows[f"HTTP://{url.removeprefix('http://')}"]


def test_fewer_rows_than_k_make_one_cell_and_a_warning(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """Seven rows are one cell, and the release says that it hides less."""
    set_build(some_urls(7))
    release = make(workspace, "v1", engine)
    assert set(rows_of(release).values()) == {0}
    assert "smallest cell has 7 rows" in release.manifest.warnings[0]


def test_a_link_keeps_its_cell_and_new_links_get_new_cells(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """The second release has every old link in its old cell, and new links only in cells the first did not have."""
    set_build(some_urls(150))
    first = rows_of(make(workspace, "v1", engine))
    set_build(some_urls(200, start=50))
    second = rows_of(make(workspace, "v2", engine))
    assert all(second[url] == first[url] for url in second if url in first)
    new = {second[url] for url in second if url not in first}
    assert new
    assert min(new) > max(first.values())
    set_build(some_urls(250))
    third = rows_of(make(workspace, "v3", engine))
    assert all(third[url] == {**first, **second}[url] for url in third)


def test_too_few_new_links_wait(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Five new links are no cell: they are held back, counted, and come once there are enough."""
    set_build(some_urls(100))
    make(workspace, "v1", engine)
    set_build(some_urls(105))
    release = make(workspace, "v2", engine)
    assert release.manifest.reconciliation.removed == {"held_back": 5}
    set_build(some_urls(110))
    assert make(workspace, "v3", engine).rows == 110


def test_a_new_spelling_of_an_old_link_is_left_out(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """It may not join the old cell and may not have another one."""
    urls = some_urls(100)
    set_build(urls)
    make(workspace, "v1", engine)
    set_build([*urls[1:], urls[0] + "#a", urls[5] + "#a"])
    release = make(workspace, "v2", engine)
    assert release.manifest.reconciliation.removed == {"duplicates": 2}


def test_open_takedowns_leave_alone_under_their_class(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """An opt-out and a dead link leave as single rows, and the counts say so."""
    urls = some_urls(100)
    set_build(urls)
    uphold(workspace, urls[:2], "opt-out")
    uphold(workspace, urls[3:4], "dead")
    release = make(workspace, "v1", engine)
    assert release.manifest.reconciliation.removed == {"opt_out": 2, "dead": 1}
    assert release.manifest.reconciliation.output == 97
    assert not set(urls[:2]) & set(rows_of(release))


def test_it_needs_an_audit_or_a_reason(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Without an audit of these links there is no release; with a reason there is, and it stands in manifest and log."""
    set_build(some_urls(20))
    with pytest.raises(SafetyError, match="not audited"):
        create_release(workspace, "v1", engine=engine, who="ada")
    with pytest.raises(UsageError):
        create_release(workspace, "v1", engine=engine, who="ada", without_audit=" ")
    release = make(workspace, "v1", engine)
    assert release.manifest.audit == {"without_audit": "a test"}
    assert release.manifest.log_head == CaseBook.open(workspace).log_head()
    CaseBook.open(workspace).verify_log([release.manifest.log_head])


def test_a_version_is_made_once(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """A second release of one version is refused, as is a name that leaves the folder."""
    set_build(some_urls(20))
    make(workspace, "v1", engine)
    with pytest.raises(UsageError, match="already"):
        make(workspace, "v1", engine)
    with pytest.raises(UsageError):
        make(workspace, "../v2", engine)
    with pytest.raises(MissingError):
        open_release(workspace, "v2")


def test_cells_of_finds_the_cells_of_links(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Links that are not in the release are not in the answer."""
    urls = some_urls(60)
    set_build(urls)
    release = make(workspace, "v1", engine)
    rows = rows_of(release)
    asked = {link_id(urls[3]), link_id(urls[40]), link_id("http://other.example/")}
    assert cells_of(release, asked) == {link_id(u): rows[u] for u in (urls[3], urls[40])}
    assert cells_of(release, []) == {}
