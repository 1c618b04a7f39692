"""Cells, parts and manifest of a release: synthetic links, out of core, at 5, 10 and 20 million rows.

Links are those of `benchmarks/dedupe.py`, each once, on some 50,000 hosts, with a safety bin and three languages; one in fifty is a second
spelling of the link before it. Measured is `release create` from a finished build to the signed manifest. Peak memory is the PSS of the
whole process tree; CPU seconds are those of all tasks and of the process that gives them out. Needs some 500 bytes of disk a row, given back
at the end, and some 7 minutes on two cores for the three sizes.

    .venv/bin/python benchmarks/cells.py [--rows 5000000 10000000 20000000] [--workers 2] [--scratch DIR]
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dedupe import PeakMemory, cpu_seconds

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.feed import init_feed, make_keys
from linkwell.release import create, create_release

SHARD_ROWS = 250_000
PIECE_ROWS = 50_000
HOSTS = 50_021
WORDS = ("red", "old", "small", "wet", "bird", "house", "boat", "tree", "at", "dawn", "near", "water", "blue", "two")


def make_shard(path: Path, index: int) -> None:
    """Write one shard of synthetic links."""
    chance = np.random.default_rng([7, index])
    words = np.array(WORDS)
    fixed = {"crawl": "CC-MAIN-2024-22", "warc": "synthetic.warc.gz", "text_source": "alt"}
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        for start in range(index * SHARD_ROWS, (index + 1) * SHARD_ROWS, PIECE_ROWS):
            numbers = range(start, start + PIECE_ROWS)
            # A second spelling of the link before it: the same canonical URL, so the two may not be split.
            urls = [
                f"https://host{n * n % HOSTS}.example/images/{n:012d}.jpg"
                if n % 50
                else f"https://host{(n + 1) ** 2 % HOSTS}.example/images/{n + 1:012d}.jpg#top"
                for n in numbers
            ]
            texts = [" ".join(each) for each in words[chance.integers(0, len(words), (PIECE_ROWS, 6))].tolist()]
            columns: dict[str, object] = {
                "link_id": link_ids(urls),
                "url": pa.array(urls),
                "text": pa.array(texts),
                "page_url": pa.array([url[:-17] for url in urls]),
                "offset": pa.array(chance.integers(0, 1 << 30, PIECE_ROWS)),
                "language": pa.array([("en", "de", "und")[n % 3] for n in numbers]),
                "safety_bin": pa.array((chance.beta(0.15, 6, PIECE_ROWS) * 10).astype(np.int8)),
            }
            for use in USES:
                codes = chance.choice(4, PIECE_ROWS, p=[0.02, 0.05, 0.01, 0.92]).astype(np.int8)
                columns[use] = pa.DictionaryArray.from_arrays(codes, pa.array(VERDICTS))
            columns |= {name: pa.array([value] * PIECE_ROWS) for name, value in fixed.items()}
            arrays = [columns.get(field.name, pa.nulls(PIECE_ROWS, field.type)) for field in LINK_SCHEMA]
            writer.write(pa.table(arrays, names=LINK_SCHEMA.names))


def measure(folder: Path, rows: int, workers: int) -> None:
    """Make the shards, release them, print one line."""
    shards = [folder / f"{index:04d}.parquet" for index in range(rows // SHARD_ROWS)]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(make_shard, shards, range(len(shards))))
    workspace = Workspace.create(folder / "workspace", "synthetic")
    make_keys(workspace)
    init_feed(workspace)
    build = SimpleNamespace(name="b", links=shards, rows=rows, rights_policy_sha256="")
    vars(create)["current_build"] = lambda _workspace: build
    kept: list[float] = []

    def remove_work(path: Path, **_options: bool) -> None:
        # The tasks' marks go with the work folder: they are read before.
        kept.extend(_marks(path))
        shutil.rmtree(path)

    vars(create)["shutil"] = SimpleNamespace(rmtree=remove_work)
    memory = PeakMemory()
    memory.start()
    started, cpu_started = time.monotonic(), cpu_seconds()
    info = create_release(
        workspace, "v1", engine=LocalEngine(workers), without_audit="synthetic links", who="benchmark"
    )
    seconds = time.monotonic() - started
    memory.stop()
    cpu = cpu_seconds() - cpu_started + sum(kept)
    millions = rows / 1e6
    print(
        f"{rows:>11,} rows  {info.cells:>7,} cells  {info.parts:>4,} parts  {memory.pss_bytes / 1e6:6.0f} MB peak  "
        f"{seconds:7.1f} s  {cpu:7.1f} CPU-s  {seconds / millions:5.2f} s/million  {cpu / millions:5.2f} CPU-s/million",
        flush=True,
    )


def _marks(work: Path) -> list[float]:
    """CPU seconds of the tasks whose marks are below a folder; says where they went on standard error."""
    total: list[float] = []
    for stage in sorted(path for path in work.iterdir() if path.is_dir()):
        found = [msgspec.json.decode(path.read_bytes()) for path in stage.glob("[0-9]*.json")]
        seconds = [float(mark["cpu_seconds"]) for mark in found if "cpu_seconds" in mark]
        sys.stderr.write(f"  {stage.name}: {sum(seconds):.1f} CPU-s in {len(seconds)} tasks\n")
        total += seconds
    return total


def main() -> None:
    """Measure each size and print the table."""
    options = argparse.ArgumentParser(description="Cells, parts and manifest of synthetic links.")
    options.add_argument("--rows", type=int, nargs="+", default=[5_000_000, 10_000_000, 20_000_000])
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--scratch", type=Path, default=None)
    given = options.parse_args()
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, {given.workers} workers")
    for rows in given.rows:
        folder = Path(tempfile.mkdtemp(prefix="linkwell-cells-", dir=given.scratch))
        try:
            measure(folder, rows, given.workers)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
