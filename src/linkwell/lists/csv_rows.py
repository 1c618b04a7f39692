"""CSV from strangers: a stray quote costs its own row, never the good rows that follow it."""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from linkwell.lists.kinds import Refused, Row
from linkwell.lists.list_file import TOO_LONG, Line

WRONG_COLUMNS = Refused("not as many columns as the header")
_OPEN_QUOTE = Refused("a quote that does not close")
_MAX_RECORD_LINES = 1_000
_END = Line(0, None)


class CsvForm(NamedTuple):
    """How the records of a CSV file read."""

    delimiter: bytes
    parse: Callable[[int, list[bytes]], list[Row]]
    """The number of a record and its fields, to rows; never empty."""


def csv_rows(lines: Iterator[Line], form: CsvForm) -> Iterator[Row]:
    """The rows of the lines that follow the header; empty lines and lines that begin with `#` are none."""
    waiting: deque[Line] = deque()
    while (line := waiting.popleft() if waiting else next(lines, _END)) is not _END:
        if line.text is None:
            yield Row(line.number, TOO_LONG)
        elif line.text and b'"' not in line.text:
            yield from form.parse(line.number, line.text.split(form.delimiter))
        elif line.text:
            rows, unread = _quoted_record(line, lines, waiting, form)
            waiting.extendleft(reversed(unread))
            yield from rows


def split_fields(record: bytes, delimiter: bytes) -> list[bytes] | None:
    """The fields of one CSV record with quotes; None where the quotes are not right."""
    try:
        text = record.decode("utf-8", "surrogateescape")
        fields = next(csv.reader([text], strict=True, delimiter=delimiter.decode("ascii")))
        return [field.encode("utf-8", "surrogateescape") for field in fields]
    except (csv.Error, StopIteration):
        return None


def _quoted_record(
    first: Line, lines: Iterator[Line], waiting: deque[Line], form: CsvForm
) -> tuple[list[Row], list[Line]]:
    """A record with quotes, over several lines where a quote stays open, and the lines that were looked at in vain.

    A line that parses by itself ends the search for the closing quote, and is given back to be read as a row.
    """
    open_quote = [Row(first.number, _OPEN_QUOTE)]
    text = first.text or b""
    joined: list[Line] = []
    quotes = text.count(b'"')
    while quotes % 2 and len(joined) < _MAX_RECORD_LINES:
        line = waiting.popleft() if waiting else next(lines, _END)
        if line is _END:
            return open_quote, joined
        joined.append(line)
        if line.text is None or _loads(line.text, form):
            return open_quote, joined
        quotes += line.text.count(b'"')
    if quotes % 2:
        return open_quote, joined
    fields = split_fields(b"\n".join([text, *(line.text or b"" for line in joined)]), form.delimiter)
    if fields is None:
        return open_quote, joined
    rows = form.parse(first.number, fields)
    text_of_several_lines = any(
        not isinstance(row.parsed, Refused) or row.parsed.reason.startswith("unsupported") for row in rows
    )
    return rows, [] if text_of_several_lines else joined


def _loads(text: bytes, form: CsvForm) -> bool:
    fields = split_fields(text, form.delimiter) if b'"' in text else text.split(form.delimiter)
    return fields is not None and any(not isinstance(row.parsed, Refused) for row in form.parse(0, fields))
