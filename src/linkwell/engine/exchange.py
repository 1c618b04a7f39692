"""The exchange: the one place where rows of different shards meet. De-duplication by a key over any number of shards.

*scatter* reads the key and rank of every row of one shard and deals them into buckets by the key's first bytes; *reduce* reads
one bucket of every shard and decides which rows lose; *apply* rewrites one shard without its losers. Only keys move, and memory
is set by the number of buckets. Of the rows with one key the one with the highest rank survives, and among equals the first in
the order of shards and rows: a rule that does not depend on how the work was divided.
"""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError
from linkwell.base.shards import ParquetWriter, open_parquet, read_tables
from linkwell.engine.stage import Engine, StageResult, run_stage
from linkwell.engine.task import TaskContext, local_input, resolve_rank, task

_SCATTERED = pa.schema([("key", pa.binary(16)), ("rank", pa.int8()), ("row", pa.int64())])  # type: ignore[arg-type] # the stub of pa.binary says object
_LOSERS = pa.schema([("row", pa.int64())])


class ScatterParams(msgspec.Struct, frozen=True):
    """Parameters of `scatter`."""

    shard: str
    key: str
    rank: str | None
    rank_columns: tuple[str, ...]
    buckets: int


class ReduceParams(msgspec.Struct, frozen=True):
    """Parameters of `reduce`: the scattered file of every shard, in the order of the shards."""

    scattered: tuple[str, ...]
    bucket: int


class ApplyParams(msgspec.Struct, frozen=True):
    """Parameters of `apply`: the losers of every bucket; `index` is the shard's place in them."""

    shard: str
    losers: tuple[str, ...]
    index: int


def deduplicate(
    shards: list[Path],
    folder: Path,
    engine: Engine,
    *,
    key: str = "link_id",
    rank: str | None = None,
    rank_columns: tuple[str, ...] = (),
    bucket_rows: int = 2_000_000,
) -> StageResult:
    """Keep one row of every key over all shards; the result's outputs `links.parquet` are the shards without the others.

    Args:
        shards: parquet files with the key column, a `fixed_size_binary(16)`.
        folder: where the three stages go.
        engine: what runs them.
        key: the key column.
        rank: `module:function` from a table of `rank_columns` to an int8 array; the highest survives. None: the first row.
        rank_columns: what that function reads.
        bucket_rows: rows a bucket may hold on average; memory is about 60 bytes each.

    Raises:
        DamagedFileError: a shard does not read.
    """
    rows = 0
    for shard in shards:
        with open_parquet(shard) as file:
            rows += file.metadata.num_rows
    buckets = max(1, -(-rows // bucket_rows))
    scatter_tasks = [
        task(
            "scatter",
            index,
            "linkwell.engine.exchange:scatter",
            ScatterParams(str(shard), key, rank, rank_columns, buckets),
            (local_input(shard),),
        )
        for index, shard in enumerate(shards)
    ]
    scattered = run_stage(scatter_tasks, folder / "scatter", engine).outputs("keys.arrow")
    scattered_inputs = tuple(local_input(path) for path in scattered)
    reduce_tasks = [
        task(
            "reduce",
            bucket,
            "linkwell.engine.exchange:reduce",
            ReduceParams(tuple(map(str, scattered)), bucket),
            scattered_inputs,
        )
        for bucket in range(buckets)
    ]
    losers = run_stage(reduce_tasks, folder / "reduce", engine, unit="buckets").outputs("losers.arrow")
    losers_inputs = tuple(local_input(path) for path in losers)
    apply_tasks = [
        task(
            "apply",
            index,
            "linkwell.engine.exchange:apply",
            ApplyParams(str(shard), tuple(map(str, losers)), index),
            (local_input(shard), *losers_inputs),
        )
        for index, shard in enumerate(shards)
    ]
    return run_stage(apply_tasks, folder / "apply", engine)


def scatter(context: TaskContext) -> None:
    """Write key, rank and row number of every row of a shard, one record batch for each bucket."""
    params = context.params(ScatterParams)
    ranker = resolve_rank(params.rank) if params.rank else None
    keys: list[pa.Table] = []
    ranks: list[npt.NDArray[np.int8]] = []
    for table in read_tables([Path(params.shard)], [params.key, *params.rank_columns]):
        keys.append(table.select([params.key]))
        ranks.append(ranker(table) if ranker else np.zeros(table.num_rows, np.int8))
    key = pa.concat_tables(keys)[params.key].combine_chunks() if keys else pa.array([], pa.binary(16))
    raw = _key_words(key)
    bucket = (raw[:, 0] % np.uint64(params.buckets)).astype(np.int64)
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(params.buckets + 1))
    rank = np.concatenate(ranks) if ranks else np.zeros(0, np.int8)
    sorted_table = pa.table(
        [key.take(order), pa.array(rank[order], pa.int8()), pa.array(order, pa.int64())], schema=_SCATTERED
    )
    with pa.OSFile(str(context.output("keys.arrow")), "wb") as sink, pa.ipc.new_file(sink, _SCATTERED) as writer:
        for number in range(params.buckets):
            piece = sorted_table.slice(bounds[number], bounds[number + 1] - bounds[number]).combine_chunks()
            batches = piece.to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], _SCATTERED))
    context.count("rows", len(key))


