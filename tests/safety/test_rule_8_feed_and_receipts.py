"""Rule 8: exact removals of covered entries enter neither feed nor receipt nor log."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.ids import link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import SerialEngine
from linkwell.feed import FeedClient, init_feed, make_keys
from linkwell.purge import apply, receipts_in
from linkwell.recall import create_recall, load_recalled, publish_recall, recalled_cells
from linkwell.release import create_release, open_release, publish_release

SETTINGS = 'dataset = "birds"\n[release]\ncell_min_rows = 10\ncells_per_shard = 3\n[recall]\ncells_per_batch = 4\nmax_attacker_precision = 1.0\n'
URLS = [f"http://host{n % 5}.example/{n:05d}-canary.jpg" for n in range(120)]
ROW = {
    "language": "en",
    "text_source": "alt",
    "train_ai": "unknown",
    "tdm": "unknown",
    "search": "unknown",
    "crawl": "c",
    "warc": "w",
    "offset": 1,
    "seen_at": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A published release of 120 links in cells of ten or more."""
    workspace = Workspace.create(tmp_path / "w", "birds", SETTINGS)
    make_keys(workspace)
    init_feed(workspace)
    rows = [
        ROW | {"link_id": link_id(u), "url": u, "text": f"canary text {u[-16:]}", "page_url": u + ".html"} for u in URLS
    ]
    path = workspace.builds / "b1.parquet"
    pq.write_table(pa.Table.from_pylist(rows, LINK_SCHEMA), path)
    build = SimpleNamespace(name="b1", links=[path], rows=len(rows), rights_policy_sha256="")
    monkeypatch.setattr("linkwell.release.create.current_build", lambda _workspace: build)
    create_release(workspace, "v1", engine=SerialEngine(), without_audit="a test", who="ana")
    publish_release(workspace, "v1", "ana")
    return workspace


def _cells(workspace: Workspace) -> dict[str, int]:
    tables = [pq.read_table(p, columns=["url", "cell"]) for p in open_release(workspace, "v1").parts]
    return {str(row["url"]): row["cell"] for row in pa.concat_tables(tables).to_pylist()}


def _recall(workspace: Workspace, urls: Sequence[str]) -> None:
    book = CaseBook.open(workspace)
    case = book.report(urls, kind="illegal", who="somebody")
    book.propose(case, "takedown", "ana")
    book.approve(case, "ben")
    create_recall(workspace, engine=SerialEngine(), who="ana", today=date(2026, 3, 4))


def _copy_of(workspace: Workspace, to: Path) -> Workspace:
    shutil.copytree(workspace.root, to)
    return Workspace.open(to)


def test_two_truths_in_the_same_cells_give_the_same_batch(released: Workspace, tmp_path: Path) -> None:
    """Whichever and however many entries of two cells are meant, the batch's three files are byte for byte the same."""
    cells = _cells(released)
    first, second = sorted(set(cells.values()))[:2]
    members = {c: sorted(u for u, cell in cells.items() if cell == c) for c in (first, second)}
    truths = [
        [members[first][0], members[second][0]],
        [*members[first][1:6], members[second][-1]],
        [*members[second][2:4], members[first][7]],
    ]
    batches = []
    for number, truth in enumerate(truths):
        workspace = _copy_of(released, tmp_path / f"truth-{number}")
        _recall(workspace, truth)
        batches.append({p.name: p.read_bytes() for p in sorted((workspace.recalls / "000001").iterdir())})
    assert batches[0].keys() == {"batch.json", "cells.parquet", "links.parquet"}
    assert batches[0] == batches[1] == batches[2]


