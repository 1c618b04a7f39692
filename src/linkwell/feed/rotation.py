"""Replace keys of the feed: a lost one, a stolen one, or one whose holder leaves.

The new root is signed by two of the old root's keys and two of its own (The Update Framework, specification 1.0.33, §5.3.4 and
§6.1), so that clients that know the old one follow. All that the role signs is signed by the old and the new keys before the new
root is written, so that a client that reads in between, and one that comes after a kill, finds signatures that count.

Keys that lie elsewhere sign there: what is missing is written to a file, which their holders sign with `feed sign`.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from linkwell.base.errors import DamagedFileError, MissingError, MissingKeyError, UsageError
from linkwell.base.shards import write_bytes
from linkwell.base.workspace import Workspace
from linkwell.feed import keys
from linkwell.feed.metadata import (
    ROOT_DAYS,
    SERIALIZER,
    clock,
    commit,
    current_metadata,
    metadata_folder,
    write_targets,
)
from linkwell.feed.signing import add_signatures, verify_document

PENDING_NAME = "root.to-sign.json"
"""The new root while signatures of it are missing, in the workspace's `keys/`; no secret."""


@dataclass(frozen=True)
class SignedDocument:
    """A document that stands outside the feed's own metadata, signed by the targets keys."""

    path: Path
    signatures: Path
    document_type: str


@dataclass(frozen=True)
class Rotation:
    """What has become of a change of keys."""

    version: int
    """Of the new root."""
    done: bool
    missing: int = 0
    """Signatures that are still to be made elsewhere."""
    pending: Path | None = None
    """The file they are made on."""


def rotate_keys(
    workspace: Workspace,
    role: str,
    numbers: Sequence[int],
    *,
    public: Path | None = None,
    documents: Iterable[SignedDocument] = (),
    now: datetime | None = None,
) -> Rotation:
    """Put new keys in the place of some of a role's keys. Given again, it goes on where it was.

    Args:
        workspace: whose feed.
        role: root, targets, snapshot or timestamp.
        numbers: which of the role's keys, from 1.
        public: the public half of the new key, where its holder made it elsewhere; only with one number.
        documents: what else the targets keys have signed; signed anew where those change.
        now: the time, for tests.

    Raises:
        UsageError: there is no such role or key.
        MissingError: there is no feed.
        MissingKeyError: too few keys of a role below root are here. Nothing has changed for clients.
        SignatureError: a document is not signed as it should be.
        StorageError: a file cannot be written.
    """
    now = clock(now)
    _check(role, numbers, public)
    with workspace.lock("feed"):
        root, targets, snapshot, timestamp = current_metadata(workspace)
        keys.settle_successors(workspace, root.keys)
        pending = workspace.keys / PENDING_NAME
        waiting = _read_root(pending) if pending.exists() else None
        if waiting is not None and waiting.signed.version == root.version:
            # The new root was written, and the run cut off after that.
            pending.unlink()
            return Rotation(root.version, done=True)
        proposed = _still_next(waiting, root) or Metadata(
            _successor(workspace, root, role, numbers, public=public, now=now)
        )
        _check_pending(workspace, proposed.signed, role, numbers, pending)
        missing = _sign_root(workspace, root, proposed)
        write_bytes(pending, proposed.to_bytes(SERIALIZER))
        if missing:
            return Rotation(proposed.signed.version, done=False, missing=missing, pending=pending)
        if role == Root.type:
            _write_root(workspace, proposed)
        else:
            _hand_over(
                workspace, (root, proposed), (targets, snapshot, timestamp), role, documents=tuple(documents), now=now
            )
        keys.settle_successors(workspace, proposed.signed.keys)
        pending.unlink(missing_ok=True)
        return Rotation(proposed.signed.version, done=True)


def sign_pending(pending: Path, private: Path) -> int:
    """Sign a new root with a key that lies elsewhere; the file is changed in its place. Needs no workspace.

    Args:
        pending: the file that `rotate_keys` left.
        private: the key's private half.

    Returns:
        How many signatures the file has now.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it is no root.
        UsageError: the key is none of the old or the new root's.
        MissingKeyError: there is no such key file.
    """
    metadata = _read_root(pending)
    signer = keys.load_private(private)
    wanted = metadata.unrecognized_fields.get(_OLD_KEYS, [])
    if signer.public_key.keyid not in {*metadata.signed.roles[Root.type].keyids, *wanted}:
        raise UsageError("this key has no say over this root", str(private), "Give a root key, of before or after.")
    metadata.sign(signer, append=True)
    write_bytes(pending, metadata.to_bytes(SERIALIZER))
    return len(metadata.signatures)


_OLD_KEYS = "x-linkwell-signed-by-old"
"""Beside the signed part of a pending root: the ids of the old root's keys, so that `sign_pending` can tell a wrong key."""


def _check(role: str, numbers: Sequence[int], public: Path | None) -> None:
    if role not in keys.ROLES:
        raise UsageError(f"there is no role {role!r}", advice=f"The roles are {', '.join(keys.ROLES)}.")
    count = keys.ROLES[role].count
    if not numbers or not all(1 <= number <= count for number in numbers):
        raise UsageError(f"the {role} role has keys 1 to {count}", advice="Give the numbers of those to replace.")
    if public is not None and len(set(numbers)) != 1:
        raise UsageError("a public half stands for one key", str(public), "Give one number with --public.")


