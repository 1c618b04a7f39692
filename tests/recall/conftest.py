"""A small dataset with a release, and ways to take links down."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
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
from linkwell.release import create_release, open_release, publish_release

SETTINGS = """dataset = "birds"
[release]
cell_min_rows = 10
cells_per_shard = 3
[recall]
cells_per_batch = 4
max_attacker_precision = 1.0
"""


def link_table(urls: Sequence[str]) -> pa.Table:
    """Links of the simplest kind."""
    row = {
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
    rows = [row | {"link_id": link_id(u), "url": u, "text": f"text of {u[-9:]}", "page_url": u + ".html"} for u in urls]
    return pa.Table.from_pylist(rows, LINK_SCHEMA)


def urls_of(count: int, start: int = 0) -> list[str]:
    """URLs on a few hosts."""
    return [f"http://host{n % 7}.example/{n:05d}.jpg" for n in range(start, start + count)]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Releases and publishes some URLs."""

    def make(workspace: Workspace, version: str, count: int) -> None:
        path = workspace.builds / f"{version}.parquet"
        pq.write_table(link_table(urls_of(count)), path)
        build = SimpleNamespace(name=version, links=[path], rows=count, rights_policy_sha256="")
        monkeypatch.setattr("linkwell.release.create.current_build", lambda _workspace: build)
        create_release(workspace, version, engine=SerialEngine(), without_audit="a test", who="ana")
        publish_release(workspace, version, "ana")

    return make


@pytest.fixture
def dataset(tmp_path: Path, release: Callable[..., None]) -> Workspace:
    """A workspace with a published release `v1` of 300 links, in cells of ten rows."""
    workspace = Workspace.create(tmp_path / "dataset", "birds", SETTINGS)
    make_keys(workspace)
    init_feed(workspace)
    release(workspace, "v1", 300)
    return workspace


def take_down(workspace: Workspace, urls: Sequence[str], kind: str, *, covered: bool | None = None) -> int:
    """A case of these URLs, reported, proposed and approved."""
    book = CaseBook.open(workspace)
    number = book.report(urls, kind=kind, who="somebody", covered=covered)
    book.propose(number, "takedown", "ana")
    book.approve(number, "ben")
    return number


@pytest.fixture
def takedown() -> Callable[..., int]:
    """Takes URLs down by a case that two people upheld."""
    return take_down


def cells_by_url(workspace: Workspace, version: str = "v1") -> dict[str, int]:
    """URL → cell, of the release as it is now."""
    found: dict[str, int] = {}
    for path in open_release(workspace, version).parts:
        table = pq.read_table(path, columns=["url", "cell"])
        found |= {str(row["url"]): row["cell"] for row in table.to_pylist()}
    return found


@pytest.fixture
def cell_of() -> Callable[..., dict[str, int]]:
    """URL → cell, of a release as it is now."""
    return cells_by_url


@pytest.fixture
def client(tmp_path: Path) -> Callable[[Workspace], FeedClient]:
    """Opens a fresh client on a workspace's feed."""

    def open_client(workspace: Workspace) -> FeedClient:
        root = min((workspace.feed / "metadata").glob("*root.json"))
        found = FeedClient.open(str(workspace.feed), tmp_path / f"state-{workspace.root.name}", trusted_root=root)
        found.refresh()
        return found

    return open_client
