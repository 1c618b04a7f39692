"""The note of a unit's changes, written when all new files are ready and before the first is put in its place.

Killed after that, the next run finishes what the note lists before it looks at anything, so that files that belong together
never stay apart. A note stands in the holder's state; what it lists is checked like anything from outside, since a copy from a
stranger may bring a state folder.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from linkwell.base.errors import DamagedFileError, StorageError
from linkwell.base.shards import commit, storage_error, sweep, sync_folder, write_bytes
from linkwell.purge.receipt import FileRecord
from linkwell.purge.unit import Unit

NOTES_FOLDER = "notes"
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is about to happen to a unit. Names are relative to the copy."""

    unit: str
    records: list[FileRecord]
    """Every file that changes, as it will be."""
    deletes: list[str] = []
    moves: list[tuple[str, str]] = []
    """(temporary file, final name), in order."""
    changing: dict[str, int] = {}
    """Files that are being changed in their place, with the rows they had: until that is done the rest must wait."""


def note_path(run: Path, unit: Unit) -> Path:
    """Where the note of a unit stands."""
    name = hashlib.sha256(f"{unit.kind}\0{unit.name}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return run / NOTES_FOLDER / f"{name}.json"


def write_note(path: Path, note: Note) -> None:
    """Store a note.

    Raises:
        StorageError: it cannot be written.
    """
    write_bytes(path, msgspec.json.encode(note))


def read_note(path: Path) -> Note | None:
    """A note, or None where there is none.

    Raises:
        DamagedFileError: it does not read, or names files it may not.
    """
    try:
        note = msgspec.json.decode(path.read_bytes(), type=Note)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise DamagedFileError("the note of an unfinished purge does not read", str(path), "Delete it.") from error
    for name in (*note.deletes, *(name for move in note.moves for name in move)):
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.name:
            raise DamagedFileError("the note of a purge names a file outside of the copy", str(path), "Delete it.")
    for temporary, final in note.moves:
        own = PurePosixPath(temporary)
        if own.parent != PurePosixPath(final).parent or not _TEMPORARY.fullmatch(own.name):
            raise DamagedFileError("the note of a purge names a file that is none of ours", str(path), "Delete it.")
    return note


def finish(root: Path, note: Note) -> None:
    """Do what a note lists, as far as it is not done: files that go, then files that take their place.

    Raises:
        StorageError: a file cannot be removed or put in its place; the note stays true.
    """
    for name in note.deletes:
        path = root / name
        _check_inside(root, path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, path.parent) from error
    for folder in {(root / name).parent for name in note.deletes}:
        if folder.is_dir():
            sync_folder(folder)
    for temporary, final in note.moves:
        if (root / temporary).exists():
            _check_inside(root, root / final)
            try:
                commit(root / temporary, root / final)
            except OSError as error:
                raise storage_error(error, root / final) from error


def _check_inside(root: Path, path: Path) -> None:
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise DamagedFileError("the note of a purge leads out of the copy", str(path.parent), "Remove the link.")


def unfinished(run: Path) -> Iterator[tuple[Path, Note]]:
    """Every note of a run that was not ended."""
    folder = run / NOTES_FOLDER
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        note = read_note(path)
        if note is not None:
            yield path, note


def finish_all(root: Path, run: Path) -> dict[str, str]:
    """Finish every note that can be finished without another look at the copy; the others are met again by their unit.

    Returns:
        unit → problem, of notes that could not be finished.

    Raises:
        DamagedFileError: a note is not one of ours.
    """
    problems = {}
    for _path, note in unfinished(run):
        if note.changing:
            continue
        try:
            finish(root, note)
        except StorageError as error:
            problems[note.unit] = error.problem
    return problems


def pending(root: Path, run: Path) -> set[str]:
    """Temporary files that wait to take their place."""
    return {
        temporary for _path, note in unfinished(run) for temporary, _final in note.moves if (root / temporary).exists()
    }


def keep_pending(root: Path, run: Path) -> bool:
    """Reduce the notes to what is not done yet, for a later run; returns whether anything is."""
    waiting = False
    sweep(run / NOTES_FOLDER)
    for path, note in unfinished(run):
        moves = [(temporary, final) for temporary, final in note.moves if (root / temporary).exists()]
        deletes = [name for name in note.deletes if (root / name).exists()]
        if not moves and not deletes and not note.changing:
            path.unlink()
            continue
        names = {final for _temporary, final in moves} | set(deletes) | set(note.changing)
        records = [record for record in note.records if record.name in names]
        write_note(path, Note(note.unit, records, deletes, moves, note.changing))
        waiting = True
    return waiting
