"""Restricted tables at rest."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.sealed import read_sealed, write_sealed

_KEY = bytes(range(32))
_CANARY = b"canary-canary-canary-canary-0000"
_TABLE = pa.table({"value": pa.array([_CANARY] * 3, pa.binary(32))})


def test_what_is_sealed_comes_back_and_stands_nowhere_in_the_file(tmp_path: Path) -> None:
    """Neither value nor column name is in the bytes; only the owner can read the file."""
    path = tmp_path / "a.parquet"
    write_sealed(path, _TABLE, _KEY)
    assert pa.concat_tables(read_sealed(path, _KEY)) == _TABLE
    assert _CANARY not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    """The error says what to do and holds no value."""
    write_sealed(tmp_path / "a.parquet", _TABLE, _KEY)
    with pytest.raises(DamagedFileError, match="another key"):
        list(read_sealed(tmp_path / "a.parquet", bytes(32)))
    with pytest.raises(MissingError):
        list(read_sealed(tmp_path / "b.parquet", _KEY))


def test_a_plain_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """Rows that nobody with the key wrote are not taken for restricted ones."""
    path = tmp_path / "a.parquet"
    pq.write_table(_TABLE, path)
    with pytest.raises(DamagedFileError, match="not encrypted"):
        list(read_sealed(path, _KEY))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whichever byte is changed, the file is refused or reads as it was: never as something else."""
    path = tmp_path_factory.getbasetemp() / "changed.parquet"
    write_sealed(path, _TABLE, _KEY)
    changed = bytearray(path.read_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    try:
        read = pa.concat_tables(read_sealed(path, _KEY))
    except DamagedFileError:
        return
    assert read == _TABLE
