"""Folders of the Hugging Face library `datasets`: Arrow files with `state.json` and `dataset_info.json`, and Arrow files alone.

Caches of transformations (`cache-*.arrow`) hold rows, or numbers of rows that shift: where anything goes from a folder they go
as a whole, and are made again by whoever needs them. The fingerprint changes, so that no cache elsewhere is taken for this data.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import ipc

from linkwell.base.errors import DamagedFileError
from linkwell.purge.match import identity_columns, row_hits
from linkwell.purge.parquet import kept_rows
from linkwell.purge.unit import Listing, Scan, Sight, Touch, Unit, stem_of, suffix_of

STATE_FILE, INFO_FILE = "state.json", "dataset_info.json"

_ADVICE = "Restore the file, save the dataset again, or delete it; until then it may hold recalled rows."
_CACHE = re.compile(r"cache-[^/]*\.arrow|tmp[^/]*\.arrow")
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_FILE_MAGIC = b"ARROW1"
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class ArrowFound:
    """Hits of every Arrow file, one entry for a row."""

    hits: dict[str, npt.NDArray[np.bool_]]


class ArrowKind:
    """Folders of Arrow files."""

    name = "datasets"

    def find(self, listing: Listing) -> Sequence[Unit]:
        """Every folder with Arrow files; its JSON first, which says what the others are."""
        folders = sorted({name.rpartition("/")[0] for name in listing.files if suffix_of(name) == ".arrow"})
        units = []
        for folder in folders:
            here = listing.in_folder(folder)
            told = [name for name in here if name.rpartition("/")[2] in {STATE_FILE, INFO_FILE}]
            data = [name for name in here if suffix_of(name) == ".arrow"]
            units.append(Unit(self.name, (*told, *sorted(data, key=lambda name: (not _is_cache(name), name)))))
        return units

    def scan(self, sight: Sight, unit: Unit) -> Scan:
        """Find the recalled rows of every file; caches go where any row goes."""
        hits: dict[str, npt.NDArray[np.bool_]] = {}
        unidentified = 0
        caches = []
        for name in unit.files:
            if suffix_of(name) != ".arrow":
                continue
            found, identified = _scan_file(sight, name)
            if _is_cache(name):
                caches.append((name, bool(found.any())))
                continue
            hits[name] = found
            unidentified += 0 if identified else len(found)
        hit = any(found.any() for found in hits.values())
        deletes = tuple(name for name, cache_hit in caches if hit or cache_hit)
        found_all = ArrowFound(hits)
        touched = []
        for name in unit.files:
            size = (sight.root / name).stat().st_size
            if name in hits and hits[name].any():
                touched.append(Touch(name, len(hits[name]), int(hits[name].sum()), size))
            elif hit and name not in hits and not _is_cache(name) and _new_json(sight, name, found_all) is not None:
                touched.append(Touch(name, 0, 0, size))
        return Scan(unit, tuple(touched), deletes, unidentified=unidentified, found=found_all)

    def write(self, sight: Sight, scan: Scan, name: str, target: Path) -> str | None:
        """Write an Arrow file without its hits, or a JSON that fits."""
        if suffix_of(name) != ".arrow":
            target.write_bytes(_new_json(sight, name, scan.found) or b"")
            return None
        hits = scan.found.hits[name]
        with _reader(sight.root / name) as (reader, is_file):
            make = ipc.new_file if is_file else ipc.new_stream
            start = 0
            with pa.OSFile(str(target), "wb") as sink, make(sink, reader.schema) as writer:
                for batch in _batches(reader, sight.root / name):
                    keep = ~hits[start : start + batch.num_rows]
                    start += batch.num_rows
                    if keep.all():
                        writer.write_batch(batch)
                    elif keep.any():
                        writer.write_table(kept_rows(pa.Table.from_batches([batch]), keep))
        return None


def _is_cache(name: str) -> bool:
    return _CACHE.fullmatch(name.rpartition("/")[2]) is not None


def _scan_file(sight: Sight, name: str) -> tuple[npt.NDArray[np.bool_], bool]:
    """Hits of an Arrow file, and whether its columns tell which link a row is."""
    path = sight.root / name
    hits = [np.zeros(0, dtype=bool)]
    with _reader(path) as (reader, _is_file):
        columns = identity_columns(reader.schema, ours=sight.ours)
        for batch in _batches(reader, path):
            table = pa.Table.from_batches([batch]).select(columns.names)
            hits.append(
                row_hits(table, columns, sight.wanted, str(path), ours=sight.ours)
                if columns.names
                else np.zeros(batch.num_rows, dtype=bool)
            )
    return np.concatenate(hits), columns.identified(sight.wanted.aliases)


def schema_of(path: Path) -> pa.Schema:
    """The columns of an Arrow file.

    Raises:
        DamagedFileError: it does not read.
    """
    with _reader(path) as (reader, _is_file):
        schema: pa.Schema = reader.schema
        return schema


@contextmanager
def _reader(path: Path) -> Iterator[tuple[Any, bool]]:
    """A reader of either Arrow format, and whether it is the one with a footer."""
    try:
        with pa.memory_map(str(path)) as source:
            is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            source.seek(0)
            yield (ipc.open_file(source) if is_file else ipc.open_stream(source)), is_file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError("this is no whole Arrow file", str(path), _ADVICE) from error


def _batches(reader: Any, path: Path) -> Iterator[pa.RecordBatch]:
    try:
        if isinstance(reader, ipc.RecordBatchFileReader):
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)
        else:
            yield from reader
    except (pa.ArrowException, ValueError) as error:
        raise DamagedFileError("this Arrow file is damaged", str(path), _ADVICE) from error


def _new_json(sight: Sight, name: str, found: ArrowFound) -> bytes | None:
    """`state.json` with another fingerprint, `dataset_info.json` with the counts that are left; None where nothing changes."""
    path = sight.root / name
    try:
        old = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError):
        raise DamagedFileError("this JSON of a dataset does not read", str(path), _ADVICE) from None
    new = dict(old)
    if name.rpartition("/")[2] == STATE_FILE:
        mask = hashlib.sha256(str(old.get("_fingerprint")).encode())
        for file in sorted(found.hits):
            mask.update(np.packbits(found.hits[file]).tobytes())
        new["_fingerprint"] = mask.hexdigest()[:_FINGERPRINT_DIGITS]
    elif isinstance(old.get("splits"), dict):
        new["splits"] = {split: _recounted(split, told, found) for split, told in old["splits"].items()}
    return None if new == old else json.dumps(new, indent=2).encode()


def _recounted(split: str, told: Any, found: ArrowFound) -> Any:
    """What is told of a split, with the rows that are left in its files."""
    if not isinstance(told, dict):
        return told
    lengths = [
        int((~hits).sum())
        for name, hits in sorted(found.hits.items())
        if _PART.sub("", stem_of(name)).rpartition("/")[2].rpartition("-")[2] in {split, "data"}
    ]
    if not lengths:
        return told
    new = dict(told)
    if "num_examples" in told:
        new["num_examples"] = sum(lengths)
    if told.get("shard_lengths"):
        new["shard_lengths"] = lengths
    return new
