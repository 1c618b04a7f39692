"""What a match is, and findings: the restricted record of which link matched which list, and by what."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from linkwell.base.errors import DamagedFileError
from linkwell.base.ids import LINK_ID_BYTES
from linkwell.base.sealed import read_sealed, write_sealed_file
from linkwell.base.workspace import Workspace
from linkwell.lists.columns import fixed_column

PRIVACY = "privacy"
PROPOSED = "proposed"
FINDING_CLASSES = ("exact", "perceptual", "url", PRIVACY, PROPOSED)
"""An exact digest or a URL decides; a perceptual match asks (ground rule 2), and so does what is proposed because it is like something
confirmed. Personal data is noted, and becomes a case when somebody says so."""

_CLASS_OF_ALGORITHM = {"pdq": "perceptual", "url": "url"}
_EXACT_ALGORITHMS = frozenset({"md5", "sha1", "sha256"})

_TEXTS = ("finding_class", "source", "algorithm")
_COLUMNS = ("link_id", *_TEXTS)


class Match(NamedTuple):
    """That a list has something, and by which algorithm it was found; not what."""

    source: str
    algorithm: str
    """md5, sha1, sha256, pdq or url; of personal data, what it is"""

    @property
    def finding_class(self) -> str:
        """One of `FINDING_CLASSES`."""
        if self.algorithm in _EXACT_ALGORITHMS:
            return "exact"
        return _CLASS_OF_ALGORITHM.get(self.algorithm, PRIVACY)


class Finding(NamedTuple):
    """One reason to look at one link. Restricted: its `repr` does not show the link."""

    link_id: bytes
    finding_class: str
    source: str
    algorithm: str

    @classmethod
    def of(cls, link_id: bytes, match: Match) -> "Finding":
        """The finding that a match of a link comes to."""
        return cls(link_id, match.finding_class, match.source, match.algorithm)

    def __repr__(self) -> str:
        return f"Finding({self.finding_class}, source={self.source!r}, algorithm={self.algorithm!r})"


def write_findings(temporary_path: Path, findings: Iterable[Finding], master_key: bytes) -> None:
    """Write findings, sorted and each once, encrypted and mode 0600, at exactly `temporary_path`: a task's output.

    Their place is `workspace.findings`, named `<run>.parquet`.
    """
    rows = sorted(set(findings))
    columns: dict[str, pa.Array[pa.Scalar[pa.DataType]]] = {
        "link_id": fixed_column(b"".join(row.link_id for row in rows), LINK_ID_BYTES)
    }
    for name in _TEXTS:
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.string())
    write_sealed_file(temporary_path, pa.table(columns), master_key)


def read_findings(workspace: Workspace, paths: Iterable[Path] | None = None) -> Iterator[Finding]:
    """All findings of a workspace, or those of some of its files, file by file; the same finding may be in several files.

    Raises:
        DamagedFileError: a file was changed, cut short, written under another key, or holds no findings.
        MissingKeyError: the workspace's master key is not there.
    """
    paths = sorted(workspace.findings.glob("*.parquet") if paths is None else paths)
    master_key = workspace.master_key() if paths else b""
    for path in paths:
        for table in read_sealed(path, master_key):
            if tuple(table.column_names) != _COLUMNS:
                raise DamagedFileError("this file does not hold findings", str(path), "Restore it, or move it away.")
            columns = [table.column(name).to_pylist() for name in _COLUMNS]
            yield from (Finding(*row) for row in zip(*columns, strict=True))
