"""Files of a copy as a receipt states them."""

import hashlib
import os
from pathlib import Path

import msgspec

from linkwell.base.errors import MissingError
from linkwell.base.shards import file_sha256, storage_error
from linkwell.purge.receipt import FileRecord
from linkwell.purge.unit import Unit


def record_of(root: Path, name: str, *, hashed: bool) -> FileRecord:
    """A file as it is: the same before and after.

    Args:
        root: the copy.
        name: relative to it.
        hashed: read all of it for its SHA-256; else only its size is stated.
    """
    size = (root / name).stat().st_size
    digest = file_sha256(root / name) if hashed else ""
    return FileRecord(name, 0, digest, digest, bytes_before=size, bytes_after=size)


def folder_record(root: Path, folder: str, *, hashed: bool) -> FileRecord:
    """A folder of samples as one: the sizes of its files together, the hash of their names, sizes and, where asked, hashes."""
    digest = hashlib.sha256()
    total = 0
    try:
        with os.scandir(root / folder) as entries:
            listed = sorted(
                (e.name, e.stat(follow_symlinks=False).st_size) for e in entries if e.is_file(follow_symlinks=False)
            )
    except FileNotFoundError as error:
        raise MissingError("there is no such folder", str(root / folder)) from error
    for name, size in listed:
        total += size
        line = f"{len(name)}:{name}:{size}:{file_sha256(root / folder / name) if hashed else ''}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    stated = digest.hexdigest() if hashed else ""
    return FileRecord(f"{folder}/", 0, stated, stated, bytes_before=total, bytes_after=total)


def records_of(root: Path, unit: Unit, *, hashed: bool) -> dict[str, FileRecord]:
    """All files of a unit as they are; a folder of samples is one.

    Raises:
        StorageError: one cannot be read.
    """
    try:
        found = {name: record_of(root, name, hashed=hashed) for name in unit.files}
        if unit.folder is not None:
            folder = folder_record(root, unit.folder, hashed=hashed)
            found[folder.name] = folder
    except OSError as error:
        raise storage_error(error, root / unit.name) from error
    return found


def after_note(now: FileRecord, noted: FileRecord | None) -> FileRecord:
    """A file that an unfinished run had changed already keeps what it was before, and what went then."""
    if noted is None:
        return now
    same = now.sha256_after == "" and now.bytes_after == noted.bytes_after
    return msgspec.structs.replace(
        now,
        rows_removed=noted.rows_removed + now.rows_removed,
        sha256_before=noted.sha256_before,
        bytes_before=noted.bytes_before,
        sha256_after=noted.sha256_after if same else now.sha256_after,
    )
