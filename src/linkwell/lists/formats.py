"""The forms a hash list comes in, read row by row in bounded memory.

signals   lines `signal_type signal`, as `local_file` exchanges of python-threatexchange have them
tx-csv    CSV with a header that names `signal_type` and `signal_str`: `tx dataset -P --csv`
md5 sha1 sha256 pdq url   bare signals, one a line

Empty lines and lines that begin with `#` are no rows. A header line `# synthetic` says that the list is made up.
What does not parse is set aside with its line number and a reason out of a fixed set, and reading goes on with the next line.
"""

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from linkwell.base.errors import DamagedFileError, FormatError, MissingError, StorageError
from linkwell.lists.kinds import ALGORITHMS, SIGNAL_NAMES, UNSUPPORTED_NAMES, Parsed, Refused, parse_signal

SIGNALS = "signals"
TX_CSV = "tx-csv"
LIST_FORMATS = (SIGNALS, TX_CSV, *ALGORITHMS)

MAX_LINE_BYTES = 65_536
"""Longer lines are set aside; no URL or hash comes near it."""

_MAX_RECORD_LINES = 1_000
_SNIFFED_LINES = 1_000
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SYNTHETIC = re.compile(rb"#+\s*synthetic\s*(?::\s*(\w+)\s*)?$", re.IGNORECASE)
_NEGATIVE = "NEGATIVE_CLASS"

_TOO_LONG = Refused(f"line longer than {MAX_LINE_BYTES} bytes")
_WRONG_COLUMNS = Refused("not as many columns as the header")
_OPEN_QUOTE = Refused("a quote that does not close")
_NO_MATCH_OPINION = Refused("its category says that it is no match")


class Row(NamedTuple):
    """One row of a list: the number of its first line, from 1, and what it parses to."""

    line_number: int
    parsed: Parsed


class Header(NamedTuple):
    """What a list says about itself before its first row."""

    list_format: str | None
    synthetic: bool


class _Line(NamedTuple):
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


def read_header(path: Path) -> Header:
    """The form of a list, None where its first lines do not tell it, and whether it says that it is synthetic.

    Raises:
        FormatError: it is UTF-16.
        MissingError, StorageError, DamagedFileError: as `open_list_file`.
    """
    synthetic = False
    in_header = True
    with open_list_file(path) as (stream, _):
        for line in _lines(stream, path):
            if line.number > _SNIFFED_LINES:
                break
            if not line.text:
                continue
            if line.text.startswith(b"#"):
                said = _SYNTHETIC.match(line.text) if in_header else None
                if said:
                    synthetic = said.group(1) is None or said.group(1).lower() in (b"true", b"yes", b"1")
                continue
            in_header = False
            if _csv_columns(line.text) is not None:
                return Header(TX_CSV, synthetic)
            name = line.text.split(None, 1)[0].lower()
            if name in SIGNAL_NAMES or name in UNSUPPORTED_NAMES:
                return Header(SIGNALS, synthetic)
    return Header(None, synthetic)


def read_rows(stream: IO[bytes], list_format: str, path: Path) -> Iterator[Row]:
    """The rows of an open list.

    Args:
        stream: from `open_list_file`, at its beginning.
        list_format: one of `LIST_FORMATS`.
        path: the file, for errors.

    Raises:
        FormatError: it is UTF-16, or CSV without the header.
    """
    lines = _lines(stream, path)
    if list_format == TX_CSV:
        return _csv_rows(lines, path)
    return _signal_rows(lines, None if list_format == SIGNALS else list_format.encode())


def _lines(stream: IO[bytes], path: Path) -> Iterator[_Line]:
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
            yield _Line(number, None)
        else:
            yield _Line(number, raw.strip())


