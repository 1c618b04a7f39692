"""The file of a list: opened, unpacked, and read line by line in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from linkwell.base.errors import DamagedFileError, FormatError, MissingError, StorageError
from linkwell.lists.kinds import Refused

MAX_LINE_BYTES = 65_536
"""Longer lines are set aside; no URL or hash comes near it."""
TOO_LONG = Refused(f"line longer than {MAX_LINE_BYTES} bytes")

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line of a text file."""

    number: int
    text: bytes | None
    """Without white space around it; None where the line is too long."""


@contextmanager
def open_list_file(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a list, gzip or not: (its bytes as read, the file itself for its position).

    Raises:
        MissingError: there is no such file.
        StorageError: it may not be read.
        DamagedFileError: gzip that is cut short or damaged.
    """
    if not path.is_file():
        raise MissingError(
            "there is no such file", str(path), "A list is read twice, so it cannot come through a pipe."
        )
    try:
        file = path.open("rb")
    except PermissionError:
        raise StorageError("this file may not be read", str(path), "Check its permissions.") from None
    with file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        try:
            yield (io.BufferedReader(gzip.GzipFile(fileobj=file)) if packed else file), file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise DamagedFileError(
                "this gzip file is cut short or damaged", str(path), "Nothing was changed. Get the file again."
            ) from None


def read_lines(stream: IO[bytes], path: Path) -> Iterator[Line]:
    """The lines of an open list.

    Raises:
        FormatError: it is UTF-16.
    """
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            if raw.startswith(_UTF16_MARKS):
                raise FormatError("this file is UTF-16", str(path), "Save it as UTF-8 and import it again.")
            raw = raw.removeprefix(_UTF8_MARK)
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_BYTES + 1)
            yield Line(number, None)
        else:
            yield Line(number, raw.strip())
