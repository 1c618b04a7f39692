"""PDQ matching beside python-threatexchange 1.2.17's default index (`PDQIndex`), on the same hashes and queries in one run.

    python benchmarks/pdq_index.py [1M|10M …] [--data random skewed photos] [--peer-python .peers/threatexchange/bin/python]

Each side runs in a process of its own: built from hex, asked, stored, and opened again by another process. Seconds are CPU time, memory is
the peak of the process; opening is also given as time on the clock. Half the queries are planted: a hash of the bank with 0 to 40 bits
turned over. What both report is compared pair by pair, and every pair's distance is counted.

    random   even bits
    skewed   half the bank has one of four values in the first half of its bits: their buckets hold an eighth of the bank
    photos   hashes of 100,000 crops and edits of real photographs (../shared/data/photos), each with variants by a few bits more

1M takes about three minutes for all three; 10M (random only, unless told) about six minutes and 16 GB, nearly all of it the peer's.
The peer is asked fewer queries at 10M. Install it into an environment of its own: pip install threatexchange==1.2.17 faiss-cpu==1.15.1
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.uint8]
Pairs = npt.NDArray[np.int64]

_LIMIT = 31
_SIZES = {"100k": 100_000, "1M": 1_000_000, "10M": 10_000_000}
_QUERIES = {"100k": (20_000, 2_000), "1M": (20_000, 1_000), "10M": (10_000, 200)}
"""Ours and the peer's; the peer's are the first of ours."""
_SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).parents[2] / "shared"))
_PHOTO_HASHES = 100_000
_HASH_BYTES = 32


def flipped(chance: np.random.Generator, values: Rows, bits: npt.NDArray[np.int64]) -> Rows:
    """Each value with so many random bits turned over."""
    masks = np.zeros((len(values), 256), np.uint8)
    for mask, count in zip(masks, bits.tolist(), strict=True):
        mask[chance.permutation(256)[:count]] = 1
    return np.asarray(values ^ np.packbits(masks, axis=1), np.uint8)


def random_bank(chance: np.random.Generator, count: int) -> Rows:
    """Even bits."""
    return chance.integers(0, 256, (count, _HASH_BYTES), np.uint8)


def skewed_bank(chance: np.random.Generator, count: int) -> Rows:
    """Half of it in a few heavy buckets."""
    bank = random_bank(chance, count)
    centres = random_bank(chance, 4)
    heavy = chance.permutation(count)[: count // 2]
    bank[heavy, :16] = centres[chance.integers(0, 4, len(heavy)), :16]
    return bank


def photo_bank(chance: np.random.Generator, count: int) -> Rows:
    """Hashes of crops and edits of real photographs."""
    import cv2  # noqa: PLC0415 - not in the peer's environment

    from linkwell.ledger import pdq_hash  # noqa: PLC0415 - same

    photos = [
        cv2.resize(picture, (256, 256 * picture.shape[0] // picture.shape[1]), interpolation=cv2.INTER_AREA)
        for path in sorted((_SHARED / "data/photos").rglob("*.jpg"))
        if (picture := cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) is not None
    ]
    if not photos:
        sys.exit(f"there are no photos in {_SHARED / 'data/photos'}: name the folder above it with LINKWELL_SHARED")
    real = np.empty((_PHOTO_HASHES, _HASH_BYTES), np.uint8)
    for row in range(_PHOTO_HASHES):
        photo = photos[row % len(photos)]
        height, width = photo.shape[:2]
        top, left = int(chance.random() * 0.3 * height), int(chance.random() * 0.3 * width)
        bottom, right = height - int(chance.random() * 0.3 * height), width - int(chance.random() * 0.3 * width)
        crop = np.asarray(photo[top:bottom, left:right], np.float32)
        edited = 255 * (crop / 255) ** np.float32(chance.uniform(0.6, 1.6)) + np.float32(chance.uniform(-20, 20))
        digest, _ = pdq_hash(np.clip(edited, 0, 255).astype(np.uint8))
        real[row] = np.frombuffer(digest, np.uint8)
    bank = real[chance.integers(0, len(real), count)]
    bank[: len(real)] = real
    for first in range(len(real), count, 100_000):
        piece = bank[first : first + 100_000]
        bank[first : first + 100_000] = flipped(chance, piece, chance.integers(1, 60, len(piece)))
    return bank


_BANKS: dict[str, Callable[[np.random.Generator, int], Rows]] = {
    "random": random_bank,
    "skewed": skewed_bank,
    "photos": photo_bank,
}


def make_queries(chance: np.random.Generator, bank: Rows, count: int) -> tuple[Rows, Pairs, Pairs]:
    """Queries, the entry each was made from, and its distance from it: 256 for those that were not planted."""
    places = chance.integers(0, len(bank), count)
    distances = chance.integers(0, 41, count)
    queries = flipped(chance, bank[places], distances)
    strangers = np.arange(count) % 2 == 1
    queries[strangers] = random_bank(chance, int(strangers.sum()))
    distances[strangers] = 256
    return queries, places, distances


class Measured:
    """CPU seconds and seconds of a block."""

    def __enter__(self) -> Self:
        self._cpu, self._clock = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.clock = time.process_time() - self._cpu, time.perf_counter() - self._clock


def peak_megabytes() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours_build(folder: Path, queries: int) -> dict[str, float]:
    """Build from hex, ask, store."""
    from linkwell.base.sealed_arrays import write_sealed_arrays  # noqa: PLC0415 - not in the peer's environment
    from linkwell.lists.ring import RingIndex  # noqa: PLC0415 - same

    warm = RingIndex(random_bank(np.random.default_rng(0), 10), np.zeros(10, np.uint16))
    warm.pairs(random_bank(np.random.default_rng(0), 2))  # the compiled code is loaded, once in a process
    line_bytes = 2 * _HASH_BYTES + 1
    with (folder / "bank.hex").open() as file, Measured() as build:
        values = np.empty(((folder / "bank.hex").stat().st_size // line_bytes, _HASH_BYTES), np.uint8)
        for first in range(0, len(values), 5_000):
            piece = np.frombuffer(bytes.fromhex(file.read(5_000 * line_bytes)), np.uint8).reshape(-1, _HASH_BYTES)
            values[first : first + len(piece)] = piece
        index = RingIndex(values, np.zeros(len(values), np.uint16))
    del values
    asked = np.load(folder / "queries.npy")[:queries]
    with Measured() as query:
        rows, entries = index.pairs(asked)
    with Measured() as single:
        for one in asked[:2000]:
            index.pairs(one[None])
    peak = peak_megabytes()
    np.save(folder / "ours.npy", np.column_stack([rows, entries]).astype(np.int64))
    with Measured() as store:
        write_sealed_arrays(folder / "ours.sealed", index.arrays(), bytes(32), "benchmark")
    return {
        "build": build.cpu,
        "query": query.cpu / len(asked),
        "single": single.cpu / min(len(asked), 2000),
        "peak": peak,
        "store": store.cpu,
    }


def ours_open(folder: Path, queries: int) -> dict[str, float]:
    """Open what was stored, and ask one query of it."""
    from linkwell.base.sealed_arrays import read_sealed_arrays  # noqa: PLC0415 - not in the peer's environment
    from linkwell.lists.ring import RingIndex  # noqa: PLC0415 - same

    asked = np.load(folder / "queries.npy")[:queries]
    warm = RingIndex(random_bank(np.random.default_rng(0), 10), np.zeros(10, np.uint16))
    warm.pairs(asked[:2])
    with Measured() as opened:
        index = RingIndex.restore(read_sealed_arrays(folder / "ours.sealed", bytes(32), "benchmark"))
        found = index.pairs(asked[:1])
    assert len(found[0]) >= 0
    return {"open": opened.cpu, "open_clock": opened.clock, "open_peak": peak_megabytes()}


def peer_build(folder: Path, queries: int) -> dict[str, float]:
    """Build from hex, ask, pickle."""
    from threatexchange.signal_type.pdq.pdq_index import PDQIndex  # type: ignore[import-not-found]  # noqa: PLC0415 - only in its own environment

    asked = [one.tobytes().hex() for one in np.load(folder / "queries.npy")[:queries]]
    with (folder / "bank.hex").open() as file, Measured() as build:
        index: Any = PDQIndex((line.rstrip("\n"), number) for number, line in enumerate(file))
    pairs = []
    with Measured() as query:
        for row, one in enumerate(asked):
            pairs += [(row, match.metadata) for match in index.query(one)]
    with Measured() as batch:
        index.index.search_with_distance_in_result(asked, _LIMIT)
    peak = peak_megabytes()
    np.save(folder / "peer.npy", np.array(pairs, np.int64).reshape(-1, 2))
    with Measured() as store, (folder / "peer.pickle").open("wb") as file:
        index.serialize(file)
    return {
        "build": build.cpu,
        "query": min(query.cpu, batch.cpu) / len(asked),
        "single": query.cpu / len(asked),
        "peak": peak,
        "store": store.cpu,
    }


def peer_open(folder: Path, queries: int) -> dict[str, float]:
    """Unpickle, and ask one query."""
    from threatexchange.signal_type.pdq.pdq_index import PDQIndex  # noqa: PLC0415 - only in its own environment

    asked = np.load(folder / "queries.npy")[:queries]
    with (folder / "peer.pickle").open("rb") as file, Measured() as opened:
        index: Any = PDQIndex.deserialize(file)
        index.query(asked[0].tobytes().hex())
    return {"open": opened.cpu, "open_clock": opened.clock, "open_peak": peak_megabytes()}


_ROLES: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "ours_build": ours_build,
    "ours_open": ours_open,
    "peer_build": peer_build,
    "peer_open": peer_open,
}


def in_process(python: str, role: str, folder: Path, queries: int) -> dict[str, float]:
    """The figures of one role, from a process of its own."""
    done = subprocess.run(
        [python, __file__, "--role", role, "--folder", str(folder), "--queries", str(queries)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def check(folder: Path, bank: Rows, planted: tuple[Rows, Pairs, Pairs], peer_queries: int) -> str:
    """Compare what was found with what was planted, with counting, and with the peer."""
    queries, places, distances = planted
    ours = np.load(folder / "ours.npy")
    apart = np.bitwise_count(bank[ours[:, 1]] ^ queries[ours[:, 0]]).sum(axis=1, dtype=np.int64)
    found = set(map(tuple, ours.tolist()))
    wanted = [(row, int(places[row])) for row in np.flatnonzero(distances <= _LIMIT).tolist()]
    # An entry may stand in the bank twice; any of its places will do for the plant, and all are compared with the peer's.
    recall = sum(pair in found for pair in wanted) / len(wanted)
    line = f"planted within {_LIMIT}: {len(wanted)}, recall {recall:.4f}; pairs {len(ours)}, beyond {_LIMIT}: {(apart > _LIMIT).sum()}"
    assert recall == 1
    assert len(found) == len(ours)
    assert not (apart > _LIMIT).any()
    if (folder / "peer.npy").exists():
        theirs = set(map(tuple, np.load(folder / "peer.npy").tolist()))
        same = {pair for pair in found if pair[0] < peer_queries} == theirs
        line += f"; the peer's pairs for the first {peer_queries} queries: {'the same' if same else 'others'}"
    return line


def _inverse(seconds: float) -> float:
    return 1 / seconds


def measure(size: str, data: str, peer_python: str | None, folder: Path) -> None:
    """Make the hashes, run both sides, print the table."""
    chance = np.random.default_rng([7, _SIZES[size]])
    bank = _BANKS[data](chance, _SIZES[size])
    our_queries, peer_queries = _QUERIES[size]
    planted = make_queries(chance, bank, our_queries)
    np.save(folder / "queries.npy", planted[0])
    with (folder / "bank.hex").open("w") as file:
        for first in range(0, len(bank), 100_000):
            piece = bank[first : first + 100_000]
            file.write(piece.tobytes().hex("\n", _HASH_BYTES) + "\n")
    ours = in_process(sys.executable, "ours_build", folder, our_queries)
    ours |= in_process(sys.executable, "ours_open", folder, our_queries)
    print(f"\n{size} hashes, {data}")
    theirs: dict[str, float] = {}
    if peer_python:
        theirs = in_process(peer_python, "peer_build", folder, peer_queries)
        theirs |= in_process(peer_python, "peer_open", folder, peer_queries)
    rows: dict[str, tuple[str, str, Callable[[float], float]]] = {
        "queries a CPU-second": ("query", "{:12,.0f}", _inverse),
        "the same, one at a time": ("single", "{:12,.0f}", _inverse),
        "build, CPU seconds": ("build", "{:12.2f}", float),
        "peak memory, MB": ("peak", "{:12,.0f}", float),
        "open, CPU seconds": ("open", "{:12.2f}", float),
        "open, seconds": ("open_clock", "{:12.2f}", float),
        "open, peak memory, MB": ("open_peak", "{:12,.0f}", float),
    }
    for name, (key, form, shown) in rows.items():
        line = f"  {name:26} {form.format(shown(ours[key]))}"
        if theirs:
            line += f" {form.format(shown(theirs[key]))}   1 : {theirs[key] / ours[key]:.1f}"
        print(line)
    print("  " + check(folder, bank, planted, peer_queries), flush=True)


def main() -> None:
    """Measure what is asked for."""
    options = argparse.ArgumentParser(description="PDQ matching beside threatexchange.")
    options.add_argument("sizes", nargs="*", help=f"of {', '.join(_SIZES)}; by default 1M")
    options.add_argument("--data", nargs="+", choices=list(_BANKS))
    options.add_argument("--peer-python", default=str(Path(__file__).parents[1] / ".peers/threatexchange/bin/python"))
    options.add_argument("--no-peer", action="store_true")
    options.add_argument("--scratch", type=Path)
    options.add_argument("--role", choices=list(_ROLES), help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--queries", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.role:
        print(json.dumps(_ROLES[given.role](given.folder, given.queries)))
        return
    peer_python = None if given.no_peer else given.peer_python
    if peer_python and not Path(peer_python).exists():
        sys.exit(f"{peer_python} is not there: install the peer as this script says, or give --no-peer")
    print(f"{'':28} {'Linkwell':>12} {'threatexchange':>14}")
    for size in given.sizes or ["1M"]:
        for data in given.data or (["random"] if size == "10M" else list(_BANKS)):
            with tempfile.TemporaryDirectory(prefix="linkwell-pdq-", dir=given.scratch) as folder:
                measure(size, data, peer_python, Path(folder))


if __name__ == "__main__":
    main()
