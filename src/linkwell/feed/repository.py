"""The feed as a TUF repository of static files, and the one way to change it.

feed/metadata/    N.root.json, N.targets.json, N.snapshot.json, timestamp.json
feed/targets/     <folder>/<sha256>.<name>: what the targets metadata lists
feed/data/        files a target vouches for by hash and size (a release's parts), not listed themselves

Everything is written before it is named: files, targets metadata, snapshot, and the timestamp last. A kill at any moment leaves
the old feed whole, with files that nothing names and that the next change writes again or sweeps away. Old targets are removed
once the new timestamp stands; the last two versions of the metadata stay, for clients that are just reading.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from linkwell.base.errors import DamagedFileError, MissingError, UsageError
from linkwell.base.shards import atomic_path, file_sha256, sweep, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.feed import keys

ROOT_DAYS = 365
"""How long root and targets metadata are trusted."""
SNAPSHOT_DAYS = 30
"""How long a snapshot is trusted, at least; it is renewed with every change and every `feed refresh`."""
RENEW_DAYS = 60
"""`feed refresh` signs root and targets anew when fewer days are left."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_SERIALIZER = JSONSerializer(compact=False)
_Role = TypeVar("_Role", Root, Targets, Snapshot, Timestamp)


def check_target_name(name: str) -> str:
    """A target's name: a relative path of letters, digits, dots, dashes and underscores.

    Raises:
        UsageError: it is not, or climbs with `..`.
    """
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise UsageError(f"{name!r} is no name for a file of the feed")
    return name


def init_feed(workspace: Workspace, *, now: datetime | None = None) -> Path:
    """Sign the first root, with empty targets; a feed that is there is left as it is.

    Returns:
        The root file that clients are given by a way they trust.

    Raises:
        MissingKeyError: a key is missing.
    """
    now = _clock(now)
    with workspace.lock("feed"):
        first = _metadata_folder(workspace) / "1.root.json"
        if (_metadata_folder(workspace) / "timestamp.json").exists():
            return first
        if first.exists():
            root = trusted_root(workspace)
            assert root is not None  # noqa: S101 - the file is there
        else:
            root = Root(version=1, expires=now + timedelta(days=ROOT_DAYS), consistent_snapshot=True)
            for role, wanted in keys.ROLES.items():
                for key in keys.public_keys(workspace, role):
                    root.add_key(key, role)
                root.roles[role].threshold = wanted.threshold
            _write(workspace, root, root)
        targets = Targets(version=1, expires=now + timedelta(days=ROOT_DAYS))
        listed = _write_targets(workspace, root, targets)
        _commit(workspace, root, listed, snapshot_version=1, timestamp_version=1, now=now)
        return first


def refresh_feed(workspace: Workspace, *, now: datetime | None = None) -> datetime:
    """Sign a new timestamp and snapshot, and root and targets where they near their end: most times only two keys are needed.

    Returns:
        When the feed must be refreshed again at the latest.

    Raises:
        MissingError: there is no feed.
        MissingKeyError: a key is missing.
    """
    now = _clock(now)
    with workspace.lock("feed"):
        root, targets, snapshot, timestamp = _current(workspace)
        renew = now + timedelta(days=RENEW_DAYS)
        if root.expires < renew:
            root.version += 1
            root.expires = now + timedelta(days=ROOT_DAYS)
            _write(workspace, root, root)
        listed = snapshot.meta["targets.json"]
        if targets.expires < renew:
            targets.version += 1
            targets.expires = now + timedelta(days=ROOT_DAYS)
            listed = _write_targets(workspace, root, targets)
        _commit(
            workspace,
            root,
            listed,
            snapshot_version=snapshot.version + 1,
            timestamp_version=timestamp.version + 1,
            now=now,
        )
        return now + timedelta(days=workspace.settings.recall.timestamp_days)


