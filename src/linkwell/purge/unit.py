"""What every kind of copy has in common: units of files that are purged together, what is found in one, who rewrites it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from linkwell.purge.match import Wanted
from linkwell.purge.seen import Seen


class TableQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a database that is part of a copy.

    `query` selects the rows: its first column is what `delete` takes to delete one (`DELETE FROM t WHERE rowid = ?`); the others
    are named as in a parquet file (`url`, `link_id`, `cell`, `key`, `uid`, `hash`, `sha256`).
    """

    file: str
    query: str
    delete: str


class Unit(msgspec.Struct, frozen=True):
    """Files that are purged together, relative to the copy, in the order they are replaced: what says which go comes last."""

    kind: str
    files: tuple[str, ...]
    folder: str | None = None
    """A folder with one file or more for each sample."""
    blank: bool = False
    """Rows are blanked, not removed: an index knows the others by their numbers."""
    tables: tuple[TableQuery, ...] = ()
    beside: tuple[str, ...] = ()
    """Files that belong to the others and are dealt with through them."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.files[0] if self.files else f"{self.folder}/"


@dataclass(frozen=True)
class Touch:
    """One file of a unit that has to change."""

    name: str
    rows: int
    """Samples of a tar, rows of a table; 0 where it only counts them."""
    removed: int
    bytes: int
    """Its size: as much is read, and at most as much written."""


@dataclass(frozen=True)
class Scan:
    """What is recalled in one unit. `found` is the kind's own, for rewriting."""

    unit: Unit
    touched: tuple[Touch, ...] = ()
    """In the order of the unit's files."""
    deletes: tuple[str, ...] = ()
    """Files that go as a whole."""
    samples_deleted: int = 0
    """Samples whose files are `deletes`."""
    unidentified: int = 0
    """Samples or rows of which nothing says which link they are."""
    found: Any = None
    seen: Seen | None = None
    """What a later purge may go by as long as the files do not change."""

    @property
    def hit(self) -> bool:
        """Whether anything has to go."""
        return bool(self.touched or self.deletes)


@dataclass(frozen=True)
class Sight:
    """How a unit is looked at."""

    root: Path
    wanted: Wanted
    ours: bool
    """The copy is Linkwell's, made from a release: keys and the column `cell` name cells."""
    thorough: bool = False
    """Look at every statement of identity, also where another one has answered."""
    large: bool = False
    """The copy has gigabytes of tar archives: loading compiled code pays."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """What earlier purges saw in shards, by the name of the tar; it spares a walk where nothing has changed."""


@dataclass(frozen=True)
class Listing:
    """The files of a copy, by their names relative to it."""

    root: Path
    files: frozenset[str]
    tables: tuple[TableQuery, ...] = field(default=())

    def in_folder(self, folder: str) -> list[str]:
        """Files directly in a folder (`""` is the copy itself), sorted."""
        return sorted(name for name in self.files if name.rpartition("/")[0] == folder)


class Kind(Protocol):
    """One kind of copy: finds its units, looks into one, writes a file anew."""

    name: str

    def find(self, listing: Listing) -> Sequence[Unit]:
        """The units of this kind among files that no kind before has taken."""
        ...

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find what is recalled in a unit; plan, apply and verify all look through these eyes.

        Raises:
            DamagedFileError: a file does not read.
            FormatError: it is in a form not known here.
        """
        ...

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write the new version of one touched file.

        Returns:
            its SHA-256, hex, where that is known already.

        Raises:
            DamagedFileError: the file does not read.
            OSError: the target cannot be written.
        """
        ...


@runtime_checkable
class InPlaceKind(Kind, Protocol):
    """A kind that can also change a file where it stands, safely at any kill."""

    def may_change(self, sight: Sight, name: str) -> bool:
        """Whether this file can be changed in its place."""
        ...

    def only_in_place(self, sight: Sight, name: str) -> bool:
        """Whether it must be: others may have it open."""
        ...

    def change(self, sight: Sight, scan: Scan, name: str) -> None:
        """Change one touched file in its place."""
        ...


def stem_of(name: str) -> str:
    """A name without its last suffix.

    >>> stem_of("a/00000.tar")
    'a/00000'
    """
    folder, slash, base = name.rpartition("/")
    return folder + slash + (base.rpartition(".")[0] or base)


def suffix_of(name: str) -> str:
    """The last suffix, lower case, with its dot; empty where there is none."""
    return Path(name).suffix.lower()
