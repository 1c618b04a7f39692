"""The leak meter on a synthetic world of 10 million rows with 380 hits, and on links of real pages.

The synthetic world: 200,000 hosts of Zipf sizes; unsafe scores of which nearly all are low; 60 hosts of 20 to 400 rows that the hits cluster in,
and 1,500 look-alikes of them, half of whose rows score high; 300 hits among the high rows of the 60, 60 among all high rows, 20 anywhere.
Captions of high rows come from one vocabulary, those of others from another. The real world: the links of the pages in the shared data, with
hits planted in two hosts and a few anywhere; it is small, so its batches are of two cells.

Each world is released by `release create`. Then four feeds are given to the meter: the exact list; uniform decoys, 1,000 to a hit; our
covered recall, all hits at once; and ours in ten recalls one after the other, the tenth measured over all that has left. Printed is the
precision of every attack, and the time and peak memory of the measure. Takes about 15 minutes on two cores and 6 GB of disk.

    .venv/bin/python benchmarks/leak.py [--rows 10000000] [--world synthetic real] [--charts DIR] [--scratch DIR]
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dedupe import PeakMemory

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.base.words import Words, is_member, words_from, words_of
from linkwell.base.workspace import Workspace
from linkwell.build import build, current_build
from linkwell.engine import LocalEngine
from linkwell.feed import init_feed, make_keys
from linkwell.recall import LeakReport, Seen, leak_chart, measure
from linkwell.release import Partition, Release, create, create_release, open_release

SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARD_ROWS = 250_000
HOSTS = 200_000
BAD_HOSTS, LOOK_ALIKES = 60, 1_500
HITS_IN_BAD, HITS_IN_HIGH, HITS_ANYWHERE = 300, 60, 20
HIGH_SCORE = 0.95
DECOYS = 1_000
RECALLS = 10
TOP_BIN = 9
WORDS = 5_000
"""Of each of the two vocabularies."""
COLUMNS = ["link_id", "cell", "url", "text", "language", "safety_bin"]

Int64s = npt.NDArray[np.int64]


def synthetic(folder: Path, rows: int) -> tuple[list[Path], set[bytes]]:
    """Write the shards; returns them, and the link ids of the hits."""
    chance = np.random.default_rng(11)
    weights = 1 / np.arange(1, HOSTS + 1)
    host = chance.choice(HOSTS, rows, p=weights / weights.sum())
    size = np.bincount(host, minlength=HOSTS)
    score = chance.beta(0.15, 6, rows)
    middling = np.flatnonzero((size >= 20) & (size <= 400))
    chosen = chance.choice(middling, BAD_HOSTS + LOOK_ALIKES, replace=False)
    bad = np.zeros(HOSTS, bool)
    bad[chosen[:BAD_HOSTS]] = True
    unsafe = np.zeros(HOSTS, bool)
    unsafe[chosen] = True
    risky = np.flatnonzero(unsafe[host])
    raised = risky[chance.random(len(risky)) < 0.5]
    score[raised] = chance.beta(30, 0.6, len(raised))
    high = score > HIGH_SCORE
    hits = np.unique(
        np.concatenate(
            [
                chance.choice(np.flatnonzero(high & bad[host]), HITS_IN_BAD, replace=False),
                chance.choice(np.flatnonzero(high), HITS_IN_HIGH, replace=False),
                chance.choice(rows, HITS_ANYWHERE, replace=False),
            ]
        )
    )
    words = np.array([f"word{number}" for number in range(2 * WORDS)])
    rank = 1 / np.arange(1, WORDS + 1)
    shards = []
    hit_ids: set[bytes] = set()
    for start in range(0, rows, SHARD_ROWS):
        end = min(start + SHARD_ROWS, rows)
        count = end - start
        urls = [
            f"https://host{h}.example/{n}.jpg" for n, h in zip(range(start, end), host[start:end].tolist(), strict=True)
        ]
        drawn = chance.choice(WORDS, (count, 8), p=rank / rank.sum()) + WORDS * high[start:end, None]
        columns = {
            "link_id": link_ids(urls),
            "url": pa.array(urls),
            "text": pa.array([" ".join(each) for each in words[drawn].tolist()]),
            "language": pa.array(np.where(host[start:end] % 3 == 0, "de", "en").tolist()),
            "safety_bin": pa.array(np.minimum(score[start:end] * 10, 9).astype(np.int8)),
        }
        hit_ids |= {columns["link_id"][n - start].as_py() for n in hits[(hits >= start) & (hits < end)].tolist()}
        shards.append(folder / f"{start:09d}.parquet")
        _write(shards[-1], columns, count)
    return shards, hit_ids


def _write(path: Path, columns: dict[str, Any], count: int) -> None:
    filled = dict(columns)
    for name in ("page_url", "crawl", "warc", "text_source"):
        filled[name] = pa.array(["synthetic"] * count)
    filled["offset"] = pa.array(np.zeros(count, np.int64))
    for use in USES:
        filled[use] = pa.DictionaryArray.from_arrays(np.full(count, 3, np.int8), pa.array(VERDICTS))
    arrays = [filled.get(field.name, pa.nulls(count, field.type)) for field in LINK_SCHEMA]
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        writer.write(pa.table(arrays, names=LINK_SCHEMA.names))


def real(workspace: Workspace) -> tuple[list[Path], set[bytes]]:
    """Build the links of the shared pages, and plant hits: eight in two hosts, two anywhere."""
    sources = sorted(str(path) for path in (SHARED / "data" / "wat").glob("*.wat.gz"))
    build(workspace, sources, crawl=None, engine=LocalEngine())
    links = current_build(workspace).links
    chance = np.random.default_rng(5)
    urls: list[str] = []
    ids: list[bytes] = []
    for table in read_tables(links, ["link_id", "url"]):
        urls += map(str, table["url"].to_pylist())
        ids += [link for link in table["link_id"].to_pylist() if link is not None]
    hosts = np.array([url.split("/", 3)[2] for url in urls])
    names, sizes = np.unique(hosts, return_counts=True)
    middling = names[(sizes >= 20) & (sizes <= 400)]
    chosen = [np.flatnonzero(hosts == name) for name in chance.choice(middling, 2, replace=False)]
    hits = np.concatenate([*(chance.choice(rows, 4, replace=False) for rows in chosen), chance.choice(len(ids), 2)])
    return links, {ids[row] for row in hits.tolist()}


def release(workspace: Workspace, shards: list[Path], rows: int) -> Release:
    """Release the shards, by the command's own code."""
    built = SimpleNamespace(name="b", links=shards, rows=rows, rights_policy_sha256="")
    vars(create)["current_build"] = lambda _workspace: built
    create_release(workspace, "v1", engine=LocalEngine(), without_audit="planted hits", who="benchmark")
    return open_release(workspace, "v1")


