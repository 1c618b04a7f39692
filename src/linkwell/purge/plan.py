"""What a purge would do, file by file, before anything is touched."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from linkwell.base.errors import LinkwellError, UsageError
from linkwell.base.progress import meter
from linkwell.purge.aliases import needs_aliases, read_aliases
from linkwell.purge.database import DatabaseKind, is_database
from linkwell.purge.inventory import JOURNAL_FILE, Copy, open_copy
from linkwell.purge.kinds import kind_of
from linkwell.purge.match import Aliases, Wanted
from linkwell.purge.receipt import Receipt
from linkwell.purge.shard import PARQUET_SUFFIXES
from linkwell.purge.surroundings import surroundings
from linkwell.purge.unit import Scan, Sight, TableQuery, Unit, suffix_of
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
    free_bytes: int = 0
    """What is free on the copy's disk now."""
    surroundings: tuple[str, ...] = ()
    """What was found around the copy that a purge of it does not reach."""

    @property
    def removed(self) -> int:
        """Samples and rows that would go, each file counted for itself."""
        return sum(f.removed for f in self.files)

    @property
    def something_to_do(self) -> bool:
        """Whether `apply` would change anything, or could not tell."""
        return bool(self.files or self.leftovers or self.unfinished or self.problems or self.unidentified)


def plan(
    copy: Path,
    recalled: Recalled,
    *,
    aliases: Sequence[Path] = (),
    tables: Sequence[TableQuery] = (),
    state: Path | None = None,
) -> Plan:
    """Look through a copy for what is recalled; changes nothing.

    Args:
        copy: the copy's folder.
        recalled: what the feed says.
        aliases: tables that connect links with the ids other projects give them.
        tables: tables of databases in the copy.
        state: the holder's folder, where it is another than `.linkwell` in the copy.

    Raises:
        MissingError: there is no such folder.
        UsageError: the copy is of another dataset.
    """
    found = open_copy(copy, tables, state=state)
    check_dataset(found, recalled)
    sight = sight_of(found, recalled, aliases)
    files: list[FilePlan] = []
    problems = dict(found.problems)
    unidentified = untouched = hard_links = 0
    unit_bytes: list[int] = []
    with meter("purge plan", total=len(found.units), unit="units") as progress:
        for unit in found.units:
            try:
                scan = kind_of(unit).scan(sight, unit)
            except LinkwellError as error:
                problems[unit.name] = error.problem
                continue
            finally:
                progress.advance()
            touched = file_plans(copy, scan)
            files.extend(touched)
            untouched += len(unit.files) - sum(not f.name.endswith("/") for f in touched)
            unidentified += scan.unidentified
            unit_bytes.append(sum(touch.bytes for touch in scan.touched))
            hard_links += sum((copy / touch.name).stat().st_nlink > 1 for touch in scan.touched)
    largest = sorted(unit_bytes, reverse=True)[: os.cpu_count() or 1]
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
        free_bytes=shutil.disk_usage(copy).free,
        surroundings=tuple(surroundings(copy)),
    )


def sight_of(found: Copy, recalled: Recalled, aliases: Sequence[Path], *, thorough: bool = False) -> Sight:
    """How to look at a copy: what is recalled, under all its names."""
    wanted = Wanted.of(recalled)
    known = read_aliases(aliases, wanted).joined(own_aliases(found, wanted))
    return Sight(found.root, Wanted.of(recalled, known), found.keys_name_cells, thorough, found.large)


def own_aliases(found: Copy, wanted: Wanted) -> Aliases:
    """The foreign ids that the copy's own tables give to recalled links, where something in it can be told by those alone."""
    tables = [name for unit in telling_units(found) for name in unit.files if suffix_of(name) in PARQUET_SUFFIXES]
    return read_aliases([found.root / name for name in tables], wanted, ours=found.keys_name_cells, needed=False)


def telling_units(found: Copy) -> list[Unit]:
    """The units whose tables tell which link a foreign id is, where something in the copy can be told by those alone."""
    needing = [unit for unit in found.units if needs_aliases(found.root, unit, ours=found.keys_name_cells)]
    if not needing:
        return []
    return [
        unit
        for unit in found.units
        if unit not in needing and any(suffix_of(name) in PARQUET_SUFFIXES for name in unit.files)
    ]


def file_plans(root: Path, scan: Scan) -> list[FilePlan]:
    """What a purge would do to the files of a unit; files that go as a whole are one line, their folder's."""
    plans = [FilePlan(touch.name, touch.rows, touch.removed, touch.bytes) for touch in scan.touched]
    if scan.unit.folder is not None and scan.deletes:
        size = sum((root / name).stat().st_size for name in scan.deletes)
        plans.append(FilePlan(f"{scan.unit.folder}/", scan.found.samples, scan.samples_deleted, size))
    elif scan.deletes:
        plans.extend(FilePlan(name, 0, 0, (root / name).stat().st_size) for name in scan.deletes)
    return plans


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
    if not found.units:
        raise UsageError(
            "nothing here is of a kind that can be purged",
            str(found.root),
            "Known kinds: tar shards, parquet, loose pictures, Arrow, embeddings, indexes; databases with --tables.",
        )


def check_tables(found: Copy, receipt: Receipt | None) -> None:
    """Databases are known by the tables that are named: without these, one that was purged would look like one that is gone.

    Raises:
        UsageError: a database of the receipt is there, and none of its tables was named.
    """
    if receipt is None or DatabaseKind.name not in receipt.statement.kind.split("+"):
        return
    looked_at = {name for unit in found.units for name in unit.files}
    for stated in receipt.statement.files:
        path = found.root / stated.name
        if not stated.gone and stated.name not in looked_at and path.is_file() and is_database(path):
            raise UsageError(
                "the receipt has this database, and nothing says which of its tables to look through",
                stated.name,
                "Give the file that named them for the purge: --tables FILE",
            )
