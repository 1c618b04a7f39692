"""From confirmed entries to what is like them: the same bytes, a near look, a near meaning. Each only proposes.

The same bytes are found by SHA-256 and the look by PDQ, both among the ledger. The meaning is found by cosine over embeddings, where there
are any: folders in the layout of clip-retrieval, `img_emb/NAME_0.npy` beside `metadata/metadata_0.parquet`, whose rows go together.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.audit.record import audits_folder
from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.ids import LINK_ID_BYTES, binary_array, link_id
from linkwell.base.shards import atomic_path, open_parquet
from linkwell.base.workspace import Workspace, check_name
from linkwell.ledger import PDQ_BYTES, read_ledger
from linkwell.lists import PROPOSED, Finding, Likeness, write_findings

SOURCE = "expansion"
DUPLICATE, LOOK_ALIKE, NEIGHBOUR = "duplicate", "look-alike", "neighbour"

_BLOCK_ROWS = 16_384
_NUMBER = re.compile(r"(\d+)$")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExpandReport:
    """What is proposed: counts alone; the findings are stored encrypted."""

    seeds: int
    """Confirmed entries that were begun from."""
    with_ledger: int
    """Those of them that the ledger knows."""
    with_embedding: int
    """Those of them that have an embedding."""
    proposed: dict[str, int]
    """Links by how they are like one of them; a link that is so in several ways counts as the surest."""


def expand(
    workspace: Workspace,
    seeds: Collection[bytes],
    label: str,
    *,
    embeddings: Sequence[Path] = (),
    neighbours: int = 20,
    min_similarity: float = 0.9,
) -> ExpandReport:
    """Propose links that are like confirmed ones, as findings of class `proposed` in the place of those of the last time.

    Args:
        workspace: whose ledger.
        seeds: link ids of confirmed entries.
        label: names the expansion.
        embeddings: folders of embeddings.
        neighbours: at most so many of each seed, the nearest first.
        min_similarity: cosine below which nothing is a neighbour, -1 to 1.

    Raises:
        MissingError: a folder holds no embeddings.
        DamagedFileError: a part of the ledger, or of the embeddings, does not read.
    """
    known = set(seeds)
    sha256, pdq, with_ledger = _digests(workspace, known)
    found: dict[bytes, str] = {}
    embedded: set[bytes] = set()
    for folder in embeddings:
        vectors, ids = _vectors(folder, known)
        embedded |= ids
        for link in _neighbours(folder, vectors, neighbours, min_similarity):
            found[link] = NEIGHBOUR
    for link, way in _alike(workspace, sha256, pdq):
        if way == DUPLICATE or found.get(link) != DUPLICATE:
            found[link] = way
    findings = [Finding(link, PROPOSED, SOURCE, way) for link, way in found.items() if link not in known]
    path = workspace.findings / f"expand-{check_name(label, 'expansion')}.parquet"
    audits_folder(workspace).mkdir(mode=0o700, exist_ok=True)
    if findings:
        with atomic_path(path) as temporary:
            write_findings(temporary, findings, workspace.master_key())
    else:
        path.unlink(missing_ok=True)
    counts = {way: sum(one.algorithm == way for one in findings) for way in (DUPLICATE, LOOK_ALIKE, NEIGHBOUR)}
    return ExpandReport(len(known), with_ledger, len(embedded), {way: n for way, n in counts.items() if n})


_COLUMNS = ["link_id", "sha256", "pdq", "pdq_quality"]


def _digests(workspace: Workspace, seeds: set[bytes]) -> tuple[pa.Array, Likeness, int]:  # type: ignore[type-arg]
    """SHA-256 and PDQ of the seeds, and how many of them the ledger knows."""
    wanted = binary_array(sorted(seeds), LINK_ID_BYTES)
    sha256: set[bytes] = set()
    pdq: set[bytes] = set()
    there: set[bytes] = set()
    for table in read_ledger(workspace, _COLUMNS):
        for row in table.filter(pc.is_in(table["link_id"], value_set=wanted)).to_pylist():
            there.add(row["link_id"])
            sha256.add(row["sha256"])
            if row["pdq"] is not None and (row["pdq_quality"] or 0) >= workspace.settings.lists.min_pdq_quality:
                pdq.add(row["pdq"])
    hashes = np.frombuffer(b"".join(sorted(pdq)), np.uint8).reshape(len(pdq), PDQ_BYTES)
    return binary_array(sorted(sha256), 32), Likeness(hashes), len(there)


def _alike(workspace: Workspace, sha256: pa.Array, pdq: Likeness) -> Iterator[tuple[bytes, str]]:  # type: ignore[type-arg]
    """Links of the ledger with the same bytes, or a near look."""
    for table in read_ledger(workspace, _COLUMNS):
        same = table.filter(pc.is_in(table["sha256"], value_set=sha256))
        for link in same["link_id"].to_pylist():
            yield bytes(link or b""), DUPLICATE
        clear = table.filter(
            pc.greater_equal(table["pdq_quality"], pa.scalar(workspace.settings.lists.min_pdq_quality))
        ).combine_chunks()
        hashes = b"".join(bytes(one or bytes(PDQ_BYTES)) for one in clear["pdq"].to_pylist())
        near = pdq.near(np.frombuffer(hashes, np.uint8).reshape(clear.num_rows, PDQ_BYTES))
        for row in np.flatnonzero(near).tolist():
            yield bytes(clear["link_id"][row].as_py() or b""), LOOK_ALIKE


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Files of embeddings, each with the table of its rows.

    Raises:
        MissingError: there are none, or one has no table.
    """
    pairs = []
    for path in sorted((folder / "img_emb").glob("*.npy")):
        number = _NUMBER.search(path.stem)
        table = folder / "metadata" / f"metadata_{number.group(1) if number else 0}.parquet"
        if not table.is_file():
            raise MissingError("there is no table for these embeddings", str(path), f"It should be {table}.")
        pairs.append((path, table))
    if not pairs:
        raise MissingError(
            "there are no embeddings", str(folder / "img_emb"), "Name a folder with img_emb and metadata."
        )
    return pairs


