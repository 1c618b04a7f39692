"""Copies in every layout that populate writes, by its own writer."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.purge.conftest import CopyMaker
from tests.purge.copies import KINDS
from tests.purge.test_kinds import scan

from linkwell.base.errors import UsageError
from linkwell.engine import Engine
from linkwell.populate.writer import COPY_SCHEMA, OUTPUTS, ShardWriter
from linkwell.purge import apply, plan, verify


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_populate_writes_is_purged(
    tmp_path: Path, rows_of: Callable[..., list[Any]], recalled: Any, engine: Engine, output: str
) -> None:
    """Tar, loose files or parquet with pictures: by cell and by link, with stats that add up."""
    rows = rows_of([1, 2, 3], 10)
    root = tmp_path / "copy"
    root.mkdir()
    images = root / ("00000.tar" if output == "webdataset" else "00000")
    with ShardWriter(output, images, root / "00000.parquet", "jpg") as writer:
        for row in rows:
            done = row.status == "success"
            listed = dict.fromkeys(COPY_SCHEMA.names) | {
                "caption": row.text,
                "url": row.url,
                "key": row.cell_key,
                "status": row.status,
                "error_message": None if done else "HTTP Error 404: Not Found",
                "sha256": row.sha256 if done else None,
                "link_id": row.link_id,
                "cell": row.cell,
            }
            writer.add(listed, row.pixels if done else None, "jpg")
    (root / "00000_stats.json").write_bytes(writer.stats(1.0, 2.0))
    CopyMaker(root).describe()
    gone = recalled([2], rows, links=[rows[0]])
    kept = [r for r in rows if r.cell != 2 and r is not rows[0]]
    planned = plan(root, gone)
    receipt = apply(root, gone, engine=engine)
    assert receipt.statement.complete, receipt.statement.problems
    assert (receipt.statement.unidentified, receipt.statement.unreached) == (0, {})
    assert receipt.statement.rows_removed == planned.removed
    assert pq.read_table(root / "00000.parquet")["url"].to_pylist() == [r.url for r in kept]
    stats = json.loads((root / "00000_stats.json").read_text())
    assert (stats["count"], stats["successes"]) == (len(kept), sum(r.status == "success" for r in kept))
    assert scan(root, [r for r in rows if r not in kept])[0] == 0
    assert verify(root, gone, receipt).clean
    assert verify(root, gone, receipt).untouched


def test_a_release_that_was_got_is_known_by_its_manifest(
    tmp_path: Path, rows_of: Callable[..., list[Any]], recalled: Any, engine: Engine
) -> None:
    """Its cells are those of the recalls, and recalls of another dataset are refused; elsewhere ids of whole cells are looked for."""
    rows = rows_of([1, 2, 3], 10)
    made = KINDS["release"](tmp_path / "copy", rows)
    gone = replace(recalled([2], rows), loose_ids=np.empty(0, dtype="S16"))
    moved = pq.read_table(made.root / "part-0.parquet")
    cells = pa.array([9] * moved.num_rows, pa.uint32())
    pq.write_table(moved.set_column(moved.column_names.index("cell"), "cell", cells), made.root / "part-0.parquet")
    assert plan(made.root, gone).removed == 10  # by link id in the one part, by cell in the other
    told = {"format": "linkwell-release-1", "dataset": "birds", "version": "v1", "revision": 2, "rows": 30}
    (made.root / "manifest.json").write_text(json.dumps(told))
    assert plan(made.root, gone).removed == 5
    (made.root / "manifest.json").write_text(json.dumps(told | {"dataset": "fishes"}))
    with pytest.raises(UsageError, match="fishes"):
        apply(made.root, gone, engine=engine)
