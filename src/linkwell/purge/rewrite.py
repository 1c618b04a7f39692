"""The task that purges some units of a copy.

New files are written whole beside the old ones; then a note of what is about to happen is stored; then files go, and new ones take
their place. Whatever kills it, the next run finishes what was noted and looks again. Trouble with one unit (damaged,
read-only, disk full) is recorded and leaves that unit as it was; the others go on.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from linkwell.base.errors import LinkwellError, StorageError
from linkwell.base.shards import file_sha256, storage_error, temporary_path
from linkwell.engine import TaskContext
from linkwell.purge.kinds import kind_of
from linkwell.purge.match import Wanted
from linkwell.purge.note import Note, finish, note_path, read_note, write_note
from linkwell.purge.receipt import FileRecord
from linkwell.purge.records import after_note, folder_record, record_of, records_of
from linkwell.purge.seen import Seen
from linkwell.purge.unit import InPlaceKind, Kind, Scan, Sight, Unit, suffix_of

RECORD = "record.json"
_OWNER_CAN_WRITE = 0o200
_SPARE_BYTES = 16_777_216

InPlace = Literal["auto", "always", "never"]


class UnitsTask(msgspec.Struct, frozen=True):
    """What one task does. `run_folder` holds what is recalled; `head` makes a task of another feed state another task."""

    copy: str
    units: list[Unit]
    keys_name_cells: bool
    run_folder: str
    head: str
    hash_all: bool = False
    thorough: bool = False
    in_place: InPlace = "auto"
    large: bool = False
    seen: dict[str, Seen] = {}


class UnitRecord(msgspec.Struct, frozen=True):
    """What became of a unit. `problem` is set where it could not be purged; then its files are as they were."""

    name: str
    files: list[FileRecord]
    unidentified: int = 0
    hard_links: int = 0
    problem: str | None = None
    seen: Seen | None = None


def purge_units(context: TaskContext) -> None:
    """Purge units one after the other and record them. Never raises for trouble with a unit's own files."""
    task = context.params(UnitsTask)
    run = Path(task.run_folder)
    sight = Sight(Path(task.copy), Wanted.load(run), task.keys_name_cells, task.thorough, task.large, task.seen)
    records = []
    for unit in task.units:
        note = note_path(run, unit)
        try:
            records.append(_purge(sight, unit, note, hash_all=task.hash_all, in_place=task.in_place))
        except LinkwellError as error:
            records.append(_failed(sight, unit, note, error, hash_all=task.hash_all))
    context.output(RECORD).write_bytes(msgspec.json.encode(records))
    context.count("rows_removed", sum(file.rows_removed for record in records for file in record.files))


def _purge(sight: Sight, unit: Unit, path: Path, *, hash_all: bool, in_place: InPlace) -> UnitRecord:
    kind = kind_of(unit)
    noted = read_note(path)
    scan = kind.scan(sight, unit)
    rows_at_first = noted.changing if noted else {}
    if noted and noted.changing:
        noted = _resumed(sight.root, noted, scan, path)
    before = records_of(sight.root, unit, hashed=hash_all)
    if not scan.hit:
        return UnitRecord(unit.name, _all(before, {}, noted), scan.unidentified, seen=scan.seen)
    _check_writable(sight.root, scan)
    links = sum((sight.root / touch.name).stat().st_nlink > 1 for touch in scan.touched)
    changing = _changed_in_place(kind, sight, scan, in_place)
    moves: list[tuple[str, str]] = []
    noted_at_all = False
    try:
        planned = _planned(scan, before)
        fresh = [planned[touch.name] for touch in scan.touched if touch.name not in changing]
        for temporary, new in _write_all(kind, sight, scan, fresh):
            moves.append((temporary, new.name))
            planned[new.name] = new
        if changing:
            rows = {t.name: t.rows for t in scan.touched if t.name in changing}
            rows |= {name: count for name, count in rows_at_first.items() if name in rows}
            write_note(path, Note(unit.name, _merged(planned, noted), moves=moves, changing=rows))
            noted_at_all = True
            planned |= _change(kind, sight, scan, planned, rows)
        note = Note(unit.name, _merged(planned, noted), list(scan.deletes), moves)
        write_note(path, note)
        noted_at_all = True
        finish(sight.root, note)
        if unit.folder is not None:
            now = folder_record(sight.root, unit.folder, hashed=hash_all)
            planned[now.name] = msgspec.structs.replace(
                planned[now.name], bytes_after=now.bytes_after, sha256_after=now.sha256_after
            )
    finally:
        if not noted_at_all:
            for temporary, _name in moves:
                (sight.root / temporary).unlink(missing_ok=True)
    return UnitRecord(unit.name, _all(before, planned, noted), scan.unidentified, links)


