"""From upheld cases to batches, reissued releases and the feed."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from linkwell.base.errors import MissingError, SignatureError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.recall import create_recall, list_recalls, load_recalled, publish_recall, recalled_cells, show_recall
from linkwell.release import Partition, cells_of, open_release, verify_release

Cells = Callable[..., dict[str, int]]


def test_a_covered_recall_takes_whole_cells(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, client: Any
) -> None:
    """The hit cell and padding go as wholes from the release; the client sees the cells and every link of them."""
    before = cell_of(dataset)
    hit = next(iter(before))
    takedown(dataset, [hit], "illegal")
    info = create_recall(dataset, engine=engine, who="ana")
    (batch,) = info.batches
    assert (batch.kind, batch.cell_count, batch.sequence) == ("covered", 4, 1)
    assert info.reissued == ("v1-r2",)
    gone = recalled_cells(dataset)
    assert before[hit] in gone
    assert set(cell_of(dataset).items()) == {(u, c) for u, c in before.items() if c not in gone}
    assert verify_release(dataset, "v1").rows == len(before) - batch.row_count
    publish_recall(dataset, "ana")
    seen = load_recalled(client(dataset), "birds")
    assert seen.sequence == 1
    assert seen.cells == gone
    assert not seen.reasons
    assert seen.link_ids.tolist() == sorted(link_id(u).rstrip(b"\0") for u, c in before.items() if c in gone)


def test_an_open_recall_names_links_and_reasons(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, client: Any
) -> None:
    """Opt-outs, licence and dead links leave one by one, with the reason and without a name."""
    urls = sorted(cell_of(dataset))[:3]
    for url, kind in zip(urls, ("opt-out", "licence", "dead"), strict=True):
        takedown(dataset, [url], kind)
    (batch,) = create_recall(dataset, engine=engine, who="ana").batches
    assert (batch.kind, batch.cell_count, batch.row_count) == ("open", 0, 3)
    publish_recall(dataset, "ana")
    seen = load_recalled(client(dataset))
    assert seen.reasons == {link_id(u): k for u, k in zip(urls, ("opt-out", "licence", "dead"), strict=True)}
    assert not set(urls) & set(cell_of(dataset))
    assert not seen.cells


def test_both_kinds_go_in_one_run(dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine) -> None:
    """A covered batch and an open one are made; an opt-out inside a recalled cell is not named again."""
    before = cell_of(dataset)
    hit, *rest = sorted(before)
    neighbour = next(u for u in rest if before[u] == before[hit])
    elsewhere = next(u for u in rest if before[u] != before[hit])
    takedown(dataset, [hit], "illegal")
    takedown(dataset, [neighbour], "opt-out")
    takedown(dataset, [elsewhere], "privacy", covered=False)
    covered, *opened = create_recall(dataset, engine=engine, who="ana").batches
    assert covered.kind == "covered"
    if before[elsewhere] not in recalled_cells(dataset):  # else the padding took it
        assert [b.row_count for b in opened] == [1]
    assert not {hit, neighbour, elsewhere} & set(cell_of(dataset))


def test_nothing_is_recalled_twice(dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine) -> None:
    """Entries in a cell that is gone publish nothing again; the same command again does nothing."""
    before = cell_of(dataset)
    hit, *rest = sorted(before)
    neighbour = next(u for u in rest if before[u] == before[hit])
    takedown(dataset, [hit], "illegal")
    create_recall(dataset, engine=engine, who="ana")
    again = create_recall(dataset, engine=engine, who="ana")
    assert (again.batches, again.reissued, again.without_release) == ((), (), 0)
    takedown(dataset, [neighbour], "illegal")
    later = create_recall(dataset, engine=engine, who="ana")
    assert (later.batches, later.reissued) == ((), ())
    assert len(list_recalls(dataset)) == 1


def test_batches_are_chained(dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, client: Any) -> None:
    """Every batch names the hash of the one before, and a client follows the chain."""
    for _ in range(3):
        takedown(dataset, [min(cell_of(dataset))], "illegal")
        create_recall(dataset, engine=engine, who="ana")
    publish_recall(dataset, "ana")
    seen = load_recalled(client(dataset))
    assert [b.previous for b in list_recalls(dataset)] == ["", *seen.heads[:2]]
    assert seen.cells == recalled_cells(dataset)


def test_publishing_is_idempotent_and_logged_once(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine
) -> None:
    """A second publish adds nothing to feed or log."""
    takedown(dataset, [min(cell_of(dataset))], "illegal")
    create_recall(dataset, engine=engine, who="ana")
    assert len(publish_recall(dataset, "ana").batches) == 1
    entries = CaseBook.open(dataset).verify_log().entries
    metadata = {p.name for p in (dataset.feed / "metadata").iterdir()}
    assert publish_recall(dataset, "ana").batches == ()
    assert CaseBook.open(dataset).verify_log().entries == entries
    assert {p.name for p in (dataset.feed / "metadata").iterdir()} == metadata


def test_a_case_that_nobody_approved_recalls_nothing(dataset: Workspace, cell_of: Cells, engine: Engine) -> None:
    """A report alone, or a proposal alone, brings no batch."""
    book = CaseBook.open(dataset)
    number = book.report([min(cell_of(dataset))], kind="illegal", who=None)
    book.propose(number, "takedown", "ana")
    assert create_recall(dataset, engine=engine, who="ana").batches == ()


def test_an_upheld_link_outside_every_release_is_counted(dataset: Workspace, takedown: Any, engine: Engine) -> None:
    """What no release holds needs no recall; it is said that there was something."""
    takedown(dataset, ["http://elsewhere.example/a.jpg"], "illegal")
    info = create_recall(dataset, engine=engine, who="ana")
    assert (info.batches, info.without_release) == ((), 1)


def test_without_a_release_there_is_nothing_to_recall(workspace: Workspace, engine: Engine) -> None:
    """The error says what to do first."""
    with pytest.raises(MissingError, match="no release"):
        create_recall(workspace, engine=engine, who="ana")


def test_an_edited_batch_is_noticed(dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine) -> None:
    """One changed byte of a stored batch stops list and show."""
    takedown(dataset, [min(cell_of(dataset))], "illegal")
    create_recall(dataset, engine=engine, who="ana")
    path = dataset.recalls / "000001" / "links.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SignatureError):
        show_recall(dataset, 1)
    with pytest.raises(MissingError):
        show_recall(dataset, 2)


@pytest.mark.parametrize("stop_at", ["linkwell.recall.create.reissue", "linkwell.recall.create._log"])
def test_a_stopped_run_is_finished_by_the_same_command(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, monkeypatch: pytest.MonkeyPatch, *, stop_at: str
) -> None:
    """Stopped after the batch was written and before the releases are reissued, the next run reissues them."""
    hit = min(cell_of(dataset))
    takedown(dataset, [hit], "illegal")

    def stop(*_a: object, **_k: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stop_at, stop)
        with pytest.raises(KeyboardInterrupt):
            create_recall(dataset, engine=engine, who="ana")
    with pytest.raises(MissingError, match="still hold"):
        publish_recall(dataset, "ana")
    assert cells_of(open_release(dataset, "v1"), [link_id(hit)])
    info = create_recall(dataset, engine=engine, who="ana")
    assert (info.batches, info.reissued) == ((), ("v1-r2",))
    assert not cells_of(open_release(dataset, "v1"), [link_id(hit)])
    assert len(list_recalls(dataset)) == 1


def test_a_run_that_dies_before_its_batch_names_the_same_cells_again(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cover is kept before the batch is written: the padding is not drawn twice, whatever was upheld in between."""
    urls = sorted(cell_of(dataset))
    takedown(dataset, urls[:1], "illegal")
    with monkeypatch.context() as patch:
        patch.setattr("linkwell.recall.create._commit", lambda *_a, **_k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            create_recall(dataset, engine=engine, who="ana")
    (cover,) = Partition(dataset).covers
    assert list_recalls(dataset) == []
    takedown(dataset, urls[200:201], "illegal")
    create_recall(dataset, engine=engine, who="ana")
    assert set(cover.cells) <= recalled_cells(dataset)
    assert len(list_recalls(dataset)) == 1


def test_the_day_is_the_only_time_a_batch_tells(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine
) -> None:
    """`issued` is a day."""
    takedown(dataset, [min(cell_of(dataset))], "illegal")
    (batch,) = create_recall(dataset, engine=engine, who="ana", today=date(2026, 3, 4)).batches
    assert batch.issued == "2026-03-04"


def test_every_retained_release_is_reissued_and_no_later_one_brings_it_back(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine, *, release: Any, client: Any
) -> None:
    """Two versions lose the same cells; the recall names the links of both; the next version is made without them."""
    release(dataset, "v2", 360)
    first, second = cell_of(dataset, "v1"), cell_of(dataset, "v2")
    hit = min(first)
    takedown(dataset, [hit], "illegal")
    takedown(dataset, [max(first)], "opt-out")
    assert create_recall(dataset, engine=engine, who="ana").reissued == ("v1-r2", "v2-r2")
    publish_recall(dataset, "ana")
    gone = recalled_cells(dataset)
    seen = load_recalled(client(dataset))
    named = {i.ljust(16, b"\0") for i in seen.link_ids.tolist()}
    assert {link_id(u) for u, c in (first | second).items() if c in gone} <= named
    release(dataset, "v3", 400)
    for version in ("v1", "v2", "v3"):
        now = cell_of(dataset, version)
        assert not gone & set(now.values())
        assert not named & {link_id(u) for u in now}


def test_a_cell_thinned_out_by_opt_outs_goes_with_its_neighbours(
    dataset: Workspace, takedown: Any, cell_of: Cells, engine: Engine
) -> None:
    """A covered recall of a cell that has fewer than k rows left takes look-alike cells along, and is not refused."""
    before = cell_of(dataset)
    cell = next(iter(before.values()))
    members = sorted(u for u, c in before.items() if c == cell)
    takedown(dataset, members[1:4], "opt-out")
    create_recall(dataset, engine=engine, who="ana")
    takedown(dataset, [members[0]], "illegal")
    (batch,) = create_recall(dataset, engine=engine, who="ana").batches
    gone = recalled_cells(dataset)
    assert batch.kind == "covered"
    assert cell in gone
    assert len(gone) % 4 == 0
    assert members[0] not in cell_of(dataset)
