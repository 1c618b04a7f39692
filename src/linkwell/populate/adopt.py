"""A folder that img2dataset made, or began: recognised, and entered in the ledger as far as its bytes are those that were served.

img2dataset writes the SHA-256 of the bytes as served beside every sample, and MD5 or SHA-512 where it was told so. Where the stored file
has that digest (nothing was encoded again) all digests are made from it. Of a picture that was encoded again the served bytes are gone:
no exact digest of a list could ever match what is stored, so such samples are counted and not entered.
"""

import hashlib
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from linkwell.base.errors import DamagedFileError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.shards import atomic_path, open_parquet, read_tables
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests, exact_digests, ledger_table, write_ledger_part

_STATS = re.compile(r"([0-9]{5,})_stats\.json")
_BESIDE = frozenset({"json", "txt"})
_HASHES = ("sha256", "md5", "sha512")
_SUCCESS = "success"


@dataclass(frozen=True)
class AdoptReport:
    """What a folder of img2dataset's holds."""

    shards: int
    links: int
    entered: int
    """Samples whose digests are in the ledger now."""
    encoded_again: int
    """Samples that are no longer the bytes that were served, or have no digest beside them."""
    failed: int
    """Links that img2dataset got no image for."""


def is_img2datasets(folder: Path) -> bool:
    """Whether a folder has a shard that img2dataset finished, and is no copy of ours."""
    return not (folder / "linkwell.copy").exists() and any(_shards(folder))


def adopt(workspace: Workspace, folder: Path) -> AdoptReport:
    """Enter the digests of a folder that img2dataset made in the ledger; nothing is fetched, and the folder stays as it is.

    The same call again enters what was added since.

    Raises:
        UsageError: the folder has no finished shard of img2dataset's.
        DamagedFileError: a shard does not read.
    """
    if not is_img2datasets(folder):
        raise UsageError("this is no folder that img2dataset made", str(folder), "Name one with tables and stats.")
    counts: Counter[str] = Counter()
    run = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    with workspace.lock("populate"):
        for name in _shards(folder):
            rows: list[tuple[bytes, datetime, Digests]] = []
            state = (folder / f"{name}_stats.json").read_bytes()
            part = workspace.ledger / f"adopted-{run}-{name}-{hashlib.sha256(state).hexdigest()[:8]}.parquet"
            counts["shards"] += 1
            for identity, digests in _digests(folder, name, counts):
                rows.append(
                    (identity, datetime.fromtimestamp(int((folder / f"{name}.parquet").stat().st_mtime), UTC), digests)
                )
            if rows and not part.exists():
                with atomic_path(part) as temporary:
                    write_ledger_part(temporary, ledger_table(rows), workspace.master_key())
    return AdoptReport(counts["shards"], counts["links"], counts["entered"], counts["again"], counts["failed"])


def _shards(folder: Path) -> Iterator[str]:
    """Names of the shards that are finished: img2dataset writes the stats last."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = _STATS.fullmatch(path.name)
            if match is not None and (folder / f"{match[1]}.parquet").is_file():
                yield match[1]


def _digests(folder: Path, name: str, counts: Counter[str]) -> Iterator[tuple[bytes, Digests]]:
    """Link id and digests of every sample that is still what was served."""
    table = folder / f"{name}.parquet"
    with open_parquet(table) as file:
        names = file.schema_arrow.names
    algorithm = next((each for each in _HASHES if each in names), None)
    if "url" not in names or "key" not in names:
        raise DamagedFileError("the table has no url and key", str(table), "Is it img2dataset's?")
    wanted: dict[str, tuple[str, str | None]] = {}
    columns = ["url", "key", "status", *([algorithm] if algorithm else [])]
    for part in read_tables([table], columns):
        for row in part.to_pylist():
            counts["links"] += 1
            if row["status"] == _SUCCESS:
                wanted[row["key"]] = (row["url"], row.get(algorithm) if algorithm else None)
            else:
                counts["failed"] += 1
    for key, data in _images(folder, name, names):
        url, digest = wanted.pop(key, ("", None))
        if digest is not None and algorithm is not None and hashlib.new(algorithm, data).hexdigest() == digest:
            counts["entered"] += 1
            yield link_id(url), exact_digests(data)
        else:
            counts["again"] += 1
    counts["again"] += len(wanted)


def _images(folder: Path, name: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of every image of a shard: in its tar, its folder, or its table."""
    tar, loose = folder / f"{name}.tar", folder / name
    if tar.is_file():
        try:
            with tarfile.open(tar, "r:") as archive:
                for member in archive:
                    key, _, extension = Path(member.name).name.partition(".")
                    if extension not in _BESIDE and (data := archive.extractfile(member)) is not None:
                        yield key, data.read()
        except (tarfile.TarError, OSError) as error:
            raise DamagedFileError("this tar does not read", str(tar)) from error
    elif loose.is_dir():
        for path in sorted(loose.iterdir()):
            if path.suffix.removeprefix(".") not in _BESIDE:
                yield path.name.partition(".")[0], path.read_bytes()
    else:
        form: str | None = next((each for each in ("jpg", "png", "webp") if each in names), None)
        for part in read_tables([folder / f"{name}.parquet"], ["key", form], 256) if form else ():
            rows: list[dict[str, Any]] = part.to_pylist()
            yield from ((row["key"], row[form]) for row in rows if form and row[form] is not None)
