"""From upheld takedowns to recall batches and reissued releases.

Whatever kills it, the same command finishes: a batch appears whole (a renamed folder), what is recalled already is read from
the batches themselves, and the releases are reissued without everything ever recalled until they hold none of it. Which link
of a covered batch was meant is written nowhere: that relation is only in the cases.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from linkwell.base.errors import MissingError, UsageError
from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.shards import file_sha256, read_tables, storage_errors, sync_folder, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, Takedown
from linkwell.engine import Engine
from linkwell.recall.batch import (
    BATCH_FILE,
    CELLS_FILE,
    LINKS_FILE,
    LINKS_SCHEMA,
    OPEN_LINKS_SCHEMA,
    OPEN_REASONS,
    Batch,
    batch_files,
    batch_path,
    check_file,
    decode_batch,
    id_array,
    read_cells,
    read_reasons,
)
from linkwell.release import Partition, Release, cells_of, list_releases, open_release, reissue

STATE_FILE = "state.json"


class RecallState(msgspec.Struct, frozen=True):
    """How far things are: the last sequence that the releases were reissued for, logged, and published. 0 is none."""

    reissued: int = 0
    logged: int = 0
    published: int = 0


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


@dataclass
class _Standing:
    """What is recalled already, read from the batches, and what the retained releases hold."""

    batches: list[Batch]
    cells: set[int]
    reasons: dict[bytes, str]
    releases: list[Release] = field(default_factory=list)

    @property
    def next_sequence(self) -> int:
        return len(self.batches) + 1


def list_recalls(workspace: Workspace) -> list[Batch]:
    """Every batch of the workspace, in order, with its files checked and the chain followed.

    Raises:
        DamagedFileError: a batch is missing or does not read.
        SignatureError: a file is not what its batch says.
    """
    batches: list[Batch] = []
    while batch_path(workspace.recalls, len(batches) + 1).is_dir():
        batches.append(show_recall(workspace, len(batches) + 1))
    return batches


def show_recall(workspace: Workspace, sequence: int) -> Batch:
    """One batch.

    Raises:
        MissingError: there is none of that number.
    """
    folder = batch_path(workspace.recalls, sequence)
    if not folder.is_dir():
        raise MissingError(f"there is no recall {sequence}", str(workspace.recalls), "linkwell recall list shows them.")
    batch = decode_batch((folder / BATCH_FILE).read_bytes(), str(folder / BATCH_FILE))
    for name in (CELLS_FILE, LINKS_FILE):
        check_file(batch, name, (folder / name).read_bytes(), str(folder / name))
    return batch


def read_state(workspace: Workspace) -> RecallState:
    """How far reissuing, logging and publishing are."""
    path = workspace.recalls / STATE_FILE
    return msgspec.json.decode(path.read_bytes(), type=RecallState) if path.exists() else RecallState()


def write_state(workspace: Workspace, state: RecallState) -> None:
    """Remember how far things are."""
    write_bytes(workspace.recalls / STATE_FILE, msgspec.json.encode(state))


def recalled_cells(workspace: Workspace) -> set[int]:
    """Every cell ever recalled here: none of their rows may come back."""
    return _standing(workspace).cells


def recalled_links(workspace: Workspace) -> set[bytes]:
    """The id of every link ever recalled here, of covered cells and of open batches."""
    found: set[bytes] = set()
    for batch in list_recalls(workspace):
        path = batch_path(workspace.recalls, batch.sequence) / LINKS_FILE
        for table in read_tables([path], ["link_id"]):
            found.update(value for value in table["link_id"].to_pylist() if value is not None)
    return found


def create_recall(workspace: Workspace, *, engine: Engine, who: str, today: date | None = None) -> RecallInfo:
    """Put upheld takedowns that are not recalled yet into at most one covered and one open batch, and reissue the releases.

    Args:
        workspace: where.
        engine: what rewrites the releases.
        who: stands in the log.
        today: the day the batches say; by default the present one, UTC.

    Raises:
        UsageError: there is no release.
        BusyError: another recall is being made.
    """
    issued = (today or datetime.now(UTC).date()).isoformat()
    with workspace.lock("recall"):
        _sweep(workspace.recalls)
        standing = _standing(workspace)
        standing.releases = _retained(workspace)
        takedowns = CaseBook.open(workspace).takedowns()
        located = _locate(standing.releases, {t.link_id for t in takedowns})
        made: list[Batch] = []
        covered_batch, short = _create_covered(workspace, standing, takedowns, located, issued)
        if covered_batch:
            made.append(covered_batch)
        open_batch = _create_open(workspace, standing, takedowns, located, issued)
        if open_batch:
            made.append(open_batch)
        _log(workspace, standing.batches, who)
        reissued = _reissue(workspace, standing, located, engine)
    elsewhere = {t.link_id for t in takedowns} - located.keys()
    without = len(elsewhere - recalled_links(workspace)) if elsewhere else 0
    return RecallInfo(tuple(made), tuple(reissued), without, short)


def _create_covered(
    workspace: Workspace,
    standing: _Standing,
    takedowns: Sequence[Takedown],
    located: Mapping[bytes, int],
    issued: str,
) -> tuple[Batch | None, bool]:
    hit = {located[t.link_id] for t in takedowns if _is_covered(t) and t.link_id in located} - standing.cells
    if not hit:
        return None, False
    newest = standing.releases[-1]
    cell_rows = _cell_rows(standing.releases, standing.cells)
    per_batch = workspace.settings.recall.cells_per_batch
    partition = Partition(workspace)
    leaving = partition.leaving(hit, cell_rows, workspace.settings, min_rows=newest.manifest.cell_min_rows)
    if leaving.drawn:
        # Kept before the batch is: a run that is killed in between names the same cells again.
        partition.add_cover(leaving.drawn)
    cells = sorted(leaving.cells & cell_rows.keys())
    ids = _links_of(standing.releases, cells)
    links = pa.table({"link_id": binary_array(ids, LINK_ID_BYTES)}, schema=LINKS_SCHEMA)
    batch = _commit(
        workspace, standing, issued=issued, manifest_sha256=newest.manifest_sha256, cells=cells, links=links
    )
    standing.cells.update(cells)
    return batch, len(cells) % per_batch != 0


def _create_open(
    workspace: Workspace,
    standing: _Standing,
    takedowns: Sequence[Takedown],
    located: Mapping[bytes, int],
    issued: str,
) -> Batch | None:
    reasons: dict[bytes, str] = {}
    for takedown in takedowns:
        cell = located.get(takedown.link_id)
        if _is_covered(takedown) or cell is None or cell in standing.cells or takedown.link_id in standing.reasons:
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


def _is_covered(takedown: Takedown) -> bool:
    """Whether an entry goes with its cell: whatever is not plainly an open matter does."""
    return takedown.covered or takedown.kind not in OPEN_REASONS


def _commit(
    workspace: Workspace,
    standing: _Standing,
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


def _standing(workspace: Workspace) -> _Standing:
    batches = list_recalls(workspace)
    cells: set[int] = set()
    reasons: dict[bytes, str] = {}
    for batch in batches:
        folder = batch_path(workspace.recalls, batch.sequence)
        if batch.kind == "open":
            reasons |= read_reasons((folder / LINKS_FILE).read_bytes(), str(folder / LINKS_FILE))
        else:
            cells.update(read_cells((folder / CELLS_FILE).read_bytes(), str(folder / CELLS_FILE)).tolist())
    return _Standing(batches, cells, reasons)


def _retained(workspace: Workspace) -> list[Release]:
    """Every release that is kept, oldest first."""
    releases = [open_release(workspace, info.version) for info in list_releases(workspace)]
    if not releases:
        raise UsageError(
            "there is no release to recall from", str(workspace.releases), "Make one with: linkwell release create V"
        )
    return releases


def _locate(releases: Iterable[Release], link_ids: Collection[bytes]) -> dict[bytes, int]:
    """The cells of links, from whichever release has them."""
    located: dict[bytes, int] = {}
    if link_ids:
        for release in releases:
            located |= cells_of(release, link_ids)
    return located


def _cell_rows(releases: Iterable[Release], recalled: Collection[int]) -> dict[int, int]:
    """Rows of every cell that is not recalled: the most it has in any release."""
    rows: dict[int, int] = {}
    gone = np.array(sorted(recalled), dtype=np.int64)
    for release in releases:
        here: dict[int, int] = {}
        for table in read_tables(release.parts, ["cell"]):
            cells, counts = np.unique(table["cell"].to_numpy().astype(np.int64), return_counts=True)
            keep = ~np.isin(cells, gone)
            for cell, count in zip(cells[keep].tolist(), counts[keep].tolist(), strict=True):
                here[cell] = here.get(cell, 0) + count
        for cell, count in here.items():
            rows[cell] = max(rows.get(cell, 0), count)
    return rows


def _links_of(releases: Iterable[Release], cells: Collection[int]) -> list[bytes]:
    """The link ids of every row of the cells, over all releases, sorted."""
    wanted = np.array(sorted(cells), dtype=np.int64)
    found = [np.empty(0, dtype="S16")]
    for release in releases:
        holding = zip(release.parts, release.manifest.parts, strict=True)
        for table in read_tables([path for path, part in holding if set(cells) & set(part.cells)], ["cell", "link_id"]):
            hit = np.isin(table["cell"].to_numpy().astype(np.int64), wanted)
            if hit.any():
                found.append(id_array(table["link_id"].filter(pa.array(hit))))
    values: list[bytes] = np.unique(np.concatenate(found)).tolist()
    return [value.ljust(LINK_ID_BYTES, b"\0") for value in values]  # NumPy strips trailing zeros of `S16`


def _reissue(workspace: Workspace, standing: _Standing, located: Mapping[bytes, int], engine: Engine) -> list[str]:
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