def reduce(context: TaskContext) -> None:
    """Write the row numbers that lose in one bucket, one record batch for each shard."""
    params = context.params(ReduceParams)
    batches = [_read_batch(Path(path), params.bucket) for path in params.scattered]
    sizes = [batch.num_rows for batch in batches]
    shard = np.repeat(np.arange(len(batches)), sizes)
    merged = pa.Table.from_batches(batches, _SCATTERED).combine_chunks()
    words = _key_words(merged["key"].combine_chunks())
    rank = merged["rank"].to_numpy()
    row = merged["row"].to_numpy()
    order = np.lexsort((row, shard, -rank.astype(np.int16), words[:, 1], words[:, 0]))
    same_as_before = np.zeros(len(order), bool)
    in_order = words[order]
    same_as_before[1:] = (in_order[1:] == in_order[:-1]).all(axis=1)
    losing = order[same_as_before]
    losing = losing[np.lexsort((row[losing], shard[losing]))]
    bounds = np.searchsorted(shard[losing], np.arange(len(batches) + 1))
    with pa.OSFile(str(context.output("losers.arrow")), "wb") as sink, pa.ipc.new_file(sink, _LOSERS) as writer:
        for number in range(len(batches)):
            rows = row[losing[bounds[number] : bounds[number + 1]]]
            writer.write_batch(pa.record_batch([pa.array(rows, pa.int64())], schema=_LOSERS))
    context.count("duplicates", len(losing))


def apply(context: TaskContext) -> None:
    """Rewrite one shard without the rows that lost."""
    params = context.params(ApplyParams)
    shard = Path(params.shard)
    losing = [_read_batch(Path(path), params.index)["row"].to_numpy() for path in params.losers]
    lost = np.sort(np.concatenate(losing)) if losing else np.zeros(0, np.int64)
    with open_parquet(shard) as file:
        schema = file.schema_arrow
    start = 0
    with ParquetWriter(context.output("links.parquet"), schema) as writer:
        for table in read_tables([shard]):
            first, last = np.searchsorted(lost, [start, start + table.num_rows])
            keep = np.ones(table.num_rows, bool)
            keep[lost[first:last] - start] = False
            kept = table.filter(pa.array(keep)) if first != last else table
            writer.write(kept)
            context.count("rows", kept.num_rows)
            start += table.num_rows
    context.count("duplicates", len(lost))


def _key_words(key: "pa.Array[pa.Scalar[pa.DataType]]") -> npt.NDArray[np.uint64]:
    """The 16-byte keys as pairs of big-endian words, so that numeric order is byte order: shape (rows, 2)."""
    if len(key) == 0:
        return np.zeros((0, 2), np.uint64)
    buffer = key.buffers()[1]
    assert buffer is not None  # noqa: S101 - a non-null fixed-width array has its values
    words: npt.NDArray[np.uint64] = np.frombuffer(memoryview(buffer), np.uint64, 2 * len(key), 16 * key.offset)
    return words.byteswap().reshape(-1, 2)


def _read_batch(path: Path, number: int) -> pa.RecordBatch:
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            return reader.get_batch(number)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError("a file of the exchange is damaged", str(path), "Remove it and run again.") from error
