"""The links of a shard, read from whatever files they stand in."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from linkwell.base.shards import open_parquet

LINK_COLUMNS = (
    "link_id",
    "url",
    "text",
    "language",
    "page_url",
    "license",
    "license_scope",
    "credit",
    "train_ai",
    "tdm",
    "search",
    "cell",
)
"""What a shard reads of its links."""


_ROWS_AT_ONCE = 512


class LinkRange(msgspec.Struct, frozen=True):
    """Rows `first` to `first + rows` of a parquet file of links."""

    path: str
    first: int
    rows: int


def read_links(ranges: Sequence[LinkRange], columns: Sequence[str]) -> pa.Table:
    """The named rows of parquet files as one table, without dictionary columns."""
    pieces: list[pa.Table] = []
    for each in ranges:
        with open_parquet(Path(each.path)) as file:
            pieces.extend(_read_range(file, each.first, each.rows, list(columns)))
    table = pa.concat_tables(pieces)
    for number, name in enumerate(table.column_names):
        if pa.types.is_dictionary(table.schema.field(name).type):
            table = table.set_column(number, name, table[name].cast(pa.string()))
    return table


def column(table: pa.Table, name: str) -> list[Any]:
    """A column as Python values."""
    return table[name].to_pylist()


def _read_range(file: "pa.parquet.ParquetFile", first: int, rows: int, columns: list[str]) -> Iterator[pa.Table]:
    """Rows in small pieces: a slice of a whole row group would keep all of its rows in memory for as long as the shard is open."""
    start = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        low, high = max(first, start), min(first + rows, start + count)
        if low < high:
            yield from _read_group(file, group, low - start, high - start, columns)
        start += count


def _read_group(
    file: "pa.parquet.ParquetFile", group: int, low: int, high: int, columns: list[str]
) -> Iterator[pa.Table]:
    start = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=columns, use_threads=False):
        first, last = max(low, start), min(high, start + batch.num_rows)
        if first < last:
            table = pa.Table.from_batches([batch.slice(first - start, last - first)])
            yield table.replace_schema_metadata()
        start += batch.num_rows
        if start >= high:
            return
