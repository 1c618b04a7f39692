"""What the next covered batch would hold, and what it would tell: planned and measured before anything is written.

A batch comes when something is to be recalled, or, with a cadence, once in so many days whether or not anything is: then neither its
day nor its size says that something was found.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from linkwell.base.errors import SafetyError, UsageError
from linkwell.base.settings import RecallSettings
from linkwell.base.shards import read_tables
from linkwell.base.words import is_member, words_from, words_of
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, Takedown, two_people
from linkwell.recall.batch import OPEN_REASONS, Batch
from linkwell.recall.meter import LeakReport, Seen, measure
from linkwell.recall.standing import Standing, cell_rows_of, locate, retained, standing_of
from linkwell.recall.tally import Tally
from linkwell.recall.traits import COLUMNS, Int64s
from linkwell.release import Partition, Release

_METER_FOLDER = ".meter"


@dataclass(frozen=True)
class CoveredPlan:
    """The cells of the next covered batch."""

    cells: tuple[int, ...]
    drawn: frozenset[int]
    """Cells of a cover that is not kept yet."""
    meant: frozenset[bytes] = field(repr=False)
    """The links that are taken down. Restricted."""


@dataclass(frozen=True)
class Override:
    """Why a batch goes out that the leak meter refuses, and who agrees. Both stand in the log."""

    reason: str
    second: str


@dataclass(frozen=True)
class OutsideView:
    """What a batch tells by its size and day alone, before anybody looks into it."""

    most_hit_cells: int
    """No more of its cells can be hit, since each has its padding."""
    size_tells: bool
    """Whether it is larger than a batch of padding alone: then something was hit."""
    day_tells: bool
    """Whether batches come only when something is to be recalled."""


def outside_view(cells: int, settings: RecallSettings) -> OutsideView:
    """What the size and day of a covered batch of so many cells tell."""
    most = max(cells // (1 + settings.padding_cells_per_hit), 1) if cells else 0
    return OutsideView(most, cells > settings.cells_per_batch, not settings.cadence_days)


def is_covered(takedown: Takedown) -> bool:
    """Whether an entry goes with its cell: whatever is not plainly an open matter does."""
    return takedown.covered or takedown.kind not in OPEN_REASONS


def waits_until(batches: Sequence[Batch], cadence_days: int, today: date) -> date | None:
    """The day from which the next covered batch may come, or None where it may come today.

    Days are divided into periods of the cadence, the same for everybody; a period has one covered batch.
    """
    last = max((batch.issued for batch in batches if batch.kind == "covered"), default=None)
    if not cadence_days or last is None:
        return None
    period = date.fromisoformat(last).toordinal() // cadence_days
    if today.toordinal() // cadence_days > period:
        return None
    return date.fromordinal((period + 1) * cadence_days)


def plan_covered(
    workspace: Workspace,
    standing: Standing,
    takedowns: Sequence[Takedown],
    located: Mapping[bytes, int],
    today: date,
) -> CoveredPlan | None:
    """The next covered batch, or None where there is none to make today."""
    settings = workspace.settings
    if waits_until(standing.batches, settings.recall.cadence_days, today):
        return None
    meant = {
        each.link_id
        for each in takedowns
        if is_covered(each) and each.link_id in located and located[each.link_id] not in standing.cells
    }
    if not meant and not settings.recall.cadence_days:
        return None
    cell_rows = cell_rows_of(standing.releases, standing.cells)
    leaving = Partition(workspace).leaving(
        {located[link] for link in meant},
        cell_rows,
        settings,
        min_rows=standing.releases[-1].manifest.cell_min_rows,
        like=standing.cells,
    )
    cells = tuple(sorted(leaving.cells & cell_rows.keys()))
    return CoveredPlan(cells, leaving.drawn, frozenset(meant)) if cells else None


def measure_plan(workspace: Workspace, standing: Standing, plan: CoveredPlan, lost: Tally | None = None) -> LeakReport:
    """Play the attacker on a planned batch, with every release and every batch that came before; `lost` as `measure` has it."""
    return measure(rows_of_plan(standing, plan), earlier_tally(workspace, standing), lost=lost)


def measure_next(workspace: Workspace, today: date | None = None) -> tuple[LeakReport | None, date | None]:
    """What the batch that `recall create` would make now would tell, or None and the day it waits for.

    Raises:
        MissingError: there is no release.
    """
    standing = standing_of(workspace)
    standing.releases = retained(workspace)
    takedowns = CaseBook.open(workspace).takedowns()
    located = locate(standing.releases, {each.link_id for each in takedowns})
    day = today or datetime.now(UTC).date()
    plan = plan_covered(workspace, standing, takedowns, located, day)
    if plan is None:
        return None, waits_until(standing.batches, workspace.settings.recall.cadence_days, day)
    return measure_plan(workspace, standing, plan), None


def rows_of_plan(standing: Standing, plan: CoveredPlan) -> Callable[[], Iterator[Seen]]:
    """The rows of every cell, from the newest release that has it, with what the plan makes of them."""
    event = 1 + sum(batch.kind == "covered" for batch in standing.batches)
    meant = words_from(plan.meant)
    gone = np.array(plan.cells, np.int64)
    times = _times_left(standing.releases)

    def source() -> Iterator[Seen]:
        known: set[int] = set()
        for release in reversed(standing.releases):
            before = np.array(sorted(known), np.int64)
            for table in read_tables(release.parts, ["link_id", *COLUMNS], batch_rows=_PIECE_ROWS):
                cells = table["cell"].to_numpy().astype(np.int64)
                new = ~np.isin(cells, before)
                if not new.any():
                    continue
                rows = table.filter(new)
                cells = cells[new]
                leaves = np.isin(cells, gone)
                hit = is_member(words_of(rows["link_id"]), meant) & leaves
                yield Seen(rows, leaves * event, hit, 1 + times[cells] if len(times) else None)
            known |= release.cell_numbers()

    return source


_PIECE_ROWS = 1 << 18


def earlier_tally(workspace: Workspace, standing: Standing) -> Tally:
    """The counts of the rows that earlier covered batches took."""
    tally = Tally()
    event = 0
    for batch in standing.batches:
        if batch.kind == "covered":
            event += 1
            path = tally_path(workspace, batch.sequence)
            if path.exists():  # batches of an older Linkwell have none
                tally.add_earlier(path, workspace.master_key(), event)
    return tally


def tally_path(workspace: Workspace, sequence: int) -> Path:
    """Where the counts of the rows that a batch took are kept, sealed."""
    return workspace.recalls / _METER_FOLDER / f"{sequence:06d}.parquet"


def check_leak(workspace: Workspace, report: LeakReport, sequence: int, who: str, override: Override | None) -> None:
    """Stop where the attacker would be right too often, unless two people let it pass; that stands in the log.

    Raises:
        SafetyError: so it is.
        TwoPersonError: the second person is the first.
        UsageError: no reason is given.
    """
    bound = workspace.settings.recall.max_attacker_precision
    worst = report.worst
    if worst.precision <= bound:
        return
    if override is None:
        raise SafetyError(
            f"this batch tells too much: an attacker who goes by {worst.name} would be right in {worst.precision:.1%} of his guesses, "
            f"more than {bound:.1%}",
            f"recall {sequence}",
            "linkwell recall measure shows every attack. More padding (recall.padding_cells_per_hit) or larger cells hide more; "
            "two people can let it pass: --override REASON --second WHO.",
        )
    first, second = two_people(who, override.second, f"recall {sequence}")
    if not override.reason.strip():
        raise UsageError("a reason is needed; it stands in the log only", "--override")
    CaseBook.open(workspace).log(
        "recall over the bound",
        first,
        None,
        {
            "sequence": sequence,
            "attack": worst.name,
            "per_mille": round(1000 * worst.precision),
            "second": second,
            "reason": override.reason.strip(),
        },
    )


def _times_left(releases: Sequence[Release]) -> Int64s:
    """Of each cell: how many releases lack it though one before had it."""
    seen: set[int] = set()
    times: dict[int, int] = {}
    for release in releases:
        here = release.cell_numbers()
        for cell in seen - here:
            times[cell] = times.get(cell, 0) + 1
        seen |= here
    found = np.zeros(max(seen, default=-1) + 1, np.int64)
    for cell, count in times.items():
        found[cell] = count
    return found
