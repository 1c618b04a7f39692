"""Sorting the new rows of a build into public order, out of core: *order* deals each shard's rows to ranges, *sort* sorts one range.

The ranges are set by a sample, so that each holds about the same number of rows; a domain larger than a range is divided by URL.
Links that have a cell keep it, and are only noted.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.shards import read_tables, write_array
from linkwell.base.words import words_of
from linkwell.engine import BucketWriter, TaskContext, read_bucket, read_buckets
from linkwell.release.blinded import CANONICAL, ID_ROWS_SCHEMA, blinded_ids, bucket_of, id_columns
from linkwell.release.profile import KEY_SCHEMA, PROFILE_DTYPE, Int64s, UInt64s, order_keys, read_samples

NO_CELL = np.iinfo(np.uint32).max
"""In a file of cells: this row has none."""

RANGES, SORTED, OLD_CELLS = "ranges.arrow", "sorted.arrow", "old.npy"
BOUND_SCHEMA: pa.Schema = pa.schema([pa.field("key", pa.uint64())]).append(pa.field("place", pa.string()))
RANGE_SCHEMA: pa.Schema = BOUND_SCHEMA.append(pa.field("row", pa.int64()))
SORTED_SCHEMA: pa.Schema = pa.schema([("row", pa.int64()), ("key", pa.uint64())])
_PIECE_ROWS = 1 << 18


class OrderParams(msgspec.Struct, frozen=True):
    """Parameters of `order_shard`."""

    workspace: str
    keys: str
    shard: int
    shards: int
    first_row: int
    rows: int
    profiles: str
    bounds: str
    old: tuple[str, ...]
    """What `join` wrote of cells, one file for each bucket."""
    buckets: int


class SortParams(msgspec.Struct, frozen=True):
    """Parameters of `sort_range`."""

    dealt: tuple[str, ...]
    number: int
    ranges: int


def order_shard(context: TaskContext) -> None:
    """Note the cells that rows of a shard have, deal the others to ranges of the order, and their canonical URLs to buckets."""
    params = context.params(OrderParams)
    old = np.full(params.rows, NO_CELL, np.uint32)
    for path in params.old:
        for batch in read_bucket(Path(path), params.shard, params.shards):
            old[batch["row"].to_numpy() - params.first_row] = batch["cell"].to_numpy()
    with context.output(OLD_CELLS).open("wb") as file:
        write_array(file, old)
    profiles = np.load(params.profiles, mmap_mode="r")
    bounds = read_bounds(Path(params.bounds))
    start = 0
    with (
        BucketWriter(context.output(RANGES), RANGE_SCHEMA, bounds.num_rows + 1) as ranges,
        BucketWriter(context.output(CANONICAL), ID_ROWS_SCHEMA, params.buckets) as canonical,
    ):
        for table in read_tables([Path(params.keys)], KEY_SCHEMA.names[1:], batch_rows=_PIECE_ROWS):
            is_new = old[start : start + table.num_rows] == NO_CELL
            rows = np.arange(start, start + table.num_rows)[is_new] + params.first_row
            start += table.num_rows
            new = table if is_new.all() else table.filter(pa.array(is_new))
            key = order_keys(new["safety_bin"].to_numpy(), new["domain"].to_numpy(), profiles)
            ranges.deal([pa.array(key), new["place"], pa.array(rows)], range_of(key, new["place"], bounds))
            words = blinded_ids(words_of(new["canonical_id"]), params.workspace)
            canonical.deal([*id_columns(words), pa.array(rows)], bucket_of(words, params.buckets))
            context.count("new", len(rows))


def sort_range(context: TaskContext) -> None:
    """Write the rows of one range in order, with their keys."""
    params = context.params(SortParams)
    table = read_buckets(params.dealt, params.number, params.ranges, RANGE_SCHEMA).combine_chunks()
    order = pc.sort_indices(table, [("key", "ascending"), ("place", "ascending"), ("row", "ascending")])
    done = pa.table([table["row"].take(order), table["key"].take(order)], schema=SORTED_SCHEMA)
    with pa.OSFile(str(context.output(SORTED)), "wb") as sink, pa.ipc.new_file(sink, SORTED_SCHEMA) as writer:
        writer.write_table(done, max_chunksize=_PIECE_ROWS)
    context.count("rows", table.num_rows)


def read_sorted(paths: list[Path]) -> Iterator[tuple[Int64s, UInt64s]]:
    """The rows of all ranges in order, with their keys, piece by piece."""
    for path in paths:
        for batch in read_bucket(path, 0, 1):
            yield batch["row"].to_numpy(), batch["key"].to_numpy()


def choose_bounds(samples: list[Path], profiles: Path, ranges: int) -> pa.Table:
    """The least keys and places of all ranges but the first: `BOUND_SCHEMA`, in order."""
    by_domain: npt.NDArray[np.void] = np.load(profiles, mmap_mode="r") if ranges > 1 else np.zeros(0, PROFILE_DTYPE)
    keyed = []
    for table in read_samples(samples) if ranges > 1 else ():
        key = order_keys(table["safety_bin"].to_numpy(), table["domain"].to_numpy(), by_domain)
        keyed.append(pa.table([pa.array(key), table["place"]], schema=BOUND_SCHEMA))
    whole = pa.concat_tables([BOUND_SCHEMA.empty_table(), *keyed]).sort_by(
        [("key", "ascending"), ("place", "ascending")]
    )
    places = np.unique(np.arange(1, ranges) * whole.num_rows // ranges)
    return whole.take(places[places > 0])


def write_bounds(path: Path, bounds: pa.Table) -> None:
    """Write bounds, unless the same ones are there: a task that has read them then need not run again."""
    if path.exists() and read_bounds(path).equals(bounds):
        return
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, BOUND_SCHEMA) as writer:
        writer.write_table(bounds)


def read_bounds(path: Path) -> pa.Table:
    """What `write_bounds` wrote."""
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


def range_of(key: UInt64s, place: "pa.ChunkedArray[pa.Scalar[pa.DataType]]", bounds: pa.Table) -> Int64s:
    """The range of each row: how many bounds are not above it."""
    least = bounds["key"].to_numpy()
    found = np.searchsorted(least, key, side="left").astype(np.int64)
    above = np.searchsorted(least, key, side="right")
    # Only rows whose key is a bound's own have to be told apart by their place.
    level = np.flatnonzero(above > found)
    if len(level):
        places = place.take(level)
        low, count = found[level], (above - found)[level]
        for number in np.unique(low).tolist():
            for step in range(int(count[low == number].max())):
                here = np.flatnonzero(low == number)
                bound = bounds["place"][number + step]
                found[level[here]] += pc.greater_equal(places.take(here), bound).to_numpy().astype(np.int64)
    return found