def publish_targets(
    workspace: Workspace,
    files: Mapping[str, Path | bytes],
    *,
    remove: Sequence[str] = (),
    unlisted: Mapping[str, Path] | None = None,
    remove_unlisted: Sequence[str] = (),
    now: datetime | None = None,
) -> None:
    """Change the feed in one step: a client sees all of it or nothing. Given again, it does what is left to do.

    Args:
        workspace: whose feed.
        files: what the targets are to hold: bytes or a file for each name; other targets stay.
        remove: names of targets that go, files and all; unknown names are passed over.
        unlisted: files below `feed/` that a target vouches for, and that nobody changes: hard-linked where the disk allows.
        remove_unlisted: files below `feed/` that go once no target vouches for them any more.
        now: the time, for tests.

    Raises:
        MissingError: there is no feed, or a file to publish is not there.
        MissingKeyError: fewer than two targets keys, or no snapshot or timestamp key.
        UsageError: a name is not usable.
        StorageError: the disk is full, read-only or not permitted. The old feed is still whole.
    """
    now = _clock(now)
    unlisted = unlisted or {}
    for name in (*files, *remove, *unlisted, *remove_unlisted):
        check_target_name(name)
    with workspace.lock("feed"):
        root, targets, snapshot, timestamp = _current(workspace)
        _sweep_all(workspace)
        for place, source in unlisted.items():
            _place(source, workspace.feed / place, link=True)
        before = {name: target.to_dict() for name, target in targets.targets.items()}
        for name, content in files.items():
            targets.targets[name] = _place_target(workspace, name, content)
        for name in remove:
            targets.targets.pop(name, None)
        if {name: target.to_dict() for name, target in targets.targets.items()} != before:
            targets.version += 1
            targets.expires = now + timedelta(days=ROOT_DAYS)
            _commit(
                workspace,
                root,
                _write_targets(workspace, root, targets),
                snapshot_version=snapshot.version + 1,
                timestamp_version=timestamp.version + 1,
                now=now,
            )
        for place in remove_unlisted:
            (workspace.feed / place).unlink(missing_ok=True)
        _remove_unnamed(workspace, targets)


def published_targets(workspace: Workspace) -> dict[str, str]:
    """What the workspace's own feed lists now: SHA-256 (hex) by name.

    Raises:
        MissingError: there is no feed.
    """
    _root, targets, _snapshot, _timestamp = _current(workspace)
    return {name: target.hashes["sha256"] for name, target in targets.targets.items()}


def has_feed(workspace: Workspace) -> bool:
    """Whether `feed init` has been done."""
    return (_metadata_folder(workspace) / "timestamp.json").exists()


def feed_state(workspace: Workspace, *, now: datetime | None = None) -> tuple[Literal["ok", "note", "wrong"], str, str]:
    """How the feed stands, for `linkwell doctor`: state, what is found, what to do.

    Raises:
        MissingError: the feed has lost a file.
        DamagedFileError: its metadata does not read.
    """
    if not has_feed(workspace):
        return "note", "none yet", "Before the first release: linkwell feed keys, then linkwell feed init"
    root, targets, snapshot, timestamp = _current(workspace)
    left = min(each.expires for each in (root, targets, snapshot, timestamp)) - _clock(now)
    found = f"{len(targets.targets)} targets, good for {left.days} days"
    if left <= timedelta():
        return "wrong", "expired: its clients have stopped", "linkwell feed refresh"
    if left < timedelta(days=1):
        return "note", f"expires in {left.seconds // 3600} hours", "linkwell feed refresh, from a timer"
    return "ok", found, ""


def trusted_root(workspace: Workspace) -> Root | None:
    """The newest root of the workspace's own feed, or None before `feed init`."""
    folder = _metadata_folder(workspace)
    versions = [int(path.name.partition(".")[0]) for path in folder.glob("[0-9]*.root.json")]
    if not versions:
        return None
    return _load(folder / f"{max(versions)}.root.json", Root)


def _clock(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).replace(microsecond=0)


def _metadata_folder(workspace: Workspace) -> Path:
    return workspace.feed / "metadata"


