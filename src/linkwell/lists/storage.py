"""Hash lists at rest: encrypted parts, and one encrypted index that says which parts are there.

The index is the only thing that makes a list be there: it names every part with its SHA-256 and its counts, and is replaced
atomically. A part that is missing, changed or another one than the index names stops whoever reads it; parts the index does not
name are left from a killed import and are swept by the next.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.base.shards import file_sha256, storage_errors, sweep
from linkwell.base.workspace import Workspace
from linkwell.lists.columns import fixed_bytes, fixed_column
from linkwell.lists.kinds import ALGORITHMS, CANONICAL, KIND_ALGORITHM, KIND_BYTES, RECORD_BYTES

INDEX_FILE = "index.parquet"
LOCK = "lists"
NEVER = 2**62
"""The expiry of what does not expire."""
COMPILED_FOLDER = "compiled"
"""Below the folder of the lists: indexes made of large lists. Derived, encrypted like them, and gone whenever a list changes."""
_FORMAT = "linkwell-lists-1"
_ADVICE = "Restore the file, or forget the list and import it again: linkwell lists forget NAME"


class Part(msgspec.Struct, frozen=True):
    """One file of a list: values of one kind, some of them canaries."""

    file: str
    kind: str
    rows: int
    canaries: int
    sha256: str


class ListRecord(msgspec.Struct, frozen=True):
    """One list: what it is, and its parts."""

    source: str
    imported_at: datetime
    file_name: str
    list_format: str
    synthetic: bool
    counts: dict[str, int]
    """Rows loaded, by algorithm."""
    rejected_count: int
    parts: tuple[Part, ...]
    terms: str = ""
    """What its supplier asks, in words or as the name of an agreement."""
    classification: str = ""
    """What its supplier says the entries are."""
    expires: datetime | None = None
    """From when on the whole list matches no longer."""
    updated_at: datetime | None = None
    """When it was last updated; None where it only was imported."""
    exchange: str = ""
    """The exchange it is fetched from; empty for a file."""
    checkpoint: str = ""
    """Where the next fetch goes on, as the exchange's client writes it."""

    def expired(self, now: datetime) -> bool:
        """Whether it matches no longer."""
        return self.expires is not None and self.expires <= now

    def entries(self) -> dict[str, int]:
        """Entries by algorithm, as its parts hold them."""
        return part_counts(self.parts)


class ListIndex(msgspec.Struct, frozen=True):
    """All lists of a workspace, by source."""

    generation: int = 0
    """Counts the changes; part of the names of parts, so that no name is used twice."""
    lists: tuple[ListRecord, ...] = ()
    format: str = _FORMAT

    def active(self, now: datetime) -> "tuple[ListRecord, ...]":
        """The lists that have not expired."""
        return tuple(record for record in self.lists if not record.expired(now))

    def find(self, source: str) -> ListRecord | None:
        """The list of a source."""
        return next((record for record in self.lists if record.source == source), None)

    def with_list(self, record: ListRecord) -> "ListIndex":
        """This index with a list added, or put in place of the one of the same source."""
        return self.without(record.source, (record,))

    def without(self, source: str, added: tuple[ListRecord, ...] = ()) -> "ListIndex":
        """This index without the list of a source."""
        kept = [record for record in self.lists if record.source != source]
        lists = tuple(sorted([*kept, *added], key=lambda record: record.source))
        return ListIndex(generation=self.generation + 1, lists=lists)


def part_counts(parts: Sequence[Part]) -> dict[str, int]:
    """Entries by algorithm; a URL, which is stored as two ids, counts once."""
    counts = Counter[str]()
    for part in parts:
        if part.kind != CANONICAL:
            counts[KIND_ALGORITHM[part.kind]] += part.rows - part.canaries
    return {name: counts[name] for name in ALGORITHMS if counts[name]}


class Rows(NamedTuple):
    """Entries of one kind that wait to be written, run together."""

    values: bytes
    records: bytes = b""
    """16 bytes each, or none at all: what an update names them by."""
    expires: tuple[int, ...] = ()
    """Seconds since 1970, `NEVER` where one does not expire; or none at all."""


class PartValues(NamedTuple):
    """The content of a part."""

    values: npt.NDArray[np.uint8]
    """(rows, width of the kind)"""
    canary: npt.NDArray[np.bool_]
    until: int = NEVER
    """When the first of them expires, in seconds since 1970."""


def read_index(workspace: Workspace) -> ListIndex:
    """The lists of a workspace.

    Raises:
        DamagedFileError: the index does not open, or is gone while there are parts. No list is passed over in silence.
        MissingKeyError: the master key is not there.
    """
    path = workspace.lists / INDEX_FILE
    if not path.exists():
        if any(workspace.lists.glob("*.parquet")):
            raise DamagedFileError(
                "the index of the hash lists is gone, and there are lists", str(path), "Restore the file from a backup."
            )
        return ListIndex()
    tables = list(read_sealed(path, workspace.master_key()))
    try:
        index = msgspec.json.decode(tables[0].column("index")[0].as_py(), type=ListIndex)
    except (msgspec.MsgspecError, KeyError, IndexError, TypeError):
        index = None
    if index is None or index.format != _FORMAT:
        raise DamagedFileError("this is no index of hash lists", str(path), "Restore the file from a backup.")
    return index


