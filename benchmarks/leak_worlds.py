"""The worlds of `leak.py`: links, a release of them, and how hits are drawn over it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.engine import LocalEngine
from linkwell.feed import init_feed, make_keys
from linkwell.release import Release, create, create_release, open_release

SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARD_ROWS = 250_000
HOSTS = 200_000
BAD_HOSTS, LOOK_ALIKES = 60, 1_500
HITS_IN_BAD, HITS_IN_HIGH, HITS_ANYWHERE = 300, 60, 20
HIGH_SCORE = 0.95
TOP_BIN = 9
WORDS = 5_000
"""Of each of the two vocabularies."""
TEXT_WORDS = 8

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Draw = Callable[[np.random.Generator], Int64s]
"""Draws the hits of one truth: their places in the release."""


@dataclass(frozen=True)
class World:
    """A release, and how truths are drawn over it."""

    name: str
    workspace: Workspace
    made: Release
    cell: npt.NDArray[np.int32]
    """Of each row, in the order of the release."""
    top: Bools
    """Rows of the highest safety bin."""
    alike: Bools
    """Rows that most hits are drawn from, and that anybody can tell by safety bin and caption; none in the real world."""
    draw: Draw

    @property
    def k(self) -> int:
        """The fewest rows of a cell."""
        return self.workspace.settings.release.cell_min_rows

    def cell_rows(self) -> dict[int, int]:
        """The rows of each cell."""
        counts = np.bincount(self.cell)
        return {int(cell): int(counts[cell]) for cell in np.flatnonzero(counts)}

    def tables(self, columns: list[str]) -> Iterator[tuple[slice, pa.Table]]:
        """The rows of the release with their places."""
        start = 0
        for table in read_tables(self.made.parts, columns, batch_rows=250_000):
            yield slice(start, start + table.num_rows), table
            start += table.num_rows


def synthetic(folder: Path, rows: int) -> tuple[list[Path], Bools, Callable[[Int64s], Draw]]:
    """Write the shards; returns them, which rows score high, and what makes `Draw` of the numbers of the released rows (column `offset`)."""
    chance = np.random.default_rng(11)
    weights = 1 / np.arange(1, HOSTS + 1)
    host = chance.choice(HOSTS, rows, p=weights / weights.sum()).astype(np.int32)
    size = np.bincount(host, minlength=HOSTS)
    score = chance.beta(0.15, 6, rows)
    middling = np.flatnonzero((size >= 20) & (size <= 400))
    risky_hosts = chance.choice(middling, BAD_HOSTS + LOOK_ALIKES, replace=False)
    risky = np.flatnonzero(np.isin(host, risky_hosts))
    raised = risky[chance.random(len(risky)) < 0.5]
    score[raised] = chance.beta(30, 0.6, len(raised))
    high = score > HIGH_SCORE
    words = pa.array([f"word{number}" for number in range(2 * WORDS)])
    shares = np.cumsum(1 / np.arange(1, WORDS + 1))
    shards = []
    for start in range(0, rows, SHARD_ROWS):
        here = slice(start, min(start + SHARD_ROWS, rows))
        number = np.arange(start, here.stop)
        urls = [f"https://host{h}.example/{n}.jpg" for n, h in zip(number.tolist(), host[here].tolist(), strict=True)]
        drawn = (
            np.searchsorted(shares, chance.random((len(number), TEXT_WORDS)) * shares[-1]) + WORDS * high[here, None]
        )
        ends: Any = pa.array(np.arange(len(number) + 1, dtype=np.int32) * TEXT_WORDS)
        columns = {
            "link_id": link_ids(urls),
            "url": pa.array(urls),
            "text": pc.binary_join(pa.ListArray.from_arrays(ends, words.take(pa.array(drawn.ravel()))), " "),
            "language": pa.array(np.where(host[here] % 3 == 0, "de", "en").tolist()),
            "safety_bin": pa.array(np.minimum(score[here] * 10, 9).astype(np.int8)),
            "offset": pa.array(number),
        }
        shards.append(folder / f"{start:09d}.parquet")
        _write(shards[-1], columns, len(number))
    high_rows = np.flatnonzero(high)

    def draws(numbers: Int64s) -> Draw:
        place = np.empty(rows, np.int64)
        place[numbers] = np.arange(rows)

        def draw(chance: np.random.Generator) -> Int64s:
            bad = np.zeros(HOSTS, bool)
            bad[chance.choice(risky_hosts, BAD_HOSTS, replace=False)] = True
            chosen = [
                chance.choice(high_rows[bad[host[high_rows]]], HITS_IN_BAD, replace=False),
                chance.choice(high_rows, HITS_IN_HIGH, replace=False),
                chance.choice(rows, HITS_ANYWHERE, replace=False),
            ]
            return np.sort(place[np.unique(np.concatenate(chosen))])

        return draw

    return shards, high, draws


def _write(path: Path, columns: dict[str, Any], count: int) -> None:
    filled = dict(columns)
    for name in ("page_url", "crawl", "warc", "text_source"):
        filled[name] = pa.array(["synthetic"] * count)
    for use in USES:
        filled[use] = pa.DictionaryArray.from_arrays(np.full(count, 3, np.int8), pa.array(VERDICTS))
    arrays = [filled.get(field.name, pa.nulls(count, field.type)) for field in LINK_SCHEMA]
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        writer.write(pa.table(arrays, names=LINK_SCHEMA.names))


def real(made: Release) -> Draw:
    """Hits among real links: eight in two hosts of 20 to 400 rows, two anywhere."""
    hosts = [
        str(url).split("/", 3)[2] for table in read_tables(made.parts, ["url"]) for url in table["url"].to_pylist()
    ]
    _, host, sizes = np.unique(hosts, return_inverse=True, return_counts=True)
    middling = np.flatnonzero((sizes >= 20) & (sizes <= 400))

    def draw(chance: np.random.Generator) -> Int64s:
        two = [np.flatnonzero(host == name) for name in chance.choice(middling, 2, replace=False)]
        return np.unique(
            [*(n for rows in two for n in chance.choice(rows, 4, replace=False)), *chance.choice(len(host), 2)]
        )

    return draw


def release(workspace: Workspace, shards: list[Path], rows: int) -> Release:
    """Release the shards, by the command's own code."""
    built = SimpleNamespace(name="b", links=shards, rows=rows, rights_policy_sha256="")
    vars(create)["current_build"] = lambda _workspace: built
    create_release(workspace, "v1", engine=LocalEngine(), without_audit="hits come later", who="benchmark")
    return open_release(workspace, "v1")


def make_world(name: str, folder: Path, rows: int) -> World:
    """Build and release one world."""
    small = "[recall]\ncells_per_batch = 2\n[build.filters]\nmin_text_characters = 0\n" if name == "real" else ""
    workspace = Workspace.create(folder / "workspace", name, f'dataset = "{name}"\n{small}')
    make_keys(workspace)
    init_feed(workspace)
    if name == "real":
        sources = sorted(str(path) for path in (SHARED / "data" / "wat").glob("*.wat.gz"))
        build(workspace, sources, crawl=None, engine=LocalEngine())
        shards = current_build(workspace).links
    else:
        shards, high, draws = synthetic(folder, rows)
    made = release(workspace, shards, 0)
    seen = pa.concat_tables(read_tables(made.parts, ["cell", "offset", "safety_bin"]))
    cell = seen["cell"].to_numpy().astype(np.int32)
    top = seen["safety_bin"].to_numpy() == TOP_BIN
    numbers = seen["offset"].to_numpy()
    if name == "real":
        return World(name, workspace, made, cell, top, np.zeros(len(cell), bool), real(made))
    return World(name, workspace, made, cell, top, high[numbers], draws(numbers))
