"""The manifest of a release: every part with size and SHA-256, how the counts add up, and what it was made under."""

import hashlib
from pathlib import Path

import msgspec

from linkwell.base.errors import DamagedFileError, FormatError
from linkwell.base.schema import LINK_SCHEMA
from linkwell.release.reconcile import Reconciliation

MANIFEST_FORMAT = "linkwell-release-1"
MANIFEST_TYPE = "application/vnd.linkwell.release+json"
"""What signatures of a manifest are signed as."""


class Part(msgspec.Struct, frozen=True):
    """One file of a release: whole cells, each a run of rows, in ascending order."""

    path: str
    """Relative to the feed."""
    sha256: str
    """Hex; also the file's name."""
    bytes: int
    rows: int
    cells: tuple[int, ...]

    @property
    def file_name(self) -> str:
        """Its name in the release's folder `parts`."""
        return f"{self.sha256}.parquet"


class Previous(msgspec.Struct, frozen=True):
    """The manifest that came before: of the same version with a lower revision, or of the release before."""

    version: str
    revision: int
    sha256: str


class ManifestSettings(msgspec.Struct, frozen=True):
    """The settings that shape a release."""

    cell_min_rows: int
    cells_per_shard: int
    host_profile: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one version of a dataset."""

    format: str
    dataset: str
    version: str
    revision: int
    created: str
    """When this revision was signed, ISO 8601, UTC."""
    first_created: str
    """When revision 1 was."""
    rows: int
    cells: int
    cell_min_rows: int
    """k: what every cell had at least when it was made."""
    smallest_cell_rows: int
    """Rows of the smallest cell now; open recalls and links that are gone make it smaller than k."""
    schema: dict[str, str]
    """Columns and their Arrow types."""
    parts: tuple[Part, ...]
    reconciliation: Reconciliation
    audit: dict[str, str | int | dict[str, int]]
    """What the list was checked against before release, or why and by whose word it was not. No findings: see `create`."""
    settings: ManifestSettings
    log_head: str
    """Hash of the last entry of the case log when this was signed."""
    previous: Previous | None
    warnings: tuple[str, ...] = ()
    rights_policy_sha256: str = ""
    """Of the policy that the verdicts of the newest rows were made under; empty for an imported list."""


def schema_columns() -> dict[str, str]:
    """The columns of a release, as a manifest names them."""
    return {field.name: str(field.type) for field in LINK_SCHEMA}


def part_path(dataset: str, sha256: str) -> str:
    """Where a part is in the feed."""
    return f"data/{dataset}/{sha256}.parquet"


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that are signed."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        DamagedFileError: it does not read.
        FormatError: it is of a format not known here.
    """
    try:
        kind = msgspec.json.decode(data, type=_Format).format
        if kind != MANIFEST_FORMAT:
            raise FormatError(f"a manifest of format {kind!r} is not known here", where, "Use a newer Linkwell.")
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"this is no manifest: {error}", where, "Restore the file.") from error


def manifest_digest(data: bytes) -> str:
    """SHA-256 of a manifest's bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def signature_path(manifest_path: Path, revision: int) -> Path:
    """Where the signatures of one revision stand: a file for each, so that manifest and signatures change in one step."""
    return manifest_path.with_name(f"manifest-r{revision}.sig.json")


class _Format(msgspec.Struct, frozen=True):
    format: str
