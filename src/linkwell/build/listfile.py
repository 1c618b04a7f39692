"""Plain lists of links: txt, csv, tsv, json and jsonl, compressed or not, read a row at a time.

The rules. Encoding: the byte order mark's, else the one given, else UTF-8; a row with bytes that are none is rejected, never
guessed at. A csv or tsv has a header, unless exactly one field of its first row is an http(s) URL; quoted fields may hold line
ends; a row with more or fewer fields than the header is rejected. A .json is one array of objects or strings, or JSON lines. In
memory is one row of at most `MAX_ROW_CHARACTERS`, whatever the file's size.
"""

import codecs
import csv
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TextIO

import fsspec
import msgspec

from linkwell.base.errors import DamagedFileError, FormatError
from linkwell.build.convert import Rejections

LIST_KINDS = ("txt", "csv", "tsv", "json", "jsonl")
"""Kinds of lists, which are also their suffixes; `.tab` and `.ndjson` are other names of two."""

MAX_ROW_CHARACTERS = 131_072
"""Longer rows are rejected."""

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_KIND_OF_SUFFIX = {f".{kind}": kind for kind in LIST_KINDS} | {".tab": "tsv", ".ndjson": "jsonl"}
_LOOKED_AT_ROWS = 100
_CHUNK_CHARACTERS = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HTTP = re.compile(r"\s*https?://", re.IGNORECASE)

Row = tuple[int, Sequence[object]]


@dataclass(frozen=True)
class OpenList:
    """A list being read: names of its columns, then its rows with the number of each, from 1, as lines or elements are counted."""

    names: list[str]
    rows: Iterator[Row]
    notes: tuple[str, ...] = ()


def kind_of(path: str) -> str | None:
    """The kind of a list by its name, compressed or not, or None."""
    name = PurePosixPath(path)
    if name.suffix.lower() in _COMPRESSED:
        name = name.with_suffix("")
    return _KIND_OF_SUFFIX.get(name.suffix.lower())


