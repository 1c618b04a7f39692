"""Our PDQ beside `pdqhash`, its oracle: distance and speed on the same pictures, alternating, in one run.

    python benchmarks/pdq.py FOLDER…        folders of pictures; by default the photos and stamps of ../shared/data

CPU time of this process; decoding is not counted.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pdqhash

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


def main() -> None:
    """Measure the folders given."""
    cv2.setNumThreads(1)
    folders = [Path(name) for name in sys.argv[1:]] or [_SHARED / "data/photos", _SHARED / "data/stamps"]
    for folder in folders:
        measure(folder)


if __name__ == "__main__":
    main()