def rows_of(made: Release, event: Callable[[pa.Table], Int64s], hits: Words) -> Callable[[], Iterator[Seen]]:
    """The rows of a release, with the event that takes each."""

    def source() -> Iterator[Seen]:
        for table in read_tables(made.parts, COLUMNS, batch_rows=250_000):
            yield Seen(table, event(table), is_member(words_of(table["link_id"]), hits))

    return source


def ten_recalls(workspace: Workspace, cell_of: dict[bytes, int], cell_rows: dict[int, int]) -> dict[int, int]:
    """Recall the hits in ten batches, as `recall create` chooses their cells; returns the batch of each cell."""
    links = sorted(cell_of)
    order = [links[place] for place in np.random.default_rng(3).permutation(len(links)).tolist()]
    batch_of: dict[int, int] = {}
    for number in range(RECALLS):
        left = {cell: rows for cell, rows in cell_rows.items() if cell not in batch_of}
        hit = {cell_of[link] for link in order[number::RECALLS]} & left.keys()
        if not hit:
            continue
        partition = Partition(workspace)
        leaving = partition.leaving(hit, left, workspace.settings, min_rows=workspace.settings.release.cell_min_rows)
        partition.add_cover(leaving.drawn)
        batch_of |= dict.fromkeys(leaving.cells & left.keys(), number + 1)
    return batch_of


def one_recall(workspace: Workspace, cell_of: dict[bytes, int], cell_rows: dict[int, int]) -> dict[int, int]:
    """Recall all hits at once. Nothing is kept, so that the ten that follow are drawn for themselves."""
    k = workspace.settings.release.cell_min_rows
    leaving = Partition(workspace).leaving(set(cell_of.values()), cell_rows, workspace.settings, min_rows=k)
    return dict.fromkeys(leaving.cells, 1)


