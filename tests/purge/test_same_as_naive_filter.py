"""Random copies and recalls: plan and apply remove exactly what a naive filter removes."""

import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkwell.engine import SerialEngine
from linkwell.purge import apply, plan, verify


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True),
    per_cell=st.integers(1, 6),
    shards=st.integers(1, 3),
    gone_cells=st.sets(st.integers(1, 7), max_size=3),
    gone_links=st.sets(st.integers(0, 23), max_size=4),
    ours=st.booleans(),
    parquet=st.booleans(),
    seed=st.integers(0, 5),
    large=st.booleans(),
)
def test_same_as_a_naive_filter(
    maker: Any, rows_of: Any, recalled: Any, cells: list[int], shards: int, **drawn: Any
) -> None:
    """For any layout, distribution over shards and mix of cells and links, with and without compiled code."""
    rows = rows_of(cells, drawn["per_cell"], fail_every=3)
    order = np.random.default_rng(drawn["seed"]).permutation(len(rows))
    links = [rows[i] for i in drawn["gone_links"] if i < len(rows)]
    gone = recalled(drawn["gone_cells"], rows, links=links)
    stays = {r.url for r in rows if r.cell not in drawn["gone_cells"] and r not in links}
    root = Path(tempfile.mkdtemp(dir=maker.root.parent))
    here = type(maker)(root)
    dealt = [[rows[i] for i in order[shard::shards]] for shard in range(shards)]
    for shard, listed in enumerate(dealt):
        here.shard(f"{shard:05d}", listed, ours=drawn["ours"], parquet=drawn["parquet"])
    if drawn["ours"]:
        here.describe()
    expected_hit = {
        f"{n:05d}.tar"
        for n, listed in enumerate(dealt)
        if any(r.url not in stays and r.status == "success" for r in listed)
    }
    with patch("linkwell.purge.inventory._LARGE_BYTES", 0 if drawn["large"] else 1 << 40):
        planned = plan(root, gone)
        assert {f.name for f in planned.files if f.name.endswith(".tar")} == expected_hit
        receipt = apply(root, gone, engine=SerialEngine())
    assert receipt.statement.rows_removed == planned.removed
    for shard, listed in enumerate(dealt):
        with tarfile.open(root / f"{shard:05d}.tar") as archive:
            texts = [archive.extractfile(m).read() for m in archive if m.name.endswith(".txt")]  # type: ignore[union-attr] # files only
        assert texts == [r.text.encode() for r in listed if r.url in stays and r.status == "success"]
        if drawn["parquet"]:
            kept = pq.read_table(root / f"{shard:05d}.parquet")["url"].to_pylist()
            assert kept == [r.url for r in listed if r.url in stays]
    assert verify(root, gone, receipt).clean
    shutil.rmtree(root)
