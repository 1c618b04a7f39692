"""PDQ, the perceptual hash of the field's hash lists: 256 bits and a quality from the pixels of one picture.

The algorithm is Meta's ("The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", `hashing.pdf` in
facebook/ThreatExchange): luma; two passes of a box filter along both sides, windows of 1/128 of the side rounded up, shrunk at the
edges and divided by what is left of them; the 64 x 64 pixels at the block centres; slots 1-16 of the cosine transform both ways;
a bit for each of the 256 coefficients that is above their median. Quality is the sum of the steps of 1 % and more between
neighbours of the 64 x 64 picture, over 90, at most 100.

The filter is linear and only 64 x 64 of its values are used, so it is not run over the picture: each of those values is a weighted
sum over the few rows and columns that reach it, and the weights, edges included, depend on the length of the side alone.
That is exact, and it is a small part of the work.

A JPEG decoded at a half is nearly the means of 2 x 2 pixels of the whole. Its hash by itself is another one (10 bits away on average,
for windows and block centres fall elsewhere); the sums with the whole picture's weights, added up for each scaled pixel, give the whole picture's.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

PDQ_BYTES = 32
MATCHED_QUALITY = 50
"""Below this quality (0-100) a hash says too little to be matched: the threshold of the whole field."""
MATCHED_DISTANCE = 31
"""Hashes that differ in at most this many of 256 bits are taken for the same picture: the threshold of the whole field."""

_SIDE = 64
_SLOTS = 16
_MIN_SIDE_PIXELS = 5
"""Pictures with a shorter side have no hash: zeros, quality 0, as in the C++ reference."""
_MEDIAN = _SLOTS * _SLOTS // 2 - 1
_MAX_QUALITY = 100
_QUALITY_DIVISOR = 90
_TILE_PIXELS = 1 << 17
"""Pixels turned to float at a time, so that a large picture needs little more memory than itself."""
_CACHED_SIDE_PIXELS = 8_192
_BANDED_SIDE_PIXELS = 1_024
"""Up to this longer side the sums are made eight at a time; the 256 sides remembered take 10 MB at most."""
_BAND = 8

_Floats = npt.NDArray[np.float32]

_COSINES: _Floats = (
    np.sqrt(2 / _SIDE)
    * np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(1, _SLOTS + 1), 2 * np.arange(_SIDE) + 1), dtype=np.float64)
).astype(np.float32)


class _Reach(NamedTuple):
    """The rows (or columns) that values of the 64 x 64 picture are made of, `start` to `stop`, and their weights."""

    start: int
    stop: int
    weights: _Floats


def pdq_hash(pixels: npt.NDArray[np.uint8], width: int | None = None, height: int | None = None) -> tuple[bytes, int]:
    """The PDQ hash of a picture and its quality.

    Args:
        pixels: luma of shape (height, width), or RGB of shape (height, width, 3); 8 bits a channel.
        width: of the picture that `pixels` are a decode of, scaled to a half, a quarter or an eighth; None: `pixels` are the whole.
        height: the same.

    Returns:
        32 bytes, whose hex is the hash as hash lists write it, and the quality, 0-100.

    Raises:
        ValueError: the array has another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):  # noqa: PLR2004 - axes, channels
        raise ValueError(
            f"pixels must be uint8 (height, width) or (height, width, 3), not {pixels.dtype} {pixels.shape}"
        )
    whole = (height or pixels.shape[0], width or pixels.shape[1])
    if min(whole) < _MIN_SIDE_PIXELS:
        return bytes(PDQ_BYTES), 0
    small = _shrink(pixels, _side(pixels.shape[0], whole[0]), _side(pixels.shape[1], whole[1]))
    coefficients = (_COSINES @ small @ _COSINES.T).ravel()
    median = np.partition(coefficients, _MEDIAN)[_MEDIAN]
    return np.packbits(coefficients[::-1] > median).tobytes(), _quality(small)


