"""Purge: what clean shards and shards with hits cost, beside plain copies of the same bytes and the obvious other ways.

Parquet: files in a release's layout (link id, URL, caption, cell; runs of 1,000 rows to a cell), one cell of each file recalled. Untouched
files: rows a CPU-second of looking, and of the whole of `apply`. Files with hits: rewriting beside reading and writing the same row
groups with pyarrow, and beside DuckDB's anti-join and COPY. Tars: shards in our layout with their parquet, one cell of the hit ones
recalled, beside `cp` and a loop with `tarfile`. The same bytes in DataComp's way, without parquet, show what asking every sample's JSON costs.

Both sides run in turn, and ratios are made within each round, of CPU (user and system, of this process and those it starts) and of wall
time; the median is told, and all of them. CPU is what other programs on the machine disturb least. All is `--hash-rewritten` and one process
of ours, whose SHA-256 of a new tar is taken by a second thread. Whoever writes data, writes it out: new files of ours, and what they are
compared with, are synced; where nothing is written, `cp` is not synced either. Files lie in the page cache before each run (warm), but for the
runs that are called cold, where the shard is dropped from it. Shards of the clean copy are names of the same files (hard links), the first
look without what earlier looks noted, the later ones with it. Takes some minutes.

    .venv/bin/python benchmarks/purge.py [--rows 4000000] [--tar-megabytes 300] [--hit-shards 2] [--rounds 5] [--folder DIR]
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.ids import link_id, link_ids
from linkwell.base.shards import ParquetWriter
from linkwell.engine import SerialEngine
from linkwell.populate.writer import TarWriter
from linkwell.purge import PurgeOptions, apply
from linkwell.purge.match import Wanted
from linkwell.purge.parquet import scan_parquet
from linkwell.recall import Recalled

CELL_ROWS = 1_000
FILE_ROWS = 1_000_000
SAMPLES = 10_000
REPEATS = 16
SETTLED = 6
"""Seconds after which a file counts as settled."""


@dataclass(frozen=True)
class Cost:
    """Of one run: CPU of this process and its children, and wall time; seconds."""

    cpu: float
    wall: float


def measure(work: Callable[[], object]) -> Cost:
    """Run something."""
    before, started = _cpu(), time.monotonic()
    work()
    return Cost(_cpu() - before, time.monotonic() - started)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def compare(name: str, ours: list[Cost], other: list[Cost], peer: str) -> None:
    """Print how ours stands beside another: speed by CPU and by wall time, the median of the rounds and each."""
    print(f"{name}, beside {peer}:")
    for kind in ("cpu", "wall"):
        mine, theirs = ([getattr(cost, kind) for cost in costs] for costs in (ours, other))
        ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
        listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        median = f"{statistics.median(mine):.3f} against {statistics.median(theirs):.3f} s"
        print(f"    {kind:4} {statistics.median(ratios):5.2f} times the speed ({listed}); {median}")


def make_parquet(folder: Path, rows: int) -> list[Path]:
    """Parts of a release: cells in no order, 100,000 rows to a row group."""
    folder.mkdir()
    random = np.random.default_rng(1)
    cells = random.permutation(5_000_000)[: rows // CELL_ROWS].astype(np.uint32)
    paths = []
    for part, first in enumerate(range(0, rows, FILE_ROWS)):
        count = min(FILE_ROWS, rows - first)
        urls = [
            f"http://host{i % 997}.example/pictures/{i * 7919 % 1_000_003}/{i}.jpg" for i in range(first, first + count)
        ]
        table = pa.table(
            {
                "link_id": link_ids(urls),
                "url": urls,
                "text": [f"a caption of some words, number {i * 31 % 100_003}, and more" for i in range(count)],
                "cell": pa.array(np.repeat(cells[first // CELL_ROWS : (first + count) // CELL_ROWS], CELL_ROWS)),
            }
        )
        path = folder / f"part-{part:05d}.parquet"
        with ParquetWriter(path, table.schema) as writer:
            for start in range(0, count, 100_000):
                writer.write(table.slice(start, 100_000))
        paths.append(path)
    return paths


def recall_of(cells: list[int], ids: list[bytes] | None = None) -> Recalled:
    """A covered recall of whole cells."""
    listed = np.array(sorted(ids or []), dtype="S16")
    return Recalled("birds", 1, frozenset(cells), listed, heads=("00",), loose_ids=np.empty(0, dtype="S16"))


def describe(folder: Path) -> None:
    """`linkwell.copy` of a release's copy."""
    said = {"format": "linkwell-copy-1", "dataset": "birds", "kind": "webdataset", "release": "v1", "revision": 1}
    (folder / "linkwell.copy").write_text(json.dumps(said))


