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

_ADVICE = "Restore the file, fetch it again, or delete it; until then it may hold recalled rows."
_BATCH_ROWS = 131_072


@dataclass(frozen=True, eq=False)
class ParquetScan:
    """What is in one file. `hits` has one entry for each row."""

    rows: int
    hits: npt.NDArray[np.bool_]
    keys: tuple[str | None, ...] | None
    """Keys of the rows, where they were asked for and are there."""
    identified: bool
    """Whether the file has columns that tell which link a row is."""

    @property
    def hit_count(self) -> int:
        """Rows that go."""
        return int(self.hits.sum())


def scan_parquet(path: Path, wanted: Wanted, *, ours: bool, with_keys: bool) -> ParquetScan:
    """Find the recalled rows of a file, reading only the columns that identify them.

    Raises:
        DamagedFileError: it does not read as parquet.
        FormatError: its link ids are not ids.
    """
    hits: list[npt.NDArray[np.bool_]] = [np.zeros(0, dtype=bool)]
    keys: list[str | None] = []
    with open_parquet(path) as file:
        columns = identity_columns(file.schema_arrow, ours=ours)
        rows = file.metadata.num_rows
        wanted_names = _needed(columns, with_keys=with_keys)
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted_names):
                table = pa.Table.from_batches([batch])
                hits.append(row_hits(table, columns, wanted, str(path)))
                if with_keys and columns.key is not None:
                    keys.extend(table[columns.key].cast(pa.string()).to_pylist())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedFileError("this parquet file is damaged", str(path), _ADVICE) from error
    found = np.concatenate(hits)
    if not wanted_names:
        found = np.zeros(rows, dtype=bool)
    if len(found) != rows:
        raise DamagedFileError("this parquet file has not the rows its footer says", str(path), _ADVICE)
    has_keys = with_keys and columns.key is not None
    return ParquetScan(rows, found, tuple(keys) if has_keys else None, columns.identified or bool(columns.cell))


def _needed(columns: IdentityColumns, *, with_keys: bool) -> list[str]:
    names = [columns.cell, columns.link_id, columns.url]
    return [name for name in [*names, columns.key if with_keys else None] if name is not None]


def rewrite_parquet(source: Path, target: Path, hits: npt.NDArray[np.bool_]) -> None:
    """Write `source` without the rows in `hits`: same schema, same compression of each column, row groups kept apart.

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
                if not keep.any():
                    continue
                table = _kept(_read_group(file, group, source), schema, keep)
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
        finally:
            writer.close()


def _read_group(file: pq.ParquetFile, group: int, source: Path) -> pa.Table:
    try:
        return file.read_row_group(group)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError("this parquet file is damaged", str(source), _ADVICE) from error


def _kept(table: pa.Table, schema: pa.Schema, keep: npt.NDArray[np.bool_]) -> pa.Table:
    """The kept rows, with no trace of the others in any dictionary."""
    mask = pa.array(keep)
    columns = []
    for index, field in enumerate(schema):
        column = table.column(index)
        if _holds_dictionary(field.type):
            columns.append(_filter_encoded(column, field.type, mask))
        else:
            columns.append(column.filter(mask))
    return pa.Table.from_arrays(columns, schema=schema)


def _holds_dictionary(kind: pa.DataType) -> bool:
    """Whether a type is or contains a dictionary."""
    return pa.types.is_dictionary(kind) or any(
        _holds_dictionary(kind.field(i).type) for i in range(kind.num_fields) if not pa.types.is_dictionary(kind)
    )


def _filter_encoded(column: Any, kind: Any, mask: Any) -> Any:
    """Filter a column of a dictionary type: decoded, filtered, encoded with the values that are left only."""
    if pa.types.is_dictionary(kind):
        kept = column.cast(kind.value_type).filter(mask).combine_chunks()
        plain = kept if isinstance(kept, pa.Array) else pa.concat_arrays(kept.chunks)
        encoded: Any = pc.dictionary_encode(plain)
        indices = encoded.indices.cast(kind.index_type)
        array: Any = pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=kind.ordered)
        return pa.chunked_array([array])
    return pa.chunked_array([pa.array(column.filter(mask).to_pylist(), type=kind)], type=kind)


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