def _quality(small: _Floats) -> int:
    steps = 0
    for axis in (0, 1):
        percent = np.diff(small, axis=axis) * np.float32(100) / np.float32(255)
        steps += int(np.abs(np.trunc(percent)).sum())
    return min(steps // _QUALITY_DIVISOR, _MAX_QUALITY)


class _Side(NamedTuple):
    """A side of a picture: its pixels as they are here, and how many of the whole picture's each stands for."""

    length: int
    factor: int
    whole: int


def _side(length: int, whole: int) -> _Side:
    """A side; where it is no half, quarter or eighth of the whole (rounded up, as decoders do), it is taken for the whole."""
    factor = round(whole / length)
    return _Side(length, factor, whole) if factor > 1 and -(-whole // factor) == length else _Side(length, 1, length)


def _shrink(pixels: npt.NDArray[np.uint8], down: _Side, across: _Side) -> _Floats:
    """The 64 x 64 picture, tile by tile: columns outside, rows inside."""
    height, width = pixels.shape[:2]
    if max(height, width) <= _BANDED_SIDE_PIXELS and min(height, width) >= 2 * _SIDE:
        return _shrink_banded(pixels, down, across)
    if down.whole <= 2 * _SIDE and across.whole <= 2 * _SIDE and down.factor == across.factor == 1:
        return _luma(pixels[_centres(height)][:, _centres(width)])  # windows of one pixel change nothing
    rows, columns = _reaches(down), _reaches(across)
    small = np.empty((_SIDE, _SIDE), np.float32)  # transposed, so that each sum writes a run of memory
    for first_column, last_column in _tiles(columns, max(reach.stop - reach.start for reach in rows)):
        left, right = columns[first_column].start, columns[last_column].stop
        strip = np.empty((_SIDE, right - left), np.float32)
        for first_row, last_row in _tiles(rows, right - left):
            top = rows[first_row].start
            luma = _luma(pixels[top : rows[last_row].stop, left:right])
            for index in range(first_row, last_row + 1):
                start, stop, weights = rows[index]
                np.dot(weights, luma[start - top : stop - top], out=strip[index])
        for index in range(first_column, last_column + 1):
            start, stop, weights = columns[index]
            np.dot(strip[:, start - left : stop - left], weights, out=small[index])
    return small.T


def _shrink_banded(pixels: npt.NDArray[np.uint8], down: _Side, across: _Side) -> _Floats:
    """The 64 x 64 picture of a picture of common size: eight values at a time, whose rows still fit the processor's cache."""
    strip = np.empty((_SIDE, pixels.shape[1]), np.float32)
    small = np.empty((_SIDE, _SIDE), np.float32)
    for index, band in enumerate(_bands(down)):
        np.matmul(band.weights, _luma(pixels[band.start : band.stop]), out=strip[index * _BAND : (index + 1) * _BAND])
    for index, band in enumerate(_bands(across)):
        small[:, index * _BAND : (index + 1) * _BAND] = strip[:, band.start : band.stop] @ band.weights.T
    return small


@lru_cache(maxsize=256)
def _bands(side: _Side) -> list[_Reach]:
    """What each eight of the 64 values are made of: weights of shape (8, pixels)."""
    reaches = _new_reaches(side)
    bands = []
    for first in range(0, _SIDE, _BAND):
        group = reaches[first : first + _BAND]
        start, stop = min(reach.start for reach in group), max(reach.stop for reach in group)
        weights = np.zeros((_BAND, stop - start), np.float32)
        for row, reach in zip(weights, group, strict=True):
            row[reach.start - start : reach.stop - start] = reach.weights
        bands.append(_Reach(start, stop, weights))
    return bands


def _luma(pixels: npt.NDArray[np.uint8]) -> _Floats:
    floats = pixels.astype(np.float32)
    if floats.ndim == 2:  # noqa: PLR2004 - axes
        return floats
    import cv2  # noqa: PLC0415 - whoever only reads ledgers and hash lists does without its 16 MB

    return cv2.cvtColor(floats, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value] # float32 in, float32 out


def _tiles(reaches: list[_Reach], across: int) -> list[tuple[int, int]]:
    """Runs (first, last) of the 64 values whose reach, times the pixels `across`, stays within a tile; at least one each.

    Values that begin alike stay together: on a side shorter than 64 they are made of the same few pixels.
    """
    tiles = []
    first = 0
    for index in range(1, _SIDE + 1):
        full = index < _SIDE and (reaches[index].stop - reaches[first].start) * across > _TILE_PIXELS
        if index == _SIDE or (full and reaches[index].start > reaches[first].start):
            tiles.append((first, index - 1))
            first = index
    return tiles


def _centres(length: int) -> npt.NDArray[np.int64]:
    """The pixel at the middle of each of 64 blocks along a side of `length` pixels."""
    return ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.int64)


def _reaches(side: _Side) -> list[_Reach]:
    return _cached_reaches(side) if side.whole <= _CACHED_SIDE_PIXELS else _new_reaches(side)


def _new_reaches(side: _Side) -> list[_Reach]:
    """What each of the 64 values is made of along a side: the whole picture's weights, added up for each pixel there is."""
    length = side.whole
    window = (length + 2 * _SIDE - 1) // (2 * _SIDE)
    after = window // 2
    before = window - 1 - after
    centres = _centres(length)
    start = np.maximum(centres - 2 * before, 0)
    # Second pass: the centre is the mean of the first pass over its window; first pass: each of those is the mean over its own.
    inner = centres[:, None] + np.arange(-before, after + 1)
    inside = (inner >= 0) & (inner < length)
    low = np.maximum(inner - before, 0)
    high = np.minimum(inner + after, length - 1) + 1
    share = inside / (inside.sum(axis=1, keepdims=True) * np.maximum(high - low, 1))
    # Every inner window adds its share from `low` to `high`: marked at both ends, summed up along the side.
    span = 2 * window + 1
    offsets = np.arange(_SIDE)[:, None] * span - start[:, None]
    marks = np.zeros(_SIDE * span)
    kept = share[inside]
    np.add.at(marks, (offsets + low)[inside], kept)
    np.subtract.at(marks, (offsets + high)[inside], kept)
    weights = np.cumsum(marks.reshape(_SIDE, span), axis=1).astype(np.float32)
    stops = np.minimum(centres + 2 * after + 1, length)
    reaches = [
        _Reach(int(s), int(e), np.ascontiguousarray(row[: e - s]))
        for s, e, row in zip(start, stops, weights, strict=True)
    ]
    return reaches if side.factor == 1 else [_coarser(reach, side.factor) for reach in reaches]


def _coarser(reach: _Reach, factor: int) -> _Reach:
    """A reach over pixels that each stand for `factor` of the whole picture's."""
    start, stop = reach.start // factor, -(-reach.stop // factor)
    places = np.arange(reach.start, reach.stop) // factor - start
    return _Reach(start, stop, np.bincount(places, reach.weights, stop - start).astype(np.float32))


_cached_reaches = lru_cache(maxsize=512)(_new_reaches)