def world(name: str, workspace: Workspace, shards: list[Path], hit_ids: set[bytes], charts: Path | None) -> None:
    """Release one world and print what each feed tells the attacker."""
    made = release(workspace, shards, 0)
    hits = words_from(hit_ids)
    cell_of: dict[bytes, int] = {}
    cell_rows: dict[int, int] = {}
    top_rows = top_hits = 0
    for table in read_tables(made.parts, ["link_id", "cell", "safety_bin"]):
        found = is_member(words_of(table["link_id"]), hits)
        cell_of |= {r["link_id"]: r["cell"] for r in table.filter(pa.array(found)).to_pylist()}
        top = table["safety_bin"].to_numpy() == TOP_BIN
        top_rows, top_hits = top_rows + int(top.sum()), top_hits + int((top & found).sum())
        cells, counts = np.unique(table["cell"].to_numpy(), return_counts=True)
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
            cell_rows[cell] = cell_rows.get(cell, 0) + count
    print(
        f"\n{name}: {made.rows:,} rows, {made.cells:,} cells, {len(cell_of)} hits in {len(set(cell_of.values()))} cells"
    )
    decoys = np.random.default_rng(9)
    share = min(1.0, DECOYS * len(hit_ids) / made.rows)

    def exact(table: pa.Table) -> Int64s:
        return is_member(words_of(table["link_id"]), hits).astype(np.int64)

    def by_cell(batches: dict[int, int]) -> Callable[[pa.Table], Int64s]:
        batch = np.zeros(max(cell_rows) + 1, np.int64)
        batch[list(batches)] = list(batches.values())
        return lambda table: batch[table["cell"].to_numpy()]

    drawn = decoys.random(1 << 20) < share

    def uniform(table: pa.Table) -> Int64s:
        # By the id, so that a second pass draws the same rows.
        place = (words_of(table["link_id"])[:, 0] % np.uint64(1 << 20)).astype(np.int64)
        return np.maximum(exact(table), drawn[place].astype(np.int64))

    feeds: list[tuple[str, Callable[[pa.Table], Int64s]]] = [
        ("exact list", exact),
        (f"uniform decoys, {DECOYS:,} to a hit", uniform),
        ("covered, all at once", by_cell(one_recall(workspace, cell_of, cell_rows))),
        (f"covered, {RECALLS} recalls", by_cell(ten_recalls(workspace, cell_of, cell_rows))),
    ]
    for label, event in feeds:
        memory = PeakMemory()
        memory.start()
        started = time.monotonic()
        report = measure(rows_of(made, event, hits))
        seconds = time.monotonic() - started
        memory.stop()
        show(label, report, seconds, memory.pss_bytes)
        if charts:
            charts.mkdir(parents=True, exist_ok=True)
            bound = workspace.settings.recall.max_attacker_precision
            (charts / f"{name}-{label.replace(' ', '-').replace(',', '')}.svg").write_text(leak_chart(report, bound))


def show(label: str, report: LeakReport, seconds: float, peak_bytes: int) -> None:
    """Print one feed."""
    print(
        f"  {label}: {report.removed:,} rows in {report.cells:,} cells left, {report.hit_cells} of them hit; "
        f"worst {report.worst.precision:.4f} ({report.worst.name}); hit cells told apart {report.cell_precision:.2f}, "
        f"by chance {report.hit_cells / max(report.cells, 1):.2f}; {seconds:.0f} s, {peak_bytes / 1e6:.0f} MB"
    )
    print("    " + "  ".join(f"{each.name} {each.precision:.4f}" for each in report.attacks), flush=True)


def main() -> None:
    """Measure the worlds."""
    options = argparse.ArgumentParser(description="What recalls tell an attacker.")
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--world", nargs="+", default=["synthetic", "real"], choices=["synthetic", "real"])
    options.add_argument("--charts", type=Path, default=None)
    options.add_argument("--scratch", type=Path, default=None)
    given = options.parse_args()
    for name in given.world:
        folder = Path(tempfile.mkdtemp(prefix="linkwell-leak-", dir=given.scratch))
        try:
            small = (
                "[recall]\ncells_per_batch = 2\n[build.filters]\nmin_text_characters = 0\n" if name == "real" else ""
            )
            workspace = Workspace.create(folder / "workspace", name, f'dataset = "{name}"\n{small}')
            make_keys(workspace)
            init_feed(workspace)
            shards, hit_ids = real(workspace) if name == "real" else synthetic(folder, given.rows)
            world(name, workspace, shards, hit_ids, given.charts)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
