"""After a purge nothing recalled is left in any byte, as a scanner finds that knows nothing of Linkwell."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.engine import Engine
from linkwell.purge import apply, verify

SCANNER = Path(__file__).parents[1] / "e2e" / "independent_scanner.py"
Rows = Callable[..., list[Any]]


def scan(folder: Path, rows: Iterable[Any], values: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and finds of the independent scanner."""
    rows = list(rows)
    values.write_text(
        json.dumps(
            {
                "urls": [r.url for r in rows],
                "texts": [r.text for r in rows],
                "keys": [r.cell_key for r in rows],
                "digests": [d for r in rows for d in (r.sha256, r.link_id.hex())],
            }
        )
    )
    done = subprocess.run(
        [sys.executable, str(SCANNER), str(folder), str(values)], capture_output=True, text=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def purge_and_scan(root: Path, gone: Any, rows: list[Any], engine: Engine) -> list[Any]:
    """Purge a copy, check that the scanner found things before and finds nothing after; returns what went."""
    ids = set(gone.link_ids.tolist())
    removed = [r for r in rows if r.link_id.rstrip(b"\0") in ids]
    assert removed
    values = root.parent / "values.json"
    code, found = scan(root, removed, values)
    assert (code, len(found) > len(removed)) == (1, True)
    receipt = apply(root, gone, engine=engine)
    code, found = scan(root, removed, values)
    assert code == 0, found[:5]
    assert verify(root, gone, receipt).clean
    return removed


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "img2dataset"])
def test_nothing_is_left_in_a_webdataset_copy(
    maker: Any, rows_of: Rows, recalled: Any, engine: Engine, *, ours: bool
) -> None:
    """Tar, parquet, stats, state, receipts and temporary files hold no recalled URL, text, key or digest."""
    rows = rows_of(range(1, 6), 25)
    for shard in range(2):
        maker.shard(f"{shard:05d}", [r for r in rows if r.cell % 2 == shard], ours=ours)
    if ours:
        maker.describe()
    (maker.root / ".00000.tar.4242.tmp").write_bytes(rows[26].url.encode())  # what a killed run left
    purge_and_scan(maker.root, recalled([2], rows, links=[rows[3], rows[99]]), rows, engine)


def table_of(rows: list[Any], url: str = "URL") -> pa.Table:
    """A list as LAION and others publish it."""
    return pa.table(
        {
            url: pa.array([r.url for r in rows]),
            "TEXT": pa.array([r.text for r in rows]),
            "punsafe": pa.array([0.1] * len(rows), pa.float32()),
        }
    )


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "lz4", "brotli", "none"])
def test_nothing_is_left_in_a_foreign_parquet_copy(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine, codec: Any
) -> None:
    """Lists with a URL column only, in any compression, in folders, lose exactly the recalled rows."""
    rows = rows_of(range(1, 9), 50)
    root = tmp_path / "copy"
    (root / "sub").mkdir(parents=True)
    for index, name in enumerate(["a.parquet", "sub/b.parquet"]):
        pq.write_table(table_of(rows[index::2]), root / name, compression=codec, row_group_size=37)
    gone = recalled([2, 7], rows, links=[rows[0]])
    purge_and_scan(root, gone, rows, engine)
    for index, name in enumerate(["a.parquet", "sub/b.parquet"]):
        kept = [r for r in rows[index::2] if r.cell not in {2, 7} and r is not rows[0]]
        table = pq.read_table(root / name)
        assert table.equals(table_of(kept))
        expected = "LZ4" if codec == "lz4" else "UNCOMPRESSED" if codec == "none" else codec.upper()
        assert pq.ParquetFile(root / name).metadata.row_group(0).column(0).compression == expected


@pytest.mark.parametrize("index_type", [pa.int8(), pa.int32()])
def test_dictionary_columns_lose_their_values_and_keep_their_type(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine, index_type: Any
) -> None:
    """A dictionary-typed URL column does not keep the removed URL in its dictionary page; the schema stays the same."""
    rows = rows_of(range(1, 5), 25)
    root = tmp_path / "copy"
    root.mkdir()
    kind = pa.dictionary(index_type, pa.string())
    plain = table_of(rows, "url")
    table = pa.table(
        {
            "url": plain["url"].cast(kind),
            "text": plain["TEXT"].cast(kind),
            "tags": pa.array([[r.text, "shared"] for r in rows], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        },
        metadata={b"note": b"kept"},
    )
    pq.write_table(table, root / "list.parquet")
    before = pq.ParquetFile(root / "list.parquet").schema_arrow
    purge_and_scan(root, recalled([2], rows), rows, engine)
    after = pq.read_table(root / "list.parquet")
    assert after.schema.equals(before, check_metadata=True)
    assert after["url"].to_pylist() == [r.url for r in rows if r.cell != 2]
    assert after["tags"].to_pylist() == [[r.text, "shared"] for r in rows if r.cell != 2]


def test_release_parts_are_purged_by_cell_and_by_link(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine
) -> None:
    """A downloaded release, which has cell and link_id, loses whole cells and single links."""
    rows = rows_of(range(1, 7), 30)
    root = tmp_path / "copy"
    root.mkdir()
    table = table_of(rows, "url").append_column("link_id", pa.array([r.link_id for r in rows], pa.binary(16)))
    table = table.append_column("cell", pa.array([r.cell for r in rows], pa.uint32()))
    pq.write_table(table, root / "part.parquet", row_group_size=50)
    purge_and_scan(root, recalled([3, 4], rows, links=[rows[0]]), rows, engine)
    kept = pq.read_table(root / "part.parquet")
    assert kept["link_id"].to_pylist() == [r.link_id for r in rows if r.cell not in {3, 4}][1:]
    assert kept.schema.field("link_id").type == pa.binary(16)


def test_a_cell_column_of_somebody_else_is_not_taken_for_ours(
    tmp_path: Path, rows_of: Rows, recalled: Any, engine: Engine
) -> None:
    """In a foreign parquet an integer column named `cell` means something else and removes nothing."""
    rows = rows_of([1], 10)
    root = tmp_path / "copy"
    root.mkdir()
    table = table_of(rows).append_column("cell", pa.array([2] * 10, pa.uint32()))
    pq.write_table(table, root / "list.parquet")
    receipt = apply(root, recalled([2], rows, links=[rows[4]]), engine=engine)
    assert receipt.statement.rows_removed == 1
