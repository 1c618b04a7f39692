"""Digests of image bytes, and the encrypted ledger."""

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, MissingKeyError
from linkwell.base.schema import LEDGER_SCHEMA
from linkwell.base.sealed import write_sealed
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests, exact_digests, ledger_table, read_ledger, write_ledger_part

_WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _table(count: int = 3) -> pa.Table:
    rows = []
    for number in range(count):
        digests = exact_digests(b"image %d" % number)
        if number % 2:
            digests = digests.with_picture(
                np.arange(10_000, dtype=np.uint16).astype(np.uint8).reshape(100, 100), 640, 480
            )
        rows.append((number.to_bytes(16), _WHEN, digests))
    return ledger_table(rows)


def _write(workspace: Workspace, count: int = 3, name: str = "run-0") -> Path:
    path = workspace.ledger / f"{name}.parquet"
    write_ledger_part(path, _table(count), workspace.master_key())
    return path


@given(st.binary(max_size=200))
def test_digests_are_those_of_hashlib(data: bytes) -> None:
    """Size, MD5, SHA-1 and SHA-256 are those of the bytes, and nothing is said of a picture."""
    digests = exact_digests(data)
    assert digests.byte_size == len(data)
    assert digests.md5 == hashlib.new("md5", data, usedforsecurity=False).digest()
    assert digests.sha1 == hashlib.new("sha1", data, usedforsecurity=False).digest()
    assert digests.sha256 == hashlib.new("sha256", data).digest()
    assert (digests.pdq, digests.pdq_quality, digests.width, digests.height) == (None, None, None, None)


def test_repr_shows_no_digest() -> None:
    """A digest that lands in a log or a traceback by its repr would break ground rule 8."""
    digests = exact_digests(b"x").with_picture(np.zeros((64, 64), np.uint8), 64, 64)
    shown = repr(digests)
    for value in (digests.md5, digests.sha1, digests.sha256, digests.pdq):
        assert value is not None
        assert repr(value) not in shown
        assert value.hex() not in shown


def test_rows_come_back(workspace: Workspace) -> None:
    """What is written is read, part by part in order, with the ledger's types and nulls where a picture did not decode."""
    _write(workspace, 3, "a-0")
    _write(workspace, 2, "b-0")
    tables = list(read_ledger(workspace))
    assert pa.concat_tables(tables).equals(pa.concat_tables([_table(3), _table(2)]))
    assert all(table.schema.equals(LEDGER_SCHEMA, check_metadata=False) for table in tables)
    assert pa.concat_tables(tables).column("pdq").null_count == 3
    only = pa.concat_tables(read_ledger(workspace, ["pdq_quality", "link_id"]))
    assert only.column_names == ["pdq_quality", "link_id"]


def test_no_parts_no_rows(workspace: Workspace) -> None:
    """An empty ledger reads as nothing, without asking for a key."""
    (workspace.keys / "master.key").unlink()
    assert list(read_ledger(workspace)) == []


def test_parts_are_sealed(workspace: Workspace) -> None:
    """A part is mode 0600, and no digest of it stands in its bytes."""
    path = _write(workspace)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = path.read_bytes()
    digests: Digests = exact_digests(b"image 0")
    for value in (digests.md5, digests.sha1, digests.sha256, (1).to_bytes(16)):
        assert value not in data
        assert value.hex().encode() not in data


@pytest.mark.parametrize("damage", ["cut", "emptied", "middle byte", "last byte", "other key", "not ours"])
def test_damage_stops_the_reader(workspace: Workspace, damage: str) -> None:
    """A ledger that does not open stops whoever reads it; nothing is skipped."""
    _write(workspace, name="a-0")
    path = _write(workspace, name="b-0")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "other key":
        write_ledger_part(path, _table(), bytes(32))
    elif damage == "not ours":
        write_sealed(path, pa.table({"link_id": ["x"], "md5": ["y"]}), workspace.master_key())
    else:
        place = {"middle byte": len(data) // 2, "last byte": len(data) - 1}[damage]
        data[place] ^= 1
        path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"b-0\.parquet"):
        list(read_ledger(workspace))


def test_no_edited_byte_changes_a_row(workspace: Workspace) -> None:
    """Wherever one byte of a part is edited, the reader stops, or reads what was written; never anything else."""
    path = _write(workspace)
    data = path.read_bytes()
    stopped = 0
    for place in range(0, len(data), 41):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            assert pa.concat_tables(read_ledger(workspace)).equals(_table())
        except DamagedFileError:
            stopped += 1
    assert stopped > len(data) / 41 / 2


def test_missing_key_stops_the_reader(workspace: Workspace) -> None:
    """Without the master key the ledger is not read, and the error says which file to restore."""
    _write(workspace)
    (workspace.keys / "master.key").unlink()
    with pytest.raises(MissingKeyError, match=r"master\.key"):
        list(read_ledger(workspace))
