"""Import a hash list into the workspace, show what is there, forget a list."""

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from linkwell.base.errors import FormatError, MissingError, UsageError
from linkwell.base.progress import Meter, meter
from linkwell.base.workspace import Workspace, check_name
from linkwell.lists.formats import LIST_FORMATS, open_list_file, read_header, read_rows
from linkwell.lists.kinds import ALGORITHMS, KIND_ALGORITHM, KIND_BYTES, LINK, Refused
from linkwell.lists.storage import (
    LOCK,
    ListRecord,
    Part,
    read_index,
    sweep_lists,
    write_index,
    write_part,
)

MAX_NAMED_ROWS = 1_000
"""Rejected rows that a report names one by one; the others are in its counts."""

_PART_ROWS = 500_000
_CANARIES_OF_PART = 2
_METER_ROWS = 20_000


@dataclass(frozen=True)
class ImportReport:
    """What an import did. It never holds anything of a row but its number."""

    source: str
    list_format: str
    synthetic: bool
    replaced: bool
    """Whether a list of the same source was there before."""
    loaded: dict[str, int]
    """Rows loaded, by algorithm."""
    rejected_count: int
    rejected_reasons: dict[str, int]
    rejected: tuple[tuple[int, str], ...]
    """(line number, reason) of the first `MAX_NAMED_ROWS` rows that were set aside."""


@dataclass(frozen=True)
class ListInfo:
    """A list of the workspace: what it is, and counts."""

    source: str
    imported_at: datetime
    file_name: str
    list_format: str
    synthetic: bool
    counts: dict[str, int]
    """Rows loaded, by algorithm."""
    rejected_count: int


def import_list(
    workspace: Workspace, path: Path, *, source: str, list_format: str | None = None, synthetic: bool | None = None
) -> ImportReport:
    """Import a list; one of the same source is replaced, at once and as a whole.

    Args:
        workspace: where to.
        path: the list, gzip or not.
        source: the name of who supplied it: lower-case letters, digits, dot, dash, underscore.
        list_format: one of `LIST_FORMATS`; None to tell it from the first lines.
        synthetic: whether the list is made up, for tests and demos; None to take what its header says.

    Raises:
        UsageError: the name or the form is not known.
        FormatError: the form cannot be told, or not one row loads; what was there before stays.
        MissingError, DamagedFileError, StorageError: the file, or the lists that are there, cannot be read or written.
        BusyError: another import is at work.
    """
    check_name(source, "source")
    if list_format is not None and list_format not in LIST_FORMATS:
        raise UsageError(f"{list_format!r} is no form of a list", advice="One of: " + ", ".join(LIST_FORMATS))
    header = read_header(path)
    known_format = list_format or header.list_format
    if known_format is None:
        raise FormatError(
            "the first lines do not tell the form of this list",
            str(path),
            "Name it with --format: signals (lines `signal_type signal`), tx-csv, or md5, sha1, sha256, pdq or url "
            "where each line is one bare signal.",
        )
    with workspace.lock(LOCK):
        index = read_index(workspace)
        if index.generation == 0:
            write_index(workspace, index)  # from here on, parts without an index mean damage
        sweep_lists(workspace, index)
        loading = _Loading(workspace, f"{source}-{index.generation + 1}")
        try:
            with open_list_file(path) as (stream, file), meter("import list", path.stat().st_size, "bytes") as progress:
                loading.load(stream, file, known_format, path, progress)
            record = ListRecord(
                source=source,
                imported_at=datetime.now(UTC).replace(microsecond=0),
                file_name=path.name,
                list_format=known_format,
                synthetic=header.synthetic if synthetic is None else synthetic,
                counts={name: loading.loaded[name] for name in ALGORITHMS if loading.loaded[name]},
                rejected_count=loading.reasons.total(),
                parts=tuple(loading.parts),
            )
            write_index(workspace, index.with_list(record))
        except BaseException:
            sweep_lists(workspace, read_index(workspace))
            raise
        sweep_lists(workspace, index.with_list(record))
    return ImportReport(
        source=source,
        list_format=known_format,
        synthetic=record.synthetic,
        replaced=index.find(source) is not None,
        loaded=record.counts,
        rejected_count=record.rejected_count,
        rejected_reasons=dict(sorted(loading.reasons.items())),
        rejected=tuple(loading.rejected),
    )


class _Loading:
    """The state of one import: values waiting for their part, the parts written, and what was set aside."""

    def __init__(self, workspace: Workspace, stem: str) -> None:
        self._workspace = workspace
        self._stem = stem
        self._waiting = {kind: bytearray() for kind in KIND_BYTES}
        self.parts: list[Part] = []
        self.loaded: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.rejected: list[tuple[int, str]] = []

    def load(self, stream: IO[bytes], file: IO[bytes], list_format: str, path: Path, progress: Meter) -> None:
        """Read all rows and write all parts.

        Raises:
            FormatError: not one row loads.
        """
        full = {kind: _PART_ROWS * width for kind, width in KIND_BYTES.items()}
        for count, (line_number, parsed) in enumerate(read_rows(stream, list_format, path), 1):
            if isinstance(parsed, Refused):
                self.reasons[parsed.reason] += 1
                if len(self.rejected) < MAX_NAMED_ROWS:
                    self.rejected.append((line_number, parsed.reason))
            else:
                for kind, data in parsed:
                    waiting = self._waiting[kind]
                    waiting += data
                    if len(waiting) >= full[kind]:
                        self._write(kind)
            if count % _METER_ROWS == 0:
                progress.advance(file.tell() - progress.done)
        for kind, waiting in self._waiting.items():
            if waiting:
                self._write(kind)
        if not self.parts:
            raise FormatError(
                f"not one row could be loaded, and {self.reasons.total()} were set aside",
                str(path),
                "Nothing was changed. Check the file, or name its form with --format.",
            )

    def _write(self, kind: str) -> None:
        values = bytes(self._waiting[kind])
        self._waiting[kind].clear()
        width = KIND_BYTES[kind]
        if kind == LINK or KIND_ALGORITHM[kind] == kind:
            self.loaded[KIND_ALGORITHM[kind]] += len(values) // width
        canaries = [secrets.token_bytes(width) for _ in range(_CANARIES_OF_PART)]
        name = f"{self._stem}-{len(self.parts)}.parquet"
        self.parts.append(write_part(self._workspace, name, kind, values, canaries))


def show_lists(workspace: Workspace) -> list[ListInfo]:
    """The lists of a workspace, by source.

    Raises:
        DamagedFileError: the index of the lists does not open.
    """
    return [
        ListInfo(
            source=record.source,
            imported_at=record.imported_at,
            file_name=record.file_name,
            list_format=record.list_format,
            synthetic=record.synthetic,
            counts=record.counts,
            rejected_count=record.rejected_count,
        )
        for record in read_index(workspace).lists
    ]


def lists_generation(workspace: Workspace) -> int:
    """How often the lists of a workspace were changed; 0 where there never was one. It never falls, but for an older folder put back.

    Raises:
        DamagedFileError: the index of the lists does not open.
    """
    return read_index(workspace).generation


def forget_list(workspace: Workspace, source: str) -> None:
    """Remove a list and every file of it. It works for a list whose parts are damaged, too.

    Raises:
        MissingError: there is no list of this source.
        BusyError: an import is at work.
    """
    with workspace.lock(LOCK):
        index = read_index(workspace)
        if index.find(source) is None:
            raise MissingError(f"there is no list of {source!r}", "hash lists", "linkwell lists show names them.")
        rest = index.without(source)
        write_index(workspace, rest)
        sweep_lists(workspace, rest)