def parquet_part(work: Path, rows: int, rounds: int) -> None:
    """Clean files, then files with a hit."""
    paths = make_parquet(work / "parquet", rows)
    size = sum(path.stat().st_size for path in paths)
    print(f"\nParquet: {rows:,} rows in {len(paths)} files, {size / 1e6:,.0f} MB")
    nothing = recall_of([4_999_999 + n for n in range(1, 801)])
    look = [measure(partial(scan_all, paths, nothing)) for _ in range(rounds)]
    print(f"untouched files, looking: {rows / min(c.cpu for c in look) / 1e6:,.0f} million rows a CPU-second")
    many = repeat(work / "many", paths)
    whole = [measure(partial(purge, many, nothing)) for _ in range(rounds)]
    rate = REPEATS * rows / min(c.cpu for c in whole) / 1e6
    print(f"untouched files, all of apply on {REPEATS * rows:,} rows: {rate:,.0f} million rows a CPU-second")
    describe(work / "parquet")
    firsts = [int(pq.read_table(path, columns=["cell"])["cell"].to_numpy()[5 * CELL_ROWS]) for path in paths]
    ours, plain, by_duckdb = [], [], []
    for _ in range(rounds):
        fresh(work / "parquet", work / "copy")
        ours.append(measure(partial(purge, work / "copy", recall_of(firsts))))
        plain.append(measure(partial(copy_all, paths, work / "plain.parquet")))
        by_duckdb.append(measure(partial(anti_join_all, paths, work / "duck.parquet", firsts)))
    left = sum(pq.ParquetFile(path).metadata.num_rows for path in (work / "copy").glob("*.parquet"))
    assert left == rows - CELL_ROWS * len(paths)
    compare("files with hits, all of apply", ours, plain, "a plain copy by pyarrow")
    compare("files with hits, all of apply", ours, by_duckdb, "DuckDB's anti-join and COPY")


def scan_all(paths: list[Path], recalled: Recalled) -> None:
    """Look through files as plan, apply and verify do."""
    wanted = Wanted.of(recalled)
    for path in paths:
        scan_parquet(path, wanted, ours=True, with_keys=False)


def purge(copy: Path, recalled: Recalled) -> None:
    """All of `apply`, in this process."""
    apply(copy, recalled, engine=SerialEngine(), options=PurgeOptions(hash_all=False))


def fresh(source: Path, target: Path, *, only: str = "") -> None:
    """A new copy to purge, of the files whose names begin so, with nothing left to write out."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in source.iterdir():
        if path.is_file() and path.name.startswith((only, "linkwell")):
            shutil.copyfile(path, target / path.name)
    os.sync()


def repeat(folder: Path, paths: list[Path]) -> Path:
    """A copy of many files, each several times by hard links: what a run costs in itself is shared by all."""
    folder.mkdir()
    for turn in range(REPEATS):
        for path in paths:
            (folder / f"{turn}-{path.name}").hardlink_to(path)
    describe(folder)
    return folder


def copy_all(paths: list[Path], target: Path) -> None:
    """Plain copies by pyarrow."""
    for path in paths:
        copy_parquet(path, target)


def anti_join_all(paths: list[Path], target: Path, cells: list[int]) -> None:
    """Filtered copies by DuckDB."""
    for path in paths:
        anti_join(path, target, cells)


def copy_parquet(source: Path, target: Path) -> None:
    """Read and write every row group, with the compression it has, in this process's threads; synced."""
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group))
    sync(target)