def _successor(
    workspace: Workspace, root: Root, role: str, numbers: Sequence[int], *, public: Path | None, now: datetime
) -> Root:
    """The root that is to follow: new keys in the place of some, everything else as it is."""
    following = deepcopy(root)
    following.version += 1
    following.expires = now + timedelta(days=ROOT_DAYS)
    for number in sorted(set(numbers)):
        old = keys.read_public(keys.public_file(workspace, role, number))
        new = keys.prepare_successor(workspace, role, number, public)
        if old.keyid in following.roles[role].keyids:
            following.revoke_key(old.keyid, role)
        following.add_key(new, role)
    return following


def _check_pending(workspace: Workspace, root: Root, role: str, numbers: Sequence[int], pending: Path) -> None:
    """Refuse to go on with a pending root that is for other keys than those named now."""
    for number in numbers:
        waiting = keys.next_public_file(workspace, role, number)
        if not waiting.exists() or keys.read_public(waiting).keyid not in root.roles[role].keyids:
            raise UsageError(
                "another change of keys has begun and waits for signatures",
                str(pending),
                "Give that one's command again, or remove the file to drop it.",
            )


def _sign_root(workspace: Workspace, root: Root, proposed: Metadata[Root]) -> int:
    """Sign a proposed root with the root keys that are here; how many signatures are still missing."""
    proposed.unrecognized_fields[_OLD_KEYS] = list(root.roles[Root.type].keyids)
    missing = 0
    for each in (root, proposed.signed):
        role = each.roles[Root.type]
        for signer in keys.signers_here(workspace, Root.type, dict.fromkeys(role.keyids)):
            if not _result(each, proposed) and signer.public_key.keyid not in proposed.signatures:
                proposed.sign(signer, append=True)
        if not _result(each, proposed):
            missing = max(missing, role.threshold - len(_signed_by(each, proposed)))
    if not missing:
        del proposed.unrecognized_fields[_OLD_KEYS]
    return missing


def _signed_by(root: Root, proposed: Metadata[Root]) -> set[str]:
    return set(root.get_verification_result(Root.type, proposed.signed_bytes, proposed.signatures).signed)


def _result(root: Root, proposed: Metadata[Root]) -> bool:
    return bool(root.get_verification_result(Root.type, proposed.signed_bytes, proposed.signatures))


def _hand_over(
    workspace: Workspace,
    roots: tuple[Root, Metadata[Root]],
    metadata: tuple[Targets, Snapshot, Timestamp],
    role: str,
    *,
    documents: tuple[SignedDocument, ...],
    now: datetime,
) -> None:
    """Sign everything below root by the keys of both roots, then write the new root.

    Where the old keys are lost, so that too few of them can sign, the new root comes first, and clients stop until the rest is
    written.
    """
    old, proposed = roots
    following = proposed.signed
    targets, snapshot, timestamp = metadata
    can_sign_as_before = _can_sign(workspace, old, role)
    if role == Targets.type:
        for each in documents:
            _sign_again(workspace, each, following)
        targets.version += 1
        targets.expires = now + timedelta(days=ROOT_DAYS)
    signing = (old, following) if can_sign_as_before else (following,)
    for below in (Targets.type, Snapshot.type, Timestamp.type):
        wanted = following.roles[below]
        keys.signers(workspace, below, dict.fromkeys(wanted.keyids), wanted.threshold)
    if not can_sign_as_before:
        _write_root(workspace, proposed)
    listed = write_targets(workspace, signing, targets) if role == Targets.type else snapshot.meta["targets.json"]
    commit(
        workspace,
        signing,
        listed,
        snapshot_version=snapshot.version + 1,
        timestamp_version=timestamp.version + 1,
        now=now,
    )
    _write_root(workspace, proposed)


def _can_sign(workspace: Workspace, root: Root, role: str) -> bool:
    wanted = root.roles[role]
    try:
        keys.signers(workspace, role, dict.fromkeys(wanted.keyids), wanted.threshold)
    except MissingKeyError:
        return False
    return True


def _sign_again(workspace: Workspace, document: SignedDocument, root: Root) -> None:
    data, before = document.path.read_bytes(), document.signatures.read_bytes()
    where = str(document.path)
    verify_document(workspace, data, document.document_type, before, where)
    after = add_signatures(workspace, data, document.document_type, before, following=root, where=where)
    if after != before:
        write_bytes(document.signatures, after)


def _write_root(workspace: Workspace, root: Metadata[Root]) -> None:
    path = metadata_folder(workspace) / f"{root.signed.version}.root.json"
    if not path.exists():
        write_bytes(path, root.to_bytes(SERIALIZER))


def _still_next(waiting: Metadata[Root] | None, root: Root) -> Metadata[Root] | None:
    """The root that waits for signatures, unless the feed has moved on since."""
    return waiting if waiting is not None and waiting.signed.version == root.version + 1 else None


def _read_root(path: Path) -> Metadata[Root]:
    advice = "Give the file that linkwell feed rotate left."
    try:
        metadata = Metadata[Root].from_bytes(path.read_bytes())
    except FileNotFoundError:
        raise MissingError("there is no such file", str(path), advice) from None
    except RepositoryError as error:
        raise DamagedFileError("this is no root that waits for signatures", str(path), advice) from error
    if not isinstance(metadata.signed, Root):
        raise DamagedFileError("this is no root that waits for signatures", str(path), advice)
    return metadata
