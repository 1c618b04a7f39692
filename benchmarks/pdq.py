"""Our PDQ beside `pdqhash`, its oracle: distance and speed on the same pictures, alternating, in one run.

    python benchmarks/pdq.py FOLDER…        folders of pictures; by default the photos and stamps of ../shared/data

CPU time of this process; decoding is not counted. For the photos (JPEG) a table follows: the distance of our hash from a scaled decode to
pdqhash of the full-size picture, for the photos, and for squares of 2 x 2 and 4 x 4 of them, which stand for larger pictures.
About 40 s on a calm machine.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pdqhash
import simplejpeg

from linkwell.ledger import pdq_hash

_Pixels = npt.NDArray[np.uint8]
_SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).parents[2] / "shared"))
_PICTURES = {".jpg", ".jpeg", ".png"}
_ROUNDS = 3


def oracle_hash(pixels: _Pixels) -> tuple[bytes, int]:
    """`pdqhash.compute` in our form."""
    bits, quality = pdqhash.compute(pixels)
    return np.packbits(bits.astype(np.uint8)).tobytes(), int(quality)


def distance(one: bytes, other: bytes) -> int:
    """Bits that differ."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def cpu_seconds(function: Callable[[_Pixels], tuple[bytes, int]], pixels: _Pixels) -> tuple[float, tuple[bytes, int]]:
    """CPU time of one call, and its answer."""
    started = time.process_time_ns()
    answer = function(pixels)
    return (time.process_time_ns() - started) / 1e9, answer


def measure(folder: Path) -> None:
    """Print one folder's figures."""
    distances: list[int] = []
    quality_differences: list[int] = []
    ours = theirs = pixel_count = 0.0
    ratios: list[float] = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        pixels: _Pixels = np.ascontiguousarray(picture[:, :, ::-1].astype(np.uint8))
        pixel_count += pixels.size / 3
        our_best = their_best = float("inf")
        for _ in range(_ROUNDS):
            seconds, (our_hash, our_quality) = cpu_seconds(pdq_hash, pixels)
            our_best = min(our_best, seconds)
            seconds, (their_hash, their_quality) = cpu_seconds(oracle_hash, pixels)
            their_best = min(their_best, seconds)
        ours += our_best
        theirs += their_best
        ratios.append(their_best / our_best)
        distances.append(distance(our_hash, their_hash))
        quality_differences.append(abs(our_quality - their_quality))
    count = len(distances)
    print(f"{folder}: {count} pictures, mean {pixel_count / count / 1e6:.2f} Mpx")
    print(
        f"  distance to pdqhash: mean {statistics.mean(distances):.3f}, 99th percentile {np.percentile(distances, 99):.1f}, "
        f"largest {max(distances)}; quality differs by at most {max(quality_differences)}"
    )
    print(
        f"  linkwell {ours / count * 1e3:.3f} ms, pdqhash {theirs / count * 1e3:.3f} ms of CPU a picture: "
        f"{theirs / ours:.1f} x in sum, median {statistics.median(ratios):.1f} x, least {min(ratios):.1f} x"
    )


def tiled(paths: Sequence[Path], side: int) -> Iterator[bytes]:
    """JPEGs of `side` x `side` photos each, cut to squares."""
    per = side * side
    for first in range(0, len(paths) - per + 1, max(per // 2, 4)):
        squares = []
        for path in paths[first : first + per]:
            pixels = simplejpeg.decode_jpeg(path.read_bytes(), "RGB")
            edge = min(pixels.shape[:2])
            squares.append(np.asarray(cv2.resize(pixels[:edge, :edge], (400, 400), interpolation=cv2.INTER_AREA)))
        rows = [np.hstack(squares[row * side : (row + 1) * side]) for row in range(side)]
        yield simplejpeg.encode_jpeg(np.ascontiguousarray(np.vstack(rows)), quality=92, colorsubsampling="420")


def measure_scales(name: str, files: Iterable[bytes]) -> None:
    """Print distance and time for each scale of decoding, as luma and as RGB."""
    found: dict[tuple[str, int], list[tuple[int, float, int]]] = {}
    for data in files:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        reference, _ = oracle_hash(simplejpeg.decode_jpeg(data, "RGB"))
        for mode, scale in itertools.product(("GRAY", "RGB"), (1, 2, 4, 8)):
            least = {"min_height": -(-height // scale), "min_width": -(-width // scale)} if scale > 1 else {}
            started = time.process_time_ns()
            pixels: _Pixels = simplejpeg.decode_jpeg(data, mode, **least)
            hashed, _ = pdq_hash(pixels[:, :, 0] if mode == "GRAY" else pixels, width, height)
            took = (time.process_time_ns() - started) / 1e6
            found.setdefault((mode, scale), []).append((distance(hashed, reference), took, min(pixels.shape[:2])))
    for (mode, scale), each in found.items():
        distances = [one[0] for one in each]
        print(
            f"  {name:10} {len(each):4} at 1/{scale} as {'luma' if mode == 'GRAY' else 'RGB':4}: "
            f"shorter side {statistics.median(one[2] for one in each):5.0f}, distance mean {statistics.mean(distances):5.2f}, "
            f"99th percentile {np.percentile(distances, 99):4.1f}, largest {max(distances):2}; "
            f"decode and hash {statistics.median(one[1] for one in each):5.2f} ms"
        )


def main() -> None:
    """Measure the folders given."""
    cv2.setNumThreads(1)
    folders = [Path(name) for name in sys.argv[1:]] or [_SHARED / "data/photos", _SHARED / "data/stamps"]
    for folder in folders:
        measure(folder)
    photos = [path for folder in folders for path in sorted(folder.rglob("*.jpg"))]
    if photos:
        print("Our hash of a scaled decode, beside pdqhash of the full size:")
        measure_scales("photos", (path.read_bytes() for path in photos))
        measure_scales("2 x 2", tiled(photos, 2))
        measure_scales("4 x 4", tiled(photos, 4))


if __name__ == "__main__":
    main()
