"""The segments of a JPEG file (ITU-T T.81, annex B), as far as what it says of itself can stand in them."""

import mmap
import re
from collections.abc import Iterator

START = b"\xff\xd8"
_END = 0xD9
_END_MARKER = re.compile(rb"\xff\xd9")
"""An expression, because its search for two bytes takes half the time of `bytes.find`."""
_SCAN = 0xDA


def segments(data: bytes | mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment before the first scan, the marker's own two bytes included; then the scan's."""
    position, size = len(START), len(data)
    while position + 4 <= size and data[position] == 0xFF:  # noqa: PLR2004 - a marker
        marker = data[position + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:  # noqa: PLR2004 - fill and markers without a length
            position += 1 if marker == 0xFF else 2  # noqa: PLR2004 - fill
            continue
        if marker == _END:
            return
        end = position + 2 + max(data[position + 2] << 8 | data[position + 3], 2)
        yield marker, position, end
        if marker == _SCAN:
            return
        position = end


def scan_start(data: bytes | mmap.mmap, at_most: int) -> int:
    """Where the coded pixels of a JPEG's first picture begin, as far as its segments lead there within `at_most` bytes; else `at_most`."""
    for marker, start, _ in segments(data):
        if marker == _SCAN or start >= at_most:
            return min(start, at_most)
    return at_most


def outside_scan(data: bytes) -> bytes:
    """A JPEG without the coded pixels of its first picture, nine tenths of it, in which no statement stands.

    Coded pixels hold no end marker (T.81, B.1.1.5), so that all behind the first one is kept. Of what is no JPEG, or one that does not
    read so far, everything is kept.
    """
    if not data.startswith(START):
        return data
    for marker, start, _ in segments(data):
        if marker == _SCAN and (end := _END_MARKER.search(data, start)) is not None:
            return data[:start] + data[end.start() :]
    return data