def _resumed(root: Path, noted: Note, scan: Scan, path: Path) -> Note:
    """Go on from a change in place that was stopped: where all of it was done, what was to follow is done now."""
    if not scan.hit:
        done = msgspec.structs.replace(noted, changing={})
        write_note(path, done)
        finish(root, done)
        return done
    for temporary, _final in noted.moves:
        (root / temporary).unlink(missing_ok=True)
    return _settled(noted, scan)


def _settled(noted: Note, scan: Scan) -> Note:
    """Of a note whose change in place was stopped: what was done counts, what was not is only known by what it was before.

    Rows of a file that is still being changed are counted from those it had at first.
    """
    touched = {touch.name for touch in scan.touched}
    records = [
        record
        if record.name in noted.changing and record.name not in touched
        else msgspec.structs.replace(record, rows_removed=0, sha256_after="")
        for record in noted.records
    ]
    return msgspec.structs.replace(noted, records=records)


def _planned(scan: Scan, before: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """The records of what changes, with what goes; what they will be is not known yet."""
    replace = msgspec.structs.replace
    planned = {t.name: replace(before[t.name], rows_removed=t.removed, sha256_after="") for t in scan.touched}
    if scan.unit.folder is not None:
        folder = f"{scan.unit.folder}/"
        planned[folder] = replace(before[folder], rows_removed=scan.samples_deleted, sha256_after="")
    else:
        planned |= {n: replace(before[n], sha256_after="", bytes_after=0, gone=True) for n in scan.deletes}
    return planned


def _merged(planned: dict[str, FileRecord], noted: Note | None) -> list[FileRecord]:
    """Records for a note: with what an earlier note says, also of files that are gone."""
    earlier = {record.name: record for record in noted.records} if noted else {}
    merged = {name: after_note(record, earlier.get(name)) for name, record in planned.items()}
    return list((earlier | merged).values())


def _change(
    kind: Kind, sight: Sight, scan: Scan, planned: dict[str, FileRecord], rows_before: dict[str, int]
) -> dict[str, FileRecord]:
    """Change files where they stand; returns their records. What went is counted from the rows there were at first."""
    changed = {}
    for touch in scan.touched:
        if touch.name in rows_before:
            assert isinstance(kind, InPlaceKind)  # noqa: S101 - it said it may
            with _naming(sight.root / touch.name):
                kind.change(sight, scan, touch.name)
            now = record_of(sight.root, touch.name, hashed=True)
            changed[touch.name] = msgspec.structs.replace(
                planned[touch.name],
                rows_removed=rows_before[touch.name] - (touch.rows - touch.removed),
                sha256_after=now.sha256_after,
                bytes_after=now.bytes_after,
            )
    return changed


def _write_all(kind: Kind, sight: Sight, scan: Scan, planned: list[FileRecord]) -> list[tuple[str, FileRecord]]:
    """Write some files anew, as `_write` does, in their order; where one cannot be, none is left.

    What stands beside a tar, which comes first, is written while the tar is copied and synced: that takes time, but no memory.

    Raises:
        StorageError: the disk is full.
    """
    has_tar = any(suffix_of(each.name) == ".tar" for each in planned)
    pool = ThreadPoolExecutor(2 if has_tar else 1)
    writing = [pool.submit(_write, kind, sight, scan, each) for each in planned]
    try:
        return [each.result() for each in writing]
    except BaseException:
        pool.shutdown(cancel_futures=True)
        for each in writing:
            if not each.cancelled() and each.exception() is None:
                (sight.root / each.result()[0]).unlink(missing_ok=True)
        raise
    finally:
        pool.shutdown()


def _write(kind: Kind, sight: Sight, scan: Scan, planned: FileRecord) -> tuple[str, FileRecord]:
    """Write one file anew under a temporary name; returns that name and the file's record.

    Raises:
        StorageError: the disk is full.
    """
    name = planned.name
    path = sight.root / name
    temporary = temporary_path(path)
    try:
        with _naming(path):
            known = kind.write(sight, scan, name, temporary)
            shutil.copymode(path, temporary)
            digest = known or _hashed_while_synced(temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    relative = temporary.relative_to(sight.root).as_posix()
    size = temporary.stat().st_size
    return relative, msgspec.structs.replace(planned, sha256_after=digest, bytes_after=size)


def _hashed_while_synced(path: Path) -> str:
    """SHA-256 of a new file, computed while the system writes it to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        writing = threading.Thread(target=_sync, args=(descriptor,))
        writing.start()
        try:
            return file_sha256(path)
        finally:
            writing.join()
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError:  # the commit syncs again, and says it
        return


def _changed_in_place(kind: Kind, sight: Sight, scan: Scan, mode: InPlace) -> list[str]:
    """Which files are changed where they stand: those that must be, and all that can be where the disk is short."""
    if not isinstance(kind, InPlaceKind):
        return []
    able = [touch.name for touch in scan.touched if kind.may_change(sight, touch.name)]
    must = [name for name in able if kind.only_in_place(sight, name)]
    if mode == "never":
        return must
    needed = sum(touch.bytes for touch in scan.touched if touch.name not in must)
    short = shutil.disk_usage(sight.root).free < 2 * needed + _SPARE_BYTES
    return able if mode == "always" or short else must


def _all(before: dict[str, FileRecord], planned: dict[str, FileRecord], noted: Note | None) -> list[FileRecord]:
    """The records of a unit: what changed, what an earlier note says of it, and what stayed as it is."""
    return list({record.name: record for record in _merged(before | planned, noted)}.values())


def _failed(sight: Sight, unit: Unit, path: Path, error: LinkwellError, *, hash_all: bool) -> UnitRecord:
    """The record of a unit that could not be purged, with what was changed before the trouble."""
    where = f"{Path(error.where).name}: " if error.where else ""
    noted = read_note(path)
    files: list[FileRecord] = []
    for name in (*unit.files, *([f"{unit.folder}/"] if unit.folder is not None else [])):
        try:
            one = Unit(unit.kind, (name,)) if not name.endswith("/") else Unit(unit.kind, (), unit.folder)
            files.extend(records_of(sight.root, one, hashed=hash_all).values())
        except LinkwellError:
            continue
    earlier = {record.name: record for record in noted.records} if noted else {}
    if noted and noted.changing:  # stopped in the middle: what goes from there is counted when it is done
        earlier = {name: msgspec.structs.replace(earlier[name], rows_removed=0) for name in noted.changing}
    pending = {final for temporary, final in noted.moves if (sight.root / temporary).exists()} if noted else set()
    records = [r if r.name in pending else after_note(r, earlier.get(r.name)) for r in files]
    return UnitRecord(unit.name, records, problem=where + error.problem)


def _check_writable(root: Path, scan: Scan) -> None:
    """A file that its owner may not write is not replaced or removed behind his back.

    Raises:
        StorageError: there is one.
    """
    for name in (*(touch.name for touch in scan.touched), *scan.deletes):
        path = root / name
        if not path.stat().st_mode & _OWNER_CAN_WRITE:
            shown = path if name in scan.unit.files else path.parent
            raise StorageError("the file is read-only", str(shown), "Allow writing (chmod u+w) and run it again.")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in any trouble of the operating system."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error
