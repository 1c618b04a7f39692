"""A recall batch: which cells or links it names, and the three files it consists of.

`batch.json` describes it and chains it to the one before; `cells.parquet` holds the cells; `links.parquet` holds the link ids
of every row of those cells, for copies that carry no cell, or, in an open batch, the links themselves with a reason.

Everything here is a function of public things, of one secret of the workspace (what pads a batch) and of the set of hit cells:
two truths that hit the same cells give the same bytes (safety.md 3.5). No reason, no count of hits and no time finer than a day
stands in a covered batch.
"""

import hashlib
import io
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.errors import DamagedFileError, FormatError, SignatureError
from linkwell.base.ids import LINK_ID_BYTES

BATCH_FORMAT = "linkwell-recall-1"
BATCH_FILE, CELLS_FILE, LINKS_FILE = "batch.json", "cells.parquet", "links.parquet"
OPEN_REASONS = ("dead", "licence", "opt-out", "privacy")
"""Reasons an open recall may state. Never who asked."""

CELLS_SCHEMA = pa.schema([pa.field("cell", pa.uint32(), nullable=False)])
LINKS_SCHEMA = pa.schema([pa.field("link_id", pa.binary(LINK_ID_BYTES), nullable=False)])
OPEN_LINKS_SCHEMA = LINKS_SCHEMA.append(pa.field("reason", pa.string(), nullable=False))


class FileFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size and hash of one file of a batch."""

    sha256: str
    bytes: int
    rows: int


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `batch.json` says. `issued` is a UTC day, `previous` the SHA-256 of the batch.json before, empty for the first."""

    format: str
    dataset: str
    sequence: int
    kind: Literal["covered", "open"]
    issued: str
    partition_sha256: str
    releases: list[str]
    cell_count: int
    row_count: int
    previous: str
    files: dict[str, FileFacts]


def encode_batch(batch: Batch) -> bytes:
    """The bytes of `batch.json`."""
    return msgspec.json.format(msgspec.json.encode(batch, order="sorted"), indent=1) + b"\n"


def decode_batch(data: bytes, where: str) -> Batch:
    """Read a `batch.json`.

    Raises:
        FormatError: it is not one, or of a newer format.
    """
    try:
        batch = msgspec.json.decode(data, type=Batch)
    except msgspec.DecodeError as error:
        raise FormatError(f"this is no recall batch: {error}", where) from error
    if batch.format != BATCH_FORMAT:
        raise FormatError(f"the format {batch.format!r} is not known here", where, "Install a newer Linkwell.")
    return batch


def parquet_bytes(table: pa.Table) -> bytes:
    """A small table as parquet, the same bytes for the same rows."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=1_000_000)
    return sink.getvalue()


def batch_files(
    *,
    dataset: str,
    sequence: int,
    issued: str,
    partition_sha256: str,
    releases: Iterable[str],
    previous: str,
    cells: Collection[int],
    links: pa.Table,
) -> dict[str, bytes]:
    """The three files of a batch: an open one when `links` has a reason, else a covered one."""
    kind: Literal["covered", "open"] = "open" if "reason" in links.column_names else "covered"
    links = links.sort_by("link_id")
    cell_table = pa.table({"cell": pa.array(sorted(cells), pa.uint32())}, schema=CELLS_SCHEMA)
    contents = {CELLS_FILE: (parquet_bytes(cell_table), len(cells)), LINKS_FILE: (parquet_bytes(links), links.num_rows)}
    batch = Batch(
        format=BATCH_FORMAT,
        dataset=dataset,
        sequence=sequence,
        kind=kind,
        issued=issued,
        partition_sha256=partition_sha256,
        releases=sorted(releases),
        cell_count=len(cells),
        row_count=links.num_rows,
        previous=previous,
        files={
            name: FileFacts(hashlib.sha256(data).hexdigest(), len(data), rows)
            for name, (data, rows) in contents.items()
        },
    )
    return {name: data for name, (data, _rows) in contents.items()} | {BATCH_FILE: encode_batch(batch)}


def check_file(batch: Batch, name: str, data: bytes, where: str) -> None:
    """Compare a batch's file with what `batch.json` says.

    Raises:
        SignatureError: they differ.
    """
    facts = batch.files.get(name)
    if facts is None or facts.bytes != len(data) or facts.sha256 != hashlib.sha256(data).hexdigest():
        raise SignatureError(f"{name} is not what batch.json says", where, "Fetch the feed again from its publisher.")


def read_cells(data: bytes, where: str) -> npt.NDArray[np.uint32]:
    """The cells of a `cells.parquet`, sorted."""
    return np.sort(np.asarray(_column(data, CELLS_SCHEMA, where)["cell"].to_numpy(), dtype=np.uint32))


def read_links(data: bytes, where: str) -> npt.NDArray[np.bytes_]:
    """The link ids of a `links.parquet`, sorted, as an array of `S16`."""
    column = _column(data, LINKS_SCHEMA, where)["link_id"].combine_chunks()
    return np.sort(id_array(column))


def read_reasons(data: bytes, where: str) -> dict[bytes, str]:
    """Link id → reason of an open batch's `links.parquet`."""
    table = _column(data, OPEN_LINKS_SCHEMA, where)
    ids: list[bytes] = _plain(table["link_id"])
    reasons: list[str] = _plain(table["reason"])
    return dict(zip(ids, reasons, strict=True))


def id_array(column: "pa.Array[Any] | pa.ChunkedArray[Any]") -> npt.NDArray[np.bytes_]:
    """A `fixed_size_binary(16)` column without nulls as `S16`; comparing those compares all 16 bytes."""
    chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if len(chunk) == 0:
        return np.empty(0, dtype="S16")
    data: Any = chunk.buffers()[1]
    whole: npt.NDArray[np.bytes_] = np.frombuffer(data, dtype="S16")
    return whole[chunk.offset : chunk.offset + len(chunk)]


def _plain(column: "pa.ChunkedArray[Any]") -> list[Any]:
    return list(column.to_pylist())


def _column(data: bytes, schema: pa.Schema, where: str) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(data), columns=schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DamagedFileError("this is not a file of a recall batch", where) from error


def batch_path(folder: Path, sequence: int) -> Path:
    """Where the batch of that number stands in a workspace's recalls."""
    return folder / f"{sequence:06d}"
