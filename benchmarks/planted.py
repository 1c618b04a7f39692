"""380 entries planted among ten million: does an audit find every one, by the means its plant allows, and no other; and is the bound right?

    python benchmarks/planted.py [--rows 10000000] [--repeats 100]

Made up throughout: links with random digests for nine in ten of them, and two lists of half a million entries of every kind, which
overlap. Planted are digests (MD5, SHA-1, SHA-256), PDQ hashes at every distance from 0 to 31, URLs as stored and in another spelling.
Beside them stand as many that must not be found: PDQ at 32 bits, a listed hash at a quality of 49, digests off by a bit, a URL with
another query. Then a hundred random samples are drawn and judged against what no means can reach (links never fetched): the report's
bound has to hold in at least 95. Ends with 1 where something is not as it should be.

Ten million take about six minutes of CPU, 4 GB of disk and 2 GB of memory; 200,000 half a minute.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.audit import CONFIDENCE, audit, draw_sample, enter_sample, residual_risk, upper_count
from linkwell.base.ids import link_ids
from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.workspace import Workspace
from linkwell.engine import LocalEngine
from linkwell.ledger import write_ledger_part
from linkwell.lists import import_list, read_findings

Rows = npt.NDArray[np.uint8]
Qualities = npt.NDArray[np.int8]

SHARD_ROWS = 500_000
LISTED = 500_000
WIDTHS = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32}
PLANTS = {"md5": 80, "sha1": 60, "sha256": 60, "pdq": 96, "url": 44, "canonical": 40}
HIDDEN = 400
"""Links that should not be there, were never fetched, and stand in no list by URL: what an audit cannot see."""


def url_of(number: int) -> str:
    """The URL of a link."""
    return f"https://host{number % 9_973}.example/pictures/{number}.jpg"


def column(data: Rows) -> pa.FixedSizeBinaryArray:
    """Rows of bytes as an Arrow column."""
    array = pa.Array.from_buffers(pa.binary(data.shape[1]), len(data), [None, pa.py_buffer(data.tobytes())])
    assert isinstance(array, pa.FixedSizeBinaryArray)
    return array


def flip(row: Rows, bits: int, generator: np.random.Generator) -> Rows:
    """A hash with so many random bits turned over."""
    mask = np.zeros(256, np.uint8)
    mask[generator.choice(256, bits, replace=False)] = 1
    return np.asarray(row ^ np.packbits(mask), np.uint8)


def plant(rows: int, generator: np.random.Generator) -> tuple[dict[int, tuple[str, int]], dict[int, str]]:
    """Which links are planted, by what, and which stand beside them to be passed over; none of them among the hidden."""
    fetched = rows * 9 // 10
    chosen = generator.choice(fetched, sum(PLANTS.values()) * 2, replace=False).tolist()
    planted: dict[int, tuple[str, int]] = {}
    for kind, count in PLANTS.items():
        for each in range(count):
            planted[chosen.pop()] = (kind, each % 32)
    kinds = ("far", "flat", "near-md5", "other-query")
    return planted, {number: kinds[place % len(kinds)] for place, number in enumerate(chosen)}


def make(folder: Path, rows: int) -> tuple[Workspace, list[Path], dict[str, set[int]], float]:
    """Links, ledger and lists; which planted links each means has to find; seconds."""
    started = time.process_time()
    workspace = Workspace.create(folder / "w", "planted")
    with (workspace.root / "linkwell.toml").open("a") as file:
        file.write("[audit]\npersonal_data = false\n")
    generator = np.random.default_rng(5)
    planted, beside = plant(rows, generator)
    lines: list[str] = []
    shards: list[Path] = []
    for start in range(0, rows, SHARD_ROWS):
        stop = min(rows, start + SHARD_ROWS)
        urls = [url_of(number) for number in range(start, stop)]
        ids = link_ids(urls)
        shards.append(folder / f"links-{start:010d}.parquet")
        pq.write_table(pa.table({"link_id": ids, "url": urls}), shards[-1], compression="lz4")
        digests = {
            name: generator.integers(0, 256, (stop - start, width), dtype=np.uint8) for name, width in WIDTHS.items()
        }
        quality = np.full(stop - start, 100, np.int8)
        for number in [one for one in (*planted, *beside) if start <= one < stop]:
            row = number - start
            if number in planted:
                lines.append(line_of(planted[number], number, digests, generator))
            elif beside[number] == "far":
                lines.append("pdq " + flip(digests["pdq"][row], 32, generator).tobytes().hex())
            elif beside[number] == "flat":
                quality[row] = 49
                lines.append("pdq " + digests["pdq"][row].tobytes().hex())
            elif beside[number] == "near-md5":
                lines.append("md5 " + (digests["md5"][row] ^ np.uint8(1)).tobytes().hex())
            else:
                lines.append(f"url {url_of(number)}?other")
        known = max(0, min(stop, rows * 9 // 10) - start)
        if known:
            part = workspace.ledger / f"run-{start}.parquet"
            write_part(part, workspace.master_key(), ids, digests, quality[:known])
    make_lists(folder, workspace, lines, generator)
    wanted: dict[str, set[int]] = {}
    for number, (kind, _) in planted.items():
        wanted.setdefault("url" if kind == "canonical" else kind, set()).add(number)
    return workspace, shards, wanted, time.process_time() - started


def line_of(plant: tuple[str, int], number: int, digests: dict[str, Rows], generator: np.random.Generator) -> str:
    """The line of a list that names a planted link."""
    kind, distance = plant
    row = number % SHARD_ROWS
    if kind == "pdq":
        return "pdq " + flip(digests["pdq"][row], distance, generator).tobytes().hex()
    if kind == "url":
        return f"url {url_of(number)}"
    if kind == "canonical":
        return (
            "url "
            + url_of(number).replace("https://host", "HTTPS://HOST").replace("/pictures/", ":443/x/../pictures/")
            + "#top"
        )
    return f"{kind} {digests[kind][row].tobytes().hex()}"


def write_part(
    path: Path, key: bytes, ids: pa.FixedSizeBinaryArray, digests: dict[str, Rows], quality: Qualities
) -> None:
    """One part of the ledger: the first links of a shard, as many as there are qualities."""
    known = len(quality)
    columns = {
        "link_id": ids.slice(0, known),
        "fetched_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * known, pa.timestamp("s", "UTC")),
        "byte_size": pa.array(np.ones(known, np.int64)),
        **{name: column(data[:known]) for name, data in digests.items()},
        "pdq_quality": pa.array(quality),
        "width": pa.array(np.ones(known, np.int32)),
        "height": pa.array(np.ones(known, np.int32)),
    }
    write_ledger_part(path, pa.table(columns).cast(LEDGER_SCHEMA), key)


def make_lists(folder: Path, workspace: Workspace, lines: list[str], generator: np.random.Generator) -> None:
    """Two synthetic lists: each has two thirds of what is planted, and all of it is in one of them; the rest names nothing here."""
    for number, source in enumerate(("list-a", "list-b")):
        path = folder / f"{source}.txt"
        with path.open("w") as file:
            file.write("# synthetic\n")
            file.writelines(line + "\n" for place, line in enumerate(lines) if place % 3 != number)
            for name, width in WIDTHS.items():
                values = generator.integers(0, 256, (LISTED // len(WIDTHS), width), dtype=np.uint8)
                file.writelines(f"{name} {value.tobytes().hex()}\n" for value in values)
        import_list(workspace, path, source=source)


def bound_holds(workspace: Workspace, shards: list[Path], folder: Path, rows: int, repeats: int) -> tuple[int, int]:
    """How often the report's bound is not below what is hidden: (held, repeats). One sample goes all the way by its file."""
    hidden = set(range(rows - HIDDEN, rows))
    size = max(2_000, rows // 500)
    sample = draw_sample(workspace, shards, "planted", size, folder / "sample.csv")
    with (folder / "sample.csv").open() as file:
        found = sum(int(row["url"].rpartition("/")[2].removesuffix(".jpg")) in hidden for row in csv.DictReader(file))
    enter_sample(workspace, "planted", found=found, unverified=0, who="benchmark")
    bound = residual_risk(workspace, "planted").bound
    held = int(bound is not None and bound.count >= HIDDEN)
    generator = np.random.default_rng(11)
    for _ in range(repeats - 1):
        found = int(generator.hypergeometric(HIDDEN, sample.population - HIDDEN, size))
        held += upper_count(found, size, sample.population, CONFIDENCE) >= HIDDEN
    return held, repeats


def main() -> int:
    """Make, audit, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linkwell-planted-") as name:
        folder = Path(name)
        workspace, shards, wanted, seconds = make(folder, options.rows)
        sys.stdout.write(
            f"{options.rows:,} links, {sum(map(len, wanted.values()))} planted; made in {seconds:.0f} s of CPU\n"
        )
        started = time.monotonic()
        report = audit(workspace, links=shards, label="planted", engine=LocalEngine())
        sys.stdout.write(
            f"audited in {time.monotonic() - started:.0f} s on the clock: {report.findings}, {report.unchecked}\n"
        )
        ids = link_ids(map(url_of, range(options.rows))).to_pylist()
        numbers: dict[object, int] = {link: number for number, link in enumerate(ids)}
        del ids
        found: dict[str, set[int]] = {}
        for finding in read_findings(workspace):
            found.setdefault(finding.algorithm, set()).add(numbers[finding.link_id])
        del numbers
        right = True
        for means in sorted({*wanted, *found}):
            planted, seen = wanted.get(means, set()), found.get(means, set())
            sys.stdout.write(
                f"  {means:7} planted {len(planted):4}, found {len(planted & seen):4}, others {len(seen - planted):4}\n"
            )
            right &= planted == seen
        sources = Counter(finding.source for finding in read_findings(workspace))
        sys.stdout.write(f"  by list: {dict(sources)}\n")
        held, repeats = bound_holds(workspace, shards, folder, options.rows, options.repeats)
        sys.stdout.write(
            f"{HIDDEN} that no means reaches: the bound of a random sample held in {held} of {repeats} repetitions\n"
        )
        right &= held >= repeats * 95 / 100
    sys.stdout.write("as it should be\n" if right else "NOT as it should be\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
