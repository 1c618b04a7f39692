"""The kinds of copy that are known, in the order in which they may take files."""

from collections.abc import Iterable

from linkwell.purge.arrow import ArrowKind
from linkwell.purge.database import DatabaseKind
from linkwell.purge.embeddings import EmbeddingsKind, UidsKind
from linkwell.purge.files import PICTURE_SUFFIXES, SAMPLE_SUFFIXES, FilesKind
from linkwell.purge.shard import PARQUET_SUFFIXES, ParquetKind, ShardKind
from linkwell.purge.unit import Kind, Listing, Unit, suffix_of

KINDS: tuple[Kind, ...] = (
    DatabaseKind(),
    EmbeddingsKind(),
    UidsKind(),
    ArrowKind(),
    ShardKind(),
    FilesKind(),
    ParquetKind(),
)
"""Embeddings take their metadata before it is taken for a list, tars their siblings, folders of files theirs."""

DATA_SUFFIXES = PARQUET_SUFFIXES | PICTURE_SUFFIXES | {".tar", ".arrow", ".npy", ".index"}
"""A link out of the copy to a file of these is part of the copy to whoever reads it."""

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(unit: Unit) -> Kind:
    """The kind that a unit is of."""
    return _BY_NAME[unit.kind]


def find_units(listing: Listing) -> tuple[list[Unit], frozenset[str]]:
    """Group the files of a copy into units; returns them with the files that are in none."""
    units: list[Unit] = []
    left = listing.files
    for kind in KINDS:
        found = kind.find(Listing(listing.root, left, listing.tables))
        units.extend(found)
        left -= _files_of(found, left)
    return units, left


def _files_of(units: Iterable[Unit], files: frozenset[str]) -> set[str]:
    used: set[str] = set()
    folders = set()
    for unit in units:
        used.update(unit.files, unit.beside)
        if unit.folder is not None:
            folders.add(unit.folder)
    if folders:
        used.update(name for name in files if name.rpartition("/")[0] in folders and suffix_of(name) in SAMPLE_SUFFIXES)
    return used
