"""Which edits of a picture PDQ still finds, with and without our remedies, beside imagehash and perception: recall and false matches.

    python benchmarks/robustness.py [--photos 540] [--processes 2] [--peer-python .peers/robustness/bin/python]

The photos (../shared/data/photos) stand for listed pictures. Each is edited in every way of `photo_edits.EDITS`, and each edit is hashed and
compared with all photos: with its own (recall) and with all others (false matches; an edit that matches any other photo counts once).

    PDQ          ours, within 31 of 256 bits, quality 50 and more, as by default
    turned       and its eight dihedral variants (`lists.turned_pictures`)
    edited       and its other looks (`lists.edited_pictures`)
    both         and the variants of the looks
    perception   PDQ and PHash (16 x 16) at the distance its documentation recommends: below 0.2 of the bits
    imagehash    phash (8 x 8) at a distance below 5, as is common, for it recommends none; crop_resistant_hash as its `matches` does,
                 which is slow: for every 30th photo, against every tenth

All are given the same pixels. Some fifteen minutes of CPU time and 1 GB. The peers, once: python3 -m venv .peers/robustness &&
.peers/robustness/bin/pip install imagehash==4.3.2 'perception[pdq]==0.9.3'
"""

import argparse
import io
import itertools
import os
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.photo_edits import Edit

_SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).parents[2] / "shared"))
_FRAME = struct.Struct(">IIB")
_COUNT = struct.Struct(">B")
_WAYS = ("PDQ", "turned", "edited", "both", "perception PDQ", "perception PHash", "imagehash phash", "crop_resistant")
_OURS = 4
_PEER_BITS = (51, 51, 4, 16)
"""Greatest distances that match: of perception's two, of phash, of a segment of crop_resistant_hash (a quarter of its bits)."""
_SLOW_EVERY = 30
_SLOW_LISTED_EVERY = 10

Rows = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]


class Hashes(NamedTuple):
    """Of one picture, for each way: (count, bytes)."""

    ways: tuple[Rows, ...]
    own_seconds: float
    looks_seconds: float
    looks: int


def all_edits() -> "Mapping[str, Edit]":
    """From beside this script."""
    sys.path.append(str(Path(__file__).parents[1]))
    from benchmarks.photo_edits import EDITS  # noqa: PLC0415 - not before the path is set

    return EDITS


class Peer:
    """The peers' hashes, from a process of their own environment."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen([python, __file__, "--peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def hashes(self, picture: Pixels, *, slow: bool) -> list[Rows]:
        """For each of the peers' ways."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(_FRAME.pack(*picture.shape[:2], slow) + picture.tobytes())
        self._process.stdin.flush()
        return [read_rows(self._process.stdout, size) for size in (32, 32, 8, 8)]


def read_rows(stream: IO[bytes], size: int) -> Rows:
    """Hashes of so many bytes each, behind their number."""
    (count,) = _COUNT.unpack(stream.read(_COUNT.size))
    return np.frombuffer(stream.read(count * size), np.uint8).reshape(count, size)


def serve_peer() -> None:
    """Hash what comes on standard input, in the peers' environment."""
    import imagehash  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
    from perception.hashers import PHash  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
    from perception.hashers.image.pdq import PDQHash  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    pdq, phash = PDQHash(), PHash(hash_size=16)
    stream, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := stream.read(_FRAME.size):
        height, width, slow = _FRAME.unpack(head)
        picture = np.frombuffer(stream.read(height * width * 3), np.uint8).reshape(height, width, 3)
        image = Image.fromarray(picture)
        found = [[hasher.compute(picture, hash_format="vector")] for hasher in (pdq, phash)]
        found.append([imagehash.phash(image).hash])
        found.append([each.hash for each in imagehash.crop_resistant_hash(image).segment_hashes][:255] if slow else [])
        for rows in found:
            packed = [np.packbits(np.asarray(row, np.bool_).ravel()).tobytes() for row in rows if row is not None]
            answers.write(_COUNT.pack(len(packed)) + b"".join(packed))
        answers.flush()


def hashes_of(picture: Pixels, peer: Peer, *, slow: bool) -> Hashes:
    """All hashes of a picture."""
    from linkwell.ledger import MATCHED_QUALITY, dihedral_hashes, pdq_hash, pdq_looks  # noqa: PLC0415 - the peers' environment lacks it

    started = time.process_time()
    own = pdq_hash(picture)
    hashed = time.process_time()
    looks = pdq_looks(picture)
    done = time.process_time()
    plain, every = (
        np.frombuffer(b"".join(pdq for pdq, quality in these if quality >= MATCHED_QUALITY), np.uint8).reshape(-1, 32)
        for these in ([own], [own, *looks])
    )
    ours = (plain, dihedral_hashes(plain).reshape(-1, 32), every, dihedral_hashes(every).reshape(-1, 32))
    return Hashes((*ours, *peer.hashes(picture, slow=slow)), hashed - started, done - hashed, len(looks))


