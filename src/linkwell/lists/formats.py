"""The forms a hash list comes in, read row by row in bounded memory.

signals      lines `signal_type signal`, as `local_file` exchanges of python-threatexchange have them
tx-csv       CSV with a header that names `signal_type` and `signal_str`: `tx dataset -P --csv`
pdq-lines    `hash,path`, `hash,quality,path` or `hash=…,quality=…,filename=…`, as the tools of the PDQ authors write them
md5 sha1 sha256 pdq url   bare signals, one a line
ncmec-xml    pages of NCMEC Hash Sharing v2
stopncii-json, threatexchange-json, tat-json, arachnid-json   answers of those services, see `json_lists`

Any other CSV is read by a mapping of its columns, see `mapped_csv`. Empty lines and lines that begin with `#` are no rows. A header
line `# synthetic` says that the list is made up. What does not parse is set aside with the number of its line or entry and a reason
out of a fixed set, and reading goes on with the next.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from linkwell.base.errors import FormatError
from linkwell.base.settings import ListMapping
from linkwell.lists.csv_rows import WRONG_COLUMNS, CsvForm, csv_rows
from linkwell.lists.json_lists import JSON_FORMATS, json_rows, told_by_json
from linkwell.lists.kinds import (
    ALGORITHMS,
    SIGNAL_NAMES,
    UNSUPPORTED_NAMES,
    Refused,
    Row,
    parse_signal,
)
from linkwell.lists.list_file import TOO_LONG, Line, open_list_file, read_lines
from linkwell.lists.mapped_csv import mapped_rows
from linkwell.lists.ncmec_xml import ncmec_rows

SIGNALS = "signals"
TX_CSV = "tx-csv"
PDQ_LINES = "pdq-lines"
NCMEC_XML = "ncmec-xml"
LIST_FORMATS = (SIGNALS, TX_CSV, PDQ_LINES, *ALGORITHMS, NCMEC_XML, *JSON_FORMATS)

MIN_QUALITY = 50
"""PDQ hashes of a lower quality match too much to be worth listing."""

_SNIFFED_LINES = 1_000
_SNIFFED_BYTES = 65_536
_SYNTHETIC = re.compile(rb"#+\s*synthetic\s*(?::\s*(\w+)\s*)?$", re.IGNORECASE)
_PDQ_LINE = re.compile(rb"(hash=)?[0-9A-Fa-f]{64},")
_PDQ_HASH = re.compile(rb"[0-9A-Fa-f]{64}")
_NEGATIVE = b"NEGATIVE_CLASS"
_NO_MATCH_OPINION = Refused("its category says that it is no match")
_LOW_QUALITY = Refused(f"a PDQ hash of a quality below {MIN_QUALITY}")
_BAD_QUALITY = Refused("a quality that is no number from 0 to 100")
_MAX_QUALITY = 100


class Header(NamedTuple):
    """What a list says about itself before its first row."""

    list_format: str | None
    synthetic: bool


def read_header(path: Path) -> Header:
    """The form of a list, None where its first lines do not tell it, and whether it says that it is synthetic.

    Raises:
        FormatError: it is UTF-16.
        MissingError, StorageError, DamagedFileError: as `open_list_file`.
    """
    synthetic = False
    in_header = True
    with open_list_file(path) as (stream, _):
        begin = stream.read(_SNIFFED_BYTES)
    told = _told_at_once(begin)
    if told is not None:
        return Header(told, synthetic=False)
    with open_list_file(path) as (stream, _):
        for line in read_lines(stream, path):
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
            told = _told_by(line.text)
            if told is not None:
                return Header(told, synthetic)
    return Header(None, synthetic)


def _told_at_once(begin: bytes) -> str | None:
    """The form of a document, by how it begins."""
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return NCMEC_XML if b"queryResult" in text else None
    return told_by_json(text) if text.startswith((b"{", b"[")) else None


def _told_by(line: bytes) -> str | None:
    """The form of a text file, by a line."""
    if _tx_columns(line) is not None:
        return TX_CSV
    if _PDQ_LINE.match(line):
        return PDQ_LINES
    name = line.split(None, 1)[0].lower()
    return SIGNALS if name in SIGNAL_NAMES or name in UNSUPPORTED_NAMES else None


def read_rows(stream: IO[bytes], list_format: str, path: Path, mapping: ListMapping | None = None) -> Iterator[Row]:
    """The rows of an open list.

    Args:
        stream: from `open_list_file`, at its beginning.
        list_format: one of `LIST_FORMATS`, or the name of the mapping.
        path: the file, for errors.
        mapping: the columns of a CSV; None for the forms that are known.

    Raises:
        FormatError: it is UTF-16, or CSV without the header.
    """
    if mapping is None and list_format == NCMEC_XML:
        return ncmec_rows(stream)
    if mapping is None and list_format in JSON_FORMATS:
        return json_rows(stream, list_format)
    lines = read_lines(stream, path)
    if mapping is not None:
        return mapped_rows(lines, mapping, path)
    if list_format == TX_CSV:
        return _tx_rows(lines, path)
    if list_format == PDQ_LINES:
        return csv_rows(lines, CsvForm(b",", _parse_pdq_fields))
    return _signal_rows(lines, None if list_format == SIGNALS else list_format.encode())


def _signal_rows(lines: Iterable[Line], fixed_name: bytes | None) -> Iterator[Row]:
    for number, text in lines:
        if text is None:
            yield Row(number, TOO_LONG)
        elif text and not text.startswith(b"#"):
            if fixed_name is not None:
                yield Row(number, parse_signal(fixed_name, text))
            else:
                name, *rest = text.split(None, 1)
                yield Row(number, parse_signal(name, rest[0] if rest else b""))


def _parse_pdq_fields(number: int, fields: list[bytes]) -> list[Row]:
    """`hash,path`, `hash,quality,path`, the eight dihedral hashes before the quality, or named fields: `hash=…,quality=…,filename=…`.

    A path may hold commas, so a field that is a number is a quality only where another follows. Of the dihedral hashes the first is
    taken, the picture's own: `lists.turned_pictures` makes the others.
    """
    quality = b""
    own = fields[0].strip()
    if own.startswith(b"hash="):
        own = own.removeprefix(b"hash=")
        named = [field.strip() for field in fields[1:] if field.strip().startswith((b"quality=", b"filename="))]
        if named and named[0].startswith(b"quality="):  # what stands behind the file name is part of it
            quality = named[0].removeprefix(b"quality=")
            if not quality.isdigit():
                return [Row(number, _BAD_QUALITY)]
    else:
        rest = [field.strip() for field in itertools.dropwhile(_PDQ_HASH.fullmatch, fields[1:])]
        if len(rest) > 1 and rest[0].isdigit():
            quality = rest[0]
    if quality:
        if len(quality) > 3 or int(quality) > _MAX_QUALITY:  # noqa: PLR2004 - digits of 100
            return [Row(number, _BAD_QUALITY)]
        if int(quality) < MIN_QUALITY:
            return [Row(number, _LOW_QUALITY)]
    return [Row(number, parse_signal(b"pdq", own))]


class _Columns(NamedTuple):
    """Where a `tx dataset` CSV has what, by the names of its header."""

    total: int
    signal_type: int
    signal: int
    category: int | None

    def parse(self, number: int, fields: list[bytes]) -> list[Row]:
        if len(fields) != self.total:
            return [Row(number, WRONG_COLUMNS)]
        if self.category is not None and fields[self.category].strip().upper() == _NEGATIVE:
            return [Row(number, _NO_MATCH_OPINION)]
        return [Row(number, parse_signal(fields[self.signal_type], fields[self.signal]))]


def _tx_columns(header: bytes) -> _Columns | None:
    names = [name.strip().strip(b'"').lower() for name in header.split(b",")]
    if b"signal_type" not in names or b"signal_str" not in names:
        return None
    category = names.index(b"category") if b"category" in names else None
    return _Columns(len(names), names.index(b"signal_type"), names.index(b"signal_str"), category)


def _tx_rows(lines: Iterator[Line], path: Path) -> Iterator[Row]:
    columns = next((_tx_columns(line.text) for line in lines if line.text and not line.text.startswith(b"#")), None)
    if columns is None:
        raise FormatError(
            "the first row does not name signal_type and signal_str",
            str(path),
            "Export it with: tx dataset -P --csv, or name its form with --format.",
        )
    return chain(csv_rows(lines, CsvForm(b",", columns.parse)))
