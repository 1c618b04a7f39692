"""Embeddings whose rows stand in the order of a table of metadata, and the indexes over them (clip-retrieval's folders).

`img_emb/*.npy`, `text_emb/*.npy` and `metadata/*.parquet` have equal rows, file by file; an index counts the rows of all files in
the order of their names (peers.md 5.5). Where the copy has an index, recalled rows are blanked in their place: removing one
would change the id of every row behind it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError, LinkwellError
from linkwell.purge.indexes import ids_held, open_index, without_ids, write_index
from linkwell.purge.npy import open_npy, rewrite_npy
from linkwell.purge.parquet import blank_rows, rewrite_parquet, scan_parquet
from linkwell.purge.shard import PARQUET_SUFFIXES
from linkwell.purge.unit import Listing, Scan, Sight, Touch, Unit, stem_of, suffix_of

_METADATA = "metadata"
_INDEX = ".index"
_UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])
"""DataComp's subsets: high and low half of a uid."""


@dataclass(frozen=True)
class EmbeddingsFound:
    """Hits by file: of every table, and of every array that goes with one."""

    hits: dict[str, npt.NDArray[np.bool_]]
    rows_gone: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Row numbers over all tables that an index must not have: hits, and rows blanked before."""


class EmbeddingsKind:
    """Arrays aligned with tables, and indexes over them."""

    name = "embeddings"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Folders in clip-retrieval's layout, and arrays beside a table of the same name."""
        indexes = [name for name in listing.files if suffix_of(name) == _INDEX]
        groups = _groups(listing)
        units = []
        for folder, tables in groups.items():
            here = sorted(name for name in indexes if len(groups) == 1 or name.rpartition("/")[0] == folder)
            arrays = {table: _aligned(listing, table) for table in tables}
            if not here and not any(arrays.values()):
                continue
            if indexes:
                every = [*here, *(a for table in tables for a in arrays[table]), *tables]
                units.append(Unit(self.name, tuple(every), blank=True))
            else:
                units.extend(Unit(self.name, (*arrays[table], table)) for table in tables if arrays[table])
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find the recalled rows in the tables; arrays and indexes follow them."""
        hits: dict[str, npt.NDArray[np.bool_]] = {}
        unidentified = rows = 0
        gone = [np.empty(0, dtype=np.int64)]
        for table in (name for name in unit.files if suffix_of(name) in PARQUET_SUFFIXES):
            found = scan_parquet(
                sight.root / table, sight.wanted, ours=sight.ours, with_keys=False, thorough=sight.thorough
            )
            unidentified += 0 if found.identified else found.rows
            hits[table] = found.hits
            for array in _aligned(Listing(sight.root, frozenset(unit.files)), table):
                if len(open_npy(sight.root / array)) != found.rows:
                    raise DamagedFileError(
                        "this array has not as many rows as its metadata",
                        str(sight.root / array),
                        "Make both again, or restore them.",
                    )
                hits[array] = found.hits
            blank = found.hits | blank_rows(sight.root / table) if unit.blank and sight.thorough else found.hits
            gone.append(np.flatnonzero(blank) + rows)
            rows += found.rows
        rows_gone = np.concatenate(gone)
        touched = []
        for name in unit.files:
            size = (sight.root / name).stat().st_size
            if suffix_of(name) == _INDEX:
                held = _held(sight.root / name, rows_gone) if len(rows_gone) else 0
                if held:
                    touched.append(Touch(name, rows, held, size))
            elif hits[name].any():
                touched.append(Touch(name, len(hits[name]), int(hits[name].sum()), size))
        return Scan(unit, tuple(touched), unidentified=unidentified, found=EmbeddingsFound(hits, rows_gone))

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write an index, an array or a table anew."""
        found: EmbeddingsFound = scan.found
        source = sight.root / name
        if suffix_of(name) == _INDEX:
            index = open_index(source)
            without_ids(index, found.rows_gone, str(source))
            write_index(index, target)
        elif suffix_of(name) in PARQUET_SUFFIXES:
            rewrite_parquet(source, target, found.hits[name], blank=scan.unit.blank)
        else:
            rewrite_npy(source, target, found.hits[name], blank=scan.unit.blank)
        return None


class UidsKind:
    """Lists of DataComp uids as an array of pairs of 64-bit numbers: subsets, and what its resharding writes."""

    name = "uids"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Every array of that type."""
        return [
            Unit(self.name, (name,))
            for name in sorted(listing.files)
            if suffix_of(name) == ".npy" and _is_uids(listing.root / name)
        ]

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find the uids of recalled links, where an alias table knows them."""
        (name,) = unit.files
        array = open_npy(sight.root / name)
        swapped = np.stack([array["f0"], array["f1"]], axis=1).astype(">u8")
        ids = np.frombuffer(swapped.tobytes(), dtype="S16")
        hits = np.isin(ids, sight.wanted.aliases.uids)
        size = (sight.root / name).stat().st_size
        touched = (Touch(name, len(hits), int(hits.sum()), size),) if hits.any() else ()
        unidentified = 0 if len(sight.wanted.aliases.uids) else len(hits)
        return Scan(unit, touched, unidentified=unidentified, found=EmbeddingsFound({name: hits}))

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write the list without them."""
        rewrite_npy(sight.root / name, target, scan.found.hits[name])
        return None


def _groups(listing: Listing) -> dict[str, list[str]]:
    """Folder → its tables of metadata in the order of their names."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(listing.files):
        folder, _, _base = name.rpartition("/")
        if suffix_of(name) not in PARQUET_SUFFIXES:
            continue
        if folder.rpartition("/")[2] == _METADATA:
            groups[folder.rpartition("/")[0]].append(name)
        elif stem_of(name) + ".npy" in listing.files:
            groups[folder].append(name)
    return dict(groups)


def _aligned(listing: Listing, table: str) -> list[str]:
    """The arrays whose rows are those of a table."""
    folder, _, base = table.rpartition("/")
    beside = stem_of(table) + ".npy"
    if folder.rpartition("/")[2] != _METADATA:
        return [beside] if beside in listing.files else []
    parent = folder.removesuffix(_METADATA)
    number = base.rpartition(".")[0].removeprefix("metadata_")
    names = (f"{parent}{kind}/{kind}_{number}.npy" for kind in ("img_emb", "text_emb"))
    return [name for name in names if name in listing.files]


def _is_uids(path: Path) -> bool:
    try:
        return bool(open_npy(path).dtype == _UID)
    except LinkwellError:
        return False


def _held(path: Path, rows: npt.NDArray[np.int64]) -> int:
    """How many of the rows an index still holds; several hours of reading are spared where nothing is recalled."""
    return ids_held(open_index(path), rows, str(path))