def write_index(workspace: Workspace, index: ListIndex) -> None:
    """Replace the index, atomically. Hold the lock `LOCK`."""
    table = pa.table({"index": pa.array([msgspec.json.encode(index)], pa.binary())})
    write_sealed(workspace.lists / INDEX_FILE, table, workspace.master_key())


def sweep_lists(workspace: Workspace, index: ListIndex) -> None:
    """Remove parts the index does not name, what was made of lists, and temporary files. Hold the lock `LOCK`."""
    named = {part.file for record in index.lists for part in record.parts} | {INDEX_FILE}
    with storage_errors(workspace.lists):
        sweep(workspace.lists)
        for path in workspace.lists.glob("*.parquet"):
            if path.name not in named:
                path.unlink(missing_ok=True)
        shutil.rmtree(workspace.lists / COMPILED_FOLDER, ignore_errors=True)


def write_part(workspace: Workspace, name: str, kind: str, rows: Rows, canaries: list[bytes]) -> Part:
    """Write a part: the rows, and the canaries after them."""
    width = KIND_BYTES[kind]
    count = len(rows.values) // width
    flags = np.zeros(count + len(canaries), np.bool_)
    flags[count:] = True
    columns: dict[str, pa.Array[pa.Scalar[pa.DataType]]] = {
        "value": fixed_column(b"".join([rows.values, *canaries]), width),
        "canary": pa.array(flags),
    }
    if rows.records:
        columns["record"] = fixed_column(rows.records + bytes(RECORD_BYTES * len(canaries)), RECORD_BYTES)
    if rows.expires:
        columns["expires"] = pa.array([*rows.expires, *[NEVER] * len(canaries)], pa.int64())
    return _write(workspace, name, kind, pa.table(columns), len(canaries))


def _write(workspace: Workspace, name: str, kind: str, table: pa.Table, canaries: int) -> Part:
    path = workspace.lists / name
    write_sealed(path, table, workspace.master_key())
    return Part(file=name, kind=kind, rows=table.num_rows, canaries=canaries, sha256=file_sha256(path))


def check_part(workspace: Workspace, part: Part) -> Path:
    """The file of a part, known to be the one the index names.

    Raises:
        MissingError: the file is not there.
        DamagedFileError: it is another.
    """
    path = workspace.lists / part.file
    if not path.is_file():
        raise MissingError("a part of a hash list is not there", str(path), _ADVICE)
    if file_sha256(path) != part.sha256:
        raise DamagedFileError("this part of a hash list was changed", str(path), _ADVICE)
    return path


def read_part(workspace: Workspace, part: Part, master_key: bytes) -> PartValues:
    """The values of a part that have not expired, checked against the index.

    Raises:
        MissingError: the file is not there.
        DamagedFileError: it is not the file the index names.
    """
    values, flags = [], []
    now = int(datetime.now(UTC).timestamp())
    until = NEVER
    total = canaries = 0
    for table in _read(workspace, part, master_key):
        value, canary = fixed_bytes(table.column("value"), KIND_BYTES[part.kind], part.file)[0], _canaries(table)
        total += len(canary)
        canaries += int(canary.sum())
        if "expires" in table.column_names:
            expires = table.column("expires").to_numpy()
            alive = expires > now
            value, canary = value[alive], canary[alive]
            until = min(until, int(expires[alive].min(initial=NEVER)))
        values.append(value)
        flags.append(canary)
    if (total, canaries) != (part.rows, part.canaries):
        raise DamagedFileError(
            "this part of a hash list does not have the rows it should have", str(workspace.lists / part.file), _ADVICE
        )
    return PartValues(
        np.concatenate(values) if values else np.empty((0, KIND_BYTES[part.kind]), np.uint8),
        np.concatenate(flags) if flags else np.empty(0, np.bool_),
        until,
    )


def drop_rows(
    workspace: Workspace, part: Part, name: str, records: pa.FixedSizeBinaryArray, values: pa.FixedSizeBinaryArray
) -> Part | None:
    """A part without the rows of some records, and of some values that have no record; itself where it has none of them.

    Args:
        workspace: whose list.
        part: the part.
        name: of the file that takes its place.
        records: ids of records, `fixed_size_binary(16)`.
        values: values of the part's kind, `fixed_size_binary` of its width.

    Returns:
        None where nothing is left.

    Raises:
        MissingError, DamagedFileError: as `read_part`.
    """
    kept = []
    dropped = 0
    for table in _read(workspace, part, workspace.master_key()):
        names = records if "record" in table.column_names else values
        import pyarrow.compute as pc  # noqa: PLC0415 - who only matches does without its 8 MB

        named = pc.is_in(table.column("record" if "record" in table.column_names else "value"), value_set=names)
        stays = pc.or_(pc.invert(named), table.column("canary"))
        kept.append(table.filter(stays))
        dropped += table.num_rows - kept[-1].num_rows
    if not dropped:
        return part
    if part.rows - dropped == part.canaries:
        return None
    return _write(workspace, name, part.kind, pa.concat_tables(kept), part.canaries)


def _canaries(table: pa.Table) -> npt.NDArray[np.bool_]:
    return table.column("canary").to_numpy().astype(np.bool_)


def _read(workspace: Workspace, part: Part, master_key: bytes) -> Iterator[pa.Table]:
    """The rows of a part as they stand, once its file is known to be the one the index names."""
    yield from read_sealed(check_part(workspace, part), master_key)
