"""Take cells and links out of every release that is kept: rewrite the parts they are in, reissue each as its next revision.

Order: what never comes back is noted; new parts are written; new manifests replace the old ones; the feed is changed in one
step; parts that no manifest names are deleted, here and in the feed. A kill in between leaves every release whole, as it was or as
it shall be, and the same call finishes. Parts without a removed row stay byte for byte.
"""

import hashlib
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.base.shards import ParquetWriter, read_tables, storage_errors
from linkwell.base.words import Words, is_member, words_from, words_of
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.engine import Engine, TaskContext, local_input, run_stage, task
from linkwell.release.create import LOCK, OPEN_CLASSES, decisions_log_head, new_manifest_time, smallest_cell_rows
from linkwell.release.deal import decoded, describe_part
from linkwell.release.manifest import Manifest, Part
from linkwell.release.partition import Partition
from linkwell.release.publish import publish_standing
from linkwell.release.reconcile import reconcile
from linkwell.release.store import Release, ReleaseInfo, keep_part, open_all, remove_unnamed_parts, write_manifest

_LINKS_FILE = "removed.parquet"


class RewriteParams(msgspec.Struct, frozen=True):
    """Parameters of `rewrite_part`. What is removed is in `removal`, encrypted; `state` is its hash."""

    part: str
    dataset: str
    removal: str
    state: str
    workspace: str


class Rewritten(msgspec.Struct, frozen=True):
    """What became of a part: its successor (None where nothing is left), and the rows that left, by public class."""

    part: Part | None
    removed: dict[str, int]


def reissue(
    workspace: Workspace, *, removed_cells: Collection[int], removed_links: Collection[bytes], engine: Engine
) -> list[ReleaseInfo]:
    """Remove whole cells and single links from every release that is kept, for ever. Given again, it does what is left to do.

    A release that holds none of them keeps its revision. Published releases are changed in the feed in the same go.

    Args:
        workspace: where.
        removed_cells: cells of a covered recall.
        removed_links: links of an open recall. Never those of covered cases.
        engine: what runs the rewriting.

    Returns:
        All releases, as they are now, the oldest first.

    Raises:
        MissingError: a part, or the cells of a release, are not there.
        DamagedFileError: a part does not read.
        MissingKeyError: fewer than two targets keys are there.
    """
    with workspace.lock(LOCK):
        partition = Partition(workspace)
        releases = open_all(workspace)
        partition.require(release.version for release in releases)
        partition.remove(removed_cells, removed_links)
        successors = _rewrite(workspace, releases, removed_cells, removed_links, engine)
        reissued = [_reissue_one(workspace, release, successors) for release in releases]
        publish_standing(workspace, reissued)
        for release in reissued:
            remove_unnamed_parts(release)
        shutil.rmtree(workspace.releases / ".work", ignore_errors=True)
    return [release.info() for release in reissued]


def _rewrite(
    workspace: Workspace, releases: list[Release], cells: Collection[int], links: Collection[bytes], engine: Engine
) -> dict[str, tuple[Rewritten, Path | None]]:
    """Rewrite every part that holds a removed row; by the part's hash, what became of it and where the new one is."""
    gone = frozenset(map(int, cells))
    paths = {
        part.sha256: path
        for release in releases
        for part, path in zip(release.manifest.parts, release.parts, strict=True)
        if links or not gone.isdisjoint(part.cells)
    }
    if not paths:
        return {}
    work = workspace.releases / ".work" / "reissue"
    with storage_errors(work):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
    removal, state = _seal_removal(workspace, work, gone, links)
    tasks = [
        task(
            "rewrite parts",
            index,
            "linkwell.release.reissue:rewrite_part",
            RewriteParams(str(paths[sha256]), workspace.settings.dataset, str(removal), state, str(workspace.root)),
            (local_input(paths[sha256]),),
        )
        for index, sha256 in enumerate(sorted(paths))
    ]
    stage = run_stage(tasks, work / f"parts-{state[:16]}", engine, unit="parts")
    result: dict[str, tuple[Rewritten, Path | None]] = {}
    for sha256, mark in zip(sorted(paths), stage.marks, strict=True):
        rewritten = msgspec.json.decode((stage.folder / mark.outputs["part.json"]).read_bytes(), type=Rewritten)
        if rewritten.removed:
            new = mark.outputs.get("links.parquet")
            result[sha256] = (rewritten, stage.folder / new if new else None)
    return result


