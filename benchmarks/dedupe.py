"""De-duplication: synthetic links through the exchange, out of core, at 5, 10 and 20 million rows.

Shards of 250,000 links in the full schema, made here from a fixed seed; some three of ten rows are duplicates, spread over all
shards. Measured is `deduplicate` with the ranks and settings that `build` gives it, from finished shards to finished shards.
Peak memory is of the whole process tree, sampled five times a second: PSS (pages that processes share are counted once; file
pages that they have mapped are in it). CPU seconds are those of all tasks and of the process that gives them out. Needs some 300 bytes of disk a row, given back at the end.

    .venv/bin/python benchmarks/dedupe.py [--rows 5000000 10000000 20000000] [--workers 2] [--scratch DIR]
"""

import argparse
import os
import platform
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.settings import BuildSettings
from linkwell.base.shards import ParquetWriter
from linkwell.engine import LocalEngine, deduplicate
from linkwell.rights import RESTRICTION_COLUMNS

SHARD_ROWS = 250_000
PIECE_ROWS = 50_000
SAMPLE_SECONDS = 0.2
DISTINCT_SHARE = 1.3
"""Numbers are drawn from so many times the rows: about 0.70 of the rows are then distinct."""
WORDS = ("red", "old", "small", "wet", "bird", "house", "boat", "tree", "at", "dawn", "near", "water", "blue", "two")


def make_shard(path: Path, index: int, rows: int) -> None:
    """Write one shard of synthetic links."""
    chance = np.random.default_rng([7, index])
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        for _ in range(SHARD_ROWS // PIECE_ROWS):
            numbers = chance.integers(0, int(rows * DISTINCT_SHARE), PIECE_ROWS).tolist()
            urls = [f"https://host{n % 50_021}.example/images/{n:012d}.jpg" for n in numbers]
            pages = [f"https://host{n % 50_021}.example/{n % 97}.html" for n in numbers]
            writer.write(links_of(chance, urls, pages, ["en"] * PIECE_ROWS))


def links_of(
    chance: np.random.Generator, urls: list[str], pages: list[str], languages: list[str], *, scored: bool = False
) -> pa.Table:
    """Synthetic links in the full schema: captions, verdicts and, where they are scored, safety bins by chance."""
    rows = len(urls)
    columns: dict[str, object] = {
        "link_id": link_ids(urls),
        "url": pa.array(urls),
        "text": pa.array(
            [" ".join(each) for each in np.array(WORDS)[chance.integers(0, len(WORDS), (rows, 6))].tolist()]
        ),
        "page_url": pa.array(pages),
        "offset": pa.array(chance.integers(0, 1 << 30, rows)),
        "language": pa.array(languages),
    }
    if scored:
        columns["safety_bin"] = pa.array((chance.beta(0.15, 6, rows) * 10).astype(np.int8))
    for use in USES:
        codes = chance.choice(4, rows, p=[0.02, 0.05, 0.01, 0.92]).astype(np.int8)
        columns[use] = pa.DictionaryArray.from_arrays(codes, pa.array(VERDICTS))
    fixed = {"crawl": "CC-MAIN-2024-22", "warc": "synthetic.warc.gz", "text_source": "alt"}
    columns |= {name: pa.array([value] * rows) for name, value in fixed.items()}
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in LINK_SCHEMA]
    return pa.table(arrays, names=LINK_SCHEMA.names)


class PeakMemory(threading.Thread):
    """Samples the memory of this process and all below it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.pss_bytes = 0
        self._done = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self._done.wait(SAMPLE_SECONDS):
            total = 0
            me = psutil.Process()
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
            self.pss_bytes = max(self.pss_bytes, total)

    def stop(self) -> None:
        """End the sampling."""
        self._done.set()
        self.join()


def measure(folder: Path, rows: int, workers: int) -> None:
    """Make the shards, de-duplicate them, print one line."""
    shards = [folder / f"{index:04d}.parquet" for index in range(rows // SHARD_ROWS)]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(make_shard, shards, range(len(shards)), [rows] * len(shards)))
    memory = PeakMemory()
    memory.start()
    started, cpu_started = time.monotonic(), cpu_seconds()
    result = deduplicate(
        shards,
        folder / "stages",
        LocalEngine(workers),
        rank="linkwell.rights:restriction_rank",
        rank_columns=RESTRICTION_COLUMNS,
        bucket_rows=BuildSettings().bucket_rows,
    )
    seconds = time.monotonic() - started
    memory.stop()
    # The stages' marks: the processes of a pool that has ended are children of the fork server, not ours.
    marks = [mark for stage in ("scatter", "reduce", "apply") for mark in _marks(folder / "stages" / stage)]
    cpu = cpu_seconds() - cpu_started + sum(marks)
    counts = result.counts()
    millions = rows / 1e6
    print(
        f"{rows:>11,} rows  {counts['rows']:>11,} kept  {counts['duplicates']:>10,} duplicates  "
        f"{memory.pss_bytes / 1e6:6.0f} MB peak  {seconds:7.1f} s  {cpu:7.1f} CPU-s  "
        f"{seconds / millions:5.2f} s/million  {cpu / millions:5.2f} CPU-s/million",
        flush=True,
    )


def _marks(stage: Path) -> list[float]:
    import msgspec  # noqa: PLC0415 - measured part needs none of it

    found = [msgspec.json.decode(path.read_bytes()) for path in stage.glob("*.json") if path.name != "tasks.json"]
    return [float(mark["cpu_seconds"]) for mark in found]


def cpu_seconds() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def over_sizes(measure_one: Callable[[Path, int, int], None], name: str, description: str) -> None:
    """Measure each size that the command line names, in a folder of its own, which goes afterwards.

    Args:
        measure_one: gets the folder, the number of rows and of workers, and prints one line.
        name: of the folders.
        description: of the benchmark.
    """
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rows", type=int, nargs="+", default=[5_000_000, 10_000_000, 20_000_000])
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--scratch", type=Path, default=None)
    given = options.parse_args()
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, {given.workers} workers")
    for rows in given.rows:
        folder = Path(tempfile.mkdtemp(prefix=f"linkwell-{name}-", dir=given.scratch))
        try:
            measure_one(folder, rows, given.workers)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    over_sizes(measure, "dedupe", "De-duplication of synthetic links.")
