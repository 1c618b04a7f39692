"""Records of a WAT as Common Crawl writes it, one gzip member each, unpacked whole: the fast way through a file that is in order.

libdeflate unpacks a member at once, twice as fast as a stream is unpacked. Where a member starts is searched for, and that it is
one whole member and one whole record is checked: its CRC and its sizes. At the first thing that is out of order the reading
stops and says where, and `Archive`, which copes with everything, takes over from there.
"""

from collections.abc import Iterator
from typing import BinaryIO

import deflate

from linkwell.build.archive import MAX_RECORD_BYTES
from linkwell.build.watfacts import LONGEST_HEADER

_MAGIC = b"\x1f\x8b\x08"
_SHORTEST_MEMBER = 20
PIECE_BYTES = 1 << 20
MAX_PACKED_BYTES = 8_000_000
"""Held of the file at most; a longer member is left to `Archive`."""
_TRIES = 4
"""How often a magic number inside a member (once in 16 MB) may be taken for the next one."""
_LENGTH = b"\r\nContent-Length: "
_FIRST_LINE_BYTES = len(b"WARC/1.0")
_METADATA = b"\r\nWARC-Type: metadata\r\n"
_INFO = b"\r\nWARC-Type: warcinfo\r\n"
_END = b"\r\n\r\n"


class Members:
    """The bodies of the metadata and warcinfo records from the start of a gzipped WAT on.

    After the iteration `stopped_at` is the offset where `Archive` has to go on, or None where the file was read to its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.stopped_at: int | None = 0
        self.is_info = False
        self._file = file

    def __iter__(self) -> Iterator[bytearray]:
        """One body after another; `is_info` says whether it is a warcinfo's."""
        held, offset, at_end = b"", 0, False
        start = 0
        while True:
            if at_end and start == len(held) and self.stopped_at:
                self.stopped_at = None
                return
            end = held.find(_MAGIC, start + _SHORTEST_MEMBER)
            if end < 0 and not at_end:
                if len(held) - start > MAX_PACKED_BYTES:
                    return
                piece = self._file.read(PIECE_BYTES)
                at_end = not piece
                offset += start
                held, start = held[start:] + piece, 0
                if not offset and not held.startswith(_MAGIC):
                    return
                continue
            record = _unpack(held[start:end]) if end >= 0 else None
            if record is not None:
                body = self._body_of(record)
            else:
                body, end = self._body(held, start, end)
            if body is None:
                # What looks like the next member may be beyond what is held: ask for more, once.
                if at_end or len(held) - start > MAX_PACKED_BYTES:
                    return
                piece = self._file.read(PIECE_BYTES)
                at_end = not piece
                offset += start
                held, start = held[start:] + piece, 0
                continue
            start = end
            self.stopped_at = offset + start
            yield body

    def _body(self, held: bytes, start: int, end: int) -> tuple[bytearray | None, int]:
        """The body of the record that starts at `start` and seems to end before `end` (negative: at the end), and its true end."""
        for _ in range(_TRIES):
            end = end if end >= 0 else len(held)
            record = _unpack(held[start:end])
            if record is not None:
                return self._body_of(record), end
            if end == len(held):
                break
            end = held.find(_MAGIC, end + 1)
        return None, start

    def _body_of(self, record: bytearray) -> bytearray | None:
        found = split(record)
        if found is None:
            return None
        body, self.is_info = found
        return body


def split(record: bytearray) -> tuple[bytearray, bool] | None:
    """The body of a record of metadata or warcinfo, which is taken away from it, and whether it is a warcinfo; None for what is neither."""
    header_end = record.find(_END, 0, LONGEST_HEADER)
    if header_end < 0 or not record.startswith(b"WARC/1."):
        return None
    # The type comes first, as a rule.
    is_info = False
    if not record.startswith(_METADATA, _FIRST_LINE_BYTES):
        is_info = record.find(_INFO, 0, header_end) >= 0
        if not is_info and record.find(_METADATA, 0, header_end) < 0:
            return None
    first = header_end + len(_END)
    length = len(record) - first - len(_END)
    stated = record.find(_LENGTH, 0, header_end) + len(_LENGTH)
    if not record.startswith(b"%d\r\n" % length, stated) or not record.endswith(_END):
        return None
    del record[-len(_END) :]
    del record[:first]
    return record, is_info


def _unpack(member: bytes) -> bytearray | None:
    """What a gzip member holds, or None where these bytes are not exactly one whole member of an allowed size."""
    size = int.from_bytes(member[-4:], "little")
    if not member.startswith(_MAGIC) or len(member) < _SHORTEST_MEMBER or size > MAX_RECORD_BYTES + LONGEST_HEADER:
        return None
    try:
        record = deflate.gzip_decompress(member, size)
    except (deflate.DeflateError, ValueError):
        return None
    # Its CRC was checked, but bytes after the member are passed over in silence: then these eight are not its CRC and its size, nor those of
    # another record of that size.
    is_whole = len(record) == size and deflate.crc32(record) == int.from_bytes(member[-8:-4], "little")
    return record if is_whole else None
