"""What an earlier purge saw in shards that have not changed since."""

import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.engine import SerialEngine
from linkwell.purge import PurgeOptions, apply, verify
from linkwell.purge.seen import SEEN_FILE, read_seen
from linkwell.purge.tarindex import read_index

QUICK = PurgeOptions(hash_all=False)


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The archives that are walked through, without the wait for files to settle."""
    walked: list[str] = []

    def noting(path: Path, **how: Any) -> Any:
        walked.append(path.name)
        return read_index(path, **how)

    monkeypatch.setattr("linkwell.purge.seen._SETTLED_NS", -1_000_000_000)
    monkeypatch.setattr("linkwell.purge.webdataset.read_index", noting)
    return walked


@pytest.fixture
def copy(maker: Any, rows_of: Any) -> tuple[Path, list[Any]]:
    """Two shards of ours, three cells each."""
    rows = rows_of(range(1, 7), 5)
    maker.shard("00000", rows[:15], ours=True)
    maker.shard("00001", rows[15:], ours=True)
    maker.describe()
    return maker.root, rows


def keys_in(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {name.split(".")[0] for name in archive.getnames()}


def purge(root: Path, recalled: Any, options: PurgeOptions = QUICK) -> Any:
    return apply(root, recalled, engine=SerialEngine(), options=options)


def test_an_unchanged_shard_is_not_walked_again(copy: tuple[Path, list[Any]], recalled: Any, walks: list[str]) -> None:
    """Where nothing in it is recalled; one with hits is, and what is left then is what a full look finds."""
    root, rows = copy
    purge(root, recalled([9], rows))
    assert walks == ["00000.tar", "00001.tar"]
    walks.clear()
    purge(root, recalled([9, 10], rows))
    assert walks == []
    purge(root, recalled([9, 2], rows))
    assert walks == ["00000.tar"]
    walks.clear()
    purge(root, recalled([9, 2], rows))
    assert walks == ["00000.tar"]  # it was written anew
    receipt = purge(root, recalled([9, 2], rows))
    assert verify(root, recalled([9, 2], rows), receipt).clean
    assert receipt.statement.rows_removed == 0


@pytest.mark.parametrize("options", [PurgeOptions(), PurgeOptions(hash_all=False, thorough=True)])
def test_who_asks_for_a_full_look_gets_one(
    copy: tuple[Path, list[Any]], recalled: Any, walks: list[str], options: PurgeOptions
) -> None:
    """Hashing all and looking thoroughly rely on nothing seen before."""
    root, rows = copy
    purge(root, recalled([9], rows))
    walks.clear()
    purge(root, recalled([10], rows), options)
    assert walks == ["00000.tar", "00001.tar"]


def add(path: Path, key: str) -> None:
    with tarfile.open(path, "a", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(f"{key}.jpg")
        info.size = 3
        archive.addfile(info, BytesIO(b"abc"))


def test_a_sample_put_into_a_shard_later_is_found(
    copy: tuple[Path, list[Any]], recalled: Any, walks: list[str]
) -> None:
    """By hand, without a row in the table: the archive is no longer what was seen."""
    root, rows = copy
    purge(root, recalled([9], rows))
    add(root / "00001.tar", "0000000700000")
    purge(root, recalled([9, 7], rows))
    assert "0000000700000" not in keys_in(root / "00001.tar")


def test_a_shard_exchanged_for_another_of_the_same_size_and_time_is_looked_through(
    copy: tuple[Path, list[Any]], recalled: Any, walks: list[str]
) -> None:
    """As rsync and cp -p leave it: inode and time of change tell."""
    root, rows = copy
    path = root / "00001.tar"
    purge(root, recalled([9], rows))
    before = path.stat()
    data = path.read_bytes()
    with tarfile.open(path) as archive:
        name = archive.getnames()[0]
    path.unlink()
    path.write_bytes(data)
    shutil.copystat(root / "00001.parquet", path)
    assert path.stat().st_size == before.st_size
    walks.clear()
    purge(root, recalled([10], rows))
    assert walks == ["00001.tar"], name


def test_a_table_that_lost_rows_no_longer_speaks_for_the_archive(
    copy: tuple[Path, list[Any]], recalled: Any, walks: list[str]
) -> None:
    """Somebody filtered the parquet alone: samples without a row are asked themselves."""
    root, rows = copy
    purge(root, recalled([9], rows))
    table = pq.read_table(root / "00001.parquet")
    pq.write_table(table.slice(5), root / "00001.parquet")
    gone = table["key"][0].as_py()
    assert gone in keys_in(root / "00001.tar")
    purge(root, recalled([9, 4], rows))
    assert gone not in keys_in(root / "00001.tar")


def test_a_key_that_names_a_recalled_cell_is_heeded_although_its_row_names_another(
    copy: tuple[Path, list[Any]], recalled: Any, walks: list[str]
) -> None:
    """As in a look through the archive."""
    root, rows = copy
    table = pq.read_table(root / "00001.parquet")
    column = table.schema.get_field_index("cell")
    cells = pa.array([8 if cell == 4 else cell for cell in table["cell"].to_pylist()], table.schema.field(column).type)
    changed = table.set_column(column, table.schema.field(column), cells)
    pq.write_table(changed, root / "00001.parquet")
    purge(root, recalled([9], rows))
    purge(root, recalled([9, 4], []))
    assert not any(key.startswith("00000004") for key in keys_in(root / "00001.tar"))


def test_only_what_the_table_tells_of_is_noted(maker: Any, rows_of: Any, recalled: Any, walks: list[str]) -> None:
    """An archive without a table, or with a sample that has no row, is looked through each time; so is one that has just changed."""
    rows = rows_of(range(1, 4), 5)
    maker.shard("00000", rows, ours=True, parquet=False)
    maker.shard("00001", rows, ours=True)
    maker.shard("00002", rows, ours=True)
    maker.describe()
    add(maker.root / "00001.tar", "0000000700000")
    purge(maker.root, recalled([9], rows))
    state = maker.root / ".linkwell"
    assert list(read_seen(state)) == ["00002.tar"]
    (state / SEEN_FILE).write_bytes(b'{"format":')
    assert read_seen(state) == {}
    walks.clear()
    purge(maker.root, recalled([9], rows))
    assert walks == ["00000.tar", "00001.tar", "00002.tar"]


def test_a_file_that_has_just_changed_is_not_taken_for_settled(copy: tuple[Path, list[Any]], recalled: Any) -> None:
    """Another change in the same moment might not show in its times."""
    root, rows = copy
    (root / "00000.tar").touch()
    (root / "00001.tar").touch()
    purge(root, recalled([9], rows))
    assert not (root / ".linkwell" / SEEN_FILE).exists()
