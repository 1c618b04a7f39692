"""Recalls as a client sees them: everything through the signed feed, nothing taken on trust."""

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import MissingError, SignatureError, UsageError
from linkwell.feed import FeedClient
from linkwell.recall.batch import (
    BATCH_FILE,
    CELLS_FILE,
    LINKS_FILE,
    check_file,
    decode_batch,
    read_cells,
    read_links,
    read_reasons,
)

_TARGET = re.compile(r"recalls/(?P<dataset>[^/]+)/(?P<sequence>\d{6,})/batch\.json")


@dataclass(frozen=True)
class Recalled:
    """What is recalled from a dataset up to `sequence` (0: nothing yet)."""

    dataset: str
    sequence: int
    cells: frozenset[int]
    link_ids: npt.NDArray[np.bytes_]
    """Sorted, unique, `S16`: every link of the cells, and the links of open recalls."""
    reasons: dict[bytes, str] = field(default_factory=dict)
    """Link id → reason, of open recalls."""
    heads: tuple[str, ...] = ()
    """SHA-256 of every batch.json, in order: what a receipt names, so that a forked feed is noticed."""
    loose_ids: npt.NDArray[np.bytes_] | None = None
    """Sorted: of the link ids, those of open recalls, which do not go with their cell; None where that is not known."""

    @property
    def cell_array(self) -> npt.NDArray[np.uint32]:
        """The cells, sorted."""
        return np.array(sorted(self.cells), dtype=np.uint32)


def datasets_of(client: FeedClient) -> list[str]:
    """The datasets that the feed carries recalls or releases of."""
    found = set()
    for name in client.targets():
        parts = name.split("/")
        if len(parts) > 2 and parts[0] in ("recalls", "releases"):  # noqa: PLR2004 - kind, dataset, rest
            found.add(parts[1])
    return sorted(found)


def load_recalled(client: FeedClient, dataset: str | None = None) -> Recalled:
    """Read every recall of a dataset from a feed that was refreshed.

    Args:
        client: an open client; `refresh` it first, so that a stale feed stops here.
        dataset: which; by default the only one the feed has.

    Raises:
        MissingError: the feed knows no such dataset, or lacks a batch of the sequence.
        UsageError: the feed has several datasets and none was named.
        SignatureError: a file is not what the batch says, or the chain of batches does not hold.
    """
    known = datasets_of(client)
    if dataset is None:
        if len(known) > 1:
            raise UsageError("the feed carries several datasets", advice=f"Name one: {', '.join(known)}.")
        dataset = known[0] if known else None
    if dataset is None or dataset not in known:
        raise MissingError(
            "the feed carries nothing of this dataset" if dataset else "the feed carries no dataset",
            dataset,
            f"It has: {', '.join(known) or 'none'}.",
        )
    sequences = sorted(
        int(match["sequence"])
        for name in client.targets()
        if (match := _TARGET.fullmatch(name)) and match["dataset"] == dataset
    )
    if sequences != list(range(1, len(sequences) + 1)):
        raise MissingError("a recall is missing from the feed's sequence", dataset, "Ask the feed's publisher.")
    cells: set[int] = set()
    ids = [np.empty(0, dtype="S16")]
    loose = [np.empty(0, dtype="S16")]
    reasons: dict[bytes, str] = {}
    heads: list[str] = []
    for sequence in sequences:
        folder = f"recalls/{dataset}/{sequence:06d}"
        data = client.read(f"{folder}/{BATCH_FILE}")
        batch = decode_batch(data, f"{folder}/{BATCH_FILE}")
        if (batch.dataset, batch.sequence, batch.previous) != (dataset, sequence, heads[-1] if heads else ""):
            raise SignatureError("this batch does not follow the one before", folder, "Ask the feed's publisher.")
        heads.append(hashlib.sha256(data).hexdigest())
        files = {name: client.read(f"{folder}/{name}") for name in (CELLS_FILE, LINKS_FILE)}
        for name, content in files.items():
            check_file(batch, name, content, f"{folder}/{name}")
        cells.update(read_cells(files[CELLS_FILE], folder).tolist())
        ids.append(read_links(files[LINKS_FILE], folder))
        if batch.kind == "open":
            loose.append(ids[-1])
            reasons |= read_reasons(files[LINKS_FILE], folder)
    return Recalled(
        dataset,
        len(sequences),
        frozenset(cells),
        np.unique(np.concatenate(ids)),
        reasons,
        tuple(heads),
        np.unique(np.concatenate(loose)),
    )
