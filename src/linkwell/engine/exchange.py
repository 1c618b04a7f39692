"""The exchange: the one place where rows of different shards meet. De-duplication by a key over any number of shards.

*scatter* reads the key and rank of every row of one shard and deals them into buckets by the key's first bytes; *reduce* reads
one bucket of every shard and decides which rows lose; *apply* rewrites one shard without its losers. Only keys move, and memory
is set by the number of buckets. Of the rows with one key the one with the highest rank survives, and among equals the first in
the order of shards and rows: a rule that does not depend on how the work was divided. Shards that the new ones are compared
`against` come before them in that order; files that are only `overruling` come after them. Both are read for their keys only.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, FormatError
from linkwell.base.shards import ParquetWriter, open_parquet, read_tables
from linkwell.engine.buckets import BucketWriter, read_bucket
from linkwell.engine.stage import Engine, StageResult, run_stage
from linkwell.engine.task import TaskContext, local_input, resolve_rank, task

_SCATTERED = pa.schema([("key", pa.binary(16)), ("rank", pa.int8()), ("row", pa.int64())])  # type: ignore[arg-type] # the stub of pa.binary says object
_LOSERS = pa.schema([("row", pa.int64()), ("known", pa.bool_()), ("overruled", pa.bool_())])  # type: ignore[arg-type] # the stub of pa.bool_ says object
_SCATTER_ROWS = 500_000
"""Dealt into buckets at a time: with it the memory of a scatter does not grow with the shard."""


class ScatterParams(msgspec.Struct, frozen=True):
    """Parameters of `scatter`."""

    shard: str
    key: str
    rank: str | None
    rank_columns: tuple[str, ...]
    buckets: int


class ReduceParams(msgspec.Struct, frozen=True):
    """Parameters of `reduce`: the scattered file of every shard, in the order of the shards.

    Those from `against` up to `end` are rewritten; those before and after are read only.
    """

    scattered: tuple[str, ...]
    bucket: int
    buckets: int
    against: int
    end: int


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
    against: Sequence[Path] = (),
    overruling: Sequence[Path] = (),
) -> StageResult:
    """Keep one row of every key over all shards; the result's outputs `links.parquet` are the shards without the others.

    The result counts `rows` that are kept, `duplicates` that lost to a row of the shards, and `known` ones that lost to a row of
    `against`, and `overruled` ones that lost to a row of `overruling`. By the one rule, a row survives one of `against` only with a
    higher rank, and one of `overruling` with an equal one.

    Args:
        shards: parquet files with the key column, a `fixed_size_binary(16)`.
        folder: where the three stages go.
        engine: what runs them.
        key: the key column.
        rank: `module:function` from a table of `rank_columns` to an int8 array; the highest survives. None: the first row.
        rank_columns: what that function reads.
        bucket_rows: rows a bucket may hold on average; memory is about 60 bytes each.
        against: parquet files with the key column whose rows the shards are compared with; one without the rank's columns ranks 0.
        overruling: the same, for rows that are nowhere kept, but keep lower ranks from surviving.

    Raises:
        DamagedFileError: a shard does not read.
        FormatError: a file of `against` has no key column of that kind.
    """
    rows = 0
    ranked: dict[Path, bool] = {}
    every = [*against, *shards, *overruling]
    for shard in every:
        with open_parquet(shard) as file:
            rows += file.metadata.num_rows
            names = set(file.schema_arrow.names)
            if key not in names or file.schema_arrow.field(key).type != pa.binary(16):
                raise FormatError(
                    f"it has no column {key} of 16 bytes", str(shard), "Import it first: linkwell import."
                )
            ranked[shard] = rank is not None and names.issuperset(rank_columns)
    buckets = max(1, -(-rows // bucket_rows))
    scatter_tasks = [
        task(
            "scatter",
            index,
            "linkwell.engine.exchange:scatter",
            ScatterParams(
                str(shard), key, rank if ranked[shard] else None, rank_columns if ranked[shard] else (), buckets
            ),
            (local_input(shard),),
        )
        for index, shard in enumerate(every)
    ]
    scattered = run_stage(scatter_tasks, folder / "scatter", engine).outputs("keys.arrow")
    scattered_inputs = tuple(local_input(path) for path in scattered)
    reduce_tasks = [
        task(
            "reduce",
            bucket,
            "linkwell.engine.exchange:reduce",
            ReduceParams(tuple(map(str, scattered)), bucket, buckets, len(against), len(against) + len(shards)),
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
    """Write key, rank and row number of every row of a shard: for each piece of the shard, one record batch for each bucket."""
    params = context.params(ScatterParams)
    ranker = resolve_rank(params.rank) if params.rank else None
    columns = [params.key, *params.rank_columns]
    start = 0
    with BucketWriter(context.output("keys.arrow"), _SCATTERED, params.buckets) as writer:
        for table in _pieces(read_tables([Path(params.shard)], columns)):
            key = table[params.key].combine_chunks()
            rank = ranker(table) if ranker else np.zeros(table.num_rows, np.int8)
            row = np.arange(start, start + table.num_rows)
            bucket = (_key_words(key)[:, 0] % np.uint64(params.buckets)).astype(np.int64)
            writer.deal([key, pa.array(rank, pa.int8()), pa.array(row)], bucket)
            start += table.num_rows
    context.count("rows", start)


def _pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(each.num_rows for each in held) >= _SCATTER_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def reduce(context: TaskContext) -> None:
    """Write the row numbers that lose in one bucket, one record batch for each shard that is rewritten."""
    params = context.params(ReduceParams)
    pieces = [read_bucket(Path(path), params.bucket, params.buckets) for path in params.scattered]
    shard = np.repeat(
        np.arange(len(pieces), dtype=np.int32), [sum(each.num_rows for each in batches) for batches in pieces]
    )
    merged = pa.Table.from_batches([batch for batches in pieces for batch in batches], _SCATTERED)
    del pieces
    words = _key_words(merged["key"].combine_chunks())
    rank = merged["rank"].to_numpy()
    row = merged["row"].to_numpy()
    order = np.lexsort((row, shard, -rank.astype(np.int16), words[:, 1], words[:, 0]))
    in_order = words[order]
    loses = np.zeros(len(order), bool)
    loses[1:] = (in_order[1:] == in_order[:-1]).all(axis=1)
    first_of_key = np.maximum.accumulate(np.where(loses, 0, np.arange(len(order))))
    losing = order[loses]
    winner = shard[order[first_of_key[loses]]]
    new = (shard[losing] >= params.against) & (shard[losing] < params.end)
    losing, winner = losing[new], winner[new]
    by_place = np.lexsort((row[losing], shard[losing]))
    losing, winner = losing[by_place], winner[by_place]
    known, overruled = winner < params.against, winner >= params.end
    bounds = np.searchsorted(shard[losing], np.arange(params.against, params.end + 1))
    with pa.OSFile(str(context.output("losers.arrow")), "wb") as sink, pa.ipc.new_file(sink, _LOSERS) as writer:
        for first, last in pairwise(bounds.tolist()):
            writer.write_batch(
                pa.record_batch(
                    [
                        pa.array(row[losing[first:last]], pa.int64()),
                        pa.array(known[first:last]),
                        pa.array(overruled[first:last]),
                    ],
                    schema=_LOSERS,
                )
            )
    context.count("rows", len(losing))


def apply(context: TaskContext) -> None:
    """Rewrite one shard without the rows that lost."""
    params = context.params(ApplyParams)
    shard = Path(params.shard)
    losing = [_read_batch(Path(path), params.index) for path in params.losers]
    known, overruled = (
        sum(int(np.count_nonzero(batch[name].to_numpy(zero_copy_only=False))) for batch in losing)
        for name in ("known", "overruled")
    )
    lost = np.sort(np.concatenate([batch["row"].to_numpy() for batch in losing]))
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
    context.count("known", known)
    context.count("overruled", overruled)
    context.count("duplicates", len(lost) - known - overruled)


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
