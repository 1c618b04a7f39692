"""Releases in the feed: publish one, take one offline, and keep the feed in step with the releases that stand in it.

The manifest is a target of the feed; the parts are static files below `feed/data/`, which the manifest vouches for.
"""

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from linkwell.base.errors import LinkwellError, MissingError, SafetyError, UsageError
from linkwell.base.shards import storage_errors
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook, two_people
from linkwell.feed import publish_targets, published_targets
from linkwell.release.documents import DOCUMENTS, withdrawn_page, write_documents
from linkwell.release.store import (
    MANIFEST_NAME,
    Release,
    ReleaseInfo,
    State,
    Status,
    open_all,
    open_release,
    write_state,
)
from linkwell.release.verify import verify_parts

_LOCK = "release"
_DOCUMENTS_FOLDER = "documents"
WITHDRAWN_NAME = "withdrawn.json"
WITHDRAWN_PAGE = "withdrawn.html"
WITHDRAWN_FORMAT = "linkwell-withdrawn-1"


class Withdrawn(msgspec.Struct, frozen=True):
    """What stands in the feed in the place of a release that was taken offline. It gives no reason."""

    format: str
    dataset: str
    version: str
    date: str


def manifest_target(dataset: str, version: str) -> str:
    """The feed's name for a release's manifest."""
    return f"releases/{dataset}/{version}/{MANIFEST_NAME}"


def withdrawn_target(dataset: str, version: str) -> str:
    """The feed's name for the note that a release was taken offline."""
    return f"releases/{dataset}/{version}/{WITHDRAWN_NAME}"


def document_target(dataset: str, version: str, name: str) -> str:
    """The feed's name for a document that goes with a release: one of `DOCUMENTS`."""
    return f"releases/{dataset}/{version}/{name}"


def publish_release(workspace: Workspace, version: str, who: str) -> ReleaseInfo:
    """Put a release into the feed. Its parts are checked first.

    Raises:
        MissingError: there is no such release, or no feed.
        SignatureError: a part is not what the manifest says.
        SafetyError: an entry of it is in quarantine, or a cell of it is recalled.
        MissingKeyError: a key of the feed is missing.
    """
    with workspace.lock(_LOCK):
        release = open_release(workspace, version)
        report = verify_parts(workspace, release)
        if not report.is_clean:
            raise SafetyError(
                f"entries of it in quarantine: {report.quarantined:,}; cells of it that are recalled: {report.recalled_cells:,}",
                version,
                "Decide the cases, then recall (linkwell recall create) or make a new release.",
            )
        published_targets(workspace)
        _set_state(release, "published", who)
        try:
            publish_standing(workspace, open_all(workspace))
        except LinkwellError:
            write_state(release.folder, release.state)
            raise
        CaseBook.open(workspace).log("release published", who, None, {"version": version, "revision": release.revision})
    return open_release(workspace, version).info()


def withdraw_release(workspace: Workspace, version: str, reason: str, who: str, second: str) -> ReleaseInfo:
    """Take a release offline: its manifest and parts leave the feed, a note with version and date stays. It can be published again.

    Args:
        workspace: where.
        version: which.
        reason: stands in the log, and only there.
        who: who asks for it.
        second: who agrees; another person.

    Raises:
        TwoPersonError: `second` is `who`.
        UsageError: no reason, no name, or the release was never published.
        MissingError: there is no such release.
        MissingKeyError: a key of the feed is missing.
    """
    who, second = two_people(who, second, version)
    if not reason.strip():
        raise UsageError("a reason is needed; it stands in the log only", "--reason")
    with workspace.lock(_LOCK):
        release = open_release(workspace, version)
        if release.state.status == "created":
            raise UsageError("the release was never published", version)
        CaseBook.open(workspace).log(
            "release withdrawn",
            who,
            None,
            {"version": version, "revision": release.revision, "second": second, "reason": reason},
        )
        _set_state(release, "withdrawn", who)
        publish_standing(workspace, open_all(workspace))
    return open_release(workspace, version).info()


def withdraw_all(workspace: Workspace, reason: str, who: str, second: str) -> list[ReleaseInfo]:
    """Take every published release offline, the newest first; where one fails, those before it are offline already.

    Raises:
        MissingError: none is published.
        As `withdraw_release`.
    """
    standing = [release for release in open_all(workspace) if release.state.status == "published"]
    if not standing:
        raise MissingError("no release is published", str(workspace.releases))
    return [withdraw_release(workspace, release.version, reason, who, second) for release in reversed(standing)]


def publish_standing(workspace: Workspace, releases: Iterable[Release]) -> None:
    """Make the feed hold exactly the published releases of this dataset, as they are now; does nothing where it does.

    Raises:
        MissingError: there is no feed although a release is published.
    """
    dataset = workspace.settings.dataset
    files: dict[str, Path | bytes] = {}
    remove: list[str] = []
    unlisted: dict[str, Path] = {}
    for release in releases:
        status = release.state.status
        here, gone = manifest_target(dataset, release.version), withdrawn_target(dataset, release.version)
        if status == "published":
            files[here] = release.folder / MANIFEST_NAME
            remove += [gone, document_target(dataset, release.version, WITHDRAWN_PAGE)]
            files |= _documents(workspace, release)
            unlisted |= {part.path: path for part, path in zip(release.manifest.parts, release.parts, strict=True)}
        elif status == "withdrawn":
            remove.append(here)
            remove += [document_target(dataset, release.version, name) for name in DOCUMENTS]
            note = Withdrawn(WITHDRAWN_FORMAT, dataset, release.version, release.state.at[:10])
            files[gone] = msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n"
            page = document_target(dataset, release.version, WITHDRAWN_PAGE)
            files[page] = withdrawn_page(dataset, release.version, note.date)
    data = workspace.feed / "data" / dataset
    there = {f"data/{dataset}/{path.name}" for path in data.glob("*.parquet")} if data.is_dir() else set()
    if files:
        publish_targets(
            workspace, files, remove=remove, unlisted=unlisted, remove_unlisted=sorted(there - set(unlisted))
        )


def _documents(workspace: Workspace, release: Release) -> dict[str, Path | bytes]:
    """The documents of a release as it is now, by their names in the feed; written once for each revision."""
    folder = release.folder / _DOCUMENTS_FOLDER
    own = folder / f"r{release.revision}"
    if not all((own / name).is_file() for name in DOCUMENTS):
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            write_documents(release.manifest, release.parts, own)
    dataset = workspace.settings.dataset
    return {document_target(dataset, release.version, name): own / name for name in DOCUMENTS}


def _set_state(release: Release, status: Status, who: str) -> None:
    """Note what is to be true of a release; the feed follows, and is brought to it again by whatever comes next."""
    if release.state.status != status:
        write_state(release.folder, State(status, who, datetime.now(UTC).isoformat(timespec="seconds")))
