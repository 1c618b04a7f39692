"""The urgent channel: exact ids of upheld covered takedowns, encrypted to named holders, before the next batch comes.

A public batch comes at its time and names whole cells. A holder who is bound by an agreement can be told at once, and exactly: each gets
a file of his own, encrypted to his key alone in the age format (age-encryption.org/v1), which any age program opens. Two people
agree on every holder and on every file, and all of it stands in the log before it leaves; what a holder does with it is beyond us.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyrage

from linkwell.base.errors import DamagedFileError, MissingError, UsageError
from linkwell.base.shards import storage_errors, write_bytes
from linkwell.base.workspace import Workspace, check_name
from linkwell.cases import CaseBook, two_people
from linkwell.recall.plan import is_covered
from linkwell.recall.standing import locate, retained

URGENT_FORMAT = "linkwell-urgent-1"
_HOLDERS_FILE = "holders.json"


class Holder(msgspec.Struct, frozen=True):
    """Somebody who holds a copy under an agreement."""

    name: str
    age_key: str
    """His public key, `age1…`."""


class UrgentMessage(msgspec.Struct, frozen=True):
    """What a holder finds inside. It gives no reason."""

    format: str
    dataset: str
    issued: str
    releases: list[str]
    link_ids: list[str]
    """Hex, sorted."""


def list_holders(workspace: Workspace) -> list[Holder]:
    """The holders, by name.

    Raises:
        DamagedFileError: the file does not read.
    """
    path = workspace.recalls / _HOLDERS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Holder])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise DamagedFileError(
            "this does not read", str(path), "Restore the file, or add the holders again."
        ) from error


def add_holder(workspace: Workspace, name: str, age_key: str, *, who: str, second: str) -> Holder:
    """Name a holder, or give one another key. It stands in the log.

    Raises:
        UsageError: the name is not usable, or the key is no age key of the kind X25519.
        TwoPersonError: `second` is `who`.
    """
    holder = Holder(check_name(name, "holder"), age_key.strip())
    _recipient(holder)
    first, agrees = two_people(who, second, f"holder {name}")
    with workspace.lock("recall"):
        others = [each for each in list_holders(workspace) if each.name != name]
        detail = {"holder": holder.name, "key": holder.age_key, "second": agrees}
        CaseBook.open(workspace).log("holder named", first, None, detail)
        _store(workspace, [*others, holder])
    return holder


def remove_holder(workspace: Workspace, name: str, *, who: str, second: str) -> None:
    """Send a holder nothing any more. It stands in the log.

    Raises:
        MissingError: there is none of that name.
        TwoPersonError: `second` is `who`.
    """
    first, agrees = two_people(who, second, f"holder {name}")
    with workspace.lock("recall"):
        there = list_holders(workspace)
        left = [each for each in there if each.name != name]
        if len(left) == len(there):
            raise MissingError("there is no such holder", name, "linkwell recall holders shows them.")
        CaseBook.open(workspace).log("holder removed", first, None, {"holder": name, "second": agrees})
        _store(workspace, left)


def write_urgent(
    workspace: Workspace, folder: Path, names: Collection[str], *, who: str, second: str, now: datetime | None = None
) -> tuple[list[Path], int]:
    """Write one encrypted file for each holder, with every upheld covered entry that a retained release had or has.

    Entries of batches that are out are in it too: a holder who reads only these files misses nothing.

    Args:
        workspace: where.
        folder: gets `<holder>.age`, mode 0600.
        names: the holders to be told; by default all.
        who: who sends it.
        second: who agrees; another person.
        now: the time it says, for tests.

    Returns:
        The files, and how many entries are in each; no file where there is nothing to tell.

    Raises:
        UsageError: there is no holder.
        MissingError: a holder is not known.
        TwoPersonError: `second` is `who`.
    """
    first, agrees = two_people(who, second, "recall urgent")
    holders = _chosen(workspace, names)
    releases = retained(workspace)
    book = CaseBook.open(workspace)
    covered = {each.link_id for each in book.takedowns() if is_covered(each)}
    meant = sorted(locate(releases, covered))
    if not meant:
        return [], 0
    message = UrgentMessage(
        URGENT_FORMAT,
        workspace.settings.dataset,
        (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        [f"{release.version}-r{release.revision}" for release in releases],
        [link.hex() for link in meant],
    )
    plain = msgspec.json.encode(message)
    sealed = {holder.name: pyrage.encrypt(plain, [_recipient(holder)]) for holder in holders}
    # In the log before it is anywhere else: a file that was never written is a smaller harm than one that nobody knows of.
    for holder in holders:
        detail: dict[str, str | int] = {
            "holder": holder.name,
            "key": holder.age_key,
            "entries": len(meant),
            "second": agrees,
        }
        book.log("urgent file written", first, None, detail)
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = [folder / f"{name}.age" for name in sealed]
    for path, data in zip(paths, sealed.values(), strict=True):
        write_bytes(path, data, mode=0o600)
    return paths, len(meant)


def _chosen(workspace: Workspace, names: Collection[str]) -> list[Holder]:
    there = {holder.name: holder for holder in list_holders(workspace)}
    for name in names:
        if name not in there:
            raise MissingError("there is no such holder", name, "linkwell recall holders shows them.")
    chosen = [there[name] for name in (names or sorted(there))]
    if not chosen:
        raise UsageError(
            "nobody is named as a holder", "recall urgent", "Name one: linkwell recall holders --add NAME=KEY"
        )
    return chosen


def _recipient(holder: Holder) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(holder.age_key)
    except pyrage.RecipientError:
        raise UsageError(
            "this is no age key", f"holder {holder.name}", "Give the public key that age-keygen prints: age1…"
        ) from None


def _store(workspace: Workspace, holders: list[Holder]) -> None:
    ordered = sorted(holders, key=lambda holder: holder.name)
    write_bytes(workspace.recalls / _HOLDERS_FILE, msgspec.json.encode(ordered), mode=0o600)
