"""Shard files: whole or not there.

A file is written beside its place under a temporary name, synced and renamed. Whatever kills the process leaves the old file,
the new file, or a temporary that the next run sweeps away: never half a file under a final name.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from linkwell.base.errors import DamagedFileError, MissingError, StorageError

_Codec = Literal["gzip", "brotli", "lz4", "zstd", "snappy", "none"]  # the names that pyarrow knows

TEMPORARY_SUFFIX = ".tmp"
_UNIQUE = frozenset({"link_id", "url"})
"""Columns of the links whose values differ as a rule."""

_ADVICE = {
    errno.ENOSPC: "Free some space and give the same command again; what is finished is kept.",
    errno.EDQUOT: "The quota is used up: free some space and give the same command again.",
    errno.EFBIG: "The file is larger than is allowed here: raise the limit (ulimit -f), or write to another file system.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EACCES: "Check the permissions of the folder.",
    errno.EPERM: "Check the permissions of the folder.",
}


def temporary_path(final: Path) -> Path:
    """Where a file for `final` is written before it is renamed: hidden, in the same folder, marked with our process id."""
    return final.with_name(f".{final.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def storage_error(error: OSError, path: Path) -> StorageError:
    """The error of ours for a failed write, with advice for the usual causes."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"cannot write: {reason}", str(path), _ADVICE.get(error.errno or 0))


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a failed write inside the block (disk full, read-only, not permitted) into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _ADVICE:
            raise storage_error(error, path) from error
        raise


def commit(temporary: Path, final: Path) -> None:
    """Sync a finished temporary file and rename it into its place; the folder is synced too, so that the name survives.

    A temporary folder takes the place of the folder that stands there, whose files go before.
    """
    with storage_errors(final):
        if temporary.is_dir():
            os.sync()  # one call for its thousands of files
            shutil.rmtree(final, ignore_errors=True)
            temporary.replace(final)
            sync_folder(final.parent)
            return
        _sync_file(temporary)
        temporary.replace(final)
        sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it becomes `final`, on any error it is removed.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    with storage_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(final)
    try:
        with storage_errors(final):
            yield temporary
        commit(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_paths(finals: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a temporary path for each of some files of one folder; on success all are synced, side by side, and then renamed in order.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    folder = finals[0].parent
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    temporaries = [temporary_path(final) for final in finals]
    try:
        with storage_errors(folder):
            yield temporaries
            with ThreadPoolExecutor(len(finals)) as pool:
                list(pool.map(_sync_file, temporaries))
            for temporary, final in zip(temporaries, finals, strict=True):
                temporary.replace(final)
            sync_folder(folder)
    except BaseException:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
        raise


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_bytes(final: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a small file atomically, with the given permissions."""
    with atomic_path(final) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def write_array(file: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Write an array as `numpy.save` does one in C order, byte for byte; that leaves a short file without a word where the disk is full at its end.

    Raises:
        OSError: it cannot be written; where the file is buffered, at the latest when it is closed.
    """
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(whole))
    file.write(whole.reshape(-1).view(np.uint8).data)


def sweep(folder: Path) -> int:
    """Remove what killed runs left under temporary names in `folder` (not below it); returns how many files went.

    Call it only while holding whatever lock keeps a second process from writing there.
    """
    if not folder.is_dir():
        return 0
    leftovers = [p for p in folder.iterdir() if p.name.startswith(".") and p.name.endswith(TEMPORARY_SUFFIX)]
    for path in leftovers:
        remove(path)
    return len(leftovers)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it; it may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table cast to a schema; itself where it has it, for a cast loads 8 MB of kernels even then."""
    return table if table.schema.equals(schema, check_metadata=True) else table.cast(schema)


class ParquetWriter:
    """Streams tables of one schema into one parquet file, as row groups of a bounded number of rows.

    Content-defined chunking keeps most of a file's bytes the same when rows leave it. Columns must not be dictionary arrays of
    unbounded values: filter those decoded, or a removed value stays in the dictionary page.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        row_group_rows: int = 100_000,
        row_group_bytes: int = 1 << 40,
        intermediate: bool = False,
        images: str | None = None,
    ) -> None:
        """Open the file.

        Args:
            path: where.
            schema: of every table.
            row_group_rows: a row group has at most so many rows.
            row_group_bytes: it is written when its values take so much memory.
            intermediate: for a file that a later stage reads once: quick to write, larger.
            images: a column of image files, which are neither compressed again nor repeated in statistics or dictionaries.
        """
        self._rows = row_group_rows
        self._bytes = row_group_bytes
        self._pending_bytes = 0
        self._schema = schema
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        codec: _Codec = "lz4" if intermediate else "zstd"
        per_column: dict[str, _Codec] = dict.fromkeys(schema.names, codec)
        if images is not None:
            per_column[images] = "none"
        plain = [name for name in schema.names if name != images]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression=codec if images is None else per_column,
            use_content_defined_chunking=not intermediate,
            write_page_index=not intermediate and images is None,
            write_statistics=not intermediate if images is None else plain,
            use_dictionary=True if images is None else plain,  # type: ignore[arg-type] # the stub knows no columns
        )

    def write(self, table: pa.Table) -> None:
        """Add rows; they reach the file when a row group is full."""
        self._pending.append(as_schema(table, self._schema))
        self._pending_rows += table.num_rows
        self._pending_bytes += table.nbytes
        if self._pending_rows >= self._rows or self._pending_bytes >= self._bytes:
            self._flush()

    def _flush(self) -> None:
        if self._pending_rows:
            self._writer.write_table(pa.concat_tables(self._pending), row_group_size=self._rows)
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self) -> None:
        """Write what is pending and the footer."""
        self._flush()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.close()


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it is not parquet, or cut short.
    """
    if not path.is_file():
        raise MissingError("there is no such file", str(path))
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError(
            "this is not a whole parquet file", str(path), "Make it again, or restore it from its release."
        ) from error


def read_tables(
    paths: Iterable[Path], columns: list[str] | None = None, batch_rows: int = 65_536
) -> Iterator[pa.Table]:
    """The rows of parquet files in order, in tables of at most `batch_rows`, so that memory does not grow with the files.

    Raises:
        MissingError: a file is not there.
        DamagedFileError: a file is not parquet, or cut short.
    """
    for path in paths:
        with open_parquet(path) as file:
            try:
                for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
                    yield pa.Table.from_batches([batch])
            except (pa.ArrowInvalid, OSError) as error:
                raise DamagedFileError("the file is damaged", str(path), "Make it again, or restore it.") from error
