"""Joins out of core: of the build's links with the links that have a cell already, and with the contents that the ledger knows.

Links that have left every release, and digests, are restricted. So all ids lie in the work folder under a secret permutation
(`base.words.blind`), for this workspace only, and nothing there says which links are held.

*deal* puts ids into buckets; *join* brings one bucket together and says which row of the build has which cell, and which
contents are there; *tie* finds the rows that must stay together.
"""

import hmac
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.sealed import read_sealed
from linkwell.base.words import Words, blind, look_up, starts, words_of
from linkwell.base.workspace import Workspace
from linkwell.engine import BucketWriter, TaskContext, read_buckets
from linkwell.ledger import read_ledger_part

Int64s = npt.NDArray[np.int64]

OLD = -1
"""In a tie, in the place of a row: a link that has a cell already. Which one does not matter, so all of them are one."""

_ID = [("high", pa.uint64()), ("low", pa.uint64())]
ID_ROWS_SCHEMA: pa.Schema = pa.schema([*_ID, ("row", pa.int64())])
"""A blinded id, and the row of the build that has it, or `OLD`."""
ID_CELLS_SCHEMA: pa.Schema = pa.schema([*_ID, ("cell", pa.uint32())])
ID_CONTENT_SCHEMA: pa.Schema = pa.schema([*_ID, ("content_high", pa.uint64()), ("content_low", pa.uint64())])
ROW_CELL_SCHEMA: pa.Schema = pa.schema([("row", pa.int64()), ("cell", pa.uint32())])
TIE_SCHEMA: pa.Schema = pa.schema([("row", pa.int64()), ("first", pa.int64())])

IDS, CANONICAL, CELLS, CONTENTS, TIES = "ids.arrow", "canonical.arrow", "cells.arrow", "contents.arrow", "ties.arrow"
_PURPOSE = b"linkwell:release:joins:1\0"


class DealParams(msgspec.Struct, frozen=True):
    """Parameters of `deal_partition` and `deal_ledger`: one sealed file."""

    workspace: str
    file: str
    buckets: int


class JoinParams(msgspec.Struct, frozen=True):
    """Parameters of `join`: what was dealt of build, partition and ledger."""

    rows: tuple[str, ...]
    cells: tuple[str, ...]
    contents: tuple[str, ...]
    bucket: int
    buckets: int
    first_rows: tuple[int, ...]
    """Number of the first row of each shard of the build."""


class TieParams(msgspec.Struct, frozen=True):
    """Parameters of `tie_bucket`: files of `ID_ROWS_SCHEMA`, whose ids are canonical URLs or contents."""

    files: tuple[str, ...]
    bucket: int
    buckets: int


@lru_cache(1)
def _key(workspace: str) -> bytes:
    return hmac.digest(Workspace(Path(workspace)).master_key(), _PURPOSE, "sha256")


def blinded_ids(words: Words, workspace: str) -> Words:
    """Ids as they may lie in the work folder of a workspace."""
    return blind(words, _key(workspace))


def id_columns(words: Words) -> "list[pa.Array[pa.Scalar[pa.DataType]]]":
    """Blinded ids as two columns."""
    return [pa.array(np.ascontiguousarray(words[:, 0])), pa.array(np.ascontiguousarray(words[:, 1]))]


def bucket_of(words: Words, buckets: int) -> Int64s:
    """The bucket of each id."""
    return (words[:, 0] % np.uint64(buckets)).astype(np.int64)


def deal_partition(context: TaskContext) -> None:
    """Deal the links of one file of the partition: by link id with their cells, and by canonical URL as `OLD`."""
    params = context.params(DealParams)
    with (
        BucketWriter(context.output(IDS), ID_CELLS_SCHEMA, params.buckets) as ids,
        BucketWriter(context.output(CANONICAL), ID_ROWS_SCHEMA, params.buckets) as canonical,
    ):
        for table in read_sealed(Path(params.file), _master_key(params.workspace), batch_rows=_READ_ROWS):
            words = blinded_ids(words_of(table["link_id"]), params.workspace)
            ids.deal([*id_columns(words), table["cell"]], bucket_of(words, params.buckets))
            words = blinded_ids(words_of(table["canonical_id"]), params.workspace)
            old = pa.array(np.full(len(words), OLD, np.int64))
            canonical.deal([*id_columns(words), old], bucket_of(words, params.buckets))
            context.count("rows", table.num_rows)