def _current(workspace: Workspace) -> tuple[Root, Targets, Snapshot, Timestamp]:
    """What clients see now: read from the timestamp down, so that leftovers of a killed change are not seen."""
    folder = _metadata_folder(workspace)
    root = trusted_root(workspace)
    if root is None or not has_feed(workspace):
        raise MissingError(
            "there is no feed yet", str(workspace.feed), "Make it with: linkwell feed keys, then linkwell feed init"
        )
    timestamp = _load(folder / "timestamp.json", Timestamp)
    snapshot = _load(folder / f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
    targets = _load(folder / f"{snapshot.meta['targets.json'].version}.targets.json", Targets)
    return root, targets, snapshot, timestamp


def _load(path: Path, kind: type[_Role]) -> _Role:
    try:
        signed = Metadata.from_bytes(path.read_bytes()).signed
    except FileNotFoundError:
        raise MissingError("the feed has lost a file", str(path), "Restore the feed from its copy.") from None
    except RepositoryError as error:
        raise DamagedFileError("this is no feed metadata", str(path), "Restore the feed from its copy.") from error
    if not isinstance(signed, kind):
        raise DamagedFileError("this is metadata of another role", str(path), "Restore the feed from its copy.")
    return signed


def _write(workspace: Workspace, root: Root, signed: _Role) -> bytes:
    """Sign metadata with the keys its role has in `root`, and write it under its name."""
    role = root.roles[signed.type]
    metadata = Metadata(signed)
    for signer in keys.signers(workspace, signed.type, dict.fromkeys(role.keyids), role.threshold):
        metadata.sign(signer, append=True)
    data = metadata.to_bytes(_SERIALIZER)
    name = "timestamp.json" if signed.type == Timestamp.type else f"{signed.version}.{signed.type}.json"
    write_bytes(_metadata_folder(workspace) / name, data)
    return data


def _write_targets(workspace: Workspace, root: Root, targets: Targets) -> MetaFile:
    """Write targets metadata; returns how a snapshot names it."""
    return MetaFile.from_data(targets.version, _write(workspace, root, targets), ["sha256"])


def _commit(
    workspace: Workspace, root: Root, listed: MetaFile, *, snapshot_version: int, timestamp_version: int, now: datetime
) -> None:
    """Write the snapshot that names the targets metadata, then the timestamp, which is what clients start from."""
    timestamp_days = workspace.settings.recall.timestamp_days
    snapshot = Snapshot(
        version=snapshot_version,
        expires=now + timedelta(days=max(SNAPSHOT_DAYS, timestamp_days)),
        meta={"targets.json": listed},
    )
    snapshot_data = _write(workspace, root, snapshot)
    timestamp = Timestamp(
        version=timestamp_version,
        expires=now + timedelta(days=timestamp_days),
        snapshot_meta=MetaFile.from_data(snapshot.version, snapshot_data, ["sha256"]),
    )
    _write(workspace, root, timestamp)
    _remove_old_metadata(workspace, listed.version, snapshot.version)


def _remove_old_metadata(workspace: Workspace, targets_version: int, snapshot_version: int) -> None:
    for role, newest in (("targets", targets_version), ("snapshot", snapshot_version)):
        for path in _metadata_folder(workspace).glob(f"[0-9]*.{role}.json"):
            version = int(path.name.partition(".")[0])
            if version < newest - 1:
                path.unlink(missing_ok=True)


def _place_target(workspace: Workspace, name: str, content: Path | bytes) -> TargetFile:
    digest = sha256(content).hexdigest() if isinstance(content, bytes) else file_sha256(content)
    final = _target_path(workspace, name, digest)
    if isinstance(content, bytes):
        if not (final.exists() and final.read_bytes() == content):
            write_bytes(final, content)
        length = len(content)
    else:
        _place(content, final, link=False)
        length = content.stat().st_size
    return TargetFile(length, {"sha256": digest}, name)


def _target_path(workspace: Workspace, name: str, digest: str) -> Path:
    path = PurePosixPath(name)
    return workspace.feed / "targets" / path.parent / f"{digest}.{path.name}"


def _place(source: Path, final: Path, *, link: bool) -> None:
    """Put a file into the feed: a copy, or, of a file that is never changed, a second name where the disk can do that."""
    if not source.is_file():
        raise MissingError("a file to be published is not there", str(source))
    if final.exists() and (final.samefile(source) or file_sha256(final) == file_sha256(source)):
        return
    with atomic_path(final) as temporary:
        temporary.unlink(missing_ok=True)
        if link:
            with suppress(OSError):
                os.link(source, temporary)
        if not temporary.exists():
            shutil.copyfile(source, temporary)


def _sweep_all(workspace: Workspace) -> None:
    for top in ("metadata", "targets", "data"):
        folder = workspace.feed / top
        if folder.is_dir():
            for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                sweep(each)


def _remove_unnamed(workspace: Workspace, targets: Targets) -> None:
    """Remove target files that no target names, and folders left empty."""
    folder = workspace.feed / "targets"
    named = {_target_path(workspace, name, target.hashes["sha256"]) for name, target in targets.targets.items()}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in named:
            path.unlink(missing_ok=True)
