"""What a purge would do, file by file, before anything is touched."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from linkwell.base.errors import LinkwellError, UsageError
from linkwell.base.progress import meter
from linkwell.purge.inventory import JOURNAL_FILE, Copy, open_copy
from linkwell.purge.match import Wanted
from linkwell.purge.scan import ShardScan, scan_shard
from linkwell.recall import Recalled


class FilePlan(msgspec.Struct, frozen=True):
    """What would happen to one file that is touched."""

    name: str
    rows: int
    """Samples of a tar, rows of a parquet; 0 for stats."""
    removed: int
    """Of those, the ones that go."""
    bytes: int
    """Size of the file: as much is read, and at most as much written."""


@dataclass(frozen=True)
class Plan:
    """What would go from a copy."""

    copy: Path
    kind: str
    dataset: str
    sequence: int
    files: tuple[FilePlan, ...]
    """Files that would be rewritten."""
    untouched: int
    """Files that would stay as they are."""
    leftovers: int
    """Temporary files of killed runs that would be deleted."""
    unfinished: bool
    """A purge was begun and not finished."""
    disk_bytes_needed: int
    """Free space a purge with one process for each core needs at most: a new file stands beside the old for a moment."""
    unidentified: int
    """Samples or rows of which nothing says which link they are."""
    unreached: dict[str, int]
    """What is in the folder and of no kind known here, and old names of the same bytes."""
    problems: dict[str, str] = field(default_factory=dict)
    """Files that could not be looked through, and why."""
    made_from_build: bool = False
    """Whether the copy is of a build: what was taken down before the first release is in no recall."""

    @property
    def removed(self) -> int:
        """Samples and rows that would go, each file counted for itself."""
        return sum(f.removed for f in self.files)

    @property
    def something_to_do(self) -> bool:
        """Whether `apply` would change anything, or could not tell."""
        return bool(self.files or self.leftovers or self.unfinished or self.problems or self.unidentified)


def plan(copy: Path, recalled: Recalled) -> Plan:
    """Look through a copy for what is recalled; changes nothing.

    Args:
        copy: the copy's folder.
        recalled: what the feed says.

    Raises:
        MissingError: there is no such folder.
        UsageError: the copy is of another dataset.
    """
    found = open_copy(copy)
    check_dataset(found, recalled)
    wanted = Wanted.of(recalled)
    files: list[FilePlan] = []
    problems = dict(found.problems)
    unidentified = untouched = hard_links = 0
    shard_bytes: list[int] = []
    with meter("purge plan", total=len(found.shards), unit="shards") as progress:
        for shard in found.shards:
            try:
                scan = scan_shard(copy, shard, wanted, ours=found.keys_name_cells)
            except LinkwellError as error:
                problems[shard.name] = error.problem
                continue
            finally:
                progress.advance()
            touched = touched_files(copy, scan)
            files.extend(touched)
            untouched += len(shard.files) - len(touched)
            unidentified += scan.unidentified
            shard_bytes.append(sum(f.bytes for f in touched))
            hard_links += sum((copy / f.name).stat().st_nlink > 1 for f in touched)
    largest = sorted(shard_bytes, reverse=True)[: os.cpu_count() or 1]
    unreached = found.unreached | ({"hard links to rewritten files": hard_links} if hard_links else {})
    return Plan(
        copy=copy,
        kind=found.kind,
        dataset=recalled.dataset,
        sequence=recalled.sequence,
        files=tuple(files),
        untouched=untouched,
        leftovers=len(found.leftovers),
        unfinished=(copy / JOURNAL_FILE).exists(),
        disk_bytes_needed=sum(largest),
        unidentified=unidentified,
        unreached=unreached,
        problems=problems,
        made_from_build=found.made_from_build,
    )


def touched_files(root: Path, scan: ShardScan) -> list[FilePlan]:
    """The files of a shard that a purge would rewrite."""
    touched = []
    if scan.tar and scan.tar.hit_keys:
        touched.append(file_plan(root, scan.shard.tar, len(scan.tar.samples), len(scan.tar.hit_keys)))
    if scan.hit and scan.shard.stats:
        touched.append(file_plan(root, scan.shard.stats, 0, 0))
    if scan.parquet and scan.parquet.hit_count:
        touched.append(file_plan(root, scan.shard.parquet, scan.parquet.rows, scan.parquet.hit_count))
    return touched


def file_plan(root: Path, name: str | None, rows: int, removed: int) -> FilePlan:
    """A line of the plan."""
    return FilePlan(name or "", rows, removed, (root / (name or "")).stat().st_size)


def check_dataset(found: Copy, recalled: Recalled) -> None:
    """Stop where a copy is of another dataset than the recalls: their cells would mean something else.

    Raises:
        UsageError: it is, or nothing in the folder can be purged.
    """
    description = found.description
    if description is not None and description.dataset != recalled.dataset:
        raise UsageError(
            f"this copy is of the dataset {description.dataset!r}, the recalls are of {recalled.dataset!r}",
            str(found.root),
            "Name the feed that belongs to the copy.",
        )
    if not found.shards:
        raise UsageError(
            "nothing here is of a kind that can be purged", str(found.root), "Known kinds: tar shards, parquet files."
        )
