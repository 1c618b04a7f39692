"""Small builds to make releases of."""

import random
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
from linkwell.feed import init_feed, make_keys

SETTINGS = """dataset = "birds"
[release]
cell_min_rows = 10
cells_per_shard = 3
[recall]
cells_per_batch = 1
padding_cells_per_hit = 0
"""


def link_table(urls: Sequence[str]) -> pa.Table:
    """Links with plausible columns, the same for the same URL."""
    rows = []
    for url in urls:
        chance = random.Random(url)
        rows.append(
            {
                "link_id": link_id(url),
                "url": url,
                "text": f"text of {url.rsplit('/', 1)[-1]}",
                "text_source": "alt",
                "width": chance.choice([None, 100]),
                "height": 80,
                "language": chance.choice(["en", "de", "und"]),
                "page_url": url.rsplit("/", 1)[0] + "/page.html",
                "license": None,
                "license_scope": None,
                "credit": None,
                "train_ai": chance.choice(["unknown", "disallow"]),
                "tdm": "unknown",
                "search": "unknown",
                "crawl": "c",
                "warc": "w",
                "offset": 1,
                "seen_at": datetime(2026, 1, 1, tzinfo=UTC),
                "similarity": None,
                "safety_bin": chance.choice([None, 0, 5]),
                "cell": None,
            }
        )
    return pa.Table.from_pylist(rows, LINK_SCHEMA)


def some_urls(count: int, start: int = 0) -> list[str]:
    """URLs on hosts of uneven size."""
    return [f"http://host{(n * n) % 17}.example/{n}.jpg" for n in range(start, start + count)]


SetBuild = Callable[..., list[Path]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with cells of 10 rows, keys and a feed."""
    made = Workspace.create(tmp_path / "workspace", "birds", SETTINGS)
    make_keys(made)
    init_feed(made)
    return made


@pytest.fixture
def set_build(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> SetBuild:
    """Makes given URLs the workspace's current build, in shards of a hundred rows."""
    number = 0

    def set_to(urls: Sequence[str]) -> list[Path]:
        nonlocal number
        number += 1
        folder = workspace.builds / f"b{number}"
        folder.mkdir()
        paths = []
        for start in range(0, len(urls), 100):
            path = folder / f"{start:05d}.links.parquet"
            pq.write_table(link_table(urls[start : start + 100]), path)
            paths.append(path)
        build = SimpleNamespace(name=f"b{number}", links=paths, rows=len(urls), rights_policy_sha256="")
        monkeypatch.setattr("linkwell.release.create.current_build", lambda _workspace: build)
        return paths

    return set_to