def test_two_truths_in_the_same_cells_give_the_same_feed(released: Workspace, tmp_path: Path) -> None:
    """Everything that is published is the same, byte for byte: batches, records, Atom, the parts of reissued releases.

    Only what tells the time differs: TUF's own metadata, and in a manifest when it was signed and the head of the log, whose
    entries hold times and codes under the workspace's key; and what quotes the manifest's hash.
    """
    cells = _cells(released)
    first, second = sorted(set(cells.values()))[:2]
    members = {c: sorted(u for u, cell in cells.items() if cell == c) for c in (first, second)}
    feeds = []
    for number, truth in enumerate(
        ([members[first][0], members[second][0]], members[second][:3] + members[first][4:8])
    ):
        workspace = _copy_of(released, tmp_path / f"truth-{number}")
        _recall(workspace, truth)
        publish_recall(workspace, "ana")
        feeds.append(_published(workspace.feed))
    assert feeds[0] == feeds[1]
    kinds = {name.rsplit(".", 2)[-2] for name in feeds[0] if name.startswith("targets/recalls/")}
    assert kinds == {"batch", "cells", "links", "osv"}
    assert {"recalls-birds.atom", "targets/releases/birds/v1/manifest.json"} <= feeds[0].keys()


def _published(feed: Path) -> dict[str, bytes]:
    """The feed's files but TUF's metadata, without what tells the time in a manifest and in what quotes its hash."""
    manifest = next(feed.glob("targets/releases/*/*/*.manifest.json"))
    manifest_sha256 = manifest.name.partition(".")[0].encode()
    found = {}
    for path in sorted(path for path in feed.rglob("*") if path.is_file()):
        name, data = str(path.relative_to(feed)), path.read_bytes()
        if name.startswith("metadata/"):
            continue
        if name.startswith("targets/releases/"):
            name = f"{Path(name).parent}/{path.name.partition('.')[2]}"
            data = data.replace(manifest_sha256, b"")
            data = re.sub(rb'"(timestamp|serialNumber|created|log_head)": "[^"]*"', b"", data)
        found[name] = data
    return found


def test_the_feed_tells_no_covered_entry_from_its_neighbours(released: Workspace) -> None:
    """No file of the feed, and none of the log, has the URL, text or id of the entry alone: whole cells, or nothing."""
    cells = _cells(released)
    hit = sorted(cells)[17]
    _recall(released, [hit])
    publish_recall(released, "ana")
    gone = recalled_cells(released)
    recalled = sorted(link_id(u) for u, c in cells.items() if c in gone)
    links = pq.read_table(released.recalls / "000001" / "links.parquet")["link_id"].to_pylist()
    assert links == recalled
    assert len(recalled) >= 4 * 10
    batch = json.loads((released.recalls / "000001" / "batch.json").read_text())
    assert not {"reason", "case", "who", "hits"} & batch.keys()
    forbidden = [hit.encode(), hit[-16:].encode(), link_id(hit).hex().encode(), hashlib.sha256(hit.encode()).digest()]
    for path in sorted(released.feed.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            assert not any(value in data for value in forbidden), path
            if path.suffix == ".parquet" and "url" in pq.read_schema(path).names:
                assert hit not in pq.read_table(path)["url"].to_pylist()


def test_a_receipt_names_files_and_counts_only(released: Workspace, tmp_path: Path) -> None:
    """Neither the receipt nor anything else a purge leaves in its state holds a URL, text or id of a recalled link."""
    cells = _cells(released)
    copy = tmp_path / "copy"
    copy.mkdir()
    for number, path in enumerate(open_release(released, "v1").parts):
        (copy / f"{number:05d}.parquet").write_bytes(path.read_bytes())
    _recall(released, [sorted(cells)[17]])
    publish_recall(released, "ana")
    client = FeedClient.open(
        str(released.feed),
        copy / ".linkwell" / "feed",
        trusted_root=min((released.feed / "metadata").glob("*root.json")),
    )
    client.refresh()
    recalled = load_recalled(client, "birds")
    receipt = apply(copy, recalled, engine=SerialEngine())
    assert receipt.statement.rows_removed == len(recalled.link_ids)
    assert receipts_in(copy / ".linkwell" / "receipts")
    gone = [u for u, c in cells.items() if c in recalled.cells]
    for path in sorted(copy.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            for url in gone:
                assert not any(v in data for v in (url.encode(), link_id(url), link_id(url).hex().encode())), path.name
