"""Exact audit: synthetic links and as many ledger rows against 20 million listed hashes and URLs, at 5, 20 and 50 million rows.

Every link has a ledger row with all digests. Listed are 8 million MD5, 6 million SHA-1, 4 million SHA-256 and 2 million URLs (each as two ids),
all made up, in two lists; five entries of each shard of 250,000 are planted, one by each means. Measured is `audit` as the command runs
it, from the lists at rest to the findings; the first line is the very first audit after an import, which also makes the indexes. Peak memory is the PSS of the
whole process tree, sampled five times a second, as is its CPU time. Texts are not searched for personal data (`audit.personal_data`). Some 190 bytes of disk a row, given back at the end.

    .venv/bin/python benchmarks/audit.py [--rows 5000000 20000000 50000000] [--listed 20000000] [--workers 2] [--scratch DIR]

Some 20 minutes on two cores, half of it to make the rows. No peer: none that was found matches a list against a dataset out of core.
"""

import argparse
import os
import platform
import secrets
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.audit import audit
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.ledger import write_ledger_part
from linkwell.lists.kinds import CANONICAL, KIND_BYTES, LINK
from linkwell.lists.storage import ListIndex, ListRecord, Part, Rows, write_index, write_part

SHARD_ROWS = 250_000
PART_ROWS = 500_000
SAMPLE_SECONDS = 0.2
SHARES = {"md5": 0.4, "sha1": 0.3, "sha256": 0.2, "url": 0.1}
LAION_ROWS = 5_850_000_000
_DIGESTS = ("md5", "sha1", "sha256")

Bytes = npt.NDArray[np.uint8]


class Plant(NamedTuple):
    """What one shard holds of the lists."""

    digests: dict[str, bytes]
    url: str
    other_spelling: str


def planted(shard: int) -> Plant:
    """The entries of a shard: made from its number alone."""
    chance = np.random.default_rng([11, shard])
    digests = {kind: chance.bytes(KIND_BYTES[kind]) for kind in _DIGESTS}
    return Plant(digests, f"https://planted{shard}.example/a.jpg", f"https://PLANTED{shard}.example/x/../b.jpg")


def column(values: Bytes) -> pa.Array:  # type: ignore[type-arg] # not subscriptable at run time
    """Rows of bytes as a column."""
    return pa.Array.from_buffers(pa.binary(values.shape[1]), len(values), [None, pa.py_buffer(values.tobytes())])


def make_shard(root: str, folder: str, shard: int) -> None:
    """Write one shard of links and its part of the ledger."""
    chance = np.random.default_rng([7, shard])
    plant = planted(shard)
    hosts = chance.integers(0, 50_021, SHARD_ROWS).tolist()
    urls = [f"https://host{host}.example/images/{shard:05d}/{row:06d}.jpg" for row, host in enumerate(hosts)]
    ids = chance.integers(0, 256, (SHARD_ROWS, 16), np.uint8)
    urls[10], urls[20] = plant.url, plant.other_spelling
    ids[10], ids[20] = (np.frombuffer(link_id(url), np.uint8) for url in (urls[10], urls[20]))
    links = pa.table({"link_id": column(ids), "url": pa.array(urls, pa.string())})
    pq.write_table(links, Path(folder) / f"{shard:05d}.parquet", compression="zstd", row_group_size=50_000)
    columns = {"link_id": column(ids)}
    for row, (kind, digest) in enumerate(plant.digests.items()):
        values = chance.integers(0, 256, (SHARD_ROWS, KIND_BYTES[kind]), np.uint8)
        values[30 + row] = np.frombuffer(digest, np.uint8)
        columns[kind] = column(values)
    columns["pdq"] = column(chance.integers(0, 256, (SHARD_ROWS, 32), np.uint8))
    columns["pdq_quality"] = pa.array(np.full(SHARD_ROWS, 100, np.int8))
    columns["fetched_at"] = pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * SHARD_ROWS, LEDGER_SCHEMA.field(1).type)
    columns["byte_size"] = pa.array(chance.integers(5_000, 500_000, SHARD_ROWS))
    arrays = [columns.get(field.name, pa.nulls(SHARD_ROWS, field.type)) for field in LEDGER_SCHEMA]
    workspace = Workspace.open(Path(root))
    part = workspace.ledger / f"run-{shard:05d}.parquet"
    write_ledger_part(part, pa.table(arrays, schema=LEDGER_SCHEMA), workspace.master_key())


