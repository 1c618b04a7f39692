"""Reading and rewriting tar archives block by block."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, DataError, FormatError
from linkwell.purge.samplekeys import FILLER, SampleRuns, sample_keys
from linkwell.purge.tar import members
from linkwell.purge.tarcode import machine_code
from linkwell.purge.tarindex import read_index
from linkwell.purge.webdataset import rewrite_tar, wipe_in_place

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def write(path: Path, files: list[tuple[str, bytes]], fmt: int) -> None:
    with tarfile.open(path, "w", format=fmt) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def fresh_code() -> Iterator[None]:
    """No machine code is loaded before or after a test."""
    machine_code.cache_clear()
    yield
    machine_code.cache_clear()


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=150).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    files=st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=8),
    fmt=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    drop=st.sets(st.integers(0, 7)),
)
def test_reads_what_tarfile_reads_and_keeps_the_rest(
    tmp_path: Path, files: list[tuple[str, bytes]], fmt: int, drop: set[int]
) -> None:
    """Names, sizes and contents are those tarfile sees; after members go, the others are there in order, byte for byte."""
    path, new = tmp_path / "a.tar", tmp_path / "b.tar"
    write(path, files, fmt)
    found = list(members(path))
    data = path.read_bytes()
    assert [(m.name, data[m.data : m.data + m.size]) for m in found] == files
    rewrite_tar(path, new, [(m.start, m.end) for i, m in enumerate(found) if i in drop])
    kept = [file for i, file in enumerate(files) if i not in drop]
    with tarfile.open(new) as archive:
        assert [(m.name, archive.extractfile(m).read()) for m in archive] == kept  # type: ignore[union-attr] # files only


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 5119), st.integers(1, 255)), min_size=1, max_size=3),
    cut=st.integers(0, 5120),
)
def test_damage_is_an_error_or_changes_no_structure(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    """Whatever bytes are changed or cut off, the reader either stops with a data error or sees whole members."""
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"x" * 700), ("a.txt", b"y"), ("b.jpg", b"z" * 100)], tarfile.USTAR_FORMAT)
    data = bytearray(path.read_bytes())
    for place, mask in flips:
        data[place] ^= mask
    path.write_bytes(data if cut == 5120 else data[:cut])
    try:
        found = list(members(path))
    except DataError:
        return
    assert len(found) == 3
    assert all(m.end <= path.stat().st_size for m in found)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path: Path, fmt: int) -> None:
    """Where tarfile silently stops, this stops with an error: the rest could hold what is to go."""
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"x" * 600), ("b.jpg", b"y" * 600)], fmt)
    data = bytearray(path.read_bytes())
    second = list(members(path))[1]
    data[second.start + 3] ^= 255
    path.write_bytes(data)
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == 1
    with pytest.raises(DamagedFileError, match=f"byte {second.start}"):
        list(members(path))


numbered = st.tuples(st.sampled_from(["0001", "0002", "7" * 18, "1" * 19]), st.sampled_from([".a", ".b/c", ".d"])).map(
    "".join
)
long = st.integers(86, 100).map("a".__mul__)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    files=st.lists(
        st.tuples(st.one_of(st.text("ab./0", min_size=1, max_size=12), numbered, long), st.binary(max_size=1500)),
        max_size=8,
    ),
    fmt=st.sampled_from(FORMATS),
    flips=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 255)), max_size=2),
    how=st.tuples(st.integers(1, 9), st.booleans(), st.sampled_from([0.0, 1e9])),
)
@example(files=[("0", b"")], fmt=tarfile.USTAR_FORMAT, flips=[(154, 1)], how=(1, False, 0.0))
@example(files=[("0", b"")], fmt=tarfile.USTAR_FORMAT, flips=[(155, 1)], how=(1, True, 0.0))
@example(files=[("a" * 100, b""), ("b" * 100, b"")], fmt=tarfile.USTAR_FORMAT, flips=[], how=(1, True, 0.0))
@example(files=[("0", b""), ("a" * 100, b""), ("0", b""), ("0", b"")], fmt=0, flips=[], how=(1, True, 0.0))
def test_the_quick_index_sees_what_the_slow_reader_sees(
    tmp_path: Path,
    files: list[tuple[str, bytes]],
    fmt: int,
    flips: list[tuple[int, int]],
    how: tuple[int, bool, float],
) -> None:
    """Whole or damaged, in pieces, from memory or a disk, compiled or not: the same members at the same places, or an error from both."""
    path, (at_once, large, waited) = tmp_path / "a.tar", how
    write(path, files, fmt)
    data = bytearray(path.read_bytes())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    path.write_bytes(data)
    try:
        slow = [(m.name, m.start, m.data, m.size, m.end, m.is_file) for m in members(path)]
    except DataError as error:
        with pytest.raises(type(error)):
            read_index(path, large=large)
        return
    with (
        patch("linkwell.purge.tarindex._FIRST", at_once),
        patch("linkwell.purge.tarindex._AT_ONCE", at_once + 1),
        patch("linkwell.purge.tarindex._WAITED_SECONDS", waited),
        patch("linkwell.purge.tarindex._FEW_WAITS", -1),
        patch("linkwell.purge.tarindex._STREAM_BYTES", 8192),
    ):
        quick = read_index(path, large=large)
    columns = (quick.start, quick.data, quick.length, quick.end, quick.is_file)
    names = [name.decode("utf-8", "surrogateescape") for name in quick.names.tolist()]
    assert list(zip(names, *(column.tolist() for column in columns), strict=True)) == slow
    told, plain = SampleRuns.of_index(quick), SampleRuns.of(quick.names, quick.is_file)
    assert (told.digits, told.member_keys.tolist()) == (plain.digits, plain.member_keys.tolist())


def test_the_walk_is_compiled_only_where_it_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_code: None
) -> None:
    """An archive of middling size uses machine code that is kept, but has none made; for gigabytes it is made."""
    monkeypatch.setenv("LINKWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("linkwell.purge.tarindex._KEPT_CODE_BYTES", 1)
    path = tmp_path / "a.tar"
    write(path, [(f"{n:04d}.{kind}", b"x" * 600) for n in range(300) for kind in ("jpg", "txt")], tarfile.USTAR_FORMAT)
    first = read_index(path)
    assert machine_code(make=False) is None
    assert first.keys is None
    made = read_index(path, large=True)
    machine_code.cache_clear()
    kept = read_index(path)
    for index in (made, kept):
        assert index.keys is not None
        assert index.digits == 4
        assert index.names.tolist() == first.names.tolist()
        assert index.end.tolist() == first.end.tolist()


def test_wiped_in_place_the_archive_is_whole_and_its_bytes_are_gone(tmp_path: Path) -> None:
    """Fillers of zeros stand where samples were, at the same size; a reader sees the others where they were."""
    path = tmp_path / "a.tar"
    write(path, [(f"{n}.jpg", bytes([65 + n]) * (300 * n + 1)) for n in range(6)], tarfile.USTAR_FORMAT)
    before = path.stat().st_size
    found = list(members(path))
    wipe_in_place(path, [(found[i].start, found[i].end) for i in (1, 2, 4)])
    assert path.stat().st_size == before
    with tarfile.open(path) as archive:
        listed = {m.name: archive.extractfile(m).read() for m in archive if m.name != FILLER}  # type: ignore[union-attr] # files only
    assert sorted(listed) == ["0.jpg", "3.jpg", "5.jpg"]
    data = path.read_bytes()
    assert not any(bytes([65 + n]) * 100 in data for n in (1, 2, 4))
    assert sample_keys(read_index(path).names).tolist() == [b"0", b"", b"3", b"", b"5"]


def test_a_second_archive_behind_the_end_is_an_error(tmp_path: Path) -> None:
    """Bytes behind the end mark are not passed over."""
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"x")], tarfile.USTAR_FORMAT)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(DamagedFileError, match="follows the end"):
        list(members(path))


def test_a_missing_end_mark_is_an_error(tmp_path: Path) -> None:
    """An archive cut off between members is seen to be cut short."""
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"x"), ("b.jpg", b"x")], tarfile.USTAR_FORMAT)
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DamagedFileError, match="cut short"):
        list(members(path))


def test_unknown_members_are_refused(tmp_path: Path) -> None:
    """A sparse file, whose size means something else, is an error and not misread."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("a.jpg")
        info.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(info)
    with pytest.raises(FormatError, match="not known here"):
        list(members(path))


@pytest.mark.parametrize(
    ("name", "key"),
    [("a.jpg", "a"), ("00/a.seg.png", "00/a"), ("x.y/a.b", "x.y/a"), ("a", "a"), (".hidden", ""), ("d/.h.jpg", "")],
)
def test_key_of_a_member(name: str, key: str) -> None:
    """The key ends at the first dot of the base name, as webdataset has it."""
    assert sample_keys(np.array([name.encode()])).tolist() == [key.encode()]
