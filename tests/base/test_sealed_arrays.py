"""Sealed arrays: what comes back is what went in, or nothing."""

import os
from pathlib import Path

import numpy as np
import pytest

from linkwell.base.errors import DamagedFileError, MissingError, StorageError
from linkwell.base.sealed_arrays import Array, read_sealed_arrays, write_sealed_arrays

_KEY = bytes(range(32))


def _arrays() -> dict[str, Array]:
    chance = np.random.default_rng(1)
    return {
        "bytes": chance.integers(0, 256, (40_000, 32), np.uint8),  # more than one piece
        "numbers": np.arange(10, dtype=np.uint64),
        "none": np.empty((0, 8), np.uint16),
        "flags": np.array([[True, False]]),
        "columns": np.arange(12, dtype=np.int64).reshape(3, 4).T,
    }


def test_arrays_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Types, shapes and values; the file is the user's alone, and holds no run of the bytes in the clear."""
    path = tmp_path / "a.sealed"
    write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    back = read_sealed_arrays(path, _KEY, "test 1")
    for name, array in _arrays().items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert (back[name] == array).all()
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    assert _arrays()["bytes"].tobytes()[:16] not in data
    write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    assert path.read_bytes()[-64:] != data[-64:], "two files under one master key share no key stream"


def test_another_key_or_purpose_does_not_open(tmp_path: Path) -> None:
    """The file opens for the same key and the same purpose only; one that is not there says so."""
    path = tmp_path / "a.sealed"
    write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    with pytest.raises(DamagedFileError):
        read_sealed_arrays(path, bytes(32), "test 1")
    with pytest.raises(DamagedFileError):
        read_sealed_arrays(path, _KEY, "test 2")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"test 1", b"test 2"))
    with pytest.raises(DamagedFileError):
        read_sealed_arrays(path, _KEY, "test 2")
    with pytest.raises(MissingError):
        read_sealed_arrays(tmp_path / "b.sealed", _KEY, "test 1")


def test_any_changed_byte_or_length_is_noticed(tmp_path: Path) -> None:
    """Each flipped byte, cut and addition, and two pieces exchanged, leave a file that does not open and no other error."""
    path = tmp_path / "a.sealed"
    write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    data = path.read_bytes()
    places = [*range(0, 1_000, 7), *range(1_000, len(data), 97_003), len(data) - 1]
    changed = [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in places]
    changed += [data[:length] for length in (0, 4, 12, 100, len(data) // 2, len(data) - 1)]
    changed.append(data + b"\0")
    for one in changed:
        path.write_bytes(one)
        with pytest.raises(DamagedFileError):
            read_sealed_arrays(path, _KEY, "test 1")


def test_a_header_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    """Shapes that the file has no bytes for are not believed."""
    path = tmp_path / "a.sealed"
    write_sealed_arrays(path, {"a": np.zeros(1000, np.uint8)}, _KEY, "test 1")
    path.write_bytes(path.read_bytes().replace(b"[1000]", b"[9999]"))
    with pytest.raises(DamagedFileError):
        read_sealed_arrays(path, _KEY, "test 1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    """A failed write raises and changes nothing."""
    path = tmp_path / "a.sealed"
    write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError):
            write_sealed_arrays(path, _arrays(), _KEY, "test 1")
    finally:
        tmp_path.chmod(0o700)
    assert read_sealed_arrays(path, _KEY, "test 1")
