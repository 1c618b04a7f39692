"""From upheld takedowns to recall batches and reissued releases.

Whatever kills it, the same command finishes: a batch appears whole (a renamed folder), what is recalled already is read from
the batches themselves, and the releases are reissued without everything ever recalled until they hold none of it. Which link
of a covered batch was meant is written nowhere: that relation is only in the cases.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pyarrow as pa

from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.shards import file_sha256, storage_errors, sync_folder, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, Takedown
from linkwell.engine import Engine
from linkwell.recall.batch import (
    BATCH_FILE,
    LINKS_SCHEMA,
    OPEN_LINKS_SCHEMA,
    Batch,
    batch_files,
    batch_path,
    decode_batch,
)
from linkwell.recall.meter import LeakReport
from linkwell.recall.plan import (
    CoveredPlan,
    Override,
    check_leak,
    is_covered,
    measure_plan,
    plan_covered,
    tally_path,
    waits_until,
)
from linkwell.recall.standing import (
    Standing,
    links_of,
    locate,
    read_state,
    recalled_links,
    retained,
    standing_of,
    write_state,
)
from linkwell.recall.tally import Tally
from linkwell.release import Partition, reissue


@dataclass(frozen=True)
class RecallInfo:
    """What one run of `create_recall` made, or what one batch is."""

    batches: tuple[Batch, ...]
    """New batches; empty where nothing was to be recalled."""
    reissued: tuple[str, ...] = ()
    """Versions that were reissued, as `v1-r2`."""
    without_release: int = 0
    """Upheld entries that are in no retained release any more, or never were: nothing to publish for them."""
    short_of_padding: bool = False
    """A covered batch was not padded to the full number because too few cells are left."""
    leak: LeakReport | None = None
    """What the covered batch tells an attacker. Restricted: it is computed from what was meant."""
    waits_until: date | None = None
    """Covered takedowns wait for the batch of this day."""


def create_recall(
    workspace: Workspace,
    *,
    engine: Engine,
    who: str,
    today: date | None = None,
    override: Override | None = None,
) -> RecallInfo:
    """Put upheld takedowns that are not recalled yet into at most one covered and one open batch, and reissue the releases.

    Args:
        workspace: where.
        engine: what rewrites the releases.
        who: stands in the log.
        today: the day the batches say; by default the present one, UTC.
        override: why, and by whose agreement, a batch goes out that the leak meter refuses.

    Raises:
        SafetyError: the covered batch would tell too much. Nothing was made.
        MissingError: there is no release.
        BusyError: another recall is being made.
    """
    day = today or datetime.now(UTC).date()
    issued = day.isoformat()
    with workspace.lock("recall"):
        _sweep(workspace.recalls)
        standing = standing_of(workspace)
        standing.releases = retained(workspace)
        takedowns = CaseBook.open(workspace).takedowns()
        located = locate(standing.releases, {t.link_id for t in takedowns})
        made: list[Batch] = []
        wait = waits_until(standing.batches, workspace.settings.recall.cadence_days, day)
        waiting = (
            wait
            if any(is_covered(t) and located.get(t.link_id, -1) not in {*standing.cells, -1} for t in takedowns)
            else None
        )
        leak: LeakReport | None = None
        plan = plan_covered(workspace, standing, takedowns, located, day)
        if plan is not None:
            lost = Tally()
            leak = measure_plan(workspace, standing, plan, lost)
            check_leak(workspace, leak, standing.next_sequence, who, override)
            made.append(_create_covered(workspace, standing, plan, lost, issued))
        short = plan is not None and len(plan.cells) % workspace.settings.recall.cells_per_batch != 0
        open_batch = _create_open(workspace, standing, takedowns, located, issued)
        if open_batch:
            made.append(open_batch)
        _log(workspace, standing.batches, who)
        reissued = _reissue(workspace, standing, located, engine)
    elsewhere = {t.link_id for t in takedowns} - located.keys()
    without = len(elsewhere - recalled_links(workspace)) if elsewhere else 0
    return RecallInfo(tuple(made), tuple(reissued), without, short, leak, waiting)


def _create_covered(workspace: Workspace, standing: Standing, plan: CoveredPlan, lost: Tally, issued: str) -> Batch:
    # The cover is kept before the batch is: a run that is killed in between names the same cells again.
    Partition(workspace).add_cover(plan.drawn)
    path = tally_path(workspace, standing.next_sequence)
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lost.save(path, workspace.master_key())
    ids = links_of(standing.releases, plan.cells)
    links = pa.table({"link_id": binary_array(ids, LINK_ID_BYTES)}, schema=LINKS_SCHEMA)
    manifest_sha256 = standing.releases[-1].manifest_sha256
    batch = _commit(workspace, standing, issued=issued, manifest_sha256=manifest_sha256, cells=plan.cells, links=links)
    standing.cells.update(plan.cells)
    return batch


def _create_open(
    workspace: Workspace,
    standing: Standing,
    takedowns: Sequence[Takedown],
    located: Mapping[bytes, int],
    issued: str,
) -> Batch | None:
    reasons: dict[bytes, str] = {}
    for takedown in takedowns:
        cell = located.get(takedown.link_id)
        if is_covered(takedown) or cell is None or cell in standing.cells or takedown.link_id in standing.reasons:
            continue
        reasons[takedown.link_id] = min(takedown.kind, reasons.get(takedown.link_id, takedown.kind))
    if not reasons:
        return None
    ids = sorted(reasons)
    links = pa.table(
        {"link_id": binary_array(ids, LINK_ID_BYTES), "reason": pa.array([reasons[i] for i in ids], pa.string())},
        schema=OPEN_LINKS_SCHEMA,
    )
    manifest_sha256 = standing.releases[-1].manifest_sha256
    batch = _commit(workspace, standing, issued=issued, manifest_sha256=manifest_sha256, cells=(), links=links)
    standing.reasons.update(reasons)
    return batch


def _commit(
    workspace: Workspace,
    standing: Standing,
    *,
    issued: str,
    manifest_sha256: str,
    cells: Collection[int],
    links: pa.Table,
) -> Batch:
    """Write a batch as a folder that appears whole."""
    sequence = standing.next_sequence
    previous = file_sha256(batch_path(workspace.recalls, sequence - 1) / BATCH_FILE) if sequence > 1 else ""
    files = batch_files(
        dataset=workspace.settings.dataset,
        sequence=sequence,
        issued=issued,
        partition_sha256=manifest_sha256,
        releases=[f"{r.version}-r{r.revision}" for r in standing.releases],
        previous=previous,
        cells=cells,
        links=links,
    )
    final = batch_path(workspace.recalls, sequence)
    temporary = final.with_name(f".{final.name}.tmp")
    with storage_errors(final):
        temporary.mkdir(mode=0o755)
        for name, data in files.items():
            write_bytes(temporary / name, data)
        temporary.rename(final)
        sync_folder(final.parent)
    batch = decode_batch(files[BATCH_FILE], str(final))
    standing.batches.append(batch)
    return batch


def _reissue(workspace: Workspace, standing: Standing, located: Mapping[bytes, int], engine: Engine) -> list[str]:
    """Rewrite the releases where a batch is new, or where a release still holds what was recalled."""
    state = read_state(workspace)
    last = len(standing.batches)
    leftover = any(cell in standing.cells or link in standing.reasons for link, cell in located.items())
    if last == 0 or (state.reissued == last and not leftover):
        return []
    infos = reissue(workspace, removed_cells=standing.cells, removed_links=set(standing.reasons), engine=engine)
    write_state(workspace, msgspec.structs.replace(read_state(workspace), reissued=last))
    before = {release.version: release.revision for release in standing.releases}
    return [f"{info.version}-r{info.revision}" for info in infos if info.revision != before.get(info.version)]


def _log(workspace: Workspace, batches: Sequence[Batch], who: str) -> None:
    """One log entry for each batch that has none yet."""
    state = read_state(workspace)
    book = CaseBook.open(workspace)
    for batch in batches[state.logged :]:
        detail: dict[str, str | int] = {
            "sequence": batch.sequence,
            "kind": batch.kind,
            "cells": batch.cell_count,
            "rows": batch.row_count,
        }
        book.log("recall created", who, None, detail)
        write_state(workspace, msgspec.structs.replace(read_state(workspace), logged=batch.sequence))


def _sweep(folder: Path) -> None:
    """Remove half-made batches of killed runs; the lock is held."""
    if folder.is_dir():
        for path in folder.glob(".*.tmp"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
