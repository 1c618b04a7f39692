"""The other look finds what a purge left behind, wherever it hides, and nothing that is rightly there."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.ids import binary_array, link_id
from linkwell.demo.leftovers import Traces, look_for, traces_of

URLS = [f"http://a.example/picture-{n}.jpg" for n in range(6)]
CAPTIONS = [
    "a caption of its own",
    "the same caption",
    "another of its own",
    "the same caption",
    "four",
    "five and more",
]
IDS = [link_id(url) for url in URLS]
GONE = [0, 1, 2]


def _table(rows: list[int]) -> pa.Table:
    return pa.table(
        {
            "link_id": binary_array([IDS[n] for n in rows], 16),
            "url": [URLS[n] for n in rows],
            "caption": [CAPTIONS[n] for n in rows],
            "key": [f"0000000{n}00000" for n in rows],
            "sha256": [f"{n:064x}".replace("0", "ab", 1)[:64] for n in rows],
        }
    )


def _tar(path: Path, rows: list[int]) -> None:
    with tarfile.open(path, "w") as tar:
        for n in rows:
            data = b"the same picture" if n in (2, 3) else f"picture {n}".encode()
            info = tarfile.TarInfo(f"0000000{n}00000.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy with six rows."""
    folder = tmp_path / "copy"
    folder.mkdir()
    pq.write_table(_table(list(range(6))), folder / "00000.parquet")
    _tar(folder / "00000.tar", list(range(6)))
    return folder


@pytest.fixture
def traces(copy: Path) -> Traces:
    """What the first three rows would leave."""
    return traces_of(copy, np.array([IDS[n] for n in GONE], dtype="S16"))


def _purge(copy: Path) -> None:
    pq.write_table(_table([3, 4, 5]), copy / "00000.parquet")
    _tar(copy / "00000.tar", [3, 4, 5])


def test_everything_is_found_before(copy: Path, traces: Traces) -> None:
    """In the copy as it was, the recalled rows are seen in table and tar."""
    assert traces.rows == len(GONE)
    assert look_for(traces, copy).hits > len(GONE)


def test_nothing_is_found_after(copy: Path, traces: Traces) -> None:
    """A caption or picture that a kept row has too is no trace."""
    _purge(copy)
    assert look_for(traces, copy).hits == 0


@pytest.mark.parametrize("value", [URLS[0].encode(), CAPTIONS[2].encode(), IDS[1], IDS[1].hex().encode()])
def test_a_value_in_any_file_is_found(copy: Path, traces: Traces, value: bytes) -> None:
    """Whatever file it is in, by whatever name."""
    _purge(copy)
    (copy / "notes.bin").write_bytes(b"\0\1\2" + value + b"\3")
    assert look_for(traces, copy).hits == 1


def test_a_value_left_in_a_compressed_dictionary_is_found(copy: Path, traces: Traces) -> None:
    """A filtered dictionary column keeps removed values in its page, compressed; they are seen."""
    _purge(copy)
    urls = pa.DictionaryArray.from_arrays(pa.array([3, 4, 5], pa.int32()), pa.array(URLS))
    pq.write_table(pa.table({"url": urls}), copy / "old.parquet", compression="zstd")
    assert look_for(traces, copy).hits >= len(GONE)


def test_a_picture_left_under_another_name_is_found(copy: Path, traces: Traces) -> None:
    """Tar members are known by their bytes."""
    _purge(copy)
    with tarfile.open(copy / "00001.tar", "w") as tar:
        info = tarfile.TarInfo("innocent.jpg")
        info.size = len(b"picture 0")
        tar.addfile(info, io.BytesIO(b"picture 0"))
    assert look_for(traces, copy).hits == 1
