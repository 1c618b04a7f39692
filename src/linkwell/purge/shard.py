"""Tar shards with their sibling parquet and stats, and parquet files that stand alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.purge.parquet import ParquetScan, rewrite_parquet, scan_parquet
from linkwell.purge.samplekeys import NO_KEYS, cells_named
from linkwell.purge.seen import seen_now
from linkwell.purge.stats import STATS_SUFFIX, new_stats
from linkwell.purge.unit import Listing, Scan, Sight, Touch, Unit, stem_of, suffix_of
from linkwell.purge.webdataset import TarScan, rewrite_tar, scan_tar, wipe_in_place

PARQUET_SUFFIXES = frozenset({".parquet", ".parq", ".pq"})


@dataclass(frozen=True)
class Found:
    """What is recalled in the tar and in the parquet of one shard."""

    tar: TarScan | None
    parquet: ParquetScan | None

    @property
    def hit(self) -> bool:
        """Whether anything has to go."""
        return bool((self.tar and self.tar.hit) or (self.parquet and self.parquet.hit_count))


class ShardKind:
    """Tar with parquet and stats of the same stem, any of them alone too (img2dataset's layout, DataComp's, ours)."""

    name = "webdataset"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Every tar with its siblings."""
        units = []
        for name in sorted(listing.files):
            if suffix_of(name) == ".tar":
                siblings = (stem_of(name) + STATS_SUFFIX, stem_of(name) + ".parquet")
                units.append(Unit(self.name, (name, *(s for s in siblings if s in listing.files))))
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find what is recalled. A sample found in one of the files goes from all of them."""
        tar_name, parquet_name = unit.files[0], _with_suffix(unit, PARQUET_SUFFIXES)
        parquet = now = None
        if parquet_name:
            now = seen_now(sight.root / tar_name, sight.root / parquet_name)
            parquet = scan_parquet(
                sight.root / parquet_name, sight.wanted, ours=sight.ours, with_keys=True, thorough=sight.thorough
            )
            if now is not None and sight.seen.get(tar_name) == now and _needs_no_walk(sight, parquet):
                return Scan(unit, found=Found(None, parquet), seen=now)
        tar = scan_tar(
            sight.root / tar_name,
            sight.wanted,
            keys_name_cells=sight.ours,
            listed_hits=parquet.keys_of(parquet.hits) if parquet else NO_KEYS,
            listed=parquet.keys_of(parquet.told) if parquet and parquet.told is not None else NO_KEYS,
            thorough=sight.thorough,
            large=sight.large,
        )
        if parquet and parquet.keys is not None and tar.hit_keys:
            parquet = replace(parquet, hits=parquet.hits | rows_with_keys(parquet.keys, tar.hit_keys))
        scan = scan_siblings(sight, unit, Found(tar, parquet), tar.unidentified)
        return replace(scan, seen=now) if tar.all_listed and not scan.hit else scan

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write tar, stats or parquet anew."""
        return write_sibling(sight, scan, name, target)

    def change(self, sight: Sight, scan: Scan, name: str) -> None:
        """Wipe samples in a tar where they stand."""
        assert scan.found.tar is not None  # noqa: S101 - only tars are changed in their place
        wipe_in_place(sight.root / name, scan.found.tar.removed)

    def only_in_place(self, sight: Sight, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """A tar may always be exchanged."""
        return False

    def may_change(self, sight: Sight, name: str) -> bool:  # noqa: ARG002 - same
        """Only a tar has a form in which the place of a sample can stay empty."""
        return suffix_of(name) == ".tar"


class ParquetKind:
    """Parquet that stands alone: lists, releases, img2dataset's parquet output."""

    name = "parquet"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Every parquet file, with its stats."""
        units = []
        for name in sorted(listing.files):
            if suffix_of(name) in PARQUET_SUFFIXES:
                stats = stem_of(name) + STATS_SUFFIX
                units.append(Unit(self.name, (*([stats] if stats in listing.files else []), name)))
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find the recalled rows."""
        name = unit.files[-1]
        parquet = scan_parquet(
            sight.root / name, sight.wanted, ours=sight.ours, with_keys=False, thorough=sight.thorough
        )
        return scan_siblings(sight, unit, Found(None, parquet), 0 if parquet.identified else parquet.rows)

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write parquet or stats anew."""
        return write_sibling(sight, scan, name, target)


def _needs_no_walk(sight: Sight, parquet: ParquetScan) -> bool:
    """Whether the table shows that nothing in the tar is recalled, all samples of which are known to be in it."""
    if sight.thorough or parquet.told is None or parquet.hits.any():
        return False
    return not (sight.ours and sight.wanted.has_cells(cells_named(parquet.keys_of(parquet.told))).any())


def rows_with_keys(keys: "pa.ChunkedArray[Any]", gone: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which rows of a table have one of the keys."""
    values = pa.array(sorted(key for key in gone if _is_text(key)), pa.string())
    found: Any = pc.is_in(keys, value_set=values)
    return np.asarray(found, dtype=bool)


def _is_text(key: str) -> bool:
    return key.isascii() or not any("\ud800" <= c <= "\udfff" for c in key)


def scan_siblings(sight: Sight, unit: Unit, found: Found, unidentified: int) -> Scan:
    """Which of the files of a shard have to change."""
    touched = []
    for name in unit.files:
        path = sight.root / name
        if found.tar is not None and suffix_of(name) == ".tar":
            if found.tar.hit:
                touched.append(Touch(name, found.tar.sample_count, found.tar.hit_count, path.stat().st_size))
        elif found.parquet is not None and suffix_of(name) in PARQUET_SUFFIXES:
            if found.parquet.hit_count:
                touched.append(Touch(name, found.parquet.rows, found.parquet.hit_count, path.stat().st_size))
        elif found.hit and new_stats_of(sight, unit, found, name) is not None:
            touched.append(Touch(name, 0, 0, path.stat().st_size))
    return Scan(unit, tuple(touched), unidentified=unidentified, found=found)


def write_sibling(sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
    """Write the new version of a tar, a parquet or stats; returns the SHA-256 of a tar."""
    found: Found = scan.found
    if found.tar is not None and suffix_of(name) == ".tar":
        return rewrite_tar(sight.root / name, target, found.tar.removed)
    if found.parquet is not None and suffix_of(name) in PARQUET_SUFFIXES:
        rewrite_parquet(sight.root / name, target, found.parquet.hits)
    else:
        target.write_bytes(new_stats_of(sight, scan.unit, found, name) or b"")
    return None


def new_stats_of(sight: Sight, unit: Unit, found: Found, name: str) -> bytes | None:
    """The stats of a shard for what is left in it; None where nothing in them changes."""
    samples = found.tar.sample_count - found.tar.hit_count if found.tar else None
    parquet = _with_suffix(unit, PARQUET_SUFFIXES)
    rows = None if found.parquet is None else ~found.parquet.hits
    return new_stats(sight.root / name, sight.root / parquet if parquet else None, rows, samples)


def _with_suffix(unit: Unit, suffixes: frozenset[str]) -> str | None:
    return next((name for name in unit.files if suffix_of(name) in suffixes), None)
