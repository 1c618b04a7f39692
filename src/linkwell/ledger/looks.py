"""Other looks of a picture: the PDQ hashes that its original may have had, before it was framed, cut or tilted.

PDQ is of the whole picture: a border of 3 % moves everything in it, and the hash with it. What was done to a picture cannot be known, but
it can be undone on trial: its bars and frame taken off, its edges cut away, the picture continued beyond them by its mirror image, turned back a little.
Each trial is a hash more to match with, the distance as ever. It works where the picture is at hand, and not from its hash.

`benchmarks/robustness.py` says what each edit costs in recall, and what the trials give back.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from linkwell.ledger.pdq import pdq_hash

CUTS: Final = (0.05, 0.1, 0.17)
"""Shares of width and height that are cut away around the middle: against frames that are not of one colour."""
EXTENSIONS: Final = (0.035, 0.06, 0.085, 0.115)
"""Shares by which width and height are continued: against a cut of as much."""
TILTS: Final = (-4.5, -2.0, 2.0, 4.5)
"""Degrees it is turned by."""
_BARS: Final = 5
MOST_LOOKS: Final = _BARS + len(CUTS) + len(EXTENSIONS) + len(TILTS)
"""With those without bars, which are left out where there are none."""

_LARGE_SIDE_PIXELS = 384
"""From this shorter side on a half is looked at."""
_MAX_FACTOR = 8
_MIN_SIDE_PIXELS = 32
"""Smaller pictures have no other looks."""
_SAME_COLOUR = 16
"""Luma, of 255: so far from a bar's colour JPEG takes its pixels."""
_PLAIN, _MOSTLY, _STREWN = 0.97, 0.9, 0.6
"""Share of a line's pixels in a bar's colour: a bar, the edge of one with writing on it, a line of writing or of a page beside a picture."""
_SHORT_RUN = 0.06
"""Share of a side: less than that between bars is writing, not a picture."""
_LEAST_LEFT = 0.2
"""Share of a side that must be left when bars are taken off; else there are none."""

_Luma = npt.NDArray[np.uint8]


class _Span(NamedTuple):
    """Lines `start` to `stop` of a side."""

    start: int
    stop: int


def pdq_looks(
    pixels: npt.NDArray[np.uint8], width: int | None = None, height: int | None = None
) -> list[tuple[bytes, int]]:
    """The PDQ hashes and qualities of a picture's other looks, at most `MOST_LOOKS`; its own is not among them.

    Args:
        pixels: as for `pdq_hash`: luma or RGB, whole or scaled.
        width: of the whole picture.
        height: the same.
    """
    if min(pixels.shape[:2]) < _MIN_SIDE_PIXELS:
        return []
    luma = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)  # noqa: PLR2004 - axes
    factor = max(1, round((width or 0) / luma.shape[1]), round((height or 0) / luma.shape[0]))
    while min(luma.shape) >= _LARGE_SIDE_PIXELS and factor < _MAX_FACTOR:
        half = (-(-luma.shape[1] // 2), -(-luma.shape[0] // 2))
        luma = np.asarray(cv2.resize(luma, half, interpolation=cv2.INTER_AREA), np.uint8)
        factor *= 2
    looks = [*_without_bars(luma), *_cut(luma), *_extended(luma), *_tilted(luma)]
    return [pdq_hash(look, look.shape[1] * factor, look.shape[0] * factor) for look in looks]


def _cut(luma: _Luma) -> list[_Luma]:
    height, width = luma.shape
    margins = [(round(height * share / 2), round(width * share / 2)) for share in CUTS]
    return [luma[down : height - down, across : width - across] for down, across in margins]


def _extended(luma: _Luma) -> list[_Luma]:
    """All extensions are parts of the largest."""
    height, width = luma.shape
    margins = [(round(height * share / 2), round(width * share / 2)) for share in EXTENSIONS]
    below, beside = margins[-1]
    largest = np.pad(luma, ((below, below), (beside, beside)), "reflect")
    return [
        largest[below - down : below + height + down, beside - across : beside + width + across]
        for down, across in margins
    ]


def _tilted(luma: _Luma) -> list[_Luma]:
    height, width = luma.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    return [
        np.asarray(
            cv2.warpAffine(
                luma,
                cv2.getRotationMatrix2D(middle, degrees, 1),
                (width, height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            np.uint8,
        )
        for degrees in TILTS
    ]


def _without_bars(luma: _Luma) -> list[_Luma]:
    """Without bars at its edges: plain ones, and ones that have writing on them, as pages and screens have. What has none gives none.

    A picture may be plain at an edge of its own, so bars above and below are also taken off alone, and plain ones beside it.
    """
    rows, columns = _trimmed(luma, _between), _trimmed(luma.T, _between).T
    both = _trimmed(_trimmed(rows.T, _between).T, _between)  # a bar beside the picture hides one above
    written = _trimmed(luma, _within)
    looks: list[_Luma] = []
    for found in (rows, columns, both, written, _trimmed(_trimmed(written.T, _within).T, _within)):
        if found.shape != luma.shape and all(found.shape != other.shape for other in looks):
            looks.append(found)
    return looks


def _trimmed(lines: _Luma, find: Callable[[_Luma], _Span]) -> _Luma:
    span = find(lines)
    return lines[span.start : span.stop]


def _between(lines: _Luma) -> _Span:
    """The lines between plain bars at both ends."""
    count = len(lines)
    plain = _shares(lines, lines[0]) >= _PLAIN, _shares(lines, lines[-1])[::-1] >= _PLAIN
    first, last = (int(np.argmin(each)) if not each.all() else count for each in plain)
    return _checked(_Span(first, count - last), count)


def _within(lines: _Luma) -> _Span:
    """From the first to the last run of lines that is too long for writing."""
    count = len(lines)
    strewn = np.zeros(count, np.bool_)
    for edge in (0, -1):
        shares = _shares(lines, lines[edge])
        if shares[edge] >= _MOSTLY:
            strewn |= shares >= _STREWN
    marks = np.flatnonzero(np.diff(np.concatenate([[True], strewn, [True]]).astype(np.int8)))
    runs = [_Span(start, stop) for start, stop in marks.reshape(-1, 2).tolist() if stop - start > count * _SHORT_RUN]
    if not runs:
        return _Span(0, count)
    start, stop = runs[0].start, runs[-1].stop
    return _checked(_Span(start, stop), count)


def _shares(lines: _Luma, edge: _Luma) -> npt.NDArray[np.float64]:
    """Which share of each line has the colour that most of the edge has."""
    colour = int(np.median(edge))
    low, high = max(colour - _SAME_COLOUR, 0), min(colour + _SAME_COLOUR, 255)
    return np.asarray(((lines >= low) & (lines <= high)).mean(axis=1))


def _checked(span: _Span, count: int) -> _Span:
    left = span.stop - span.start
    return span if left >= max(_LEAST_LEFT * count, _MIN_SIDE_PIXELS // 2) else _Span(0, count)
