"""The evidence of a build: what pages said about consent and licence, in files of their own beside the links."""

from pathlib import Path

import pyarrow.parquet as pq

from linkwell.engine import TaskContext
from linkwell.rights import EVIDENCE_SCHEMA, Evidence, evidence_table

EVIDENCE_OUTPUT = "evidence.parquet"
FOLDER = "evidence"


def kept_beside(context: TaskContext, name: str) -> Path:
    """A place for evidence: in a folder of the build's own, which stays when the stage's is cleared."""
    final = context.folder.parent / FOLDER / f"{context.task.index:05d}-{context.task.key[:8]}.{name}"
    return context.output(name, final)


_MAX_HELD_ROWS = 10_000
"""A row takes at most some 8 kB."""


class EvidenceWriter:
    """Writes rows of evidence; no file is made where there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[Evidence] = []

    def add(self, rows: list[Evidence]) -> None:
        """Add the rows of some pages."""
        self._held += rows
        if len(self._held) >= _MAX_HELD_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is held."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._held:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, EVIDENCE_SCHEMA, compression="zstd")
        self._writer.write_table(evidence_table(self._held))
        self._held = []
