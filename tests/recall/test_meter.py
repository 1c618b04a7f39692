"""The leak meter: what each attack finds where there is something to find, and what it refuses."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recall.conftest import link_table, urls_of

from linkwell.base.errors import SafetyError, TwoPersonError, UsageError
from linkwell.base.settings import RecallSettings
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine
from linkwell.feed import init_feed, make_keys
from linkwell.recall import (
    LeakReport,
    OutsideView,
    Override,
    Seen,
    create_recall,
    leak_chart,
    list_recalls,
    measure,
    measure_next,
    outside_view,
)
from linkwell.recall.attacks import ATTACKS, precision
from linkwell.recall.plan import tally_path, waits_until
from linkwell.recall.tally import Tally
from linkwell.release import create_release

K = 1_000
CELLS = 12


def world(
    *, host: np.ndarray, text: list[str], safety_bin: np.ndarray, event: np.ndarray, hit: np.ndarray
) -> Callable[[], Iterator[Seen]]:
    """Rows in cells of a thousand, given to the meter in pieces."""
    table = pa.table(
        {
            "cell": pa.array(np.arange(len(host)) // K, pa.uint32()),
            "url": pa.array([f"https://host{h}.example/{n}.jpg" for n, h in enumerate(host.tolist())]),
            "text": pa.array(text),
            "language": pa.array(["en"] * len(host)),
            "safety_bin": pa.array(safety_bin, pa.int8()),
        }
    )

    def source() -> Iterator[Seen]:
        for start in range(0, len(host), 2_500):
            rows = slice(start, start + 2_500)
            yield Seen(table.slice(start, 2_500), event[rows], hit[rows])

    return source


@pytest.fixture
def rows() -> dict[str, Any]:
    """Twelve cells of look-alikes; two of them leave, three rows of one were meant."""
    chance = np.random.default_rng(1)
    host = chance.integers(0, 40, CELLS * K)
    event = np.isin(np.arange(CELLS * K) // K, (3, 8)).astype(np.int64)
    hit = np.zeros(CELLS * K, bool)
    hit[[3_100, 3_500, 3_900]] = True
    words = [f"word{n}" for n in range(50)]
    text = [" ".join(chance.choice(words, 6)) for _ in range(CELLS * K)]
    return {"host": host, "text": text, "safety_bin": np.zeros(CELLS * K, np.int8), "event": event, "hit": hit}


def by_name(report: LeakReport) -> dict[str, float]:
    return {attack.name: attack.precision for attack in report.attacks}


def test_rows_that_are_alike_tell_nothing(rows: dict[str, Any]) -> None:
    """Among look-alikes no attack is right in more than one of a hundred guesses."""
    report = measure(world(**rows))
    assert (report.hits, report.removed, report.cells, report.hit_cells, report.rows) == (3, 2 * K, 2, 1, CELLS * K)
    assert report.worst.precision <= 0.01
    assert by_name(report)["chance"] == pytest.approx(3 / (2 * K))
    assert by_name(report).keys() == ATTACKS.keys()


def test_an_exact_list_tells_everything(rows: dict[str, Any]) -> None:
    """Where only what was meant leaves, every attack is right every time."""
    rows["event"] = rows["hit"].astype(np.int64)
    report = measure(world(**rows))
    assert {attack.precision for attack in report.attacks} == {1.0}


def odd_score(rows: dict[str, Any]) -> None:
    rows["safety_bin"][rows["hit"]] = 9


def low_score(rows: dict[str, Any]) -> None:
    rows["safety_bin"][:] = 9
    rows["safety_bin"][rows["hit"]] = 0


def odd_host(rows: dict[str, Any]) -> None:
    rows["host"][rows["hit"]] = 99


def odd_words(rows: dict[str, Any]) -> None:
    for place in np.flatnonzero(rows["hit"]):
        rows["text"][place] = "rarely seen here " + rows["text"][place]


@pytest.mark.parametrize(
    ("change", "finder"),
    [
        (odd_score, "score"),
        (low_score, "residue"),
        (odd_host, "odd one out"),
        (odd_host, "all traits"),
        (odd_words, "odd caption"),
        (odd_words, "captions"),
    ],
)
def test_a_cell_of_rows_that_are_not_alike_is_found(
    rows: dict[str, Any], change: Callable[[dict[str, Any]], None], finder: str
) -> None:
    """A thousand rows hide nothing where the one that was meant looks like none of them: the attack that looks there finds it."""
    change(rows)
    rows["event"] = (np.arange(CELLS * K) // K == 3).astype(np.int64)
    report = measure(world(**rows))
    assert by_name(report)[finder] == 1.0
    assert report.worst.precision == 1.0


def test_a_host_that_is_in_every_batch_stands_out(rows: dict[str, Any]) -> None:
    """Five batches, each with one row of a small host: what is no sign in one batch is one in five."""
    places = np.array([100, 2_100, 4_100, 6_100, 9_100])
    rows["hit"][:] = False
    rows["hit"][places] = True
    rows["host"] = np.random.default_rng(2).integers(0, 3_000, CELLS * K)
    rows["host"][places] = 5_000
    rows["event"] = np.zeros(CELLS * K, np.int64)
    for number, place in enumerate(places.tolist(), 1):
        rows["event"][place // K * K : (place // K + 1) * K] = number
    assert by_name(measure(world(**rows)))["hosts over time"] == 1.0


def test_what_left_first_and_together_stands_out(rows: dict[str, Any]) -> None:
    """Of rows of one safety bin those of the first batch come first, and of its cells those beside each other."""
    rows["event"] = np.repeat([1, 0, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0], K)
    rows["hit"][:] = False
    rows["hit"][[2_100, 3_100]] = True
    assert by_name(measure(world(**rows)))["order"] == pytest.approx(2 / (2 * K))
    rows["event"] = np.repeat([1, 0, 0, 0, 0, 1, 2, 2, 2, 0, 0, 0], K)
    rows["hit"][:] = False
    rows["hit"][[100, 5_100]] = True
    assert by_name(measure(world(**rows)))["order"] == pytest.approx(2 / (2 * K))


def test_cells_that_left_twice_stand_out(rows: dict[str, Any]) -> None:
    """Where a release lacked one of the cells before, the intersection is the hit cell."""
    source = world(**rows)

    def twice() -> Iterator[Seen]:
        for seen in source():
            times = 1 + (seen.table["cell"].to_numpy() == 3)
            yield Seen(seen.table, seen.event, seen.hit, times.astype(np.int64))

    assert by_name(measure(twice))["intersection"] == pytest.approx(3 / K)


def test_what_an_open_recall_names_is_no_residue(rows: dict[str, Any]) -> None:
    """Explained rows are passed over by who looks for what nothing explains."""
    source = world(**rows)

    def explained() -> Iterator[Seen]:
        for seen in source():
            yield Seen(seen.table, seen.event, seen.hit, None, ~seen.hit)

    assert by_name(measure(explained))["residue"] == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60),
)
def test_precision_is_the_average_over_ties(items: list[tuple[int, bool]]) -> None:
    """The mean over every order of rows of one score, which is what guessing among them gives."""
    scores = np.array([score for score, _ in items], np.float64)
    hits = np.array([hit for _, hit in items])
    found = precision(scores, hits)
    wanted = int(hits.sum())
    expected, left = 0.0, wanted
    for level in sorted(set(scores.tolist()), reverse=True):
        here = hits[scores == level]
        taken = min(left, len(here))
        expected += here.sum() * taken / len(here)
        left -= taken
    assert found == pytest.approx(expected / wanted if wanted else 0.0)


def test_nothing_that_left_is_no_leak(rows: dict[str, Any]) -> None:
    """A plan that takes nothing is measured as nothing."""
    rows["event"][:] = 0
    rows["hit"][:] = False
    assert measure(world(**rows)).worst.precision == 0.0


def test_kept_counts_stand_for_rows_that_are_gone(rows: dict[str, Any], workspace: Workspace, tmp_path: Path) -> None:
    """What an earlier batch took is counted from its sealed counts as from its rows."""
    rows["event"][rows["event"] > 0] = 1
    key = workspace.master_key()
    direct = Tally()
    measure(world(**rows), lost=direct)
    direct.save(tmp_path / "1.parquet", key)
    earlier = Tally()
    earlier.add_earlier(tmp_path / "1.parquet", key, 1)
    for name in direct.rows:
        assert (earlier.rows[name] == direct.rows[name]).all()
        assert (earlier.removed[name] == direct.removed[name]).all()
    assert (earlier.domain_bins == direct.domain_bins).all()
    assert (earlier.events == direct.events).all()
    assert earlier.event_rows == direct.event_rows == {1: 2 * K}
    assert b"host" not in (tmp_path / "1.parquet").read_bytes()


def test_the_chart_reads_as_a_picture(rows: dict[str, Any]) -> None:
    """One bar and one number for each attack, and the bound."""
    root = ET.fromstring(leak_chart(measure(world(**rows)), 0.05))  # noqa: S314 - our own
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(ATTACKS) <= set(texts)
    assert "bound 0.05" in texts


def strict(dataset: Workspace) -> Workspace:
    """The same workspace with the bound that is the default."""
    path = dataset.root / "linkwell.toml"
    path.write_text(path.read_text().replace("max_attacker_precision = 1.0", ""))
    return Workspace.open(dataset.root)


def test_a_batch_that_tells_too_much_is_refused(
    dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine
) -> None:
    """Cells of ten rows hide nothing: nothing is made, no release changes, and the error names no entry."""
    dataset = strict(dataset)
    before = cell_of(dataset)
    urls = [next(u for u in sorted(before) if before[u] == cell) for cell in sorted(set(before.values()))[:6]]
    takedown(dataset, urls, "illegal")
    report, _ = measure_next(dataset)
    assert report is not None
    assert report.worst.precision > 0.05
    with pytest.raises(SafetyError, match="tells too much") as refused:
        create_recall(dataset, engine=engine, who="ana")
    assert not any(url in str(refused.value) for url in urls)
    assert list_recalls(dataset) == []
    assert cell_of(dataset) == before


@pytest.fixture
def unlike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Workspace:
    """A release of three cells of a thousand rows; the last row of the last one has the highest safety bin, all others the lowest."""
    workspace = Workspace.create(
        tmp_path / "unlike", "birds", 'dataset = "birds"\n[recall]\ncells_per_batch = 1\npadding_cells_per_hit = 0\n'
    )
    make_keys(workspace)
    init_feed(workspace)
    urls = urls_of(3 * K)
    table = link_table(urls)
    bins = pa.array([0] * (len(urls) - 1) + [9], pa.int8())
    place = table.schema.get_field_index("safety_bin")
    path = workspace.builds / "v1.parquet"
    pq.write_table(table.set_column(place, table.schema.field(place), bins), path)
    build = SimpleNamespace(name="v1", links=[path], rows=len(urls), rights_policy_sha256="")
    monkeypatch.setattr("linkwell.release.create.current_build", lambda _workspace: build)
    create_release(workspace, "v1", engine=engine, without_audit="a test", who="ana")
    return workspace


def test_a_cell_of_k_rows_that_are_not_alike_is_refused(
    unlike: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine
) -> None:
    """The number of rows alone protects nothing: a cell of k rows goes out if the hit looks like the others, and not if it does not."""
    before = cell_of(unlike)
    *alike, odd = urls_of(3 * K)
    assert sorted(Counter(before.values()).values()) == [K, K, K]
    takedown(unlike, [next(url for url in alike if before[url] != before[odd])], "illegal")
    (batch,) = create_recall(unlike, engine=engine, who="ana").batches
    assert (batch.cell_count, batch.row_count) == (1, K)
    takedown(unlike, [odd], "illegal")
    report, _ = measure_next(unlike)
    assert report is not None
    assert (report.cells, report.removed, report.worst.precision) == (1, K, 1.0)
    with pytest.raises(SafetyError, match="tells too much"):
        create_recall(unlike, engine=engine, who="ana")
    assert len(list_recalls(unlike)) == 1
    assert cell_of(unlike)[odd] == before[odd]


def test_two_people_can_let_it_pass_and_the_log_says_so(
    dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine
) -> None:
    """An override needs another person and a reason; both stand in the log with the number."""
    dataset = strict(dataset)
    before = cell_of(dataset)
    takedown(dataset, [next(u for u in sorted(before) if before[u] == cell) for cell in range(6)], "illegal")
    with pytest.raises(TwoPersonError):
        create_recall(dataset, engine=engine, who="ana", override=Override("urgent", " Ana"))
    with pytest.raises(UsageError):
        create_recall(dataset, engine=engine, who="ana", override=Override(" ", "ben"))
    assert list_recalls(dataset) == []
    info = create_recall(dataset, engine=engine, who="ana", override=Override("urgent", "ben"))
    assert len(info.batches) == 1
    assert tally_path(dataset, 1).is_file()
    assert b"recall over the bound" in dataset.cases.read_bytes()
    CaseBook.open(dataset).verify_log()


@pytest.mark.parametrize(
    ("last", "today", "expected"),
    [
        ("2026-03-02", date(2026, 3, 2), date(2026, 3, 8)),
        ("2026-03-02", date(2026, 3, 7), date(2026, 3, 8)),
        ("2026-03-07", date(2026, 3, 8), None),
        (None, date(2026, 3, 8), None),
    ],
)
def test_a_period_has_one_covered_batch(last: str | None, today: date, expected: date | None) -> None:
    """Periods are the same for everybody, and do not begin with the last batch."""
    batches: Any = [SimpleNamespace(kind="covered", issued=last)] if last else []
    assert waits_until(batches, 7, today) == expected
    assert waits_until(batches, 0, today) is None


def test_size_and_day_tell_what_they_must_not_only_without_cadence() -> None:
    """A batch of the usual size on its day says nothing; a larger one, or one that comes by itself, says that something was found."""
    usual = RecallSettings(cells_per_batch=8, padding_cells_per_hit=1, cadence_days=7)
    assert outside_view(8, usual) == OutsideView(4, size_tells=False, day_tells=False)
    assert outside_view(16, usual) == OutsideView(8, size_tells=True, day_tells=False)
    assert outside_view(8, RecallSettings()) == OutsideView(4, size_tells=False, day_tells=True)
    assert outside_view(0, usual).most_hit_cells == 0


def test_with_a_cadence_batches_come_whether_or_not_anything_is_hit(
    dataset: Workspace, takedown: Any, cell_of: Callable[..., dict[str, int]], engine: Engine
) -> None:
    """One batch a week, of one size; a takedown waits for its week, and an empty week has padding alone."""
    path = dataset.root / "linkwell.toml"
    path.write_text(path.read_text().replace("[recall]\n", "[recall]\ncadence_days = 7\n"))
    dataset = Workspace.open(dataset.root)
    (first,) = create_recall(dataset, engine=engine, who="ana", today=date(2026, 3, 2)).batches
    takedown(dataset, [min(cell_of(dataset))], "illegal")
    waiting = create_recall(dataset, engine=engine, who="ana", today=date(2026, 3, 4))
    assert (waiting.batches, waiting.waits_until) == ((), date(2026, 3, 8))
    (second,) = create_recall(dataset, engine=engine, who="ana", today=date(2026, 3, 9)).batches
    assert {first.kind, second.kind} == {"covered"}
    assert first.cell_count == second.cell_count == 4
    assert first.row_count == second.row_count
