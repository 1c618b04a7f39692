"""Any CSV, read by a mapping of its columns that stands in the workspace's settings: the lists of IWF, hotlines and police."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from linkwell.base.errors import FormatError
from linkwell.base.settings import ListMapping
from linkwell.lists.csv_rows import WRONG_COLUMNS, CsvForm, csv_rows, split_fields
from linkwell.lists.kinds import (
    NO_SIGNAL,
    PassedOver,
    Refused,
    Row,
    Value,
    parse_encoded,
    parse_signal,
    record_key,
)
from linkwell.lists.list_file import Line

_OTHER_CLASS = PassedOver("of a class that the mapping leaves out")
_EXPIRED = PassedOver("expired before it was imported")
_BAD_DATE = Refused("an expiry that is no date (ISO 8601)")
_NO_RECORD = Refused("no record id")


def mapped_rows(lines: Iterator[Line], mapping: ListMapping, path: Path) -> Iterator[Row]:
    """The rows of a CSV file, header included.

    Raises:
        FormatError: the header, or the number of columns, does not have what the mapping names.
    """
    delimiter = mapping.delimiter.encode()
    first = next((line for line in lines if line.text and not line.text.startswith(b"#")), None)
    if first is None:
        return iter(())
    fields = split_fields(first.text or b"", delimiter)
    if fields is None:
        raise FormatError("the first row has a quote that does not close", str(path), "Correct it and import it again.")
    if mapping.header:
        names = [field.decode("utf-8", "replace").strip().casefold() for field in fields]
    else:
        names = [str(number) for number in range(1, len(fields) + 1)]
    form = CsvForm(delimiter, _Reading(mapping, names, path).parse)
    return csv_rows(lines if mapping.header else _with(first, lines), form)


def _with(first: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from lines


class _Reading:
    """The places of the columns that a mapping names."""

    def __init__(self, mapping: ListMapping, names: Sequence[str], path: Path) -> None:
        def place(column: str) -> int | None:
            if not column:
                return None
            if column.casefold() not in names:
                # The file's own header is not quoted: where a file has none, it is an entry.
                raise FormatError(
                    f"there is no column {column!r}, which the mapping names",
                    str(path),
                    "Correct the mapping under [lists.mappings] in linkwell.toml, or the file.",
                )
            return names.index(column.casefold())

        self._total = len(names)
        self._columns = [(place(column), algorithm) for column, algorithm in mapping.columns.items()]
        self._type = place(mapping.type_column)
        self._value = place(mapping.value_column)
        self._record = place(mapping.record_column)
        self._status = place(mapping.status_column)
        self._class = place(mapping.class_column)
        self._expires = place(mapping.expires_column)
        self._withdrawn = {text.strip().casefold() for text in mapping.withdrawn}
        self._classes = {text.strip().casefold() for text in mapping.classes}

    def parse(self, number: int, fields: list[bytes]) -> list[Row]:
        """One record: the values of all its columns together, and each that does not parse apart."""
        if len(fields) != self._total:
            return [Row(number, WRONG_COLUMNS)]

        record = None
        if self._record is not None:
            if not fields[self._record].strip():
                return [Row(number, _NO_RECORD)]
            record = record_key(_text(fields[self._record]))
        stands = self._standing(fields)
        if isinstance(stands, Refused):
            return [Row(number, stands)]
        if isinstance(stands, PassedOver):
            return [Row(number, stands, record)]
        values, refused = self._values(fields)
        if stands.withdrawn and record is not None:
            return [Row(number, (), record, withdrawn=True)]
        rows = [Row(number, values, record, stands.withdrawn, stands.expires)] if values else []
        return [*rows, *(Row(number, reason) for reason in refused)] or [Row(number, NO_SIGNAL)]

    def _standing(self, fields: list[bytes]) -> "_Standing | Refused | PassedOver":
        """Whether an entry is withdrawn and when it expires; or why it is not for us."""
        if self._class is not None and self._classes and _text(fields[self._class]).casefold() not in self._classes:
            return _OTHER_CLASS
        expires = None
        if self._expires is not None and fields[self._expires].strip():
            expires = _seconds(_text(fields[self._expires]))
            if expires is None:
                return _BAD_DATE
            if expires <= datetime.now(UTC).timestamp():
                return _EXPIRED
        withdrawn = self._status is not None and _text(fields[self._status]).casefold() in self._withdrawn
        return _Standing(withdrawn, expires)

    def _values(self, fields: list[bytes]) -> tuple[tuple[Value, ...], list[Refused | PassedOver]]:
        values: list[Value] = []
        refused: list[Refused | PassedOver] = []
        found = [
            parse_encoded(algorithm, fields[place])
            for place, algorithm in self._columns
            if place is not None and fields[place].strip()
        ]
        if self._type is not None and self._value is not None:
            found.append(parse_signal(fields[self._type], fields[self._value]))
        for parsed in found:
            if isinstance(parsed, Refused | PassedOver):
                refused.append(parsed)
            else:
                values += parsed
        return tuple(values), refused


class _Standing(NamedTuple):
    withdrawn: bool
    expires: int | None


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace").strip()


def _seconds(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
