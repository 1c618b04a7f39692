"""Make a release of the current build: choose its rows, give new links their cells, write its parts, sign its manifest.

A kill at any moment leaves no release, or all of it: the manifest comes last, and the same command goes on where this one was.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.compute as pc

from linkwell.audit import find_audit
from linkwell.base.counts import plural
from linkwell.base.errors import SafetyError, UsageError
from linkwell.base.shards import open_parquet, storage_errors
from linkwell.base.workspace import Workspace
from linkwell.build import current_build
from linkwell.cases import CaseBook, resolve_reports
from linkwell.engine import Engine
from linkwell.lists import read_findings
from linkwell.release.assign import Assignment, assign, save_array
from linkwell.release.cells import deal
from linkwell.release.deal import write_parts
from linkwell.release.manifest import (
    MANIFEST_FORMAT,
    Manifest,
    ManifestSettings,
    Part,
    schema_columns,
)
from linkwell.release.partition import Partition
from linkwell.release.profile import HOST_PROFILE
from linkwell.release.reconcile import reconcile
from linkwell.release.store import (
    MANIFEST_NAME,
    ReleaseInfo,
    State,
    keep_part,
    open_all,
    release_folder,
    remove_unnamed_parts,
    versions,
    write_manifest,
)
from linkwell.release.tables import row_tables

LOCK = "release"
OPEN_CLASSES: Mapping[str, str] = {
    "opt-out": "opt_out",
    "licence": "licence",
    "dead": "dead",
    "privacy": "recalled_links",
}
"""Kinds of cases whose takedowns may leave alone, where they are not covered, and the public class they leave under."""

_MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True)
class Decisions:
    """What the cases say of links, by id."""

    held: frozenset[bytes]
    """In quarantine or taken down, covered."""
    open: Mapping[str, frozenset[bytes]]
    """Taken down openly, by public class."""


def create_release(
    workspace: Workspace, version: str, *, engine: Engine, without_audit: str | None = None, who: str
) -> ReleaseInfo:
    """Make a release of the current build.

    Args:
        workspace: where.
        version: its name; never used before.
        engine: what runs the work.
        without_audit: why it is released although its links were not audited; stands in the manifest and in the log.
        who: who makes it; stands in the log.

    Raises:
        UsageError: there is a release of that version, or the name is not usable.
        SafetyError: the links were not audited against the hash lists that are there now.
        MissingError: there is no build, or the cells of an earlier release are lost.
        MissingKeyError: fewer than two targets keys are there.
        ReconciliationError: the counts do not add up.
        DamagedFileError: a shard, the ledger, the cases or the cells do not read.
    """
    folder = release_folder(workspace, version)
    if (folder / MANIFEST_NAME).exists():
        raise UsageError("there is a release of that version already", version, "Choose another version.")
    build = current_build(workspace)
    links = build.links
    with workspace.lock(LOCK):
        audited = _audit_gate(workspace, links, without_audit)
        decisions = decide(workspace, links, engine)
        partition = Partition(workspace)
        partition.undo(version)
        partition.require(versions(workspace))
        work = workspace.releases / ".work" / f"create-{version}"
        with storage_errors(work):
            work.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = row_tables(workspace, links, partition.files, work, engine)
        opened = {name: set(ids) for name, ids in decisions.open.items()}
        known = set().union(*opened.values()) if opened else set()
        opened["recalled_links"] = opened.get("recalled_links", set()) | (partition.removed_links() - known)
        assignment = assign(tables, workspace, partition, version, held=decisions.held, opened=opened, work=work)
        parts = _write(workspace, links, assignment, partition=partition, work=work, engine=engine)
        manifest = _manifest(workspace, version, parts, rows=tables.rows, removed=assignment.removed, audited=audited)
        manifest = msgspec.structs.replace(manifest, rights_policy_sha256=build.rights_policy_sha256)
        for part, path in parts:
            keep_part(path, folder, part.file_name)
        CaseBook.open(workspace).log(
            "release created",
            who,
            None,
            {"version": version, "rows": manifest.rows, "cells": manifest.cells, "audit": _audit_line(audited)},
        )
        manifest = msgspec.structs.replace(manifest, log_head=decisions_log_head(workspace))
        release = write_manifest(workspace, manifest, State("created", who, manifest.created))
        remove_unnamed_parts(release)
        shutil.rmtree(work, ignore_errors=True)
    return release.info()


def decide(workspace: Workspace, links: Sequence[Path], engine: Engine) -> Decisions:
    """What the cases say, once every finding and report that is about these links has reached them.

    An entry of an upheld open case leaves under its public reason, whatever else it is suspected of; every other entry in
    quarantine is held and leaves covered.

    Raises:
        SignatureError: the cases are not what their log tells, or the log is an older one than earlier releases name.
        SafetyError: the hash lists are older than the log says.
    """
    book = CaseBook.open(workspace)
    book.verify_log({release.manifest.log_head for release in open_all(workspace)} - {""})
    book.check_lists(workspace)
    book.open_from_findings(read_findings(workspace))
    resolve_reports(workspace, links, engine)
    opened: dict[str, set[bytes]] = {}
    covered: set[bytes] = set()
    for takedown in book.takedowns():
        if takedown.covered or takedown.kind not in OPEN_CLASSES:
            covered.add(takedown.link_id)
        else:
            opened.setdefault(OPEN_CLASSES[takedown.kind], set()).add(takedown.link_id)
    public = {name: frozenset(ids - covered) for name, ids in opened.items()}
    held = (book.quarantined() | covered) - frozenset().union(*public.values())
    return Decisions(frozenset(held), public)


def decisions_log_head(workspace: Workspace) -> str:
    """The head of the case log now."""
    return CaseBook.open(workspace).log_head()


def new_manifest_time() -> str:
    """Now, as manifests write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _audit_gate(
    workspace: Workspace, links: Sequence[Path], without_audit: str | None
) -> dict[str, str | int | dict[str, int]]:
    """What the manifest says of the audit. How much was found is not said: it would set illegal entries apart."""
    record = find_audit(workspace, links)
    if record is not None:
        return {"at": record.at, "checked": record.checked, "unchecked": dict(sorted(record.unchecked.items()))}
    if without_audit is None:
        raise SafetyError(
            "these links were not audited against the hash lists that are there now",
            advice="Run linkwell audit first, or say why not: --without-audit REASON (it will stand in the manifest).",
        )
    reason = without_audit.strip()
    if not 0 < len(reason) <= _MAX_REASON_CHARACTERS or "://" in reason:
        raise UsageError("the reason must have 1 to 500 characters and no URL", "--without-audit")
    return {"without_audit": reason}


