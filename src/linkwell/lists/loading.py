"""Rows of a list become its parts: as they come, or as changes to the parts that are there.

A list without ids of its own that is imported anew is written as it is read. Everything else is a set of changes: the last word on
each record, or on each value where records have no id, is kept in memory for some rows; then the parts that hold an earlier word
are rewritten without it, and the new ones are written. Parts without any stay the files they are.
"""

import secrets
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from linkwell.base.ids import binary_array
from linkwell.base.workspace import Workspace
from linkwell.lists.kinds import (
    CANONICAL,
    KIND_ALGORITHM,
    KIND_BYTES,
    LINK,
    RECORD_BYTES,
    PassedOver,
    Refused,
    Row,
    Value,
)
from linkwell.lists.storage import NEVER, Part, Rows, drop_rows, write_part

MAX_NAMED_ROWS = 1_000
"""Rejected rows that a report names one by one; the others are in its counts."""

_PART_ROWS = 500_000
_CHANGED_RECORDS = 200_000
_CANARIES_OF_PART = 2


class _Waiting:
    """Values of one kind that wait for their part."""

    def __init__(self) -> None:
        self.values = bytearray()
        self.records = bytearray()
        self.expires = array("q")

    def rows(self) -> Rows:
        some = any(when != NEVER for when in self.expires)
        return Rows(bytes(self.values), bytes(self.records), tuple(self.expires) if some else ())


class Loading:
    """The state of one import or update: what waits, the parts as they will be, and what was set aside."""

    def __init__(self, workspace: Workspace, stem: str, parts: Sequence[Part] = (), *, changes: bool = True) -> None:
        """Begin.

        Args:
            workspace: where to.
            stem: begins the names of the parts; not used before.
            parts: the list as it is, to be changed; nothing to begin a new one.
            changes: whether rows may replace or withdraw one another; False for bare values of a new list.
        """
        self._workspace = workspace
        self._stem = stem
        self._changes = changes
        self._files = 0
        self._waiting = {(kind, keyed): _Waiting() for kind in KIND_BYTES for keyed in (False, True)}
        self._latest: dict[bytes, tuple[Row, tuple[Value, ...]]] = {}
        self.parts: list[Part] = list(parts)
        self.loaded: Counter[str] = Counter()
        """Rows loaded, by algorithm."""
        self.withdrawn = 0
        """Rows that withdrew something."""
        self.passed_over: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.rejected: list[tuple[int, str]] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Take in some rows."""
        for row in rows:
            self.add_row(row)

    def add_row(self, row: Row) -> None:
        """Take in one row."""
        parsed = row.parsed
        if isinstance(parsed, Refused):
            self.reasons[parsed.reason] += 1
            if len(self.rejected) < MAX_NAMED_ROWS:
                self.rejected.append((row.line_number, parsed.reason))
        elif isinstance(parsed, PassedOver) and not row.record:
            self.passed_over[parsed.reason] += 1
        elif not self._changes:
            self._load(row, parsed if not isinstance(parsed, PassedOver) else ())
        elif isinstance(parsed, PassedOver):
            self.passed_over[parsed.reason] += 1
            self._change(row._replace(withdrawn=True), ())  # what the record was before, it is no longer
        else:
            self.withdrawn += row.withdrawn
            self._change(row, parsed)

    def _change(self, row: Row, values: tuple[Value, ...]) -> None:
        if row.record is not None:
            self._latest[row.record] = (row, values)
        else:
            # A row may have several values of one entry; without an id each stands for itself.
            for key, some in _apart(values):
                self._latest[key] = (row, some)
        if len(self._latest) >= _CHANGED_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits."""
        if self._latest:
            self._drop_earlier()
            for row, values in self._latest.values():
                if not row.withdrawn:
                    self._load(row, values)
            self._latest.clear()
        for kind, keyed in list(self._waiting):
            if self._waiting[kind, keyed].values:
                self._write(kind, keyed=keyed)

    def _drop_earlier(self) -> None:
        """Take what the changed records and values were before out of the parts."""
        if not self.parts:
            return
        records = [row.record for row, _ in self._latest.values() if row.record is not None]
        values: dict[str, list[bytes]] = {kind: [] for kind in KIND_BYTES}
        for row, some in self._latest.values():
            if row.record is None:
                for value in some:
                    values[value.kind].append(value.data)
                    if value.kind == LINK:
                        records.append(value.data)  # the canonical id of a URL goes by its link id
        named = binary_array(records, RECORD_BYTES)
        by_kind = {kind: binary_array(some, KIND_BYTES[kind]) for kind, some in values.items()}
        parts = []
        for part in self.parts:
            kept = drop_rows(self._workspace, part, self._name(), named, by_kind[part.kind])
            if kept is not None:
                parts.append(kept)
        self.parts = parts

    def _load(self, row: Row, values: tuple[Value, ...]) -> None:
        link = b""
        for kind, data in values:
            link = data if kind == LINK else link
            record = row.record if row.record is not None else link if kind == CANONICAL else b""
            waiting = self._waiting[kind, bool(record)]
            waiting.values += data
            waiting.records += record
            waiting.expires.append(NEVER if row.expires is None else row.expires)
            if kind == LINK or KIND_ALGORITHM[kind] == kind:
                self.loaded[KIND_ALGORITHM[kind]] += 1
            if len(waiting.expires) >= _PART_ROWS:
                self._write(kind, keyed=bool(record))

    def _write(self, kind: str, *, keyed: bool) -> None:
        canaries = [secrets.token_bytes(KIND_BYTES[kind]) for _ in range(_CANARIES_OF_PART)]
        rows = self._waiting.pop((kind, keyed)).rows()
        self._waiting[kind, keyed] = _Waiting()
        self.parts.append(write_part(self._workspace, self._name(), kind, rows, canaries))

    def _name(self) -> str:
        self._files += 1
        return f"{self._stem}-{self._files - 1}.parquet"


def _apart(values: tuple[Value, ...]) -> Iterator[tuple[bytes, tuple[Value, ...]]]:
    """The values of an entry without an id, each with the key it goes by; the two ids of a URL stay together."""
    for number, value in enumerate(values):
        if value.kind == LINK:
            yield b"link" + value.data, values[number : number + 2]
        elif value.kind != CANONICAL:
            yield value.kind.encode() + value.data, (value,)
