"""Hash lists at rest: encrypted parts, and one encrypted index that says which parts are there.

The index is the only thing that makes a list be there: it names every part with its SHA-256 and its counts, and is replaced
atomically. A part that is missing, changed or another one than the index names stops whoever reads it; parts the index does not
name are left from a killed import and are swept by the next.
"""

from datetime import datetime
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
from linkwell.lists.kinds import KIND_BYTES

INDEX_FILE = "index.parquet"
LOCK = "lists"
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


class ListIndex(msgspec.Struct, frozen=True):
    """All lists of a workspace, by source."""

    generation: int = 0
    """Counts the changes; part of the names of parts, so that no name is used twice."""
    lists: tuple[ListRecord, ...] = ()
    format: str = _FORMAT

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


class PartValues(NamedTuple):
    """The content of a part."""

    values: npt.NDArray[np.uint8]
    """(rows, width of the kind)"""
    canary: npt.NDArray[np.bool_]


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
    """Remove parts the index does not name, and temporary files. Hold the lock `LOCK`."""
    named = {part.file for record in index.lists for part in record.parts} | {INDEX_FILE}
    with storage_errors(workspace.lists):
        sweep(workspace.lists)
        for path in workspace.lists.glob("*.parquet"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def write_part(workspace: Workspace, name: str, kind: str, values: bytes, canaries: list[bytes]) -> Part:
    """Write a part: `values` run together, and the canaries after them."""
    width = KIND_BYTES[kind]
    rows = len(values) // width + len(canaries)
    flags = np.zeros(rows, np.bool_)
    flags[rows - len(canaries) :] = True
    column = fixed_column(b"".join([values, *canaries]), width)
    table = pa.table({"value": column, "canary": pa.array(flags)})
    path = workspace.lists / name
    write_sealed(path, table, workspace.master_key())
    return Part(file=name, kind=kind, rows=rows, canaries=len(canaries), sha256=file_sha256(path))


def read_part(workspace: Workspace, part: Part, master_key: bytes) -> PartValues:
    """The values of a part, checked against the index.

    Raises:
        MissingError: the file is not there.
        DamagedFileError: it is not the file the index names.
    """
    path = workspace.lists / part.file
    if not path.is_file():
        raise MissingError("a part of a hash list is not there", str(path), _ADVICE)
    if file_sha256(path) != part.sha256:
        raise DamagedFileError("this part of a hash list was changed", str(path), _ADVICE)
    values, flags = [], []
    for table in read_sealed(path, master_key):
        values.append(fixed_bytes(table.column("value"), KIND_BYTES[part.kind], part.file)[0])
        flags.append(table.column("canary").to_numpy())
    loaded = PartValues(
        np.concatenate(values) if values else np.empty((0, KIND_BYTES[part.kind]), np.uint8),
        np.concatenate(flags).astype(np.bool_) if flags else np.empty(0, np.bool_),
    )
    if len(loaded.values) != part.rows or int(loaded.canary.sum()) != part.canaries:
        raise DamagedFileError("this part of a hash list does not have the rows it should have", str(path), _ADVICE)
    return loaded
