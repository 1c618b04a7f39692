"""Loose files: a folder with a picture, a caption and a JSON for each sample, beside a parquet and stats (img2dataset's `files`)."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from linkwell.base.errors import DamagedFileError
from linkwell.purge.parquet import scan_parquet
from linkwell.purge.shard import Found, rows_with_keys, scan_siblings, write_sibling
from linkwell.purge.stats import STATS_SUFFIX
from linkwell.purge.unit import Listing, Scan, Sight, Unit, suffix_of
from linkwell.purge.webdataset import MAX_JSON_BYTES, json_hits

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".heic"})
SAMPLE_SUFFIXES = PICTURE_SUFFIXES | {".json", ".txt"}


@dataclass(frozen=True)
class FolderFound(Found):
    """What is recalled in a folder, and how many samples it has."""

    samples: int = 0
    gone: int = 0


class FilesKind:
    """Folders of samples as loose files."""

    name = "files"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Folders that hold pictures, or that stand beside a parquet of their name."""
        pictured = {name.rpartition("/")[0] for name in listing.files if suffix_of(name) in PICTURE_SUFFIXES}
        tabled = {name.removesuffix(".parquet") for name in listing.files if name.endswith(".parquet")}
        holding = {name.rpartition("/")[0] for name in listing.files}
        units = []
        for folder in sorted(pictured | (tabled & holding)):
            # At the top of a copy other files stand beside: a table is a folder's only by its name.
            siblings = (folder + STATS_SUFFIX, folder + ".parquet") if folder else ()
            units.append(Unit(self.name, tuple(name for name in siblings if name in listing.files), folder))
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find what is recalled, by the parquet's rows and, for samples it does not tell of, by their JSON."""
        table = next((name for name in unit.files if name.endswith(".parquet")), None)
        parquet = None
        if table:
            parquet = scan_parquet(
                sight.root / table, sight.wanted, ours=sight.ours, with_keys=True, thorough=sight.thorough
            )
        samples = samples_in(sight, unit)
        keys = np.array([key.encode("utf-8", "surrogateescape") for key in samples], dtype=np.bytes_)
        hit = np.zeros(len(keys), dtype=bool)
        told = np.zeros(len(keys), dtype=bool)
        if parquet is not None and parquet.told is not None:
            hit |= np.isin(keys, parquet.keys_of(parquet.hits))
            told |= np.isin(keys, parquet.keys_of(parquet.told))
        names = list(samples)
        ask = [i for i, key in enumerate(names) if (sight.thorough or not told[i]) and f"{key}.json" in samples[key]]
        contents = (_read(sight, unit, f"{names[i]}.json") for i in ask)
        is_hit, is_told = json_hits(contents, sight.wanted, str(sight.root / unit.name), ours=sight.ours)
        hit[ask] |= is_hit
        told[ask] |= is_told
        hit |= ~told & sight.wanted.has_keys(names, ours=sight.ours)
        gone = {key for key, is_gone in zip(samples, hit.tolist(), strict=True) if is_gone}
        if parquet is not None and parquet.keys is not None and gone:
            parquet = replace(parquet, hits=parquet.hits | rows_with_keys(parquet.keys, gone))
        found = FolderFound(None, parquet, len(samples), len(gone))
        scan = scan_siblings(sight, unit, found, int((~told & ~hit).sum()))
        deletes = [f"{unit.folder}/{name}" if unit.folder else name for key in sorted(gone) for name in samples[key]]
        return replace(scan, deletes=tuple(deletes), samples_deleted=len(gone))

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write parquet or stats anew; pictures only go."""
        return write_sibling(sight, scan, name, target)


def samples_in(sight: Sight, unit: Unit) -> dict[str, list[str]]:
    """Key → names of its files in the unit's folder, the pictures last."""
    grouped: dict[str, list[str]] = defaultdict(list)
    with os.scandir(sight.root / (unit.folder or "")) as entries:
        for entry in entries:
            if suffix_of(entry.name) in SAMPLE_SUFFIXES and entry.is_file(follow_symlinks=False):
                grouped[entry.name.split(".", 1)[0]].append(entry.name)
    return {
        key: sorted(names, key=lambda name: (suffix_of(name) in PICTURE_SUFFIXES, name))
        for key, names in sorted(grouped.items())
        if key and (unit.files or any(suffix_of(name) in PICTURE_SUFFIXES for name in names))
    }


def _read(sight: Sight, unit: Unit, name: str) -> bytes:
    path = sight.root / (unit.folder or "") / name
    if path.stat().st_size > MAX_JSON_BYTES:
        raise DamagedFileError("the JSON of a sample is too large to be one", str(path.parent))
    return path.read_bytes()
