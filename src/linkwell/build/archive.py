"""Records of one archive file, in order, whatever is wrong with it: what is damaged is counted and left out, the rest is read.

FastWARC stops at the first damage and says nothing of a file that was cut. Here, after damage, the file is searched for the next
place where a record starts (a gzip member that unpacks to `WARC/`, or a line that begins so), and reading goes on there; and
when the end is reached, the last record is looked at again, to tell a whole file from a cut one.
"""

import contextlib
import os
import re
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from typing import BinaryIO, cast

import fsspec
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from linkwell.base.errors import UnavailableError

MAX_RECORD_BYTES = 32_000_000
"""A metadata record longer than this is skipped: Common Crawl's largest are some 10 MB, and a record is read whole."""

READ_TYPES = WarcRecordType.warcinfo | WarcRecordType.response | WarcRecordType.resource | WarcRecordType.metadata
"""The types of records that are handed out."""

_GZIP_MAGIC = b"\x1f\x8b\x08"
_WARC_MAGIC = b"WARC/"
_FIRST_LINE = re.compile(rb"WARC/\d\.\d{1,2}\r?\n")
_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*(\d{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)
_GZIP_WINDOW = 31
_PIECE_BYTES = 1 << 20
_HEADER_BYTES = 1 << 15


@contextlib.contextmanager
def reading(source: str) -> Iterator[None]:
    """Say which source it was where reading it fails for good.

    Raises:
        UnavailableError: the disk or the network fails.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnavailableError(
            f"cannot be read: {reason}",
            source,
            "Check that it is there and readable, then give the same command again.",
        ) from error


class Archive:
    """One WAT or WARC file, gzipped (by record or whole) or not, at a path or any URL that fsspec opens.

    `counts` gets `broken_<reason>` for each damage (`gzip`, `record`, `no_length`, `not_an_archive`) and `truncated_files`.
    """

    def __init__(self, path: str, counts: Counter[str]) -> None:
        self.path = path
        self.byte_size = 0
        self._counts = counts
        self._gzipped = False
        self._search_from: int | None = None

    def open(self) -> BinaryIO:
        """The file, for reading bytes from anywhere in it."""
        if "://" in self.path:
            return cast("BinaryIO", fsspec.open(self.path, "rb").open())
        return open(self.path, "rb")  # noqa: PTH123 - the caller closes it

    def search_after(self, record: WarcRecord) -> None:
        """Go on at the next place after this record's start where one begins: for a record that ran over others."""
        self._search_from = record.stream_pos + 1

    def damaged(self, record: WarcRecord, error: OSError) -> None:
        """Say that reading this record raised `error`: what is damage is counted and passed over.

        Raises:
            OSError: it is no damage of the file, but the disk or the network.
        """
        if error.errno is not None:
            raise error
        self._counts["broken_gzip" if self._gzipped else "broken_record"] += 1
        self.search_after(record)

    def records(self, start: int = 0) -> Iterator[WarcRecord]:
        """The records of `READ_TYPES` that have a length, each valid until the next is asked for.

        Args:
            start: where to begin; other than 0, it is where a record was found to begin.

        Raises:
            OSError: the disk or the network fails.
        """
        with contextlib.closing(self.open()) as file:
            self.byte_size = file.seek(0, 2)
            self._gzipped = _read_at(file, 0, len(_GZIP_MAGIC)) == _GZIP_MAGIC
            following: int | None = start
            is_known = start > 0
            while following is not None:
                file.seek(following)
                following = yield from self._run(file, following, is_known=is_known)
                is_known = False

    def _run(self, file: BinaryIO, start: int, *, is_known: bool) -> Generator[WarcRecord, None, int | None]:
        """Read from `start` until the end, damage, or a request to search; returns where to go on, or None at the end."""
        position = start
        found, without_length = is_known, False
        self._search_from = None
        try:
            for record in ArchiveIterator(file, READ_TYPES, parse_http=False):
                if without_length:
                    self._counts["broken_no_length"] += 1
                found, position = True, record.stream_pos
                without_length = not record.content_length and "Content-Length" not in record.headers
                if without_length:
                    continue
                yield record
                if self._search_from is not None:
                    return _find_record(file, self._search_from, gzipped=self._gzipped)
        except OSError as error:
            if error.errno is not None:
                raise
            if found or start == 0:
                # Where nothing was found since the last damage, it is that damage still.
                self._counts[self._damage(found=found, without_length=without_length)] += 1
            return _find_record(file, position + 1, gzipped=self._gzipped)
        self._count_end(file, position, start, found=found, without_length=without_length)
        return None

    def _count_end(self, file: BinaryIO, position: int, start: int, *, found: bool, without_length: bool) -> None:
        if not found and start == 0:
            self._counts["broken_not_an_archive"] += 1
        elif not (_ends_whole_gzip(file, position) if self._gzipped else _ends_whole_plain(file, position)):
            self._counts["truncated_files"] += 1
        elif without_length:
            self._counts["broken_no_length"] += 1

    def _damage(self, *, found: bool, without_length: bool) -> str:
        if not found:
            return "broken_not_an_archive"
        if without_length:
            return "broken_no_length"
        return "broken_gzip" if self._gzipped else "broken_record"


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _find_record(file: BinaryIO, start: int, *, gzipped: bool) -> int | None:
    """The first offset from `start` on where a record begins, or None; reads the file in pieces."""
    magic = _GZIP_MAGIC if gzipped else b"\n" + _WARC_MAGIC
    while piece := _read_at(file, start, _PIECE_BYTES):
        found = piece.find(magic)
        while found >= 0:
            offset = start + found + (0 if gzipped else 1)
            if _is_record(_read_at(file, offset, 1 << 12), gzipped=gzipped):
                return offset
            found = piece.find(magic, found + 1)
        if len(piece) < _PIECE_BYTES:
            return None
        start += len(piece) - len(magic) + 1
    return None


def _is_record(head: bytes, *, gzipped: bool) -> bool:
    if gzipped:
        try:
            head = zlib.decompressobj(_GZIP_WINDOW).decompress(head, 64)
        except zlib.error:
            return False
    return _FIRST_LINE.match(head) is not None


def _ends_whole_gzip(file: BinaryIO, position: int) -> bool:
    """Whether the gzip members from the last record on are whole. A file gzipped as one member is unpacked from its start."""
    file.seek(position if _read_at(file, position, len(_GZIP_MAGIC)) == _GZIP_MAGIC else 0)
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    fresh = True
    while piece := file.read(_PIECE_BYTES):
        while piece:
            fresh = False
            try:
                while unpacker.decompress(piece, _PIECE_BYTES) and unpacker.unconsumed_tail:
                    piece = unpacker.unconsumed_tail
            except zlib.error:
                return False
            piece = unpacker.unused_data.lstrip(b"\0") if unpacker.eof else b""
            if unpacker.eof:
                unpacker, fresh = zlib.decompressobj(_GZIP_WINDOW), True
    return fresh


def _ends_whole_plain(file: BinaryIO, position: int) -> bool:
    """Whether the records from the last one read on are as long as they say."""
    size = file.seek(0, 2)
    while position < size:
        head = _read_at(file, position, _HEADER_BYTES)
        head, end_of_header, _ = head.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end_of_header or length is None:
            return not head.strip()
        position += len(head) + len(end_of_header) + int(length[1])
        if position > size:
            return False
        position += len(b"\r\n\r\n")
    return True