def _audit_line(audited: Mapping[str, object]) -> str:
    reason = audited.get("without_audit")
    return f"none: {reason}" if reason else f"of {audited['at']}"


def _write(
    workspace: Workspace,
    links: list[Path],
    assignment: Assignment,
    *,
    partition: Partition,
    work: Path,
    engine: Engine,
) -> list[tuple[Part, Path]]:
    """Write the parts; cells of one generation share parts, so that a part stays the same as long as its rows do."""
    dataset = workspace.settings.dataset
    part_of_cell = np.full(partition.next_cell, -1, np.int32)
    part_count = 0
    for generation in partition.generations:
        numbers = range(generation.first_cell, generation.first_cell + generation.cell_count)
        for dealt in deal(dataset, numbers, generation.cells_per_shard):
            if assignment.present[dealt].any():
                part_of_cell[dealt] = part_count
                part_count += 1
    parts_path = save_array(work / "parts.npy", part_of_cell)
    files = assignment.cell_files
    written = write_parts(links, files, parts_path, part_count, dataset=dataset, folder=work, engine=engine)
    described = [msgspec.json.decode(path.read_bytes(), type=Part) for path in written.outputs("part.json")]
    return list(zip(described, written.outputs("links.parquet"), strict=True))


def _manifest(
    workspace: Workspace,
    version: str,
    parts: Sequence[tuple[Part, Path]],
    *,
    rows: int,
    removed: dict[str, int],
    audited: dict[str, str | int | dict[str, int]],
) -> Manifest:
    settings = workspace.settings.release
    described = tuple(part for part, _path in parts)
    output = sum(part.rows for part in described)
    smallest = smallest_cell_rows(path for _part, path in parts)
    cells = sum(len(part.cells) for part in described)
    warnings = []
    if 0 < smallest < settings.cell_min_rows:
        warnings.append(
            f"the smallest cell has {plural(smallest, 'row')}, fewer than the {settings.cell_min_rows:,} asked for: covered recalls hide less"
        )
    if not output:
        warnings.append("the release is empty")
    earlier = open_all(workspace)
    created = new_manifest_time()
    return Manifest(
        format=MANIFEST_FORMAT,
        dataset=workspace.settings.dataset,
        version=version,
        revision=1,
        created=created,
        first_created=created,
        rows=output,
        cells=cells,
        cell_min_rows=settings.cell_min_rows,
        smallest_cell_rows=smallest,
        schema=schema_columns(),
        parts=described,
        reconciliation=reconcile(rows, removed, output),
        audit=audited,
        settings=ManifestSettings(settings.cell_min_rows, settings.cells_per_shard, HOST_PROFILE),
        log_head="",
        previous=earlier[-1].reference() if earlier else None,
        warnings=tuple(warnings),
    )


def smallest_cell_rows(paths: Iterator[Path]) -> int:
    """Rows of the smallest cell in parts, each of which holds whole cells; 0 where there are none."""
    smallest = 0
    for path in paths:
        with open_parquet(path) as file:
            counts = pc.value_counts(file.read(columns=["cell"])["cell"]).field("counts").to_numpy()
        if len(counts):
            smallest = min(smallest or int(counts.min()), int(counts.min()))
    return smallest
