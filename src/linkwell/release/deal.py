"""Moves rows into parts: *scatter* deals the rows of each shard to the parts their cells are in, *write* makes each part.

Dictionary columns are decoded on the way: filtered as they are, a row that is gone would stay in a dictionary page.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from linkwell.base.errors import DamagedFileError
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import ParquetWriter, file_sha256, read_tables
from linkwell.engine import Engine, StageResult, TaskContext, local_input, run_stage, task
from linkwell.release.manifest import Part, part_path
from linkwell.release.order import NO_CELL

DECODED_SCHEMA: pa.Schema = pa.schema(
    [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in LINK_SCHEMA]
)
_BATCH_ROWS = 200_000


class ScatterParams(msgspec.Struct, frozen=True):
    """Parameters of `scatter_shard`."""

    shard: str
    cells: str
    """`.npy`, the cell of each row, or `NO_CELL`."""
    parts: str
    """`.npy`, the part of each cell."""
    part_count: int


class WriteParams(msgspec.Struct, frozen=True):
    """Parameters of `write_part`."""

    scattered: tuple[str, ...]
    part: int
    part_count: int
    dataset: str


def write_parts(
    shards: list[Path], cells: list[Path], parts: Path, part_count: int, *, dataset: str, folder: Path, engine: Engine
) -> StageResult:
    """Make the parts of a release; outputs `links.parquet` and `part.json` of each.

    Args:
        shards: the build's link shards.
        cells: beside each, its file of assignments.
        parts: the part of each cell.
        part_count: how many parts there are.
        dataset: the dataset's name.
        folder: where the stages go.
        engine: what runs them.
    """
    scatter_tasks = [
        task(
            "deal rows",
            index,
            "linkwell.release.deal:scatter_shard",
            ScatterParams(str(shard), str(assigned), str(parts), part_count),
            (local_input(shard), local_input(assigned), local_input(parts)),
        )
        for index, (shard, assigned) in enumerate(zip(shards, cells, strict=True))
    ]
    scattered = run_stage(scatter_tasks, folder / "scatter", engine).outputs("rows.arrow")
    inputs = tuple(local_input(path) for path in scattered)
    write_tasks = [
        task(
            "write parts",
            index,
            "linkwell.release.deal:write_part",
            WriteParams(tuple(map(str, scattered)), index, part_count, dataset),
            inputs,
        )
        for index in range(part_count)
    ]
    return run_stage(write_tasks, folder / "parts", engine, unit="parts")


def scatter_shard(context: TaskContext) -> None:
    """Write the rows of one shard that have a cell, one record batch for each part in each run of rows."""
    params = context.params(ScatterParams)
    cells = np.load(params.cells, mmap_mode="r")
    part_of_cell = np.load(params.parts)
    start = 0
    with (
        pa.OSFile(str(context.output("rows.arrow")), "wb") as sink,
        pa.ipc.new_file(sink, DECODED_SCHEMA) as writer,
    ):
        for table in read_tables([Path(params.shard)], batch_rows=_BATCH_ROWS):
            cell = np.asarray(cells[start : start + table.num_rows])
            start += table.num_rows
            rows = np.flatnonzero(cell != NO_CELL)
            part = part_of_cell[cell[rows]]
            order = np.argsort(part, kind="stable")
            bounds = np.searchsorted(part[order], np.arange(params.part_count + 1))
            kept = decoded(table).set_column(
                LINK_SCHEMA.get_field_index("cell"),
                DECODED_SCHEMA.field("cell"),
                pa.chunked_array([pa.array(cell, pa.uint32())]),
            )
            dealt = kept.take(rows[order]).combine_chunks()
            for number in range(params.part_count):
                piece = dealt.slice(bounds[number], bounds[number + 1] - bounds[number]).to_batches()
                writer.write_batch(piece[0] if piece else pa.RecordBatch.from_pylist([], DECODED_SCHEMA))
            context.count("rows", len(rows))


def write_part(context: TaskContext) -> None:
    """Write one part: cells ascending, the rows of a cell by URL; and beside it what the manifest says of it."""
    params = context.params(WriteParams)
    batches = [batch for path in params.scattered for batch in _batches(Path(path), params.part, params.part_count)]
    table = pa.Table.from_batches(batches, DECODED_SCHEMA)
    table = table.sort_by([("cell", "ascending"), ("url", "ascending")])
    path = context.output("links.parquet")
    with ParquetWriter(path, LINK_SCHEMA) as writer:
        writer.write(table)
    context.output("part.json").write_bytes(msgspec.json.encode(describe_part(path, table, params.dataset)))
    context.count("rows", table.num_rows)


def describe_part(path: Path, table: pa.Table, dataset: str) -> Part:
    """What a manifest says of a part just written."""
    digest = file_sha256(path)
    cells = np.unique(table["cell"].to_numpy())
    return Part(
        part_path(dataset, digest), digest, path.stat().st_size, table.num_rows, tuple(int(cell) for cell in cells)
    )


def decoded(table: pa.Table) -> pa.Table:
    """The rows with dictionary columns as plain strings."""
    return table.cast(DECODED_SCHEMA)


def _batches(path: Path, part: int, part_count: int) -> Iterator[pa.RecordBatch]:
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            for number in range(part, reader.num_record_batches, part_count):
                yield reader.get_batch(number)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError("a file of the release being made is damaged", str(path), "Run again.") from error
