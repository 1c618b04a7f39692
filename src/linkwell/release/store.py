"""The releases of a workspace: opening them, listing them, finding a link's cell.

releases/<version>/manifest.json           the newest revision, signed
releases/<version>/manifest-r<n>.sig.json  its signatures
releases/<version>/parts/<sha256>.parquet  its parts
releases/<version>/state.json              created, published or withdrawn; by whom and when
"""

import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from linkwell.base.errors import DamagedFileError, MissingError, SignatureError, StorageError
from linkwell.base.shards import atomic_path, read_tables, sweep, write_bytes
from linkwell.base.words import is_member, words_from, words_of
from linkwell.base.workspace import Workspace, check_name
from linkwell.feed import SignedDocument, sign_document, verify_document
from linkwell.release.manifest import (
    MANIFEST_TYPE,
    Manifest,
    Previous,
    decode_manifest,
    encode_manifest,
    manifest_digest,
    signature_path,
)

Status = Literal["created", "published", "withdrawn"]
MANIFEST_NAME = "manifest.json"


class State(msgspec.Struct, frozen=True):
    """What has become of a release."""

    status: Status
    who: str
    at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class ReleaseInfo:
    """A release in one line."""

    version: str
    revision: int
    status: Status
    rows: int
    cells: int
    parts: int
    created: str
    folder: Path
    removed: dict[str, int]
    """Rows of the input that are not in it, by public class."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """An open release: its manifest's signatures hold. Its parts are checked by `verify_release` only."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str
    state: State

    @property
    def version(self) -> str:
        """Its version."""
        return self.manifest.version

    @property
    def revision(self) -> int:
        """How often it has been issued, from 1."""
        return self.manifest.revision

    @property
    def rows(self) -> int:
        """Links in it."""
        return self.manifest.rows

    @property
    def cells(self) -> int:
        """Cells in it."""
        return self.manifest.cells

    @cached_property
    def parts(self) -> list[Path]:
        """Its parquet files, in the manifest's order."""
        return [self.folder / "parts" / part.file_name for part in self.manifest.parts]

    def cell_numbers(self) -> set[int]:
        """The cells in it."""
        return {cell for part in self.manifest.parts for cell in part.cells}

    def reference(self) -> Previous:
        """How the manifest that follows this one names it."""
        return Previous(self.version, self.revision, self.manifest_sha256)

    def info(self) -> ReleaseInfo:
        """It in one line."""
        manifest = self.manifest
        return ReleaseInfo(
            manifest.version,
            manifest.revision,
            self.state.status,
            manifest.rows,
            manifest.cells,
            len(manifest.parts),
            manifest.created,
            self.folder,
            dict(manifest.reconciliation.removed),
            manifest.warnings,
        )


def release_folder(workspace: Workspace, version: str) -> Path:
    """Where a release is.

    Raises:
        UsageError: the version is no usable name.
    """
    return workspace.releases / check_name(version, "release")


def open_release(workspace: Workspace, version: str) -> Release:
    """Open a release; its signatures must hold.

    Raises:
        MissingError: there is none of that version.
        SignatureError: the manifest or its signatures were changed.
    """
    folder = release_folder(workspace, version)
    path = folder / MANIFEST_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError("there is no such release", version, _SEE) from None
    where = str(path)
    try:
        manifest = decode_manifest(data, where)
    except DamagedFileError as error:
        raise SignatureError("this is not the manifest that was signed", where, _RESTORE) from error
    try:
        signatures = signature_path(path, manifest.revision).read_bytes()
    except FileNotFoundError:
        raise SignatureError(f"its revision {manifest.revision} is not signed", where, _RESTORE) from None
    verify_document(workspace, data, MANIFEST_TYPE, signatures, where)
    if manifest.version != version or manifest.dataset != workspace.settings.dataset:
        raise SignatureError("this is the manifest of another release", where, _RESTORE)
    return Release(folder, manifest, manifest_digest(data), _read_state(folder))


def list_releases(workspace: Workspace) -> list[ReleaseInfo]:
    """All releases, the oldest first, withdrawn ones too.

    Raises:
        SignatureError: a manifest or its signatures were changed.
    """
    return [release.info() for release in open_all(workspace)]