def _seal_removal(
    workspace: Workspace, work: Path, cells: frozenset[int], links: Collection[bytes]
) -> tuple[Path, str]:
    """Write what is removed where the tasks read it, encrypted: links with their class, and cells."""
    kinds = {t.link_id: OPEN_CLASSES.get(t.kind, "recalled_links") for t in CaseBook.open(workspace).takedowns()}
    ordered = sorted(set(links))
    table = pa.table(
        {
            "link_id": binary_array([*ordered, *[bytes(LINK_ID_BYTES)] * len(cells)], LINK_ID_BYTES),
            "public_class": [
                *(kinds.get(link, "recalled_links") for link in ordered),
                *["recalled_cells"] * len(cells),
            ],
            "cell": pa.array([*[None] * len(ordered), *sorted(cells)], pa.uint32()),
        }
    )
    digest = hashlib.sha256(workspace.master_key())
    for row in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
        digest.update(repr(row).encode())
    path = work / _LINKS_FILE
    write_sealed(path, table, workspace.master_key())
    return path, digest.hexdigest()


def rewrite_part(context: TaskContext) -> None:
    """Write one part without what is removed; no file where nothing of it goes, or nothing is left."""
    params = context.params(RewriteParams)
    removal = pa.concat_tables(read_sealed(Path(params.removal), Workspace(Path(params.workspace)).master_key()))
    is_link = removal["cell"].is_null()
    links = removal.filter(is_link)
    cells = removal["cell"].drop_null().to_numpy()
    by_class = {
        name: words_from([link for link, c in zip(*_pairs(links), strict=True) if c == name])
        for name in dict.fromkeys(_pairs(links)[1])
    }
    kept: list[pa.Table] = []
    removed: dict[str, int] = {}
    for table in read_tables([Path(params.part)]):
        keep = ~_removed_rows(table, cells, by_class, removed)
        kept.append(decoded(table).filter(pa.array(keep)))
    part = None
    table = pa.concat_tables(kept)
    if removed and table.num_rows:
        path = context.output("links.parquet")
        with ParquetWriter(path, LINK_SCHEMA) as writer:
            writer.write(table)
        part = describe_part(path, table, params.dataset)
    context.output("part.json").write_bytes(msgspec.json.encode(Rewritten(part, removed)))


def _pairs(links: pa.Table) -> tuple[list[bytes], list[str]]:
    return (
        [bytes(link) for link in links["link_id"].to_pylist() if link is not None],
        [str(name) for name in links["public_class"].to_pylist()],
    )


def _removed_rows(
    table: pa.Table,
    cells: npt.NDArray[np.uint32],
    by_class: Mapping[str, Words],
    removed: dict[str, int],
) -> npt.NDArray[np.bool_]:
    """Which rows go, counted under their class; whole cells first."""
    gone: npt.NDArray[np.bool_] = np.isin(table["cell"].to_numpy(), cells)
    _count(removed, "recalled_cells", int(gone.sum()))
    ids = words_of(table["link_id"])
    for name, members in by_class.items():
        exact = is_member(ids, members) & ~gone
        _count(removed, name, int(exact.sum()))
        gone |= exact
    return gone


def _count(removed: dict[str, int], name: str, number: int) -> None:
    if number:
        removed[name] = removed.get(name, 0) + number


def _reissue_one(
    workspace: Workspace, release: Release, successors: Mapping[str, tuple[Rewritten, Path | None]]
) -> Release:
    """Put the new parts of one release in their places and sign its next revision; one without a removed row stays."""
    manifest = release.manifest
    if not any(part.sha256 in successors for part in manifest.parts):
        return release
    parts: list[Part] = []
    removed = dict(manifest.reconciliation.removed)
    for part in manifest.parts:
        if part.sha256 not in successors:
            parts.append(part)
            continue
        rewritten, path = successors[part.sha256]
        for name, number in rewritten.removed.items():
            _count(removed, name, number)
        if rewritten.part is not None and path is not None:
            keep_part(path, release.folder, rewritten.part.file_name)
            parts.append(rewritten.part)
    output = sum(part.rows for part in parts)
    new = msgspec.structs.replace(
        manifest,
        revision=manifest.revision + 1,
        created=new_manifest_time(),
        rows=output,
        cells=sum(len(part.cells) for part in parts),
        smallest_cell_rows=smallest_cell_rows(release.folder / "parts" / part.file_name for part in parts),
        parts=tuple(parts),
        reconciliation=reconcile(manifest.reconciliation.input, removed, output),
        log_head=decisions_log_head(workspace),
        previous=release.reference(),
        warnings=_warnings(manifest, output),
    )
    return write_manifest(workspace, new)


def _warnings(manifest: Manifest, output: int) -> tuple[str, ...]:
    empty = "the release is empty"
    return manifest.warnings if output or empty in manifest.warnings else (*manifest.warnings, empty)
