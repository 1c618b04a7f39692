"""The task that purges one shard.

New files are written whole beside the old ones; then a note of what is about to happen is stored; then they are renamed, the
tar first, the parquet last. Whatever kills it, the next run looks again: what the tar lost already stays lost, what the
parquet still names goes, and the note still knows the hashes from before. Trouble with one shard (damaged, read-only, disk
full) is recorded and leaves that shard as it was; the others go on.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from linkwell.base.errors import DamagedFileError, LinkwellError, StorageError
from linkwell.base.shards import commit, file_sha256, storage_error, temporary_path, write_bytes
from linkwell.engine import TaskContext
from linkwell.purge.inventory import Shard
from linkwell.purge.match import Wanted
from linkwell.purge.parquet import count_statuses, rewrite_parquet
from linkwell.purge.receipt import FileRecord
from linkwell.purge.scan import ShardScan, scan_shard
from linkwell.purge.stats import recounted, without_samples
from linkwell.purge.webdataset import rewrite_tar

RECORD = "record.json"
_OWNER_CAN_WRITE = 0o200


class ShardTask(msgspec.Struct, frozen=True):
    """What one task does. `run_folder` holds what is recalled; `head` makes a task of another feed state another task."""

    copy: str
    shard: Shard
    keys_name_cells: bool
    run_folder: str
    head: str


class ShardRecord(msgspec.Struct, frozen=True):
    """What became of a shard. `problem` is set where it could not be purged; then its files are as they were."""

    name: str
    files: list[FileRecord]
    unidentified: int = 0
    hard_links: int = 0
    problem: str | None = None


def purge_shard(context: TaskContext) -> None:
    """Purge one shard and record it. Never raises for trouble with the shard's own files."""
    task = context.params(ShardTask)
    root, run = Path(task.copy), Path(task.run_folder)
    note = note_path(run, task.shard)
    try:
        record = _purge(root, task.shard, Wanted.load(run), ours=task.keys_name_cells, note=note)
    except LinkwellError as error:
        where = f"{Path(error.where).name}: " if error.where else ""
        noted = _read_note(note)  # of what was renamed before the trouble
        files = [_with_note(file, noted.get(file.name)) for file in _as_they_are(root, task.shard)]
        record = ShardRecord(task.shard.name, files, problem=where + error.problem)
    context.output(RECORD).write_bytes(msgspec.json.encode(record))
    context.count("rows_removed", sum(f.rows_removed for f in record.files))


def note_path(run: Path, shard: Shard) -> Path:
    """Where the note of a shard's renames stands."""
    return run / "notes" / (hashlib.sha256(shard.name.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".json")


def _purge(root: Path, shard: Shard, wanted: Wanted, *, ours: bool, note: Path) -> ShardRecord:
    scan = scan_shard(root, shard, wanted, ours=ours)
    noted = _read_note(note)
    if not scan.hit and not noted:
        return ShardRecord(shard.name, _as_they_are(root, shard), scan.unidentified)
    made: dict[str, Path] = {}
    try:
        records = _prepare(root, scan, made)
        records = [_with_note(record, noted.get(record.name)) for record in records]
        hard_links = sum((root / name).stat().st_nlink > 1 for name in made)
        if made:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(note, msgspec.json.encode(records))
        for name, temporary in made.items():
            with _writing(root / name):
                commit(temporary, root / name)
    finally:
        for temporary in made.values():
            temporary.unlink(missing_ok=True)
    return ShardRecord(shard.name, records, scan.unidentified, hard_links)


def _prepare(root: Path, scan: ShardScan, made: dict[str, Path]) -> list[FileRecord]:
    """Write the new files under temporary names, adding each to `made`; returns what will be so once they are renamed."""
    shard = scan.shard
    records = []
    if shard.tar and scan.tar:
        path = root / shard.tar
        if scan.tar.hit_keys:
            with _new(path, made, shard.tar) as temporary:
                before, after = rewrite_tar(path, temporary, scan.tar.removed)
            records.append(FileRecord(shard.tar, before, after, len(scan.tar.hit_keys)))
        else:
            records.append(_unchanged(root, shard.tar))
    if shard.stats:
        path = root / shard.stats
        content = recounted(path, _statuses(root, scan))
        if content is not None:
            with _new(path, made, shard.stats) as temporary:
                temporary.write_bytes(content)
            records.append(FileRecord(shard.stats, file_sha256(path), hashlib.sha256(content).hexdigest(), 0))
        else:
            records.append(_unchanged(root, shard.stats))
    if shard.parquet and scan.parquet:
        path = root / shard.parquet
        if scan.parquet.hit_count:
            with _new(path, made, shard.parquet) as temporary:
                rewrite_parquet(path, temporary, scan.parquet.hits)
            after = file_sha256(made[shard.parquet])
            records.append(FileRecord(shard.parquet, file_sha256(path), after, scan.parquet.hit_count))
        else:
            records.append(_unchanged(root, shard.parquet))
    return records


def _statuses(root: Path, scan: ShardScan) -> dict[tuple[str, str], int]:
    """(status, message) → rows that are left in a shard."""
    shard = scan.shard
    if shard.parquet and scan.parquet:
        counted = count_statuses(root / shard.parquet, ~scan.parquet.hits)
        if counted is not None:
            return counted
        left = int(np.count_nonzero(~scan.parquet.hits))
    else:
        left = len(scan.tar.samples) - len(scan.tar.hit_keys) if scan.tar else 0
    return without_samples(root / (shard.stats or ""), left)


@contextmanager
def _new(path: Path, made: dict[str, Path], name: str) -> Iterator[Path]:
    """A temporary path for the new version of a file, with its permissions.

    Raises:
        StorageError: the file is read-only, or the disk is full.
    """
    mode = path.stat().st_mode
    if not mode & _OWNER_CAN_WRITE:
        raise StorageError("the file is read-only", str(path), f"Allow writing (chmod u+w {path}) and run it again.")
    temporary = temporary_path(path)
    made[name] = temporary
    with _writing(path):
        yield temporary
        shutil.copymode(path, temporary)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Name the file in any trouble of the operating system."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def _unchanged(root: Path, name: str) -> FileRecord:
    digest = file_sha256(root / name)
    return FileRecord(name, digest, digest, 0)


def _as_they_are(root: Path, shard: Shard) -> list[FileRecord]:
    try:
        return [_unchanged(root, name) for name in shard.files]
    except OSError as error:
        raise storage_error(error, root / shard.name) from error


def _with_note(record: FileRecord, noted: FileRecord | None) -> FileRecord:
    """A file that a killed run had renamed already keeps the hash and the count of before."""
    if noted is None or noted.sha256_after != record.sha256_before:
        return record
    return FileRecord(record.name, noted.sha256_before, record.sha256_after, noted.rows_removed + record.rows_removed)


def _read_note(note: Path) -> dict[str, FileRecord]:
    try:
        return {r.name: r for r in msgspec.json.decode(note.read_bytes(), type=list[FileRecord])}
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise DamagedFileError("the note of an unfinished purge does not read", str(note), "Delete it.") from error