def load(path: Path) -> Pixels:
    """RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def originals(numbered: Sequence[tuple[int, Path]], python: str) -> list[Hashes]:
    """Of the photos as they are."""
    cv2.setNumThreads(1)
    with Peer(python) as peer:
        return [hashes_of(load(path), peer, slow=number % _SLOW_LISTED_EVERY == 0) for number, path in numbered]


@dataclass
class Bank:
    """All photos' hashes for each way, and which photo each is of."""

    rows: list[Rows]
    owners: list[npt.NDArray[np.int64]]
    limits: tuple[int, ...]

    @classmethod
    def of(cls, photos: Sequence[Hashes]) -> Self:
        """Ours are listed by their own hash alone: what is done to find more is done to the query."""
        from linkwell.ledger import MATCHED_DISTANCE  # noqa: PLC0415 - as above

        sources = [0] * _OURS + list(range(_OURS, len(_WAYS)))
        rows = [np.concatenate([photo.ways[source] for photo in photos]) for source in sources]
        owners = [
            np.repeat(np.arange(len(photos)), [len(photo.ways[source]) for photo in photos]) for source in sources
        ]
        return cls(rows, owners, (MATCHED_DISTANCE,) * _OURS + _PEER_BITS)

    def matched(self, way: int, query: Rows) -> set[int]:
        """The photos that a picture's hashes match."""
        if not len(query):
            return set()
        words, bank = query.view(np.uint64), self.rows[way].view(np.uint64)
        distances = np.bitwise_count(words[:, None, :] ^ bank[None]).sum(axis=2)
        return set(self.owners[way][(distances <= self.limits[way]).any(axis=0)].tolist())


class Counts(NamedTuple):
    """For each edit and way: edits tried, found, matched with another photo, photos matched so; and what ours took."""

    counts: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    """CPU of the hash and of the looks, pictures, looks."""


def measure(numbered: Sequence[tuple[int, Path]], bank: Bank, python: str) -> Counts:
    """Edit some photos in every way."""
    cv2.setNumThreads(1)
    edits = all_edits()
    counts = np.zeros((len(edits), len(_WAYS), 4), np.int64)
    seconds = np.zeros(4)
    with Peer(python) as peer:
        for number, path in numbered:
            picture = load(path)
            for row, edit in enumerate(edits.values()):
                edited = edit(picture, np.random.default_rng([number, row]))
                hashes = hashes_of(edited, peer, slow=number % _SLOW_EVERY == 0)
                seconds += (hashes.own_seconds, hashes.looks_seconds, 1, hashes.looks)
                for way, query in enumerate(hashes.ways):
                    if way == len(_WAYS) - 1 and number % _SLOW_EVERY:
                        continue
                    found = bank.matched(way, query)
                    others = len(found - {number})
                    counts[row, way] += (1, number in found, others > 0, others)
    return Counts(counts, seconds)


def print_table(counts: npt.NDArray[np.int64], seconds: npt.NDArray[np.float64]) -> None:
    """As it stands in docs/performance.md."""
    out = io.StringIO()
    print("| edit |", " | ".join(_WAYS), "|", file=out)
    print("| --- |", " | ".join(["---"] * len(_WAYS)), "|", file=out)
    for name, row in zip(all_edits(), counts, strict=True):
        shares = [f"{100 * found / tried:.0f} %" for tried, found, _, _ in row.tolist()]
        print(f"| {name} |", " | ".join(shares), "|", file=out)
    total = counts.sum(axis=0)
    mean = [f"{100 * found / tried:.1f} %" for tried, found, _, _ in total.tolist()]
    false = [f"{wrong} of {tried:,} ({pairs} pairs)" for tried, _, wrong, pairs in total.tolist()]
    print("| **all** |", " | ".join(mean), "|", file=out)
    print("| **false matches** |", " | ".join(false), "|", file=out)
    own, looks, pictures, count = seconds.tolist()
    print(out.getvalue())
    print(
        f"A picture's own hash {1e3 * own / pictures:.2f} ms of CPU, its {count / pictures:.1f} other looks "
        f"{1e3 * looks / pictures:.2f} ms (mean of {int(pictures):,} edits)."
    )


def main() -> None:
    """Measure."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--photos", type=int, default=540)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--peer-python", default=str(Path(__file__).parents[1] / ".peers/robustness/bin/python"))
    options.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peer:
        serve_peer()
        return
    paths = sorted((_SHARED / "data/photos").rglob("*.jpg"))
    paths = paths[:: max(1, len(paths) // chosen.photos)][: chosen.photos]
    started = time.monotonic()
    parts = chosen.processes
    with ProcessPoolExecutor(parts) as pool:
        numbered = list(enumerate(paths))
        bounds = [len(paths) * part // parts for part in range(parts + 1)]
        runs = [numbered[first:last] for first, last in itertools.pairwise(bounds)]
        photos = [each for part in pool.map(partial(originals, python=chosen.peer_python), runs) for each in part]
        bank = Bank.of(photos)
        work = [[each for each in numbered if each[0] // _SLOW_EVERY % parts == part] for part in range(parts)]
        done = list(pool.map(partial(measure, bank=bank, python=chosen.peer_python), work))
    print(f"{len(paths)} photos, {time.monotonic() - started:.0f} s.")
    alike = sum(len(bank.matched(0, photo.ways[0]) - {number}) for number, photo in enumerate(photos)) // 2
    print(f"Pairs of photos that are within the distance of PDQ as they are: {alike}.\n")
    print_table(sum(each.counts for each in done), sum(each.seconds for each in done))  # type: ignore[arg-type] # sum begins with 0


if __name__ == "__main__":
    main()