def deal_ledger(context: TaskContext) -> None:
    """Deal the links of one part of the ledger, with the first half of their content's digest, blinded."""
    params = context.params(DealParams)
    digest = LEDGER_SCHEMA.field("sha256").name
    with BucketWriter(context.output(IDS), ID_CONTENT_SCHEMA, params.buckets) as ids:
        for table in read_ledger_part(Path(params.file), _master_key(params.workspace), ["link_id", digest]):
            words = blinded_ids(words_of(table["link_id"]), params.workspace)
            content = blinded_ids(_first_half(table[digest]), params.workspace)
            ids.deal([*id_columns(words), *id_columns(content)], bucket_of(words, params.buckets))
            context.count("rows", table.num_rows)


def join(context: TaskContext) -> None:
    """For one bucket of link ids: the cells of the build's rows, dealt by shard, and contents with their rows, dealt by content."""
    params = context.params(JoinParams)
    words, row = _words_and(params.rows, params.bucket, params.buckets, ID_ROWS_SCHEMA)
    old, cell = _words_and(params.cells, params.bucket, params.buckets, ID_CELLS_SCHEMA)
    old, cell = _ordered(old, cell)
    place, has_cell = look_up(words, old)
    shard = np.searchsorted(np.array(params.first_rows), row[has_cell], side="right") - 1
    with BucketWriter(context.output(CELLS), ROW_CELL_SCHEMA, len(params.first_rows)) as cells:
        cells.deal([pa.array(row[has_cell]), pa.array(cell[place[has_cell]], pa.uint32())], shard)
    context.count("rows", int(has_cell.sum()))
    with BucketWriter(context.output(CONTENTS), ID_ROWS_SCHEMA, params.buckets) as contents:
        new, new_row = _ordered(words[~has_cell], row[~has_cell])
        for path in params.contents:
            table = read_buckets([path], params.bucket, params.buckets, ID_CONTENT_SCHEMA)
            wanted = _pair(table, "high", "low")
            content = _pair(table, "content_high", "content_low")
            for known, numbers in ((new, new_row), (old, np.full(len(old), OLD, np.int64))):
                place, found = look_up(wanted, known)
                contents.deal(
                    [*id_columns(content[found]), pa.array(numbers[place[found]], pa.int64())],
                    bucket_of(content[found], params.buckets),
                )


def tie_bucket(context: TaskContext) -> None:
    """Write pairs of rows with the same id, each row with the first of them; the first is `OLD` where a link has a cell."""
    params = context.params(TieParams)
    words, row = _words_and(params.files, params.bucket, params.buckets, ID_ROWS_SCHEMA)
    order = np.lexsort((row, words[:, 1], words[:, 0]))
    words, row = words[order], row[order]
    is_start = starts(words)
    first = row[np.maximum.accumulate(np.where(is_start, np.arange(len(row)), 0))]
    tied = row != first
    with pa.OSFile(str(context.output(TIES)), "wb") as sink, pa.ipc.new_file(sink, TIE_SCHEMA) as writer:
        writer.write_table(pa.table([pa.array(row[tied]), pa.array(first[tied])], schema=TIE_SCHEMA))
    context.count("rows", int(tied.sum()))


_READ_ROWS = 1 << 18


def _master_key(workspace: str) -> bytes:
    return Workspace(Path(workspace)).master_key()


def _first_half(column: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> Words:
    """The first 16 of 32 bytes of each digest."""
    whole = column.cast(pa.binary(32)).combine_chunks()
    buffer = whole.buffers()[1]
    if buffer is None or not len(whole):
        return np.zeros((0, 2), np.uint64)
    raw = np.frombuffer(memoryview(buffer), np.uint64, 4 * len(whole), 32 * whole.offset)
    return raw.byteswap().reshape(-1, 4)[:, :2]


def _pair(table: pa.Table, high: str, low: str) -> Words:
    return np.column_stack([table[high].to_numpy(), table[low].to_numpy()])


def _words_and(
    paths: tuple[str, ...], bucket: int, buckets: int, schema: pa.Schema
) -> tuple[Words, npt.NDArray[np.int64]]:
    """The ids of a bucket, and the third column beside them."""
    table = read_buckets(paths, bucket, buckets, schema)
    return _pair(table, "high", "low"), table[schema.names[2]].to_numpy().astype(np.int64)


def _ordered(words: Words, beside: Int64s) -> tuple[Words, Int64s]:
    """Ids ordered, each once: a partition has no link with two cells, and rows of one link are tied by its canonical URL anyway."""
    order = np.lexsort((words[:, 1], words[:, 0]))
    words = words[order]
    first = starts(words)
    return words[first], beside[order][first]
