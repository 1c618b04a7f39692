"""Rule 7: a file from outside is data: whatever stands in a sample's JSON or in stats, purge ends with a record, not a crash."""

import json
from pathlib import Path

import pytest
from tests.purge.conftest import CopyMaker, make_rows, recalled_of, write_tar

from linkwell.engine import SerialEngine
from linkwell.purge import apply, plan

ROWS = make_rows([1, 2, 3], 4)
SAMPLES = {
    "nested deeper than a reader goes": b"[" * 200_000,
    "a cell of thirty digits": b'{"url": "http://a.example/x.jpg", "cell": ' + b"9" * 30 + b"}",
    "a negative cell": b'{"url": "http://a.example/x.jpg", "cell": -99999999999999999999}',
    "half a surrogate pair": b'{"url": "http://a.example/\\ud800.jpg"}',
    "numbers of ten thousand digits": b'{"cell": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"url": NaN, "cell": Infinity}',
    "a name that climbs": b'{"url": "../../../etc/passwd", "link_id": "' + b"zz" * 16 + b'"}',
}
STATS = {
    "nested deeper than a reader goes": "[" * 200_000,
    "more failures than memory": json.dumps({"count": 9, "failed_to_download": 10**15, "status_dict": {"x": 10**15}}),
    "negative": json.dumps({"count": -1, "failed_to_download": -5, "status_dict": {"x": -5}}),
}


@pytest.mark.parametrize("content", SAMPLES.values(), ids=SAMPLES)
def test_a_hostile_sample(tmp_path: Path, content: bytes) -> None:
    """Its shard is a problem or is dealt with; the shard beside it is purged."""
    root = tmp_path / "copy"
    CopyMaker(root).shard("00000", ROWS, ours=False)
    write_tar(root / "00001.tar", [("000010000", {"jpg": b"x", "json": content})])
    gone = recalled_of([2], ROWS)
    plan(root, gone)
    receipt = apply(root, gone, engine=SerialEngine())
    assert set(receipt.statement.problems) <= {"00001.tar"}
    assert {f.name: f.rows_removed for f in receipt.statement.files if f.rows_removed}.get("00000.tar", 0) > 0


@pytest.mark.parametrize("content", STATS.values(), ids=STATS)
def test_hostile_stats(tmp_path: Path, content: str) -> None:
    """Nor do stats beside a tar without parquet take the memory or the program."""
    root = tmp_path / "copy"
    CopyMaker(root).shard("00000", ROWS, ours=False)
    CopyMaker(root).shard("00001", ROWS, ours=False, parquet=False)
    (root / "00001_stats.json").write_text(content)
    receipt = apply(root, recalled_of([2], ROWS), engine=SerialEngine())
    assert set(receipt.statement.problems) <= {"00001.tar"}
    assert {f.name: f.rows_removed for f in receipt.statement.files if f.rows_removed}.get("00000.tar", 0) > 0