def make_lists(workspace: Workspace, entries: int, shards: int) -> None:
    """Write two lists that share the entries between them, past the importer, which reads text."""
    plants = [planted(shard) for shard in range(shards)]
    truth: dict[str, list[bytes]] = {kind: [plant.digests[kind] for plant in plants] for kind in _DIGESTS}
    truth[LINK] = [link_id(plant.url) for plant in plants]
    truth[CANONICAL] = [canonical_id(plant.other_spelling) or b"" for plant in plants]
    chance = np.random.default_rng(3)
    parts: dict[str, list[Part]] = {"hotline": [], "other": []}
    for kind in KIND_BYTES:
        count = int(entries * SHARES.get(kind, SHARES["url"] if kind in {LINK, CANONICAL} else 0))
        values = [
            chance.bytes(min(PART_ROWS, count - first) * KIND_BYTES[kind]) for first in range(0, count, PART_ROWS)
        ]
        for number, data in enumerate([b"".join(truth.get(kind, [])), *values]):
            if data:
                source = "other" if number % 2 else "hotline"
                name = f"{source}-1-{kind}-{number}.parquet"
                canaries = [secrets.token_bytes(KIND_BYTES[kind]) for _ in range(2)]
                parts[source].append(write_part(workspace, name, kind, Rows(data), canaries))
    index = ListIndex()
    for source, made in parts.items():
        index = index.with_list(
            ListRecord(source, datetime.now(UTC), "synthetic", "signals", True, {}, 0, tuple(made))  # noqa: FBT003
        )
    write_index(workspace, index)


class Watch(threading.Thread):
    """Samples memory and CPU time of this process and all below it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.pss_bytes = 0
        self._cpu: dict[int, float] = {}
        self._first: dict[int, float] = {}
        self._done = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self._done.wait(SAMPLE_SECONDS):
            total = 0
            me = psutil.Process()
            for process in [me, *me.children(recursive=True)]:
                try:
                    times = process.cpu_times()
                    self._cpu[process.pid] = times.user + times.system
                    # What ran before is not counted: of this process, and of the server that its workers are forked from.
                    self._first.setdefault(
                        process.pid, self._cpu[process.pid] if process.create_time() < self._start else 0
                    )
                    total += process.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
            self.pss_bytes = max(self.pss_bytes, total)

    def __enter__(self) -> Self:
        self._start = time.time()
        self.start()
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.started
        self._done.set()
        self.join()
        self.cpu_seconds = sum(self._cpu.values()) - sum(self._first.values())


def measure(workspace: Workspace, folder: Path, rows: int, workers: int, note: str = "") -> float:
    """Audit the first so many rows, print one line; CPU seconds for each of them."""
    shards = rows // SHARD_ROWS
    with Watch() as watch:
        report = audit(
            workspace,
            links=sorted(folder.glob("*.parquet")),
            label=f"rows-{rows}",
            engine=LocalEngine(workers),
        )
    assert report.checked == rows
    assert report.findings == {"exact": 3 * shards, "url": 2 * shards}, report.findings
    assert not report.unchecked
    cost = watch.cpu_seconds / rows
    print(
        f"{rows:>11,} links and rows  {5 * shards:>6,} of {5 * shards:,} found, no other  {watch.pss_bytes / 1e6:6.0f} MB peak  "
        f"{watch.seconds:7.1f} s  {watch.cpu_seconds:7.1f} CPU-s  {1 / cost:9,.0f} rows/s a core  {note}",
        flush=True,
    )
    return cost


def main() -> None:
    """Measure each size and print the table."""
    options = argparse.ArgumentParser(description="Exact audit of synthetic links.")
    options.add_argument("--rows", type=int, nargs="+", default=[5_000_000, 20_000_000, 50_000_000])
    options.add_argument("--listed", type=int, default=20_000_000)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--scratch", type=Path, default=None)
    given = options.parse_args()
    print(
        f"Python {platform.python_version()}, pyarrow {pa.__version__}, {given.workers} workers, {given.listed:,} listed"
    )
    sizes = sorted(rows - rows % SHARD_ROWS for rows in given.rows)
    root = Path(tempfile.mkdtemp(prefix="linkwell-audit-", dir=given.scratch))
    try:
        if shutil.disk_usage(root).free < 250 * sizes[-1]:
            sys.exit(f"{root} has not the {250 * sizes[-1] / 1e9:.0f} GB that this needs: name another with --scratch")
        exact_only = 'dataset = "links"\n[audit]\npersonal_data = false\n'
        workspace = Workspace.create(root / "workspace", settings_text=exact_only)
        folder = root / "links"
        folder.mkdir()
        make_lists(workspace, given.listed, sizes[-1] // SHARD_ROWS)
        done, cost = 0, 0.0
        for rows in sizes:
            with ProcessPoolExecutor(given.workers) as pool:
                wanted = range(done, rows // SHARD_ROWS)
                list(pool.map(make_shard, [str(workspace.root)] * len(wanted), [str(folder)] * len(wanted), wanted))
            cost = measure(workspace, folder, rows, given.workers, "first: indexes made" if not done else "")
            done = rows // SHARD_ROWS
        for cores in (1, 2, 16, 64):
            print(f"{LAION_ROWS:,} rows on {cores} cores: {cost * LAION_ROWS / cores / 3600:,.1f} hours")
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