def anti_join(source: Path, target: Path, cells: list[int]) -> None:
    """What one would write in SQL."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE gone AS SELECT unnest(?) AS cell", [cells])
    connection.execute(  # paths and codec are this script's own
        f"COPY (SELECT * FROM '{source}' AS t ANTI JOIN gone USING (cell)) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
    )
    connection.close()
    sync(target)


def sync(path: Path) -> None:
    """Have the system write a file out."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def make_tar(folder: Path, megabytes: int, *, parquet: bool) -> tuple[Path, list[int]]:
    """A shard of 10,000 samples of three members each; returns it with its cells."""
    folder.mkdir()
    random = np.random.default_rng(2)
    cells = list(range(100, 110))
    picture = random.bytes(max(1_000, megabytes * 1_000_000 // SAMPLES - 3_000))
    urls = [f"http://host{i % 97}.example/{i}.jpg" for i in range(SAMPLES)]
    keys = [f"{cells[i // CELL_ROWS]:08d}{i % CELL_ROWS:05d}" for i in range(SAMPLES)]
    writer = TarWriter(folder / "00000.tar")
    for number, (url, key) in enumerate(zip(urls, keys, strict=True)):
        said = {"caption": f"number {number}", "url": url, "key": key, "status": "success", "exif": "{}" * 200}
        writer.add(f"{key}.jpg", number.to_bytes(8, "big") + picture)
        writer.add(f"{key}.json", json.dumps(said, indent=4).encode())
        writer.add(f"{key}.txt", b"number %d" % number)
    writer.close()
    if parquet:
        named = [cells[i // CELL_ROWS] for i in range(SAMPLES)]
        table = pa.table({"url": urls, "key": keys, "link_id": link_ids(urls), "cell": pa.array(named, pa.uint32())})
        pq.write_table(table, folder / "00000.parquet")
        describe(folder)
    return folder / "00000.tar", cells


def tar_part(work: Path, megabytes: int, hit_shards: int, rounds: int) -> None:
    """Clean and hit shards, in our layout and without a parquet."""
    for name, parquet in (("with parquet", True), ("without parquet", False)):
        folder = work / f"tar {name}"
        tar, cells = make_tar(folder, megabytes, parquet=parquet)
        size = tar.stat().st_size / 1e6
        print(f"\nTar {name}: {SAMPLES:,} samples and {size:,.0f} MB a shard")
        many = repeat(work / f"many {name}", [path for path in folder.iterdir() if path.name.startswith("0")])
        clean_part(tar, many, parquet=parquet, rounds=rounds)
        shutil.rmtree(many)
        for number in range(1, hit_shards):
            for path in list(folder.glob("00000.*")):
                shutil.copyfile(path, folder / f"{number:05d}{path.suffix}")
        hit_part(work, folder, cells[3], rounds)
        shutil.rmtree(folder)


def clean_part(tar: Path, many: Path, *, parquet: bool, rounds: int) -> None:
    """Shards without a hit: the first look, later ones, and one with nothing in the page cache."""
    nothing = recall_of([7], [hashlib.sha256(b"%d" % n).digest()[:16] for n in range(CELL_ROWS)])
    if not parquet:
        (many / "linkwell.copy").unlink()
    one = many.parent / "one"
    fresh(many, one, only="0-")
    target = many.parent / "cp.tar"
    time.sleep(SETTLED)
    kinds = ("first", "cp", "later", "cold", "cold cp")
    costs: dict[str, list[Cost]] = {kind: [] for kind in kinds}
    purge(many, nothing)  # compiles, and reads all into the page cache
    for _ in range(rounds):
        (many / ".linkwell" / "seen.json").unlink(missing_ok=True)
        costs["first"].append(measure(partial(purge, many, nothing)))
        costs["cp"].append(measure(partial(copy_by_cp, [tar] * REPEATS, target)))
        costs["later"].append(measure(partial(purge, many, nothing)))
        os.sync()
        (one / ".linkwell" / "seen.json").unlink(missing_ok=True)
        drop(one / "0-00000.tar")
        costs["cold"].append(measure(partial(purge, one, nothing)))
        drop(one / "0-00000.tar")
        costs["cold cp"].append(measure(partial(copy_by_cp, [one / "0-00000.tar"], target)))
        target.unlink()
    shutil.rmtree(one)
    shards = f"{REPEATS} clean shards, all of apply"
    compare(f"{shards}, first look", costs["first"], costs["cp"], "cp, not synced")
    if parquet:
        compare(f"{shards}, later looks", costs["later"], costs["cp"], "cp, not synced")
    compare("1 clean shard, all of apply, cold", costs["cold"], costs["cold cp"], "cp, not synced, cold")


def hit_part(work: Path, folder: Path, cell: int, rounds: int) -> None:
    """Shards a tenth of which goes."""
    first = (cell - 100) * CELL_ROWS
    urls = [f"http://host{i % 97}.example/{i}.jpg" for i in range(first, first + CELL_ROWS)]
    gone = recall_of([cell], [link_id(url) for url in urls])
    tars = sorted(folder.glob("*.tar"))
    costs: dict[str, list[Cost]] = {"hit": [], "cp": [], "loop": []}
    for _ in range(rounds):
        fresh(folder, work / "copy")
        costs["hit"].append(measure(partial(purge, work / "copy", gone)))
        costs["cp"].append(measure(partial(copy_synced, tars, work / "cp.tar")))
        costs["loop"].append(measure(partial(tarfile_loop, tars, work / "loop.tar", cell)))
    for path in (work / "copy").glob("*.tar"):
        with tarfile.open(path) as archive:
            assert sum(1 for _ in archive) == 3 * (SAMPLES - CELL_ROWS)
    shutil.rmtree(work / "copy")
    compare(f"{len(tars)} shards with hits, all of apply", costs["hit"], costs["cp"], "cp, synced")
    compare(f"{len(tars)} shards with hits, all of apply", costs["hit"], costs["loop"], "a loop with tarfile, synced")


def drop(path: Path) -> None:
    """Have the system forget the file's pages."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def copy_by_cp(sources: list[Path], target: Path) -> None:
    """Copy files one after the other with `cp`, each to a new file."""
    for source in sources:
        target.unlink(missing_ok=True)
        subprocess.run(["cp", str(source), str(target)], check=True)


def copy_synced(sources: list[Path], target: Path) -> None:
    """Copy with `cp`, and have each copy written out as a purge does."""
    for source in sources:
        copy_by_cp([source], target)
        sync(target)


def tarfile_loop(sources: list[Path], target: Path, cell: int) -> None:
    """What one would write with the standard library."""
    for source in sources:
        with tarfile.open(source) as reader, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as writer:
            for member in reader:
                if int(member.name[:8]) != cell:
                    writer.addfile(member, reader.extractfile(member))
        sync(target)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--tar-megabytes", type=int, default=300)
    parser.add_argument("--hit-shards", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where to work; the disk that is measured [default: a temporary folder]"
    )
    given = parser.parse_args()
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, PyArrow {pa.__version__}"
    )
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        tar_part(Path(name), given.tar_megabytes, given.hit_shards, given.rounds)
        parquet_part(Path(name), given.rows, given.rounds)


if __name__ == "__main__":
    main()
