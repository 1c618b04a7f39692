"""Recall batches into the feed, all that are not there yet in one signed step; records and the Atom feed of them with it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from linkwell.base.errors import MissingError
from linkwell.base.shards import file_sha256, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.feed import publish_targets, published_targets
from linkwell.recall.batch import (
    BATCH_FILE,
    CELLS_FILE,
    LINKS_FILE,
    Batch,
    batch_path,
    read_cells,
    read_reasons,
)
from linkwell.recall.records import OSV_FILE, atom_feed, atom_name, osv_record
from linkwell.recall.standing import list_recalls, read_state, show_recall, write_state
from linkwell.release import list_releases


@dataclass(frozen=True)
class Published:
    """What one run of `publish_recall` did."""

    batches: tuple[Batch, ...]
    """Batches that were not in the feed before."""
    releases: tuple[str, ...]
    """Releases the feed has, as `v1-r2`."""


@dataclass(frozen=True)
class RecallDetails:
    """One batch, for people."""

    batch: Batch
    sha256: str
    """Of its batch.json."""
    cells: tuple[int, ...]
    reasons: dict[str, int]
    """Reason → links, of an open recall."""


def target_name(dataset: str, sequence: int, file: str) -> str:
    """The name of a batch's file in the feed."""
    return f"recalls/{dataset}/{sequence:06d}/{file}"


def publish_recall(workspace: Workspace, who: str) -> Published:
    """Put every batch that is not in the feed yet into it. Given again, it does what is left to do.

    Published releases are in the feed as they were reissued by `create_recall`; a recall never precedes them.

    Args:
        workspace: where.
        who: stands in the log.

    Raises:
        MissingError: there is no feed, or `create_recall` was stopped before the releases were reissued.
        MissingKeyError: a key of the feed is missing.
    """
    with workspace.lock("recall"):
        batches = list_recalls(workspace)
        state = read_state(workspace)
        if state.reissued < len(batches):
            raise MissingError(
                "the releases still hold what is recalled", str(workspace.recalls), "Run linkwell recall create again."
            )
        there = published_targets(workspace)
        new: list[Batch] = []
        files: dict[str, Path | bytes] = {}
        for batch in batches:
            folder = batch_path(workspace.recalls, batch.sequence)
            names: dict[str, Path | bytes] = {
                target_name(batch.dataset, batch.sequence, n): folder / n for n in (BATCH_FILE, CELLS_FILE, LINKS_FILE)
            }
            if not names.keys() <= there.keys():
                new.append(batch)
            record = target_name(batch.dataset, batch.sequence, OSV_FILE)
            names[record] = osv_record(batch, file_sha256(folder / BATCH_FILE))
            if not names.keys() <= there.keys():
                files |= names
        if files:
            publish_targets(workspace, files)
        if batches:
            _write_atom(workspace, batches)
        _log(workspace, batches, who)
        releases = tuple(f"{r.version}-r{r.revision}" for r in list_releases(workspace) if r.status == "published")
    return Published(tuple(new), releases)


def _write_atom(workspace: Workspace, batches: list[Batch]) -> None:
    dataset = workspace.settings.dataset
    hashes = [file_sha256(batch_path(workspace.recalls, batch.sequence) / BATCH_FILE) for batch in batches]
    data = atom_feed(dataset, list(zip(batches, hashes, strict=True)))
    path = workspace.feed / atom_name(dataset)
    if not path.exists() or path.read_bytes() != data:
        write_bytes(path, data)


def _log(workspace: Workspace, batches: list[Batch], who: str) -> None:
    """One log entry for each batch that was published since the last."""
    book = CaseBook.open(workspace)
    for batch in batches[read_state(workspace).published :]:
        book.log("recall published", who, None, {"sequence": batch.sequence, "kind": batch.kind})
        write_state(workspace, msgspec.structs.replace(read_state(workspace), published=batch.sequence))


def recall_details(workspace: Workspace, sequence: int) -> RecallDetails:
    """One batch, with its cells or the count of its reasons.

    Raises:
        MissingError: there is none of that number.
        SignatureError: a file of it was changed.
    """
    batch = show_recall(workspace, sequence)
    folder = batch_path(workspace.recalls, sequence)
    cells = read_cells((folder / CELLS_FILE).read_bytes(), str(folder / CELLS_FILE))
    reasons: dict[str, int] = {}
    if batch.kind == "open":
        for reason in read_reasons((folder / LINKS_FILE).read_bytes(), str(folder / LINKS_FILE)).values():
            reasons[reason] = reasons.get(reason, 0) + 1
    digest = hashlib.sha256((folder / BATCH_FILE).read_bytes()).hexdigest()
    return RecallDetails(batch, digest, tuple(cells.tolist()), dict(sorted(reasons.items())))