def open_all(workspace: Workspace) -> list[Release]:
    """All releases, the oldest first, withdrawn ones too."""
    releases = [open_release(workspace, version) for version in versions(workspace)]
    position = {release.version: _first_created(release) for release in releases}
    return sorted(releases, key=lambda release: position[release.version])


def signed_documents(workspace: Workspace) -> list[SignedDocument]:
    """The manifests of all releases, which must be signed anew when a targets key is replaced."""
    return [
        SignedDocument(path, signature_path(path, release.revision), MANIFEST_TYPE)
        for release in open_all(workspace)
        for path in [release.folder / MANIFEST_NAME]
    ]


def current_release(workspace: Workspace) -> Release:
    """The newest release that is not withdrawn.

    Raises:
        MissingError: there is none.
    """
    standing = [release for release in open_all(workspace) if release.state.status != "withdrawn"]
    if not standing:
        raise MissingError(
            "there is no release", str(workspace.releases), "Make one with: linkwell release create VERSION"
        )
    return standing[-1]


def versions(workspace: Workspace) -> list[str]:
    """Versions of all finished releases, by name."""
    return sorted(path.parent.name for path in workspace.releases.glob(f"[!.]*/{MANIFEST_NAME}"))


def cells_of(release: Release, link_ids: Collection[bytes]) -> dict[bytes, int]:
    """The cells of those of the links that are in a release.

    Raises:
        MissingError: a part is not there.
        DamagedFileError: a part does not read.
    """
    wanted = words_from(link_ids)
    found: dict[bytes, int] = {}
    if len(wanted):
        for table in read_tables(release.parts, ["link_id", "cell"]):
            hits = is_member(words_of(table["link_id"]), wanted).nonzero()[0]
            if len(hits):
                hit = table.take(hits)
                found |= {bytes(row["link_id"]): int(row["cell"]) for row in hit.to_pylist()}
    return found


def write_manifest(workspace: Workspace, manifest: Manifest, first_state: State | None = None) -> Release:
    """Sign a manifest and put it in its place: its signatures first, itself last, so that a kill leaves the old pair or the new.

    Raises:
        MissingKeyError: fewer than two targets keys are there.
    """
    folder = release_folder(workspace, manifest.version)
    path = folder / MANIFEST_NAME
    data = encode_manifest(manifest)
    own_signatures = signature_path(path, manifest.revision)
    write_bytes(own_signatures, sign_document(workspace, data, MANIFEST_TYPE))
    if first_state is not None:
        write_state(folder, first_state)
    write_bytes(path, data)
    for old in folder.glob("manifest-r*.sig.json"):
        if old != own_signatures:
            old.unlink(missing_ok=True)
    return open_release(workspace, manifest.version)


def write_state(folder: Path, state: State) -> None:
    """Note what has become of a release."""
    write_bytes(folder / "state.json", msgspec.json.encode(state))


def keep_part(source: Path, folder: Path, file_name: str) -> None:
    """Give a finished part its place among a release's parts: a second name for the same bytes where the disk can do that."""
    final = folder / "parts" / file_name
    if final.exists() and final.stat().st_size == source.stat().st_size:
        return
    with atomic_path(final) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def remove_unnamed_parts(release: Release) -> None:
    """Remove what a killed run left, and parts that the manifest does not name."""
    folder = release.folder / "parts"
    sweep(release.folder)
    sweep(folder)
    named = {part.file_name for part in release.manifest.parts}
    for path in _files(folder):
        if path.name not in named:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()


def _first_created(release: Release) -> tuple[str, str]:
    """What orders releases: when the first revision was made, which the name of no file and no later revision changes."""
    return release.manifest.first_created, release.version


def _read_state(folder: Path) -> State:
    path = folder / "state.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        raise StorageError("what became of the release is not noted", str(path), "Restore the file.") from None
    except msgspec.DecodeError as error:
        raise DamagedFileError("this does not read", str(path), "Restore the file.") from error


_SEE = "linkwell release list shows what there is."
_RESTORE = "Restore the manifest and its signatures together, from a backup or the feed."