@contextmanager
def open_list(path: str, kind: str, rejections: Rejections, encoding: str | None = None) -> Iterator[OpenList]:
    """Open a list; its rows are read while the block runs.

    Args:
        path: a path or any URL that fsspec opens.
        kind: one of `LIST_KINDS`.
        rejections: get the rows that do not read.
        encoding: where no byte order mark says; None: UTF-8.

    Raises:
        DamagedFileError: the file's compression or encoding breaks off.
        FormatError: it has no rows, or none that reads; or the encoding has no such name.
    """
    compression = "infer" if path.lower().endswith(_COMPRESSED) else None
    try:
        with fsspec.open(path, "rb", compression=compression) as raw:
            text = _decoded(raw, encoding, path)
            yield _READERS[kind](text, path, rejections)
    except (EOFError, zlib.error, UnicodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError("the file breaks off or is damaged", path, "Fetch it again.") from error


def _decoded(raw: IO[bytes], encoding: str | None, path: str) -> TextIO:
    head = raw.read(4)
    raw.seek(0)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    try:
        chosen = codecs.lookup(marked or encoding or "utf-8").name
    except LookupError:
        raise FormatError(f"there is no encoding {encoding!r}", path, "utf-8, cp1252, shift_jis, …") from None
    wide = chosen.startswith(("utf-16", "utf-32"))
    return io.TextIOWrapper(raw, chosen, "surrogatepass" if wide else "surrogateescape", newline="")


def _lines(text: TextIO, rejections: Rejections) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, line ends kept; of one that is too long nothing is held."""
    number = 0
    while line := text.readline(MAX_ROW_CHARACTERS):
        number += 1
        if len(line) == MAX_ROW_CHARACTERS and line[-1] not in "\r\n":
            rejections.add("row_too_long", number)
            while line and line[-1] not in "\r\n":
                line = text.readline(MAX_ROW_CHARACTERS)
            continue
        yield number, line


def _open_txt(text: TextIO, path: str, rejections: Rejections) -> OpenList:
    del path
    rows = ((number, (line.strip(),)) for number, line in _lines(text, rejections) if line.strip())
    return OpenList(["url"], rows)


def _open_csv(text: TextIO, path: str, rejections: Rejections) -> OpenList:
    return _open_separated(text, path, rejections, None)


def _open_tsv(text: TextIO, path: str, rejections: Rejections) -> OpenList:
    return _open_separated(text, path, rejections, "\t")


def _open_separated(text: TextIO, path: str, rejections: Rejections, delimiter: str | None) -> OpenList:
    lines = _lines(text, rejections)
    numbered = next(((number, line) for number, line in lines if line.strip()), None)
    if numbered is None:
        raise FormatError("the file is empty", path)
    number, first = numbered
    if delimiter is None:
        delimiter = max(",;\t", key=first.count)
    rows = _separated(number, first, lines, delimiter, rejections)
    header = next(rows, None)
    if header is None:
        raise FormatError("its first row does not read", path)
    fields = [str(field) for field in header[1]]
    urls = [index for index, field in enumerate(fields) if _HTTP.match(field)]
    notes = [] if delimiter in (",", "\t") else [f"fields are separated by {delimiter!r}"]
    if len(urls) == 1:
        names = [str(index) for index in range(1, len(fields) + 1)]
        names[urls[0]] = "url"
        if len(fields) == 2:  # noqa: PLR2004 - of a URL and one more, the other is the text
            names[1 - urls[0]] = "text"
        notes.append(f"it has no header; its columns were named {', '.join(names)}")
        rows = _before(header, rows)
    else:
        names = [field.strip() for field in fields]
    return OpenList(names, _whole(rows, len(names), rejections), tuple(notes))


def _separated(
    first_number: int, first: str, lines: Iterator[tuple[int, str]], delimiter: str, rejections: Rejections
) -> Iterator[Row]:
    """Records with the number of the line each starts in."""
    last_number = first_number

    def fed() -> Iterator[str]:
        nonlocal last_number
        yield first
        for number, line in lines:
            last_number = number
            yield line

    reader = csv.reader(fed(), delimiter=delimiter)
    start = first_number
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # A quote that is never closed: the lines it swallowed are lost, reading goes on behind them.
            rejections.add("bad_quotes", start, last_number - start + 1)
        else:
            if fields:
                yield start, fields
        start = last_number + 1


def _before(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _whole(rows: Iterator[Row], fields: int, rejections: Rejections) -> Iterator[Row]:
    for number, values in rows:
        if len(values) == fields:
            yield number, values
        else:
            rejections.add("wrong_field_count", number)


def _open_jsonl(text: TextIO, path: str, rejections: Rejections) -> OpenList:
    return _of_elements(((number, line) for number, line in _lines(text, rejections) if line.strip()), path, rejections)


def _open_json(text: TextIO, path: str, rejections: Rejections) -> OpenList:
    chunk = text.read(_CHUNK_CHARACTERS)
    start = chunk.lstrip()
    if not start.startswith("["):
        text.seek(0)
        opened = _open_jsonl(text, path, rejections)
        return OpenList(opened.names, opened.rows, (*opened.notes, "it was read as JSON lines"))
    return _of_elements(_elements(start[1:], text, path, rejections), path, rejections)


def _of_elements(elements: Iterator[tuple[int, str]], path: str, rejections: Rejections) -> OpenList:
    """Rows of JSON objects, or of strings that are URLs; the columns are those of the first hundred."""
    objects = _objects(elements, rejections)
    looked_at = [each for _, each in zip(range(_LOOKED_AT_ROWS), objects, strict=False)]
    names = list(dict.fromkeys(name for _, found in looked_at for name in found))
    if not names:
        raise FormatError("no row of it is a JSON object or string", path)

    def rows() -> Iterator[Row]:
        for number, found in looked_at:
            yield number, [_scalar(found.get(name)) for name in names]
        for number, found in objects:
            yield number, [_scalar(found.get(name)) for name in names]

    return OpenList(names, rows())


def _objects(elements: Iterator[tuple[int, str]], rejections: Rejections) -> Iterator[tuple[int, dict[str, object]]]:
    for number, element in elements:
        try:
            found = msgspec.json.decode(element.encode("utf-8", "surrogateescape"))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            rejections.add("bad_json", number)
            continue
        if isinstance(found, str):
            yield number, {"url": found}
        elif isinstance(found, dict):
            yield number, found
        else:
            rejections.add("no_object", number)


def _scalar(value: object) -> object:
    return value if isinstance(value, str) else None if value is None or isinstance(value, list | dict) else str(value)


_MARK = re.compile(r'\\.|["{}\[\],]', re.DOTALL)


class _ElementEnds:
    """Finds where the elements of a JSON array end, chunk after chunk: commas and brackets inside elements do not count."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False

    def of(self, chunk: str) -> Iterator[int]:
        """Places of the commas between elements, and of the bracket that closes the array; no chunk may end in half an escape."""
        for match in _MARK.finditer(chunk):
            mark = match[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif self._in_string or mark[0] == "\\":
                continue
            elif mark in "{[":
                self._depth += 1
            elif self._depth:
                self._depth -= mark in "}]"
            else:
                yield match.start()


def _elements(chunk: str, text: TextIO, path: str, rejections: Rejections) -> Iterator[tuple[int, str]]:
    """The elements of a JSON array, as text, with their numbers."""
    ends = _ElementEnds()
    number, held, is_too_long = 1, "", False
    while chunk:
        while chunk.endswith("\\") and (more := text.read(1)):
            chunk += more
        start = 0
        for end in ends.of(chunk):
            element = (held + chunk[start:end]).strip()
            if is_too_long:
                rejections.add("row_too_long", number)
            elif element or chunk[end] == ",":
                yield number, element
            if chunk[end] == "]":
                return
            number, held, is_too_long, start = number + 1, "", False, end + 1
        held += chunk[start:]
        if len(held) > MAX_ROW_CHARACTERS:
            held, is_too_long = "", True
        chunk = text.read(_CHUNK_CHARACTERS)
    raise DamagedFileError("the JSON array is not closed", path, "Fetch it again.")


_READERS: dict[str, Callable[[TextIO, str, Rejections], OpenList]] = {
    "txt": _open_txt,
    "csv": _open_csv,
    "tsv": _open_tsv,
    "json": _open_json,
    "jsonl": _open_jsonl,
}
