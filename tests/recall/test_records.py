"""Records for other machines: they say what the batch says, and parse."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.workspace import Workspace
from linkwell.engine import Engine
from linkwell.recall import Batch, create_recall, publish_recall
from linkwell.recall.records import atom_feed, osv_record

ATOM = "{http://www.w3.org/2005/Atom}"


def publish_two(dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine) -> str:
    """A covered recall and an open one, published; returns the URL that was meant."""
    hit, *rest = sorted(cell_of(dataset))
    takedown(dataset, [hit], "illegal")
    create_recall(dataset, engine=engine, who="ana")
    takedown(dataset, [next(u for u in rest if u in cell_of(dataset))], "opt-out")
    create_recall(dataset, engine=engine, who="ana")
    publish_recall(dataset, "ana")
    return hit


def test_records_and_atom_are_in_the_feed(
    dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine, client: Any
) -> None:
    """A record is a signed target; the Atom feed is well-formed, names every batch's hash and links to the record's file."""
    hit = publish_two(dataset, takedown, cell_of, engine)
    feed = client(dataset)
    for sequence, kind in ((1, "covered"), (2, "open")):
        data = feed.read(f"recalls/birds/{sequence:06d}/osv.json")
        record = json.loads(data)
        batch = feed.read(f"recalls/birds/{sequence:06d}/batch.json")
        assert record["id"] == f"LINKWELL-birds-{sequence:06d}"
        assert record["database_specific"]["kind"] == kind
        assert record["database_specific"]["batch_sha256"] == hashlib.sha256(batch).hexdigest()
        assert record["affected"][0]["versions"] == json.loads(batch)["releases"]
        assert {"schema_version", "id", "modified"} <= record.keys()
    path = dataset.feed / "recalls-birds.atom"
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - our own
    assert root.tag == f"{ATOM}feed"
    assert all(root.find(f"{ATOM}{name}") is not None for name in ("id", "title", "updated", "author"))
    entries = root.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}id", "")[-1] for entry in entries] == ["2", "1"]
    for entry in entries:
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert (dataset.feed / link.attrib["href"]).is_file()
    assert hit.encode() not in path.read_bytes()


def test_publishing_again_writes_nothing(
    dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine
) -> None:
    """The Atom feed and the targets stay as they are."""
    publish_two(dataset, takedown, cell_of, engine)
    before = {path: path.stat().st_mtime_ns for path in dataset.feed.rglob("*") if path.is_file()}
    assert publish_recall(dataset, "ana").batches == ()
    assert {path: path.stat().st_mtime_ns for path in dataset.feed.rglob("*") if path.is_file()} == before


@given(
    st.lists(st.tuples(st.sampled_from(["covered", "open"]), st.dates().map(str), st.integers(0, 10**9)), max_size=5)
)
def test_any_batch_gives_well_formed_records(items: list[tuple[Any, str, int]]) -> None:
    """Whatever the batches are, Atom and JSON parse, and entries have distinct ids and growing times on one day."""
    batches = [
        Batch("linkwell-recall-1", "a-b.c", n, kind, day, "p", ["v1-r1"], 8, rows, "", {})
        for n, (kind, day, rows) in enumerate(items, 1)
    ]
    root = ET.fromstring(atom_feed("a-b.c", [(batch, "ab" * 32) for batch in batches]))  # noqa: S314 - our own
    ids = [entry.findtext(f"{ATOM}id") for entry in root.findall(f"{ATOM}entry")]
    assert len(ids) == len(set(ids)) == len(batches)
    for batch in batches:
        assert json.loads(osv_record(batch, "ab" * 32))["database_specific"]["sequence"] == batch.sequence


def test_two_truths_that_hit_the_same_cells_give_the_same_records() -> None:
    """Nothing in a record depends on more than the batch."""
    batch = Batch("linkwell-recall-1", "birds", 1, "covered", "2026-03-02", "p", ["v1-r1"], 8, 8_000, "", {})
    assert osv_record(batch, "00") == osv_record(batch, "00")
    assert atom_feed("birds", [(batch, "00")]) == atom_feed("birds", [(batch, "00")])