def _signal_rows(lines: Iterable[_Line], fixed_name: bytes | None) -> Iterator[Row]:
    for number, text in lines:
        if text is None:
            yield Row(number, _TOO_LONG)
        elif text and not text.startswith(b"#"):
            if fixed_name is not None:
                yield Row(number, parse_signal(fixed_name, text))
            else:
                name, *rest = text.split(None, 1)
                yield Row(number, parse_signal(name, rest[0] if rest else b""))


class _Columns(NamedTuple):
    """Where a CSV has what, by the names of its header."""

    total: int
    signal_type: int
    signal: int
    category: int | None


def _csv_columns(header: bytes) -> _Columns | None:
    names = [name.strip().strip(b'"').lower() for name in header.split(b",")]
    if b"signal_type" not in names or b"signal_str" not in names:
        return None
    category = names.index(b"category") if b"category" in names else None
    return _Columns(len(names), names.index(b"signal_type"), names.index(b"signal_str"), category)


def _csv_rows(lines: Iterator[_Line], path: Path) -> Iterator[Row]:
    columns: _Columns | None = None
    for line in lines:
        if line.text and not line.text.startswith(b"#"):
            columns = _csv_columns(line.text)
            break
    if columns is None:
        raise FormatError(
            "the first row does not name signal_type and signal_str",
            str(path),
            "Export it with: tx dataset -P --csv, or name its form with --format.",
        )
    waiting: deque[_Line] = deque()
    while (line := waiting.popleft() if waiting else next(lines, _END)) is not _END:
        if line.text is None:
            yield Row(line.number, _TOO_LONG)
        elif line.text and b'"' not in line.text:
            yield Row(line.number, _parse_record(line.text.split(b","), columns))
        elif line.text:
            parsed, unread = _quoted_record(line.text, lines, waiting, columns)
            waiting.extendleft(reversed(unread))
            yield Row(line.number, parsed)


_END = _Line(0, None)


def _quoted_record(
    first: bytes, lines: Iterator[_Line], waiting: deque[_Line], columns: _Columns
) -> tuple[Parsed, list[_Line]]:
    """A record with quotes, over several lines where a quote stays open.

    A stray quote must not swallow the good rows that follow it: a line that parses by itself ends the search for the closing
    one, and the lines looked at are given back to be read as rows.
    """
    joined: list[_Line] = []
    quotes = first.count(b'"')
    while quotes % 2 and len(joined) < _MAX_RECORD_LINES:
        line = waiting.popleft() if waiting else next(lines, _END)
        if line is _END:
            return _OPEN_QUOTE, joined
        joined.append(line)
        if line.text is None or _loads(line.text, columns):
            return _OPEN_QUOTE, joined
        quotes += line.text.count(b'"')
    if quotes % 2:
        return _OPEN_QUOTE, joined
    record = b"\n".join([first, *(line.text or b"" for line in joined)])
    fields = _split(record)
    if fields is None:
        return _OPEN_QUOTE, joined
    parsed = _parse_record(fields, columns)
    text_of_several_lines = isinstance(parsed, Refused) and parsed.reason.startswith("unsupported")
    return parsed, [] if text_of_several_lines else joined


def _loads(text: bytes, columns: _Columns) -> bool:
    fields = _split(text) if b'"' in text else text.split(b",")
    return fields is not None and not isinstance(_parse_record(fields, columns), Refused)


def _split(record: bytes) -> list[bytes] | None:
    """The fields of one CSV record with quotes; None where the quotes are not right."""
    try:
        text = record.decode("utf-8", "surrogateescape")
        return [field.encode("utf-8", "surrogateescape") for field in next(csv.reader([text], strict=True))]
    except (csv.Error, StopIteration):
        return None


def _parse_record(fields: list[bytes], columns: _Columns) -> Parsed:
    if len(fields) != columns.total:
        return _WRONG_COLUMNS
    if columns.category is not None and fields[columns.category].strip().upper() == _NEGATIVE.encode():
        return _NO_MATCH_OPINION
    return parse_signal(fields[columns.signal_type], fields[columns.signal])
