"""Cells, parts and manifest of a release: synthetic links, out of core, at 5, 10 and 20 million rows.

Links are those of `benchmarks/dedupe.py`, each once, on some 50,000 hosts, with a safety bin and three languages; one in fifty is a second
spelling of the link before it. Measured is `release create` from a finished build to the signed manifest. Peak memory is the PSS of the
whole process tree; CPU seconds are those of all tasks and of the process that gives them out. Needs some 500 bytes of disk a row, given back
at the end, and some 7 minutes on two cores for the three sizes.

    .venv/bin/python benchmarks/cells.py [--rows 5000000 10000000 20000000] [--workers 2] [--scratch DIR]
"""

import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dedupe import PIECE_ROWS, SHARD_ROWS, PeakMemory, cpu_seconds, links_of, over_sizes

from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import ParquetWriter
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.feed import init_feed, make_keys
from linkwell.release import create, create_release

HOSTS = 50_021


def make_shard(path: Path, index: int) -> None:
    """Write one shard of synthetic links."""
    chance = np.random.default_rng([7, index])
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
            languages = [("en", "de", "und")[n % 3] for n in numbers]
            writer.write(links_of(chance, urls, [url[:-17] for url in urls], languages, scored=True))


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


if __name__ == "__main__":
    over_sizes(measure, "cells", "Cells, parts and manifest of synthetic links.")
