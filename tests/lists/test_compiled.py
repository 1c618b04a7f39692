"""Indexes of large lists that are kept on disk: encrypted, for one state of the lists, and never believed more than these."""

import logging
import random
import time
from pathlib import Path

import numpy as np
import pytest

from linkwell.base.errors import DamagedFileError, MissingError, SafetyError, StorageError
from linkwell.base.sealed_arrays import Array, write_sealed_arrays
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests, exact_digests
from linkwell.lists import Match, compiled, forget_list, import_list, load_matcher
from linkwell.lists.columns import Rows
from linkwell.lists.exact import Hits
from linkwell.lists.ring import RingIndex
from linkwell.lists.storage import PartValues, read_part

_ENTRIES = 5_000


@pytest.fixture
def large(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose list is large enough for indexes to be kept."""
    monkeypatch.setattr(compiled, "COMPILED_ENTRIES", 1_000)
    _import(workspace, tmp_path, "hotline", 0)
    return workspace


def _hashes(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(32) for _ in range(_ENTRIES)]


def _import(workspace: Workspace, tmp_path: Path, source: str, seed: int) -> None:
    path = tmp_path / f"{source}.txt"
    lines = [f"pdq {value.hex()}\nmd5 {value[:16].hex()}" for value in _hashes(seed)]
    path.write_text("# synthetic\n" + "\n".join(lines) + "\n")
    import_list(workspace, path, source=source)


def _found(workspace: Workspace, value: bytes) -> list[Match]:
    plain = exact_digests(b"other")
    near = bytes([value[0] ^ 0xFF]) + value[1:]
    return load_matcher(workspace).match_digests(Digests(1, value[:16], plain.sha1, plain.sha256, near, 100, 100, 100))


_BOTH = [Match("hotline", "md5"), Match("hotline", "pdq")]


def _kept(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (workspace.lists / "compiled").glob("*")}


def test_a_kept_index_answers_as_the_lists_do(large: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second load reads the index, not the lists, and answers alike; files are the user's alone and hold no entry in the clear."""
    value = _hashes(0)[3]
    assert _found(large, value) == _BOTH
    kept = _kept(large)
    assert sorted(kept) == ["md5.sealed", "pdq.sealed"]
    for path in (large.lists / "compiled").glob("*"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (large.lists / "compiled").stat().st_mode & 0o777 == 0o700
    for hidden in _hashes(0)[:100]:
        assert not any(hidden[:8] in data for data in kept.values())
    with monkeypatch.context() as patch:
        patch.setattr("linkwell.lists.compiled.read_part", lambda *_: pytest.fail("the lists were read"))
        assert _found(large, value) == _BOTH
    assert _kept(large) == kept


@pytest.mark.parametrize("damage", ["byte", "cut", "older state", "other key's", "no file"])
def test_an_index_that_is_not_right_is_made_again(large: Workspace, tmp_path: Path, damage: str) -> None:
    """Whatever happens to it, the answer is that of the lists."""
    value = _hashes(0)[3]
    _found(large, value)
    path = large.lists / "compiled" / "pdq.sealed"
    data = path.read_bytes()
    if damage == "byte":
        path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif damage == "cut":
        path.write_bytes(data[:5_000])
    elif damage == "older state":
        _import(large, tmp_path, "other", 1)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        assert _found(large, _hashes(1)[0]) == [Match("other", "md5"), Match("other", "pdq")]
    elif damage == "other key's":
        path.write_bytes(data[:40] + bytes(100) + data[140:])
    else:
        path.unlink()
    assert _found(large, value) == _BOTH


def test_a_list_that_is_damaged_stops_a_load_that_would_not_read_it(large: Workspace) -> None:
    """A kept index does not hide that a part of a list is gone or changed."""
    _found(large, _hashes(0)[3])
    part = next(large.lists.glob("hotline-*.parquet"))
    data = part.read_bytes()
    part.write_bytes(data[:-1] + b"\0")
    with pytest.raises(DamagedFileError):
        load_matcher(large)
    part.unlink()
    with pytest.raises(MissingError):
        load_matcher(large)


def test_nothing_of_a_forgotten_list_stays(large: Workspace, tmp_path: Path) -> None:
    """Indexes go with any change of the lists, and are made again from those that are left."""
    _import(large, tmp_path, "other", 1)
    assert _found(large, _hashes(0)[0]) == _BOTH
    assert _kept(large)
    forget_list(large, "hotline")
    assert not _kept(large)
    assert _found(large, _hashes(0)[0]) == []
    assert _found(large, _hashes(1)[0]) == [Match("other", "md5"), Match("other", "pdq")]


def test_an_index_made_while_its_list_is_forgotten_is_not_kept(
    large: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that was under way when the lists changed leaves nothing behind."""
    forgotten: list[bool] = []

    def forget_first(path: Path, arrays: dict[str, Array], key: bytes, about: str) -> None:
        if not forgotten:
            forgotten.append(True)
            forget_list(large, "hotline")
        write_sealed_arrays(path, arrays, key, about)

    monkeypatch.setattr("linkwell.lists.compiled.write_sealed_arrays", forget_first)
    assert load_matcher(large).empty
    assert forgotten
    assert not _kept(large)


def test_an_entry_that_expires_stops_matching_in_a_kept_index(
    large: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index is good until the first of its entries expires."""
    expiry = int(time.time()) + 1_000

    def expiring(*arguments: object) -> PartValues:
        part = read_part(*arguments)  # type: ignore[arg-type]
        alive = np.full(len(part.values), time.time() < expiry) | part.canary
        return PartValues(part.values[alive], part.canary[alive], expiry if time.time() < expiry else 2**62)

    monkeypatch.setattr(compiled, "read_part", expiring)
    assert _found(large, _hashes(0)[3]) == _BOTH
    later = time.time() + 2_000
    monkeypatch.setattr(time, "time", lambda: later)
    assert _found(large, _hashes(0)[3]) == []


def test_a_kept_index_is_tested_on_its_canaries(large: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index read from disk that misses an entry stops the step."""
    load_matcher(large)
    mark = RingIndex.mark

    def lossy(index: RingIndex, queries: Rows, hits: Hits, reported: int = 0) -> None:
        mark(index, queries, hits, reported)
        hits[:, -1] = False

    monkeypatch.setattr(RingIndex, "mark", lossy)
    with pytest.raises(SafetyError, match="pdq"):
        load_matcher(large)


def test_where_the_disk_is_full_matching_goes_on(
    large: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An index that cannot be kept is used all the same, and the log says so without an entry in it."""

    def full(*_: object) -> None:
        raise StorageError("cannot write: no space left", "compiled/pdq.sealed")

    monkeypatch.setattr("linkwell.lists.compiled.write_sealed_arrays", full)
    with caplog.at_level(logging.WARNING):
        assert _found(large, _hashes(0)[3]) == _BOTH
    assert "is not kept" in caplog.text


def test_one_process_keeps_an_index_and_sweeps_what_a_killed_one_left(large: Workspace) -> None:
    """While another process writes indexes, ours are used and not written; what one that was killed left is removed."""
    with large.lock("compiled lists"):
        assert _found(large, _hashes(0)[3]) == _BOTH
    assert not _kept(large)
    folder = large.lists / "compiled"
    folder.mkdir(exist_ok=True)
    (folder / ".pdq.sealed.99999.tmp").write_bytes(b"half")
    assert _found(large, _hashes(0)[3]) == _BOTH
    assert sorted(_kept(large)) == ["md5.sealed", "pdq.sealed"]
