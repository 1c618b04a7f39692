"""Files appear whole or not at all."""

import errno
import os
import resource
import signal
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linkwell.base.errors import DamagedFileError, MissingError, StorageError
from linkwell.base.shards import (
    ParquetWriter,
    atomic_path,
    atomic_paths,
    read_tables,
    sweep,
    temporary_path,
    write_array,
    write_bytes,
)


def _fail_with(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _write_half(path: Path) -> None:
    path.write_bytes(b"half of the ne")
    raise RuntimeError


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The block fails: the old content stands, no temporary stays."""
    final = tmp_path / "a"
    write_bytes(final, b"old")
    with pytest.raises(RuntimeError), atomic_path(final) as temporary:
        _write_half(temporary)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert final.read_bytes() == b"old"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES])
def test_a_full_or_closed_disk_is_a_storage_error_that_names_the_file(tmp_path: Path, code: int) -> None:
    """The system's error becomes ours, with the path and advice."""
    final = tmp_path / "a"
    with pytest.raises(StorageError) as caught, atomic_path(final):
        raise _fail_with(code)
    assert caught.value.where == str(final)
    assert caught.value.advice


def test_a_disk_that_is_full_only_at_the_sync_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync is where delayed allocation reports a full disk; the old file must still stand."""
    final = tmp_path / "a"
    write_bytes(final, b"old")

    def full(_descriptor: int) -> None:
        raise _fail_with(errno.ENOSPC)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        write_bytes(final, b"new")
    assert final.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_some_files_are_written_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All have their place when all are synced; where one cannot be, what stood there stands, and nothing else."""
    finals = [tmp_path / "run" / name for name in "ab"]

    def write(content: bytes) -> None:
        with atomic_paths(finals) as temporaries:
            for temporary in temporaries:
                temporary.write_bytes(content)
                assert not any(final.exists() and final.read_bytes() == content for final in finals)

    def full(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == temporary_path(finals[1]).name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write(b"new")
    assert {path.name: path.read_bytes() for path in finals[0].parent.iterdir()} == {"a": b"old", "b": b"old"}


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    """Only temporaries go."""
    write_bytes(tmp_path / "kept", b"x")
    temporary_path(tmp_path / "kept").write_bytes(b"half")
    assert sweep(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_secret_file_is_never_readable_by_others(tmp_path: Path) -> None:
    """The mode is set when the file is made, not afterwards."""
    write_bytes(tmp_path / "key", b"x", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_rows_come_back_in_order_and_in_bounded_tables(tmp_path: Path) -> None:
    """A file of many row groups is read in small tables."""
    schema = pa.schema([("n", pa.int64())])
    with ParquetWriter(tmp_path / "a.parquet", schema, row_group_rows=100) as writer:
        for start in range(0, 1000, 30):
            writer.write(pa.table({"n": list(range(start, min(start + 30, 1000)))}))
    tables = list(read_tables([tmp_path / "a.parquet"], batch_rows=64))
    assert max(t.num_rows for t in tables) <= 64
    assert [n for t in tables for n in t["n"].to_pylist()] == list(range(1000))


def test_a_parquet_file_cut_short_is_named(tmp_path: Path) -> None:
    """Half a file is an error that says which, never fewer rows."""
    path = tmp_path / "a.parquet"
    with ParquetWriter(path, pa.schema([("n", pa.int64())])) as writer:
        writer.write(pa.table({"n": list(range(10_000))}))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match=r"a\.parquet"):
        list(read_tables([path]))
    with pytest.raises(MissingError):
        list(read_tables([tmp_path / "none.parquet"]))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5, dtype=np.uint32),
        np.array([b"a", b"bc"], dtype="S16"),
        np.empty(0, dtype="S16"),
        np.ones((2, 3), np.float32),
        np.zeros(3, dtype=[("a", "S16"), ("b", "u4")]),
    ],
)
def test_an_array_is_written_as_numpy_saves_it(array: Any) -> None:
    """The same bytes."""
    ours, saved = BytesIO(), BytesIO()
    write_array(ours, array)
    np.save(saved, array)
    assert ours.getvalue() == saved.getvalue()


def test_an_array_that_has_no_room_is_an_error_and_not_cut_short(tmp_path: Path) -> None:
    """Where the last bytes do not fit, which `numpy.save` does not tell."""
    path = tmp_path / "a.npy"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (361, 361))
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                write_array(file, np.arange(100))
        except StorageError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert list(tmp_path.iterdir()) == []
