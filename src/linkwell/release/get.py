"""Get a release from a feed: the manifest through its signatures, then every part through the manifest.

    <folder>/manifest.json          what the feed signed, byte for byte
    <folder>/parts/<sha256>.parquet the parts
    <folder>/README.md, …           the documents that go with it
    <folder>/.linkwell/feed/        the feed's trusted state, where `linkwell purge` looks for it too

A part comes to its name only once its hash is right. Parts that are there are not fetched again, so that a run that was cut off
goes on, and a new revision costs only the parts that changed; parts that no revision names any more are removed.
"""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from linkwell.base.errors import MissingError, SafetyError, SignatureError, UsageError
from linkwell.base.progress import meter
from linkwell.base.shards import storage_errors, sweep, write_bytes
from linkwell.base.workspace import folder_lock
from linkwell.feed import FeedClient
from linkwell.release.documents import DOCUMENTS
from linkwell.release.manifest import Manifest, Part, decode_manifest, part_path
from linkwell.release.publish import document_target, manifest_target, withdrawn_target
from linkwell.release.store import MANIFEST_NAME

STATE_FOLDER = ".linkwell"
MAX_CONNECTIONS = 16

_MANIFEST = re.compile(r"releases/(?P<dataset>[^/]+)/(?P<version>[^/]+)/(?P<file>manifest\.json|withdrawn\.json)")


@dataclass(frozen=True)
class GetReport:
    """A release that is here now, whole."""

    dataset: str
    version: str
    revision: int
    rows: int
    parts: int
    fetched: int
    """Parts that were fetched now; the others were here."""
    fetched_bytes: int
    removed: int
    """Parts of earlier revisions that are no longer in the release."""


def get_release(
    feed: str,
    folder: Path,
    *,
    version: str | None = None,
    dataset: str | None = None,
    trusted_root: Path | None = None,
    allow_net: Sequence[str] = (),
    connections: int = 4,
) -> GetReport:
    """Bring a folder to the newest revision of a release.

    Args:
        feed: where the feed is: a folder, `file://`, `http://` or `https://` URL.
        folder: where the release goes; made if it is not there.
        version: which release; by default the newest that is not withdrawn.
        dataset: of which dataset; needed where the feed has several.
        trusted_root: the feed's root file; needed the first time.
        allow_net: networks (CIDR) that may be reached although they are not of the public internet.
        connections: parts in flight at once, 1 to 16.

    Raises:
        UsageError: the feed has several datasets and none was named, or the number of connections is out of range.
        MissingKeyError: first use, and no root file is known.
        MissingError: the feed has no such release.
        SafetyError: the release was withdrawn. What is here stays; linkwell purge takes recalled entries out of it.
        StaleFeedError: the feed is expired or rolled back.
        SignatureError: the feed, the manifest or a part is not what was signed.
        UnavailableError: the feed cannot be reached; the same command goes on.
        StorageError: the folder cannot be written.
        BusyError: another run is at work there.
    """
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise UsageError(f"{connections} connections are out of range", advice=f"Give 1 to {MAX_CONNECTIONS}.")
    state = folder / STATE_FOLDER
    client = FeedClient.open(feed, state / "feed", trusted_root=trusted_root, allow_net=allow_net)
    client.refresh()
    with folder_lock(state, "get"):
        manifest, data = _choose(client, dataset, version)
        parts = folder / "parts"
        with storage_errors(parts):
            parts.mkdir(exist_ok=True)
        sweep(parts)
        fetched = _fetch_parts(client, manifest, parts, connections)
        _fetch_documents(client, manifest, folder)
        write_bytes(folder / MANIFEST_NAME, data)
        removed = _remove_others(parts, manifest)
    return GetReport(
        manifest.dataset,
        manifest.version,
        manifest.revision,
        manifest.rows,
        len(manifest.parts),
        len(fetched),
        sum(part.bytes for part in fetched),
        removed,
    )


def _choose(client: FeedClient, dataset: str | None, version: str | None) -> tuple[Manifest, bytes]:
    """The manifest of the release that was asked for, with its bytes."""
    found = [match for name in client.targets() if (match := _MANIFEST.fullmatch(name))]
    datasets = sorted({match["dataset"] for match in found})
    if dataset is None and len(datasets) > 1:
        raise UsageError("the feed carries several datasets", advice=f"Name one: {', '.join(datasets)}.")
    if dataset is not None and dataset not in datasets:
        raise MissingError(
            "the feed has no release of this dataset", dataset, f"It has: {', '.join(datasets) or 'none'}."
        )
    dataset = dataset or (datasets[0] if datasets else "")
    standing = [m["version"] for m in found if m["dataset"] == dataset and m["file"] == MANIFEST_NAME]
    if version is not None and withdrawn_target(dataset, version) in client.targets():
        raise SafetyError("this release was withdrawn", version, "Get another, or ask the feed's owner.")
    wanted = standing if version is None else [each for each in standing if each == version]
    if not wanted:
        gone = sorted({m["version"] for m in found if m["dataset"] == dataset and m["file"] != MANIFEST_NAME})
        withdrawn = f" Withdrawn: {', '.join(gone)}; ask the feed's owner." if gone else ""
        raise MissingError(
            "the feed has no such release" if version else "the feed has no release",
            version or client.feed,
            f"It has: {', '.join(sorted(standing)) or 'none'}.{withdrawn}",
        )
    read = [_read(client, dataset, each) for each in wanted]
    return max(read, key=lambda each: (each[0].first_created, each[0].version))


def _read(client: FeedClient, dataset: str, version: str) -> tuple[Manifest, bytes]:
    name = manifest_target(dataset, version)
    data = client.read(name)
    manifest = decode_manifest(data, name)
    named_rightly = all(part.path == part_path(dataset, part.sha256) for part in manifest.parts)
    if (manifest.dataset, manifest.version) != (dataset, version) or not named_rightly:
        raise SignatureError("this is the manifest of another release", name, "Tell the feed's owner.")
    return manifest, data


def _fetch_parts(client: FeedClient, manifest: Manifest, folder: Path, connections: int) -> list[Part]:
    """Fetch what is not here; the first error ends it, and what is under way is finished."""
    fetched = []

    def fetch(part: Part) -> Part | None:
        path = folder / part.file_name
        before = path.stat().st_mtime_ns if path.exists() else None
        client.fetch_unlisted(part.path, part.sha256, part.bytes, path)
        return part if path.stat().st_mtime_ns != before else None

    with meter(f"getting {manifest.version}", len(manifest.parts), "parts") as shown:
        pool = ThreadPoolExecutor(connections)
        try:
            for done in as_completed([pool.submit(fetch, part) for part in manifest.parts]):
                part = done.result()
                if part is not None:
                    fetched.append(part)
                shown.advance()
        finally:
            pool.shutdown(cancel_futures=True)
    return fetched


def _fetch_documents(client: FeedClient, manifest: Manifest, folder: Path) -> None:
    """Fetch the documents that the feed has of this release; older feeds have none."""
    listed = client.targets()
    for name in DOCUMENTS:
        target = document_target(manifest.dataset, manifest.version, name)
        if target in listed:
            client.fetch(target, folder / name)


def _remove_others(folder: Path, manifest: Manifest) -> int:
    """Remove parts that the manifest does not name: what they held was taken back."""
    named = {part.file_name for part in manifest.parts}
    removed = 0
    with storage_errors(folder):
        for path in folder.glob("*.parquet"):
            if path.name not in named:
                path.unlink()
                removed += 1
    return removed
