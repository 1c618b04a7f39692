"""Ground rule 8: no ledger, no hash list and no exact removal of a covered case enters a release or a feed."""

from datetime import UTC, datetime
from hashlib import md5, sha1, sha256
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from tests.release.conftest import SETTINGS, SetBuild, link_table, set_build, some_urls
from tests.release.test_create import make, rows_of, uphold

from linkwell.audit import audit
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.feed import init_feed, make_keys
from linkwell.ledger import exact_digests, ledger_table, write_ledger_part
from linkwell.lists import import_list
from linkwell.release import create_release, open_release, publish_release, reissue
from linkwell.release.documents import DOCUMENTS

__all__ = ["set_build"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with cells of 10 rows, keys, a feed, and a ledger of every image."""
    made = Workspace.create(tmp_path / "workspace", "birds", SETTINGS)
    make_keys(made)
    init_feed(made)
    rows = [(link_id(url), datetime.now(UTC), exact_digests(image(url))) for url in some_urls(80)]
    write_ledger_part(made.ledger / "r-0.parquet", ledger_table(rows), made.master_key())
    return made


def image(url: str) -> bytes:
    """Image bytes of a URL; URLs 20 and 70 have the same."""
    return f"picture {url}".encode() if url != some_urls(80)[70] else image(some_urls(80)[20])


def public_bytes(workspace: Workspace) -> dict[Path, bytes]:
    """Every file of a release or of the feed."""
    folders = [workspace.feed, *(p for p in workspace.releases.iterdir() if not p.name.startswith("."))]
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_no_digest_of_the_ledger_is_in_a_release_or_feed(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """The ledger decides what shares a cell, and not one of its digests, as bytes or as hex, gets out."""
    set_build(some_urls(80))
    rows = rows_of(make(workspace, "v1", engine))
    publish_release(workspace, "v1", "ada")
    assert rows[some_urls(80)[20]] == rows[some_urls(80)[70]]
    needles = [h(image(url)).digest() for url in some_urls(80) for h in (md5, sha1, sha256)]
    for path, data in public_bytes(workspace).items():
        for needle in needles:
            assert needle not in data, path
            assert needle.hex().encode() not in data.lower(), path
    columns = {name for path in (workspace.feed / "data").rglob("*.parquet") for name in pq.read_schema(path).names}
    assert not columns & {"md5", "sha1", "sha256", "pdq", "byte_size"}


def test_two_truths_in_one_cell_give_the_same_next_release(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which row of a cell is suspected makes no difference to a single byte of the parts that follow, nor to the counts."""
    seen = []
    for row in (0, 1):
        made = Workspace.create(tmp_path / f"w{row}", "birds", SETTINGS)
        make_keys(made)
        init_feed(made)
        seen.append(_next_release(made, engine, monkeypatch, row))
    assert seen[0] == seen[1]


def _next_release(
    workspace: Workspace, engine: Engine, monkeypatch: pytest.MonkeyPatch, row: int
) -> tuple[set[str], dict[str, int], tuple[int, ...]]:
    path = workspace.builds / "links.parquet"
    pq.write_table(link_table(some_urls(80)), path)
    monkeypatch.setattr(
        "linkwell.release.create.current_build", lambda _w: SimpleNamespace(links=[path], rights_policy_sha256="")
    )
    first = rows_of(make(workspace, "v1", engine))
    cell = sorted(url for url, number in first.items() if number == 3)
    CaseBook.open(workspace).report([cell[row]], kind="illegal", who="ada")
    second = make(workspace, "v2", engine).manifest
    return (
        {p.sha256 for p in second.parts},
        second.reconciliation.removed,
        tuple(c for p in second.parts for c in p.cells),
    )


def test_no_exact_covered_removal_shows_between_releases(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """Whatever is lacking from the second release and was in the first is whole cells; no class of the counts says illegal."""
    urls = some_urls(80)
    set_build(urls)
    first = rows_of(make(workspace, "v1", engine))
    publish_release(workspace, "v1", "ada")
    suspects = [urls[9], urls[55]]
    uphold(workspace, suspects[:1], "illegal")
    CaseBook.open(workspace).report(suspects[1:], kind="intimate", who="ada")
    release = make(workspace, "v2", engine)
    publish_release(workspace, "v2", "ada")
    second = rows_of(release)
    hit = {first[url] for url in suspects}
    assert set(first) - set(second) == {url for url, cell in first.items() if cell in hit}
    assert set(release.manifest.reconciliation.removed) == {"not_released"}
    assert release.manifest.reconciliation.removed["not_released"] >= 10 * len(hit)
    words = (b"illegal", b"intimate", b"takedown", b"quarantine", b"findings")
    for path, data in public_bytes(workspace).items():
        # Documents say the same of every release: what it was checked for.
        if {path.name, path.name.partition(".")[2]}.isdisjoint(DOCUMENTS) and (
            "v2" in path.parts or workspace.feed in path.parents
        ):
            assert not [word for word in words if word in data.lower()], path


def test_what_is_taken_out_leaves_no_id_behind(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """After a reissue neither releases nor feed hold an id, a URL or a text of a row of a removed cell."""
    urls = some_urls(80)
    set_build(urls)
    first = rows_of(make(workspace, "v1", engine))
    publish_release(workspace, "v1", "ada")
    reissue(workspace, removed_cells=[first[urls[9]]], removed_links=[], engine=engine)
    gone = [url for url, cell in first.items() if cell == first[urls[9]]]
    for path, data in public_bytes(workspace).items():
        for url in gone:
            key = canonical_id(url)
            assert key is not None
            for needle in (url.encode(), link_id(url), key, link_id(url).hex().encode()):
                assert needle not in data, path
    assert not set(rows_of(open_release(workspace, "v1"))) & set(gone)


def test_the_first_release_shows_no_exact_removal_to_who_builds_the_same_links(
    workspace: Workspace, engine: Engine, set_build: SetBuild
) -> None:
    """A build can be made again from the public crawl; what it has and the first release lacks is whole cells, never an entry."""
    urls = some_urls(80)
    set_build(urls)
    CaseBook.open(workspace).report([urls[9]], kind="illegal", who="ada")
    release = make(workspace, "v1", engine)
    missing = set(urls) - set(rows_of(release))
    assert urls[9] in missing
    assert 10 <= len(missing) < len(urls)
    assert release.manifest.reconciliation.removed == {"not_released": len(missing)}


def test_two_truths_in_one_cell_give_the_same_first_release(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which row of a cell is suspected shows in no byte of the parts of a first release; a rejected case brings the cell whole."""
    urls = some_urls(80)
    seen = []
    whole: set[str] = set()
    for row in (0, 1):
        made = Workspace.create(tmp_path / f"f{row}", "birds", SETTINGS)
        make_keys(made)
        init_feed(made)
        path = made.builds / "links.parquet"
        pq.write_table(link_table(urls), path)
        monkeypatch.setattr(
            "linkwell.release.create.current_build",
            lambda _w, path=path: SimpleNamespace(links=[path], rights_policy_sha256=""),
        )
        book = CaseBook.open(made)
        book.report([sorted(whole)[1] if whole else urls[9]], kind="illegal", who="ada")
        release = make(made, "v1", engine)
        whole = set(urls) - set(rows_of(release))
        seen.append((release.manifest.parts, release.manifest.reconciliation, frozenset(whole)))
        book.propose(1, "reject", "ada")
        book.approve(1, "ben")
        again = rows_of(make(made, "v2", engine))
        assert set(again) == set(urls)
        assert len({again[url] for url in whole}) == 1
    assert seen[0] == seen[1]


def test_a_manifest_says_nothing_of_what_an_audit_found(
    workspace: Workspace, engine: Engine, set_build: SetBuild, tmp_path: Path
) -> None:
    """How much was found, by which list and of which class is not public: only what was looked at is."""
    urls = some_urls(80)
    links = set_build(urls)
    listed = tmp_path / "list.txt"
    listed.write_text(f"# synthetic\nmd5 {md5(image(urls[9])).hexdigest()}\n")
    import_list(workspace, listed, source="hotline")
    assert audit(workspace, links=links, label="b", engine=engine).findings == {"exact": 1}
    create_release(workspace, "v1", engine=engine, who="ada")
    release = open_release(workspace, "v1")
    assert set(release.manifest.audit) <= {"at", "checked", "unchecked"}
    assert urls[9] not in rows_of(release)
    publish_release(workspace, "v1", "ada")
    for path, data in public_bytes(workspace).items():
        for word in (b"findings", b"hotline", b'"exact"', b"quarantine", link_id(urls[9]), urls[9].encode()):
            assert word not in data, path
