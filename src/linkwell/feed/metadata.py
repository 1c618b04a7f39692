"""The metadata files of the workspace's own feed: read them, sign them, and bring a change to light in one step."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.shards import write_bytes
from linkwell.base.workspace import Workspace
from linkwell.feed import keys

ROOT_DAYS = 365
"""How long root and targets metadata are trusted."""
SNAPSHOT_DAYS = 30
"""How long a snapshot is trusted, at least; it is renewed with every change and every `feed refresh`."""

SERIALIZER = JSONSerializer(compact=False)
_Role = TypeVar("_Role", Root, Targets, Snapshot, Timestamp)


def trusted_root(workspace: Workspace) -> Root | None:
    """The newest root of the workspace's own feed, or None before `feed init`."""
    folder = metadata_folder(workspace)
    versions = [int(path.name.partition(".")[0]) for path in folder.glob("[0-9]*.root.json")]
    if not versions:
        return None
    return load_metadata(folder / f"{max(versions)}.root.json", Root)


def clock(now: datetime | None) -> datetime:
    """The time given, or now, in whole seconds as TUF writes it."""
    return (now or datetime.now(UTC)).replace(microsecond=0)


def metadata_folder(workspace: Workspace) -> Path:
    """Where the metadata of the workspace's own feed is."""
    return workspace.feed / "metadata"


def current_metadata(workspace: Workspace) -> tuple[Root, Targets, Snapshot, Timestamp]:
    """What clients see now: read from the timestamp down, so that leftovers of a killed change are not seen."""
    folder = metadata_folder(workspace)
    root = trusted_root(workspace)
    if root is None or not has_feed(workspace):
        raise MissingError(
            "there is no feed yet", str(workspace.feed), "Make it with: linkwell feed keys, then linkwell feed init"
        )
    timestamp = load_metadata(folder / "timestamp.json", Timestamp)
    snapshot = load_metadata(folder / f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
    targets = load_metadata(folder / f"{snapshot.meta['targets.json'].version}.targets.json", Targets)
    return root, targets, snapshot, timestamp


def has_feed(workspace: Workspace) -> bool:
    """Whether the workspace has a feed of its own."""
    return (metadata_folder(workspace) / "timestamp.json").exists()


def load_metadata(path: Path, kind: type[_Role]) -> _Role:
    """One metadata file of the workspace's own feed; its signatures are not looked at, as the feed is its own.

    Raises:
        MissingError: it is not there.
        DamagedFileError: it does not read, or is of another role.
    """
    try:
        signed = Metadata.from_bytes(path.read_bytes()).signed
    except FileNotFoundError:
        raise MissingError("the feed has lost a file", str(path), "Restore the feed from its copy.") from None
    except RepositoryError as error:
        raise DamagedFileError("this is no feed metadata", str(path), "Restore the feed from its copy.") from error
    if not isinstance(signed, kind):
        raise DamagedFileError("this is metadata of another role", str(path), "Restore the feed from its copy.")
    return signed


def write_metadata(workspace: Workspace, roots: Root | Sequence[Root], signed: _Role) -> bytes:
    """Sign metadata with the keys its role has in every one of the roots, and write it under its name."""
    metadata = Metadata(signed)
    for root in [roots] if isinstance(roots, Root) else roots:
        role = root.roles[signed.type]
        for signer in keys.signers(workspace, signed.type, dict.fromkeys(role.keyids), role.threshold):
            if signer.public_key.keyid not in metadata.signatures:
                metadata.sign(signer, append=True)
    data = metadata.to_bytes(SERIALIZER)
    name = "timestamp.json" if signed.type == Timestamp.type else f"{signed.version}.{signed.type}.json"
    write_bytes(metadata_folder(workspace) / name, data)
    return data


def write_targets(workspace: Workspace, root: Root | Sequence[Root], targets: Targets) -> MetaFile:
    """Write targets metadata; returns how a snapshot names it."""
    return MetaFile.from_data(targets.version, write_metadata(workspace, root, targets), ["sha256"])


def commit(
    workspace: Workspace,
    root: Root | Sequence[Root],
    listed: MetaFile,
    *,
    snapshot_version: int,
    timestamp_version: int,
    now: datetime,
) -> None:
    """Write the snapshot that names the targets metadata, then the timestamp, which is what clients start from."""
    timestamp_days = workspace.settings.recall.timestamp_days
    snapshot = Snapshot(
        version=snapshot_version,
        expires=now + timedelta(days=max(SNAPSHOT_DAYS, timestamp_days)),
        meta={"targets.json": listed},
    )
    snapshot_data = write_metadata(workspace, root, snapshot)
    timestamp = Timestamp(
        version=timestamp_version,
        expires=now + timedelta(days=timestamp_days),
        snapshot_meta=MetaFile.from_data(snapshot.version, snapshot_data, ["sha256"]),
    )
    write_metadata(workspace, root, timestamp)
    _remove_old_metadata(workspace, listed.version, snapshot.version)


def _remove_old_metadata(workspace: Workspace, targets_version: int, snapshot_version: int) -> None:
    for role, newest in (("targets", targets_version), ("snapshot", snapshot_version)):
        for path in metadata_folder(workspace).glob(f"[0-9]*.{role}.json"):
            version = int(path.name.partition(".")[0])
            if version < newest - 1:
                path.unlink(missing_ok=True)
