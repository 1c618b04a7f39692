"""Which rows and samples of a copy are recalled: by cell, by link id, by URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.errors import FormatError
from linkwell.base.ids import LINK_ID_BYTES, link_id
from linkwell.base.shards import atomic_path
from linkwell.recall import Recalled, id_array

CELLS_FILE, IDS_FILE = "recalled-cells.npy", "recalled-ids.npy"
_CELL_KEY_DIGITS = 13
_CELL_DIGITS = 8


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is to go: sorted cells (uint32) and sorted link ids (`S16`). Public data, all of it in the feed."""

    cells: npt.NDArray[np.uint32]
    ids: npt.NDArray[np.bytes_]

    @classmethod
    def of(cls, recalled: Recalled) -> "Wanted":
        """From what the feed says."""
        return cls(recalled.cell_array, recalled.link_ids)

    def save(self, folder: Path) -> None:
        """Write both as plain arrays, for the processes of a run to map."""
        for name, array in ((CELLS_FILE, self.cells), (IDS_FILE, self.ids)):
            with atomic_path(folder / name) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Wanted":
        """Map what `save` wrote."""
        return _load(folder, (folder / IDS_FILE).stat().st_mtime_ns)

    def has_cells(self, cells: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which of the cells are recalled."""
        return np.isin(cells, self.cells)

    def has_ids(self, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bool_]:
        """Which of the ids (`S16`) are recalled."""
        if len(self.ids) == 0 or len(ids) == 0:
            return np.zeros(len(ids), dtype=bool)
        places = np.searchsorted(self.ids, ids)
        places[places == len(self.ids)] = 0
        hit: npt.NDArray[np.bool_] = self.ids[places] == ids
        return hit

    def has_urls(self, urls: Sequence[str | None]) -> npt.NDArray[np.bool_]:
        """Which of the URLs are recalled; None is not."""
        ids = np.array([b"" if url is None else link_id(url) for url in urls], dtype="S16")
        hit = self.has_ids(ids)
        hit &= np.array([url is not None for url in urls], dtype=bool)
        return hit

    def has_cell_keys(self, keys: Sequence[str | None]) -> npt.NDArray[np.bool_]:
        """Which of our keys `{cell:08d}{row:05d}` name a recalled cell; other keys name none."""
        cells = np.array([cell_of_key(key) for key in keys], dtype=np.int64)
        return (cells >= 0) & self.has_cells(cells)


@lru_cache(maxsize=2)
def _load(folder: Path, _changed: int) -> Wanted:
    return Wanted(
        np.load(folder / CELLS_FILE, allow_pickle=False),
        np.load(folder / IDS_FILE, mmap_mode="r", allow_pickle=False),
    )


def cell_of_key(key: str | None) -> int:
    """The cell that one of our keys names, or -1 for a key of another form."""
    if key is None or len(key) != _CELL_KEY_DIGITS or not (key.isascii() and key.isdigit()):
        return -1
    return int(key[:_CELL_DIGITS])


@dataclass(frozen=True)
class IdentityColumns:
    """The columns of a parquet file that say which link a row is; None where there is no such column."""

    cell: str | None
    link_id: str | None
    url: str | None
    key: str | None

    @property
    def names(self) -> list[str]:
        """Those that are there."""
        return [n for n in (self.cell, self.link_id, self.url, self.key) if n is not None]

    @property
    def identified(self) -> bool:
        """Whether rows can be told at all."""
        return self.link_id is not None or self.url is not None


def identity_columns(schema: pa.Schema, *, ours: bool) -> IdentityColumns:
    """Find the identity columns by name, without regard to case.

    Args:
        schema: of the file.
        ours: the copy says it is Linkwell's. Elsewhere a column `cell` counts only beside `link_id`.
    """
    names: dict[str, str] = {}
    for name in schema.names:
        names.setdefault(name.lower(), name)
    link_column = names.get("link_id")
    cell = names.get("cell")
    if cell is not None and not (pa.types.is_integer(schema.field(cell).type) and (ours or link_column)):
        cell = None
    return IdentityColumns(cell, link_column, names.get("url"), names.get("key"))


def row_hits(table: pa.Table, columns: IdentityColumns, wanted: Wanted, where: str) -> npt.NDArray[np.bool_]:
    """Which rows are recalled, by any of the identity columns.

    Raises:
        FormatError: a link id is not 16 bytes.
    """
    hit = np.zeros(table.num_rows, dtype=bool)
    if columns.cell is not None:
        numbers: Any = table[columns.cell].cast(pa.int64())
        cells: Any = pc.fill_null(numbers, -1)
        hit |= wanted.has_cells(cells.to_numpy())
    if columns.link_id is not None:
        hit |= wanted.has_ids(_ids(table[columns.link_id], where))
    if columns.url is not None and (columns.link_id is None or table[columns.link_id].null_count):
        hit |= wanted.has_urls(table[columns.url].cast(pa.string()).to_pylist())
    return hit


def _ids(column: "pa.ChunkedArray[Any]", where: str) -> npt.NDArray[np.bytes_]:
    """A column of link ids as `S16`: fixed binary, plain binary, or 32 hex digits."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            values = [b"" if v is None else bytes.fromhex(v) for v in column.to_pylist()]
            column = pa.chunked_array([pa.array([v or bytes(LINK_ID_BYTES) for v in values], pa.binary())])
        fixed: Any = column.cast(pa.binary(LINK_ID_BYTES))
    except (pa.ArrowException, ValueError):
        raise FormatError("the column link_id does not hold 16-byte ids", where) from None
    if fixed.null_count:
        fixed = pc.fill_null(fixed, bytes(LINK_ID_BYTES))
    return id_array(fixed)
