"""Cells out of core: the stream gives what arrays give, ranges hold what they should, joins find what is there."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.release.conftest import SetBuild, some_urls
from tests.release.test_create import rows_of

from linkwell.base.ids import link_id
from linkwell.base.words import blind, distinct, words_of
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine
from linkwell.feed import init_feed, make_keys
from linkwell.ledger import exact_digests, ledger_table, write_ledger_part
from linkwell.release import create_release, open_release, tables
from linkwell.release.cells import cut, gather, tie
from linkwell.release.order import BOUND_SCHEMA, range_of
from linkwell.release.stream import Ties, cut_stream, gathered

pairs = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=60)


@given(
    order=st.permutations(list(range(60))),
    found=pairs,
    min_rows=st.integers(1, 25),
    breaks=st.lists(st.integers(0, 60), max_size=5),
)
def test_the_stream_cuts_as_the_arrays_do(
    order: list[int], found: list[tuple[int, int]], min_rows: int, breaks: list[int]
) -> None:
    """Wherever the stream is broken into pieces, the same rows share a cell, in the same order of cells."""
    array = np.array(found, np.int64).reshape(-1, 2)
    rows, leaders = tie(array[:, 0], array[:, 1])
    ordered = np.array(order, np.int64)
    expected_rows, groups = gather(ordered, rows, leaders)
    expected = dict(zip(expected_rows.tolist(), cut(groups, min_rows).tolist(), strict=True))
    bounds = [0, *sorted(breaks), 60]
    pieces = [(ordered[a:b], ordered[a:b].astype(np.uint64)) for a, b in pairwise(bounds)]
    streamed: dict[int, int] = {}
    for some, cells, keys in cut_stream(gathered(pieces, Ties.of(rows, leaders)), min_rows):
        assert len(some) == len(cells) == len(keys)
        assert not set(cells.tolist()) & set(streamed.values())
        streamed |= dict(zip(some.tolist(), cells.tolist(), strict=True))
    assert streamed == expected


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.text("ab", max_size=2)), max_size=40),
    bounds=st.lists(st.tuples(st.integers(0, 4), st.text("ab", max_size=2)), max_size=6),
)
def test_ranges_are_those_of_the_bounds(rows: list[tuple[int, str]], bounds: list[tuple[int, str]]) -> None:
    """A row's range is the number of bounds that are not above it, however many bounds share a key."""
    bounds.sort()
    table = pa.table(
        [pa.array([k for k, _ in bounds], pa.uint64()), pa.array([p for _, p in bounds], pa.string())],
        schema=BOUND_SCHEMA,
    )
    places = pa.chunked_array([pa.array([p for _, p in rows], pa.string())])
    found = range_of(np.array([k for k, _ in rows], np.uint64), places, table)
    assert found.tolist() == [sum(bound <= row for bound in bounds) for row in rows]


def test_many_buckets_give_what_one_gives(
    workspace: Workspace, engine: Engine, set_build: SetBuild, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cells are the same whether the rows fit into one range or are divided into many, also in a release that inherits cells."""
    found = []
    other = Workspace.create(tmp_path / "other", "birds", (workspace.root / "linkwell.toml").read_text())
    make_keys(other)
    init_feed(other)
    for space, bucket_rows in ((workspace, 1_000_000), (other, 40)):
        monkeypatch.setattr(tables, "BUCKET_ROWS", bucket_rows)
        for version, urls in (("v1", some_urls(200)), ("v2", some_urls(300, start=90))):
            set_build([*urls, *(url + "#top" for url in urls[::9])])
            create_release(space, version, engine=engine, without_audit="a test", who="ada")
            found.append(rows_of(open_release(space, version)))
    assert found[:2] == found[2:]


def test_links_of_one_content_share_a_cell(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """What the ledger knows to be one picture is not split; a new link to an old picture is left out."""
    urls = some_urls(120)
    same = [urls[3], urls[50], urls[111]]
    later = "http://other.example/copy.jpg"
    rows = [(link_id(u), datetime(2026, 1, 1, tzinfo=UTC), exact_digests(b"one picture")) for u in [*same, later]]
    write_ledger_part(workspace.ledger / "run-00000.parquet", ledger_table(rows), workspace.master_key())
    set_build(urls)
    create_release(workspace, "v1", engine=engine, without_audit="a test", who="ada")
    cells = rows_of(open_release(workspace, "v1"))
    assert len({cells[u] for u in same}) == 1
    set_build([*urls, later, *some_urls(40, start=500)])
    create_release(workspace, "v2", engine=engine, without_audit="a test", who="ada")
    release = open_release(workspace, "v2")
    assert later not in rows_of(release)
    assert release.manifest.reconciliation.removed == {"duplicates": 1}


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20, unique=True))
def test_blinded_ids_stay_apart_and_cannot_be_compared(ids: list[bytes]) -> None:
    """Equal ids stay equal, others stay different, and none is what it was under this key or another."""
    words = words_of(pa.chunked_array([pa.array(ids, pa.binary(16))]))
    first, second = blind(words, b"1" * 32), blind(words, b"2" * 32)
    assert len(distinct(first)) == len(ids)
    assert (blind(words, b"1" * 32) == first).all()
    assert not (first == words).all(axis=1).any()
    assert not (first == second).all(axis=1).any()