def _blocks(folder: Path) -> Iterator[tuple[list[bytes], Floats]]:
    """Link ids and unit vectors, some thousand rows at a time."""
    for path, table in _pairs(folder):
        try:
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            raise DamagedFileError("these embeddings do not read", str(path), "Make them again.") from None
        with open_parquet(table) as file:
            column = next((name for name in ("link_id", "url") if name in file.schema_arrow.names), None)
            if column is None or vectors.ndim != 2 or file.metadata.num_rows != len(vectors):  # noqa: PLR2004 - rows, dimensions
                raise DamagedFileError(
                    "this table has no link_id or url, or not as many rows as there are embeddings", str(table)
                )
            start = 0
            for batch in file.iter_batches(batch_size=_BLOCK_ROWS, columns=[column]):
                ids = [_id(value) for value in batch.column(0).to_pylist()]
                block = np.asarray(vectors[start : start + len(ids)], np.float32)
                norms = np.linalg.norm(block, axis=1, keepdims=True)
                yield ids, np.divide(block, norms, out=np.zeros_like(block), where=norms > 0)
                start += len(ids)


def _id(value: object) -> bytes:
    """The link id of a row: as bytes, as hex, or of a URL."""
    if isinstance(value, bytes):
        return value
    text = str(value)
    if "://" in text:
        return link_id(text)
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _vectors(folder: Path, seeds: set[bytes]) -> tuple[Floats, set[bytes]]:
    found: dict[bytes, Floats] = {}
    for ids, block in _blocks(folder):
        for row, link in enumerate(ids):
            if link in seeds:
                found.setdefault(link, block[row].copy())
    return (np.stack(list(found.values())) if found else np.zeros((0, 0), np.float32)), set(found)


def _neighbours(folder: Path, seeds: Floats, count: int, min_similarity: float) -> set[bytes]:
    """The nearest of each seed, itself among them."""
    if not len(seeds):
        return set()
    best: list[list[tuple[float, bytes]]] = [[] for _ in range(len(seeds))]
    for ids, block in _blocks(folder):
        if block.shape[1] != seeds.shape[1]:
            raise DamagedFileError("these embeddings have different lengths", str(folder), "Give folders of one model.")
        similar = block @ seeds.T
        for row, seed in np.argwhere(similar >= min_similarity).tolist():
            best[seed].append((float(similar[row, seed]), ids[row]))
        best = [sorted(one, reverse=True)[: count + 1] for one in best]
    return {link for one in best for _, link in one}
