"""Which rows and samples of a copy are recalled: by cell, by link id, by URL, or by a foreign id that an alias table connects."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.errors import FormatError
from linkwell.base.ids import LINK_ID_BYTES, link_ids
from linkwell.base.schema import FOREIGN_ALIASES
from linkwell.base.shards import atomic_paths, write_array
from linkwell.recall import Recalled, id_array

_CELL_KEY_DIGITS = 13
_CELL_DIGITS = 8
_UID_DIGITS = 32
_DIGEST_BYTES = 32
_BITS = 16
_FILES = ("cells", "ids", "loose", "uids", "hashes", "digests", "keys")

Ids = npt.NDArray[np.bytes_]


def _no_ids(width: int = LINK_ID_BYTES) -> Ids:
    return np.empty(0, dtype=f"S{width}")


@dataclass(frozen=True, eq=False)
class Aliases:
    """Ids that other projects give to recalled links; sorted, unique."""

    uids: Ids = field(default_factory=_no_ids)
    """Ids of 32 hex digits as 16 bytes: DataComp's and cc2dataset's `uid`, the MD5 that some lists call `hash`."""
    hashes: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """LAION's 64-bit `hash`."""
    digests: Ids = field(default_factory=lambda: _no_ids(_DIGEST_BYTES))
    """SHA-256 or MD5 of the picture, padded with zeros."""
    keys: Ids = field(default_factory=_no_ids)
    """Keys of samples, see `key_id`."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(len(self.uids) or len(self.hashes) or len(self.digests) or len(self.keys))

    def joined(self, other: "Aliases") -> "Aliases":
        """Both."""
        return Aliases(
            np.union1d(self.uids, other.uids),
            np.union1d(self.hashes, other.hashes),
            np.union1d(self.digests, other.digests),
            np.union1d(self.keys, other.keys),
        )


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is to go: sorted cells (uint32) and sorted link ids (`S16`). Public data, all of it in the feed."""

    cells: npt.NDArray[np.uint32]
    ids: Ids
    loose: Ids | None = None
    """Of the ids, those that are recalled one by one; None where that is not known. The others go with their cell."""
    aliases: Aliases = field(default_factory=Aliases)

    @classmethod
    def of(cls, recalled: Recalled, aliases: Aliases | None = None) -> "Wanted":
        """From what the feed says."""
        return cls(recalled.cell_array, recalled.link_ids, recalled.loose_ids, aliases or Aliases())

    def save(self, folder: Path) -> None:
        """Write everything as plain arrays, for the processes of a run to map."""
        loose = self.ids if self.loose is None else self.loose
        arrays = (self.cells, self.ids, loose, *self.alias_arrays)
        with atomic_paths([_file(folder, name) for name in _FILES]) as temporaries:
            for temporary, array in zip(temporaries, arrays, strict=True):
                with temporary.open("wb") as file:
                    write_array(file, array)

    @property
    def alias_arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The foreign ids, in the order they are saved."""
        found = self.aliases
        return found.uids, found.hashes, found.digests, found.keys

    @staticmethod
    def aliases_in(folder: Path) -> Aliases:
        """The foreign ids that `save` wrote; none where it wrote nothing yet."""
        files = [_file(folder, name) for name in _FILES[3:]]
        if not all(file.exists() for file in files):
            return Aliases()
        return Aliases(*(np.load(file, allow_pickle=False) for file in files))

    @classmethod
    def load(cls, folder: Path) -> "Wanted":
        """Map what `save` wrote."""
        return _load(folder, _file(folder, "keys").stat().st_mtime_ns)

    @property
    def without_cells(self) -> Ids:
        """Ids to look for in rows whose cell is known and not recalled."""
        return self.ids if self.loose is None else self.loose

    def has_cells(self, cells: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which of the cells are recalled. Cells stand in runs, and each run is looked up once."""
        if len(cells) == 0 or len(self.cells) == 0:
            return np.zeros(len(cells), dtype=bool)
        starts = np.concatenate([[0], np.flatnonzero(cells[1:] != cells[:-1]) + 1])
        hit = np.isin(cells[starts], self.cells)
        if not hit.any():
            return np.zeros(len(cells), dtype=bool)
        return np.repeat(hit, np.diff(np.append(starts, len(cells))))

    def has_ids(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of the ids (`S16`) are recalled."""
        return _among(self.ids, ids)

    def has_urls(self, urls: Sequence[str | None]) -> npt.NDArray[np.bool_]:
        """Which of the URLs are recalled; None is not."""
        stated = np.array([url is not None for url in urls], dtype=bool)
        hit = np.zeros(len(urls), dtype=bool)
        hit[stated] = self.has_ids(id_array(link_ids([url for url in urls if url is not None])))
        return hit

    def has_keys(self, keys: Sequence[str], *, ours: bool) -> npt.NDArray[np.bool_]:
        """Which of the keys (without folder) an alias table connects with a recalled link, or, in ours, name a recalled cell."""
        hit = self.has_cell_keys(keys) if ours else np.zeros(len(keys), dtype=bool)
        if len(self.aliases.keys):
            hit |= _among(self.aliases.keys, np.array([key_id(key) for key in keys], dtype="S16"))
        return hit

    def has_cell_keys(self, keys: Sequence[str | None]) -> npt.NDArray[np.bool_]:
        """Which of our keys `{cell:08d}{row:05d}` name a recalled cell; other keys name none."""
        cells = np.array([cell_of_key(key) for key in keys], dtype=np.int64)
        return (cells >= 0) & self.has_cells(cells)


def _file(folder: Path, name: str) -> Path:
    return folder / f"recalled-{name}.npy"


@lru_cache(maxsize=2)
def _load(folder: Path, _changed: int) -> Wanted:
    cells, ids, loose, *aliases = (
        np.load(_file(folder, name), mmap_mode=None if name == "cells" else "r", allow_pickle=False) for name in _FILES
    )
    return Wanted(cells, ids, loose, Aliases(*aliases))


def _among(sorted_ids: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which values are among the sorted ones; a table of their first 16 bits answers for most."""
    hit = np.zeros(len(values), dtype=bool)
    if len(sorted_ids) == 0 or len(values) == 0:
        return hit
    first = np.zeros(1 << _BITS, dtype=bool)
    first[_first_bits(sorted_ids)] = True
    maybe = np.flatnonzero(first[_first_bits(values)])
    if len(maybe):
        asked = values[maybe]
        places = np.searchsorted(sorted_ids, asked)
        places[places == len(sorted_ids)] = 0
        hit[maybe] = sorted_ids[places] == asked
    return hit


def _first_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    whole = np.ascontiguousarray(values)
    bits: npt.NDArray[np.uint16] = whole.view(np.uint16)[:: whole.dtype.itemsize // 2]
    return bits


def cell_of_key(key: str | None) -> int:
    """The cell that one of our keys names, or -1 for a key of another form."""
    if key is None or len(key) != _CELL_KEY_DIGITS or not (key.isascii() and key.isdigit()):
        return -1
    return int(key[:_CELL_DIGITS])


def key_id(key: str) -> bytes:
    """16 bytes for the key of a sample, without its folder."""
    return hashlib.sha256(key.rpartition("/")[2].encode("utf-8", "surrogatepass")).digest()[:LINK_ID_BYTES]


@dataclass(frozen=True)
class IdentityColumns:
    """The columns of a table that say which link a row is; None where there is no such column."""

    cell: str | None = None
    link_id: str | None = None
    url: str | None = None
    key: str | None = None
    uid: str | None = None
    hash: str | None = None
    digest: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that are there."""
        every = (self.cell, self.link_id, self.url, self.key, self.uid, self.hash, self.digest)
        return [name for name in every if name is not None]

    @property
    def direct(self) -> bool:
        """Whether rows can be told by the feed alone."""
        return self.link_id is not None or self.url is not None

    def foreign(self, aliases: Aliases) -> list[str]:
        """The columns to go by where none tells directly: the first kind of id that the alias tables had."""
        for column, known in (
            (self.uid, aliases.uids),
            (self.hash, aliases.hashes if len(aliases.hashes) else aliases.uids),
            (self.digest, aliases.digests),
            (self.key, aliases.keys),
        ):
            if column is not None and len(known):
                return [column]
        return []

    def identified(self, aliases: Aliases) -> bool:
        """Whether rows can be told at all."""
        return self.direct or self.cell is not None or bool(self.foreign(aliases))


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
    return IdentityColumns(
        cell,
        link_column,
        next((names[alias] for alias in FOREIGN_ALIASES["url"] if alias in names), None),
        names.get("key", names.get("image_path")),
        names.get("uid"),
        names.get("hash"),
        names.get("sha256", names.get("md5")),
    )


def row_hits(
    table: pa.Table, columns: IdentityColumns, wanted: Wanted, where: str, *, ours: bool = False
) -> npt.NDArray[np.bool_]:
    """Which rows are recalled, by any of the identity columns the table has.

    Args:
        table: the columns of `needed`, or more.
        columns: what they are called.
        wanted: what is recalled.
        where: the file, for messages.
        ours: keys name cells.

    Raises:
        FormatError: a link id is not 16 bytes.
    """
    hit = np.zeros(table.num_rows, dtype=bool)
    have = set(table.column_names)
    if columns.cell in have and columns.cell is not None:
        hit |= wanted.has_cells(cells_of(table[columns.cell]))
    told_by_id = columns.link_id in have and columns.link_id is not None
    if columns.link_id is not None and told_by_id:
        hit |= wanted.has_ids(_ids(table[columns.link_id], where))
    if (
        columns.url is not None
        and columns.url in have
        and (not told_by_id or (columns.link_id and table[columns.link_id].null_count))
    ):
        hit |= wanted.has_urls(plain(table[columns.url].cast(pa.string())))
    if not columns.direct:
        if ours and columns.key is not None and columns.key in have:
            keys = plain(table[columns.key].cast(pa.string()))
            hit |= wanted.has_cell_keys([key and key.rpartition("/")[2] for key in keys])
        for name in columns.foreign(wanted.aliases):
            hit |= _foreign_hits(table[name], name.lower(), wanted.aliases)
    return hit


def cells_of(column: "pa.ChunkedArray[Any]") -> npt.NDArray[np.integer]:
    """A column of cells as numbers; null is -1, or what the type has for it."""
    if column.null_count:
        whole: Any = column.cast(pa.int64())
        numbers: Any = pc.fill_null(whole, -1)
    else:
        numbers = column
    cells: npt.NDArray[np.integer] = numbers.to_numpy()
    return cells


def _foreign_hits(column: "pa.ChunkedArray[Any]", name: str, aliases: Aliases) -> npt.NDArray[np.bool_]:
    """Which values of a column of foreign ids belong to recalled links."""
    if pa.types.is_integer(column.type):
        whole: Any = column.cast(pa.int64())
        numbers: Any = pc.fill_null(whole, 0)
        known: npt.NDArray[np.bool_] = np.isin(numbers.to_numpy(), aliases.hashes)
        valid: npt.NDArray[np.bool_] = np.asarray(column.is_valid())
        return known & valid
    values = plain(column)
    if name in {"key", "image_path"}:
        return _among(aliases.keys, np.array([b"" if v is None else key_id(str(v)) for v in values], dtype="S16"))
    raw = [raw_id(value) for value in values]
    if name in {"sha256", "md5"}:
        return _among(aliases.digests, np.array(raw, dtype=f"S{_DIGEST_BYTES}"))
    short = [value if len(value) == LINK_ID_BYTES else b"" for value in raw]
    return _among(aliases.uids, np.array(short, dtype="S16"))


def raw_id(value: object) -> bytes:
    r"""The bytes of an id given as bytes or hex digits; empty for anything else.

    >>> raw_id("0a0B")
    b'\n\x0b'
    """
    if isinstance(value, bytes):
        return value if len(value) <= _DIGEST_BYTES else b""
    if isinstance(value, str) and len(value) <= 2 * _DIGEST_BYTES:
        try:
            return bytes.fromhex(value)
        except ValueError:
            return b""
    return b""


def plain(column: "pa.ChunkedArray[Any]") -> list[Any]:
    """A column as a list, dictionaries decoded."""
    return list(column.to_pylist())


def _ids(column: "pa.ChunkedArray[Any]", where: str) -> Ids:
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
