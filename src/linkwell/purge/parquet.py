"""Parquet files of a copy: which rows are recalled, and the file without them.

A dictionary-typed Arrow column keeps every value it ever had through a filter, and the removed URL would stay in the
dictionary page (engines.md 2.3); so such columns are decoded, filtered and encoded anew. Statistics, page indexes and row
groups are written afresh; bloom filters are not carried over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from linkwell.base.errors import DamagedFileError
from linkwell.base.shards import open_parquet
from linkwell.purge.match import IdentityColumns, Wanted, identity_columns, row_hits
from linkwell.purge.samplekeys import NO_KEYS

_ADVICE = "Restore the file, fetch it again, or delete it; until then it may hold recalled rows."
_BATCH_ROWS = 131_072


@dataclass(frozen=True, eq=False)
class ParquetScan:
    """What is in one file. `hits` has one entry for each row."""

    rows: int
    hits: npt.NDArray[np.bool_]
    keys: "pa.ChunkedArray[Any] | None"
    """Keys of the rows, where they were asked for and are there."""
    told: npt.NDArray[np.bool_] | None
    """Where keys were asked for: rows that say which link they are."""
    identified: bool
    """Whether the file has columns that tell which link a row is."""

    @property
    def hit_count(self) -> int:
        """Rows that go."""
        return int(self.hits.sum())

    def keys_of(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bytes_]:
        """The keys of some rows, as bytes; none where the file has no keys."""
        chosen = rows if self.keys is None else rows & np.asarray(self.keys.is_valid())
        if self.keys is None or not chosen.any():
            return NO_KEYS
        kept: Any = self.keys if chosen.all() else self.keys.filter(pa.array(chosen))
        whole: Any = pa.concat_arrays(kept.cast(pa.binary()).chunks)
        _valid, ends, data = whole.buffers()
        stops = np.frombuffer(ends, dtype=np.int32)[whole.offset : whole.offset + len(whole) + 1]
        lengths = np.diff(stops)
        if len(lengths) and lengths[0] and (lengths == lengths[0]).all():  # as they lie in memory
            return np.frombuffer(data, dtype=f"S{lengths[0]}", count=len(lengths), offset=int(stops[0]))
        return np.array(whole.to_pylist(), dtype=np.bytes_)


def scan_parquet(path: Path, wanted: Wanted, *, ours: bool, with_keys: bool, thorough: bool = False) -> ParquetScan:
    """Find the recalled rows of a file, reading only the columns that identify them.

    Where rows have a cell, that column alone answers, but for links that are recalled one by one.

    Args:
        path: the file.
        wanted: what is recalled.
        ours: the copy is Linkwell's, made from a release.
        with_keys: the keys of the rows are wanted too.
        thorough: read every column that identifies rows.

    Raises:
        DamagedFileError: it does not read as parquet.
        FormatError: its link ids are not ids.
    """
    with open_parquet(path) as file:
        columns = identity_columns(file.schema_arrow, ours=ours)
        key = columns.key if with_keys else None
        quick, every = _columns_to_ask(columns, wanted, ours=ours)
        asked = every if thorough else quick
        try:
            found = _read_hits(file, columns, asked, wanted, where=str(path), ours=ours, key=key)
            if found is None:
                found = _read_hits(file, columns, every, wanted, where=str(path), ours=ours, key=key, settle=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedFileError("this parquet file is damaged", str(path), _ADVICE) from error
        rows = file.metadata.num_rows
    assert found is not None  # noqa: S101 - the second pass settles for what is there
    hits, keys, told = found
    if len(hits) != rows:
        raise DamagedFileError("this parquet file has not the rows its footer says", str(path), _ADVICE)
    return ParquetScan(rows, hits, keys, told, columns.identified(wanted.aliases))


def _columns_to_ask(columns: IdentityColumns, wanted: Wanted, *, ours: bool) -> tuple[list[str], list[str]]:
    """The fewest columns that answer for a row that has them all, and every column that may answer."""
    every = [name for name in (columns.cell, columns.link_id, columns.url) if name is not None]
    if not columns.direct:
        if ours and columns.key is not None:
            every.append(columns.key)
        every.extend(name for name in columns.foreign(wanted.aliases) if name not in every)
        return every, every
    by_id = columns.link_id or columns.url
    if columns.cell is None:
        return [name for name in (by_id,) if name], every
    # Whose cells they are is known only in a copy that says so: elsewhere the ids of whole cells are looked for, too.
    ids = wanted.without_cells if ours else wanted.ids
    return [columns.cell, *([by_id] if by_id and len(ids) else [])], every


_Found = tuple[npt.NDArray[np.bool_], "pa.ChunkedArray[Any] | None", "npt.NDArray[np.bool_] | None"]


def _read_hits(
    file: pq.ParquetFile,
    columns: IdentityColumns,
    names: list[str],
    wanted: Wanted,
    *,
    where: str,
    ours: bool,
    key: str | None,
    settle: bool = False,
) -> _Found | None:
    """Hits, keys and told rows by the named columns; None where one of them has a null, unless that is settled for."""
    read = list(dict.fromkeys([*names, *([key] if key else [])]))
    if not read:
        return np.zeros(file.metadata.num_rows, dtype=bool), None, None
    hits: list[npt.NDArray[np.bool_]] = [np.zeros(0, dtype=bool)]
    told: list[npt.NDArray[np.bool_]] = [np.zeros(0, dtype=bool)]
    keys: list[Any] = []
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=read, use_threads=False):
        table = pa.Table.from_batches([batch])
        if not settle and any(table[name].null_count for name in names):
            return None
        hits.append(row_hits(table, columns, wanted, where, ours=ours))
        if key is not None:
            keys.extend(table[key].cast(pa.string()).chunks)
            told.append(_told(table, columns))
    if key is None:
        return np.concatenate(hits), None, None
    return np.concatenate(hits), pa.chunked_array(keys, pa.string()), np.concatenate(told)


def _told(table: pa.Table, columns: IdentityColumns) -> npt.NDArray[np.bool_]:
    """Rows in which a column that was read says which link they are."""
    told = np.zeros(table.num_rows, dtype=bool)
    for name in (columns.link_id, columns.url, columns.cell):
        if name is not None and name in table.column_names:
            told |= np.asarray(table[name].is_valid())
    return told


def rewrite_parquet(source: Path, target: Path, hits: npt.NDArray[np.bool_], *, blank: bool = False) -> None:
    """Write `source` without the rows in `hits`: same schema, same compression of each column, row groups kept apart.

    Args:
        source: the file.
        target: the new one.
        hits: one entry for each row.
        blank: leave the rows standing, with nothing in them, so that the others keep their numbers.

    Raises:
        DamagedFileError: the source does not read.
        OSError: the target cannot be written.
    """
    with open_parquet(source) as file:
        metadata = file.metadata
        schema = file.schema_arrow
        writer = pq.ParquetWriter(target, schema, **_writer_options(metadata))
        try:
            start = 0
            for group in range(metadata.num_row_groups):
                rows = metadata.row_group(group).num_rows
                keep = ~hits[start : start + rows]
                start += rows
                if not keep.any() and not blank:
                    continue
                table = _read_group(file, group, source)
                if not keep.all():
                    table = blanked(table, ~keep) if blank else kept_rows(table, keep)
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
        finally:
            writer.close()


def blank_rows(path: Path) -> npt.NDArray[np.bool_]:
    """Which rows have nothing in any column: what a purge left in the place of rows, so that the others keep their numbers.

    Raises:
        DamagedFileError: the file does not read.
    """
    blank = [np.zeros(0, dtype=bool)]
    with open_parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                empty = np.ones(batch.num_rows, dtype=bool)
                for column in batch.columns:
                    empty &= np.asarray(column.is_null())
                blank.append(empty)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedFileError("this parquet file is damaged", str(path), _ADVICE) from error
    return np.concatenate(blank)


def _read_group(file: pq.ParquetFile, group: int, source: Path) -> pa.Table:
    try:
        return file.read_row_group(group)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError("this parquet file is damaged", str(source), _ADVICE) from error


def kept_rows(table: pa.Table, keep: npt.NDArray[np.bool_]) -> pa.Table:
    """The kept rows, with no trace of the others in any dictionary."""
    mask = pa.array(keep)
    columns = []
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if _holds_dictionary(field.type):
            columns.append(_filter_encoded(column, field.type, mask))
        else:
            columns.append(column.filter(mask))
    return pa.Table.from_arrays(columns, schema=table.schema)


def blanked(table: pa.Table, gone: npt.NDArray[np.bool_]) -> pa.Table:
    """All rows, some with null in every column; with an empty value where a column takes no null."""
    columns = []
    for index, field in enumerate(table.schema):
        empty = None if field.nullable else _empty_value(field.type)
        column: Any = table.column(index)
        encoded = pa.types.is_dictionary(field.type)
        if encoded:
            column = column.cast(field.type.value_type)
        if pa.types.is_nested(column.type):
            values = [empty if is_gone else value for value, is_gone in zip(column.to_pylist(), gone, strict=True)]
            whole: Any = pa.array(values, type=column.type)
            column = pa.chunked_array([whole])
        else:
            column = pc.if_else(pa.array(gone), pa.scalar(empty, column.type), column)
        columns.append(_encoded(column, field.type) if encoded else column)
    return pa.Table.from_arrays(columns, schema=table.schema)


def _empty_value(kind: Any) -> object:
    """Nothing, as a value of a type."""
    if pa.types.is_dictionary(kind):
        return _empty_value(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ""
    if pa.types.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    if pa.types.is_nested(kind):
        return {} if pa.types.is_struct(kind) else []
    return b"" if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else 0


def _holds_dictionary(kind: pa.DataType) -> bool:
    """Whether a type is or contains a dictionary."""
    return pa.types.is_dictionary(kind) or any(
        _holds_dictionary(kind.field(i).type) for i in range(kind.num_fields) if not pa.types.is_dictionary(kind)
    )


def _filter_encoded(column: Any, kind: Any, mask: Any) -> Any:
    """Filter a column of a dictionary type: decoded, filtered, encoded with the values that are left only."""
    if pa.types.is_dictionary(kind):
        return _encoded(column.cast(kind.value_type).filter(mask), kind)
    return pa.chunked_array([pa.array(column.filter(mask).to_pylist(), type=kind)], type=kind)


def _encoded(column: Any, kind: Any) -> Any:
    """A plain column as one of a dictionary type, with the values it has and no others."""
    whole = column.combine_chunks()
    plain = whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
    encoded: Any = pc.dictionary_encode(plain)
    indices = encoded.indices.cast(kind.index_type)
    array: Any = pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=kind.ordered)
    return pa.chunked_array([array])


def _writer_options(metadata: pq.FileMetaData) -> dict[str, Any]:
    """How to write so that the file reads as the one before did."""
    options: dict[str, Any] = {"store_schema": b"ARROW:schema" in (metadata.metadata or {})}
    if metadata.num_row_groups:
        group = metadata.row_group(0)
        codecs = {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}
        options["compression"] = {name: "NONE" if c == "UNCOMPRESSED" else c.lower() for name, c in codecs.items()}
        types = {group.column(i).physical_type for i in range(group.num_columns)}
        options["use_deprecated_int96_timestamps"] = "INT96" in types
    return options


def count_statuses(path: Path, keep: npt.NDArray[np.bool_]) -> dict[tuple[str, str], int] | None:
    """How often each (status, error message) stands in the rows that are kept; None where there is no status column.

    Raises:
        DamagedFileError: the file does not read.
    """
    counts: dict[tuple[str, str], int] = {}
    with open_parquet(path) as file:
        names = [name for name in ("status", "error_message") if name in file.schema_arrow.names]
        if "status" not in names:
            return None
        start = 0
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                table = pa.Table.from_batches([batch]).filter(pa.array(keep[start : start + batch.num_rows]))
                start += batch.num_rows
                messages: Iterable[str | None] = (
                    table["error_message"].to_pylist() if len(names) > 1 else [None] * table.num_rows
                )
                for status, message in zip(table["status"].to_pylist(), messages, strict=True):
                    pair = (status or "", message or "")
                    counts[pair] = counts.get(pair, 0) + 1
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedFileError("this parquet file is damaged", str(path), _ADVICE) from error
    return counts
