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
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal

from tuf.api.metadata import Root, TargetFile, Targets

from linkwell.base.counts import plural
from linkwell.base.errors import MissingError, UsageError
from linkwell.base.shards import atomic_path, file_sha256, sweep, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.feed import keys
from linkwell.feed.metadata import (
    ROOT_DAYS,
    clock,
    commit,
    current_metadata,
    has_feed,
    metadata_folder,
    trusted_root,
    write_metadata,
    write_targets,
)

RENEW_DAYS = 60
"""`feed refresh` signs root and targets anew when fewer days are left."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


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
    now = clock(now)
    with workspace.lock("feed"):
        first = metadata_folder(workspace) / "1.root.json"
        if (metadata_folder(workspace) / "timestamp.json").exists():
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
            write_metadata(workspace, root, root)
        targets = Targets(version=1, expires=now + timedelta(days=ROOT_DAYS))
        listed = write_targets(workspace, root, targets)
        commit(workspace, root, listed, snapshot_version=1, timestamp_version=1, now=now)
        return first


def refresh_feed(workspace: Workspace, *, now: datetime | None = None) -> datetime:
    """Sign a new timestamp and snapshot, and root and targets where they near their end: most times only two keys are needed.

    Returns:
        When the feed must be refreshed again at the latest.

    Raises:
        MissingError: there is no feed.
        MissingKeyError: a key is missing.
    """
    now = clock(now)
    with workspace.lock("feed"):
        root, targets, snapshot, timestamp = current_metadata(workspace)
        renew = now + timedelta(days=RENEW_DAYS)
        if root.expires < renew:
            root.version += 1
            root.expires = now + timedelta(days=ROOT_DAYS)
            write_metadata(workspace, root, root)
        listed = snapshot.meta["targets.json"]
        if targets.expires < renew:
            targets.version += 1
            targets.expires = now + timedelta(days=ROOT_DAYS)
            listed = write_targets(workspace, root, targets)
        commit(
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
    now = clock(now)
    unlisted = unlisted or {}
    for name in (*files, *remove, *unlisted, *remove_unlisted):
        check_target_name(name)
    with workspace.lock("feed"):
        root, targets, snapshot, timestamp = current_metadata(workspace)
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
            commit(
                workspace,
                root,
                write_targets(workspace, root, targets),
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
    _root, targets, _snapshot, _timestamp = current_metadata(workspace)
    return {name: target.hashes["sha256"] for name, target in targets.targets.items()}


def feed_state(workspace: Workspace, *, now: datetime | None = None) -> tuple[Literal["ok", "note", "wrong"], str, str]:
    """How the feed stands, for `linkwell doctor`: state, what is found, what to do.

    Raises:
        MissingError: the feed has lost a file.
        DamagedFileError: its metadata does not read.
    """
    if not has_feed(workspace):
        return "note", "none yet", "Before the first release: linkwell feed keys, then linkwell feed init"
    root, targets, snapshot, timestamp = current_metadata(workspace)
    left = min(each.expires for each in (root, targets, snapshot, timestamp)) - clock(now)
    found = f"{plural(len(targets.targets), 'target')}, good for {plural(left.days, 'day')}"
    if left <= timedelta():
        return "wrong", "expired: its clients have stopped", "linkwell feed refresh"
    if left < timedelta(days=1):
        return "note", f"expires in {plural(left.seconds // 3600, 'hour')}", "linkwell feed refresh, from a timer"
    return "ok", found, ""


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
