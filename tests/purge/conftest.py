"""Copies to purge, made without Linkwell: tarfile, pyarrow and json in img2dataset's layout (peers.md 5.3)."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.ids import link_id
from linkwell.recall import Recalled


@dataclass(frozen=True)
class Row:
    """One link of a copy, as a test thinks of it."""

    number: int
    cell: int
    place: int
    status: str = "success"

    @property
    def url(self) -> str:
        return f"http://host{self.number % 7}.example/pictures/{self.number:06d}-canary.jpg"

    @property
    def text(self) -> str:
        return f"caption number {self.number:06d} of a canary"

    @property
    def link_id(self) -> bytes:
        return link_id(self.url)

    @property
    def pixels(self) -> bytes:
        return hashlib.sha256(self.url.encode()).digest() * (1 + self.number % 60)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.pixels).hexdigest()

    @property
    def cell_key(self) -> str:
        return f"{self.cell:08d}{self.place:05d}"


def make_rows(cells: Iterable[int], rows_per_cell: int, fail_every: int = 5) -> list[Row]:
    """Rows of some cells; every few of them failed to download."""
    rows = []
    for cell in cells:
        for place in range(rows_per_cell):
            number = cell * 1000 + place
            failed = number % fail_every == fail_every - 1
            rows.append(Row(number, cell, place, "failed_to_download" if failed else "success"))
    return rows


def recalled_of(cells: Iterable[int], rows: Iterable[Any], links: Iterable[Any] = (), sequence: int = 1) -> Recalled:
    """What a feed would say: whole cells of `rows`, and single links; all have `cell` and `link_id`."""
    gone = frozenset(cells)
    ids = {row.link_id for row in rows if row.cell in gone} | {row.link_id for row in links}
    heads = tuple(hashlib.sha256(str(n).encode()).hexdigest() for n in range(sequence))
    return Recalled("birds", sequence, gone, np.array(sorted(ids), dtype="S16"), heads=heads)


def write_tar(path: Path, samples: Iterable[tuple[str, dict[str, bytes]]], fmt: int = tarfile.USTAR_FORMAT) -> None:
    """A tar as webdataset's writer makes it."""
    with tarfile.open(path, "w", format=fmt) as archive:
        for key, parts in samples:
            for extension, data in parts.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size, info.mode, info.uname, info.gname = len(data), 0o444, "bigdata", "bigdata"
                archive.addfile(info, io.BytesIO(data))


@dataclass(frozen=True)
class CopyMaker:
    """Makes copies of either layout in a folder."""

    root: Path

    def shard(self, name: str, rows: list[Row], *, ours: bool, parquet: bool = True, told: bool = True) -> None:
        """One shard: tar, parquet, stats.

        Args:
            name: stem of the files.
            rows: what is in it.
            ours: keys and columns as Linkwell's; else as img2dataset's own.
            parquet: whether the sibling parquet is there.
            told: whether the members' JSON says the URL.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        keys = [row.cell_key if ours else f"{name}{index:04d}" for index, row in enumerate(rows)]
        samples = []
        table = []
        for key, row in zip(keys, rows, strict=True):
            done = row.status == "success"
            listed: dict[str, object] = {
                "similarity": 0.25,
                "caption": row.text,
                "url": row.url,
                "key": key,
                "status": row.status,
                "error_message": "" if done else "HTTP Error 404: Not Found",
                "width": 8 if done else None,
                "sha256": row.sha256 if done else None,
            }
            if ours:
                listed |= {"link_id": row.link_id, "cell": row.cell}
            table.append(listed)
            if done:
                said = {k: v.hex() if isinstance(v, bytes) else v for k, v in listed.items()} if told else {}
                parts = {"jpg": row.pixels, "json": json.dumps(said, indent=4).encode(), "txt": row.text.encode()}
                samples.append((key, parts))
        write_tar(self.root / f"{name}.tar", samples)
        if parquet:
            fields: list[Any] = [
                pa.field("similarity", pa.float64()),
                pa.field("caption", pa.string()),
                pa.field("url", pa.string()),
                pa.field("key", pa.string()),
                pa.field("status", pa.string()),
                pa.field("error_message", pa.string()),
                pa.field("width", pa.int32()),
                pa.field("sha256", pa.string()),
                *([pa.field("link_id", pa.binary(16)), pa.field("cell", pa.uint32())] if ours else []),
            ]
            pq.write_table(
                pa.Table.from_pylist(table, schema=pa.schema(fields)), self.root / f"{name}.parquet", row_group_size=64
            )
        self.stats(name, rows)

    def stats(self, name: str, rows: list[Row]) -> None:
        """`_stats.json` as img2dataset writes it."""
        (self.root / f"{name}_stats.json").write_text(json.dumps(self.stats_of(rows), indent=4))

    @staticmethod
    def stats_of(rows: list[Row]) -> dict[str, object]:
        """What the stats of these rows say."""
        good = sum(row.status == "success" for row in rows)
        messages = {"success": good, "HTTP Error 404: Not Found": len(rows) - good}
        return {
            "count": len(rows),
            "successes": good,
            "failed_to_download": len(rows) - good,
            "failed_to_resize": 0,
            "duration": 1.5,
            "start_time": 1700000000.25,
            "end_time": 1700000001.75,
            "status_dict": {k: v for k, v in messages.items() if v},
        }

    def describe(self, release: str | None = "v1") -> None:
        """`linkwell.copy`."""
        described = {
            "format": "linkwell-copy-1",
            "dataset": "birds",
            "kind": "webdataset",
            "release": release,
            "revision": 1,
            "created": "2026-01-01T00:00:00+00:00",
        }
        (self.root / "linkwell.copy").write_text(json.dumps(described))


@pytest.fixture
def maker(tmp_path: Path) -> CopyMaker:
    """Makes a copy in a fresh folder."""
    return CopyMaker(tmp_path / "copy")


@pytest.fixture
def rows_of() -> Callable[..., list[Row]]:
    """Rows of some cells."""
    return make_rows


@pytest.fixture
def recalled() -> Callable[..., Recalled]:
    """What a feed would say."""
    return recalled_of
