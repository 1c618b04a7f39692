"""What the tests of populate share: drawn pictures, files of links, a hostile server, a workspace in a hurry."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.ids import link_id
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import ParquetWriter
from linkwell.base.workspace import Workspace
from linkwell.populate import PopulateOptions

HURRIED = """dataset = "birds"
[populate]
shard_rows = 100
total_deadline_seconds = 1.5
connect_timeout_seconds = 1.0
retry_backoff_seconds = 0.01
per_host_per_second = 0
max_image_bytes = 300000
max_image_pixels = 20000000
"""

WriteLinks = Callable[..., Path]


def draw(seed: int, side: int = 160, form: str = "JPEG") -> bytes:
    """A picture with enough structure for a perceptual hash; another seed gives another picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(out, form, quality=90)
    return out.getvalue()


@pytest.fixture
def hurried(tmp_path: Path) -> Workspace:
    """A workspace with short deadlines and small caps."""
    return Workspace.create(tmp_path / "workspace", "birds", HURRIED)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A hostile server that has one good picture."""
    with HostileServer({"/good.jpg": draw(1)}) as running:
        yield running


@pytest.fixture
def options(server: HostileServer) -> PopulateOptions:
    """Options under which every name is the hostile server, and only its address is allowed."""
    return PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",))


def write_links(path: Path, urls: Sequence[str], **columns: Sequence[object]) -> Path:
    """Write a parquet file of links; `columns` gives values for others than the URL."""
    rows = []
    for number, url in enumerate(urls):
        row: dict[str, object] = {
            "link_id": link_id(url),
            "url": url,
            "text": f"caption {number}",
            "language": "en",
            "text_source": "alt",
            "page_url": "http://page.example/",
            "train_ai": "unknown",
            "tdm": "unknown",
            "search": "unknown",
            "crawl": "c",
            "warc": "w",
            "offset": 0,
        }
        row.update({name: values[number] for name, values in columns.items()})
        rows.append(row)
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        writer.write(pa.Table.from_pylist(rows, LINK_SCHEMA))
    return path
