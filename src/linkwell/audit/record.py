"""The record of an audit: counts, what was checked and against what, so that a release can see that its links were audited."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from linkwell.base.errors import DamagedFileError, MissingError, NoHashListError
from linkwell.base.shards import file_sha256, write_bytes
from linkwell.base.workspace import Workspace, check_name
from linkwell.lists import show_lists

S = TypeVar("S", bound=msgspec.Struct)

RECORD_FORMAT = "linkwell-audit-1"

_FOOTER_TAIL_BYTES = 8  # a parquet file ends with the length of its footer (4 bytes, little-endian) and a magic word


class AuditRecord(msgspec.Struct, frozen=True):
    """What `audits/<label>.json` holds. Counts and names of lists; no id, no URL, no hash of a list."""

    label: str
    at: str
    """When it was finished, ISO 8601, UTC."""
    links: str
    """Fingerprint of the audited shards, see `links_fingerprint`."""
    checked: int
    """Distinct links looked at."""
    findings: dict[str, int]
    """Links by class of finding: exact, perceptual, url."""
    unchecked: dict[str, int]
    """Links that could not be compared in full, by reason; see `audit.UNCHECKED_REASONS`."""
    lists: tuple[str, ...]
    lists_state: str
    """Fingerprint of the hash lists; another one means that lists came, changed or went since."""
    seconds: float
    format: str = RECORD_FORMAT


def audits_folder(workspace: Workspace) -> Path:
    """Where the records of audits are."""
    return workspace.root / "audits"


def record_path(workspace: Workspace, label: str) -> Path:
    """Where the record of one audit is."""
    return audits_folder(workspace) / f"{check_name(label, 'audit')}.json"


def write_record(workspace: Workspace, record: AuditRecord) -> None:
    """Write a record atomically, mode 0600: how much was found is not for everybody."""
    write_json(record_path(workspace, record.label), record)


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write a record of any kind atomically, mode 0600."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n", mode=0o600)


def read_json(path: Path, kind: type[S]) -> S:
    """Read a record of some kind.

    Raises:
        MissingError: there is none.
        DamagedFileError: it does not read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise MissingError("there is no such audit", str(path), "Make one with: linkwell audit") from None
    except msgspec.DecodeError as error:
        raise DamagedFileError("this is no record of an audit", str(path), "Run the audit again.") from error


def read_record(path: Path) -> AuditRecord:
    """Read the record of an audit.

    Raises:
        MissingError: there is none.
        DamagedFileError: it does not read.
    """
    record = read_json(path, AuditRecord)
    if record.format != RECORD_FORMAT:
        raise DamagedFileError("this record is of a form not known here", str(path), "Run the audit again.")
    return record


def find_record(workspace: Workspace, label: str) -> AuditRecord:
    """The record of the newest audit of a label.

    Raises:
        MissingError: there is none.
        DamagedFileError: it does not read.
    """
    return read_record(record_path(workspace, label))


def find_audit(workspace: Workspace, links: Sequence[Path]) -> AuditRecord | None:
    """The newest audit of exactly these shards against exactly the hash lists that are there now; None where there is none.

    A list imported after an audit makes it count for nothing, and so does a workspace without lists. The ledger may have grown:
    what is fetched is matched against the lists before it is kept.

    Raises:
        DamagedFileError: a record or a shard does not read.
        MissingError: a shard is not there.
    """
    folder = audits_folder(workspace)
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        return None
    try:
        state = lists_state(workspace)
    except NoHashListError:
        return None
    shards = links_fingerprint(links)
    found = [r for r in map(read_record, paths) if r.links == shards and r.lists_state == state]
    return max(found, key=lambda record: record.at, default=None)


def links_fingerprint(links: Sequence[Path]) -> str:
    """A hash over the set of shards: name, size and footer of each (the footer has the place and bounds of every column).

    Raises:
        MissingError: a shard is not there.
        DamagedFileError: a shard is not parquet.
    """
    digest = hashlib.sha256(b"linkwell:audit:links:1\0")
    for path in sorted(links, key=lambda path: path.name):
        footer = _footer(path)
        for part in (path.name.encode(), str(path.stat().st_size).encode(), footer):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def lists_state(workspace: Workspace) -> str:
    """A hash over the encrypted files of the hash lists.

    Raises:
        NoHashListError: there is no list.
    """
    paths = sorted(path for path in workspace.lists.glob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise no_lists(workspace)
    digest = hashlib.sha256(b"linkwell:audit:lists:1\0")
    for path in paths:
        digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def no_lists(workspace: Workspace) -> NoHashListError:
    """The error for a workspace without hash lists, or with none that has not expired."""
    expired = [info.source for info in show_lists(workspace) if info.expired]
    if expired:
        return NoHashListError(
            "every hash list has expired, and an audit that checks nothing would look like a pass",
            ", ".join(expired),
            "Ask who supplied it, and import it anew or note a later day: linkwell lists note NAME --expires DATE",
        )
    return NoHashListError(
        "there is no hash list to audit against, and an audit that checks nothing would look like a pass",
        str(workspace.lists),
        "Import one with: linkwell lists import FILE --source NAME",
    )


def _footer(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _FOOTER_TAIL_BYTES))
            tail = file.read()
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != b"PAR1" or length + _FOOTER_TAIL_BYTES > size:
                raise DamagedFileError("this is not a whole parquet file", str(path), "Make it again, or restore it.")
            file.seek(size - _FOOTER_TAIL_BYTES - length)
            return file.read(length)
    except FileNotFoundError:
        raise MissingError("there is no such file", str(path)) from None
