"""The guard drops recalled samples while they are loaded, whatever loads them, and raises on a stale feed."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from tests.purge.copies import uid
from tests.purge.test_commands import publish

import linkwell
from linkwell.base.errors import FormatError, StaleFeedError
from linkwell.base.workspace import Workspace
from linkwell.feed import init_feed, make_keys
from linkwell.purge import Guard, guard_of

Rows = Callable[..., list[Any]]
LATER = time.time() + 86_400


@pytest.fixture
def some(rows_of: Rows, recalled: Any) -> tuple[list[Any], Any, list[int]]:
    """Rows, what is recalled, and the numbers of those that stay."""
    rows = rows_of(range(1, 5), 8, fail_every=10**9)
    gone = recalled([2], rows, links=[rows[0]])
    return rows, gone, [r.number for r in rows if r.cell != 2 and r is not rows[0]]


def samples_of(rows: list[Any]) -> list[dict[str, Any]]:
    """Samples as WebDataset gives them before decoding."""
    return [
        {"__key__": r.cell_key, "json": json.dumps({"url": r.url, "number": r.number}).encode(), "jpg": r.pixels}
        for r in rows
    ]


@pytest.mark.parametrize("form", ["json bytes", "decoded json", "url", "link id", "hex link id"])
def test_a_stream_loses_what_is_recalled(some: Any, form: str) -> None:
    """Whatever form the identity of a sample has."""
    rows, gone, stay = some
    make: dict[str, Callable[[Any], dict[str, Any]]] = {
        "json bytes": lambda r: {"json": json.dumps({"url": r.url}).encode()},
        "decoded json": lambda r: {"json": {"url": r.url}},
        "url": lambda r: {"url": r.url},
        "link id": lambda r: {"link_id": r.link_id},
        "hex link id": lambda r: {"link_id": r.link_id.hex()},
    }
    stream = ({**make[form](r), "number": r.number} for r in rows)
    guard = guard_of(gone, LATER)
    assert [s["number"] for s in guard(stream)] == stay
    assert (guard.counts.seen, guard.counts.dropped) == (len(rows), len(rows) - len(stay))


def test_a_webdataset_pipeline_takes_it_as_a_stage(some: Any, maker: Any) -> None:
    """On a real tar, as a stage before decoding."""
    rows, gone, stay = some
    maker.shard("00000", rows, ours=True)
    guard = guard_of(gone, LATER, ours=True)
    pipeline = webdataset.WebDataset([str(maker.root / "00000.tar")], shardshuffle=False, empty_check=False)
    kept = [s["__key__"] for s in pipeline.compose(guard)]
    assert kept == [r.cell_key for r in rows if r.number in stay]


def test_a_cell_in_the_key_is_enough_where_nothing_is_recalled_one_by_one(some: Any) -> None:
    """Then no JSON is read; with links recalled one by one a key alone does not clear a sample."""
    rows, gone, _stay = some
    covered = replace(gone, loose_ids=np.empty(0, dtype="S16"))
    quick = guard_of(covered, LATER, ours=True)
    assert [r.number for r in rows if quick.keeps({"__key__": r.cell_key})] == [r.number for r in rows if r.cell != 2]
    with pytest.raises(FormatError):
        guard_of(gone, LATER, ours=True).keeps({"__key__": rows[1].cell_key})


def test_a_dataset_by_number_is_wrapped(some: Any) -> None:
    """As PyTorch's map-style datasets are: length, order, content."""
    rows, gone, stay = some
    wrapped = guard_of(gone, LATER).dataset([{"url": r.url, "number": r.number} for r in rows])
    assert len(wrapped) == len(stay)
    assert [wrapped[i]["number"] for i in range(len(wrapped))] == stay


def test_columns_are_filtered_in_batches(some: Any) -> None:
    """As `datasets.Dataset.filter(guard.select, batched=True)` calls it; a uid counts where an alias table told it."""
    rows, gone, stay = some
    guard = guard_of(gone, LATER)
    assert guard.select({"url": [r.url for r in rows]}) == [r.number in stay for r in rows]
    by_uid = guard_of(gone, LATER, uids=[bytes.fromhex(uid(r)) for r in rows if r.number not in stay])
    assert by_uid.select({"uid": [uid(r) for r in rows]}) == [r.number in stay for r in rows]


def test_a_sample_that_nothing_identifies(some: Any) -> None:
    """Raises by default: a guard that lets everything through would look like a clean copy."""
    _rows, gone, _stay = some
    with pytest.raises(FormatError, match="which link"):
        guard_of(gone, LATER).keeps({"jpg": b"x"})
    assert guard_of(gone, LATER, unidentified="keep").keeps({"jpg": b"x"})
    assert not guard_of(gone, LATER, unidentified="drop").keeps({"jpg": b"x"})


def test_an_expired_feed_raises(some: Any) -> None:
    """Also in the middle of a long run, at the latest after a thousand samples."""
    rows, gone, _stay = some
    guard = guard_of(gone, time.time() - 1)
    with pytest.raises(StaleFeedError):
        list(guard(samples_of(rows)))
    running = replace(guard_of(gone, LATER), expires=time.time() - 1)
    running.counts.seen = 5
    with pytest.raises(StaleFeedError):
        list(running(samples_of(rows) * 64))


def test_from_a_signed_feed(tmp_path: Path, some: Any) -> None:
    """`linkwell.guard` reads a feed through its signatures; it expires with the feed."""
    rows, _gone, _stay = some
    workspace = Workspace.create(tmp_path / "w", "birds")
    make_keys(workspace)
    init_feed(workspace)
    publish(workspace, [r for r in rows if r.cell == 2])
    root = min((workspace.feed / "metadata").glob("*root.json"))
    guard = linkwell.guard(str(workspace.feed), state=tmp_path / "state", root=root)
    assert isinstance(guard, Guard)
    assert [r.number for r in rows if guard.keeps({"url": r.url})] == [r.number for r in rows if r.cell != 2]
    assert time.time() + 86_400 < guard.expires < time.time() + 8 * 86_400
