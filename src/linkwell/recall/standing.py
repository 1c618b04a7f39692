"""What is recalled already and what the retained releases hold: read from the batches and the releases, never from notes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa

from linkwell.base.errors import MissingError
from linkwell.base.ids import LINK_ID_BYTES
from linkwell.base.shards import read_tables, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.recall.batch import (
    BATCH_FILE,
    CELLS_FILE,
    LINKS_FILE,
    Batch,
    batch_path,
    check_file,
    decode_batch,
    id_array,
    read_cells,
    read_reasons,
)
from linkwell.release import Release, cells_of, list_releases, open_release

STATE_FILE = "state.json"


class RecallState(msgspec.Struct, frozen=True):
    """How far things are: the last sequence that the releases were reissued for, logged, and published. 0 is none."""

    reissued: int = 0
    logged: int = 0
    published: int = 0


@dataclass
class Standing:
    """What is recalled already, read from the batches, and what the retained releases hold."""

    batches: list[Batch]
    cells: set[int]
    reasons: dict[bytes, str]
    releases: list[Release] = field(default_factory=list)

    @property
    def next_sequence(self) -> int:
        """The number of the batch that comes next."""
        return len(self.batches) + 1


def list_recalls(workspace: Workspace) -> list[Batch]:
    """Every batch of the workspace, in order, with its files checked and the chain followed.

    Raises:
        DamagedFileError: a batch is missing or does not read.
        SignatureError: a file is not what its batch says.
    """
    batches: list[Batch] = []
    while batch_path(workspace.recalls, len(batches) + 1).is_dir():
        batches.append(show_recall(workspace, len(batches) + 1))
    return batches


def show_recall(workspace: Workspace, sequence: int) -> Batch:
    """One batch.

    Raises:
        MissingError: there is none of that number.
    """
    folder = batch_path(workspace.recalls, sequence)
    if not folder.is_dir():
        raise MissingError(f"there is no recall {sequence}", str(workspace.recalls), "linkwell recall list shows them.")
    batch = decode_batch((folder / BATCH_FILE).read_bytes(), str(folder / BATCH_FILE))
    for name in (CELLS_FILE, LINKS_FILE):
        check_file(batch, name, (folder / name).read_bytes(), str(folder / name))
    return batch


def read_state(workspace: Workspace) -> RecallState:
    """How far reissuing, logging and publishing are."""
    path = workspace.recalls / STATE_FILE
    return msgspec.json.decode(path.read_bytes(), type=RecallState) if path.exists() else RecallState()


def write_state(workspace: Workspace, state: RecallState) -> None:
    """Remember how far things are."""
    write_bytes(workspace.recalls / STATE_FILE, msgspec.json.encode(state))


def recalled_cells(workspace: Workspace) -> set[int]:
    """Every cell ever recalled here: none of their rows may come back."""
    return standing_of(workspace).cells


def recalled_links(workspace: Workspace) -> set[bytes]:
    """The id of every link ever recalled here, of covered cells and of open batches."""
    found: set[bytes] = set()
    for batch in list_recalls(workspace):
        path = batch_path(workspace.recalls, batch.sequence) / LINKS_FILE
        for table in read_tables([path], ["link_id"]):
            found.update(value for value in table["link_id"].to_pylist() if value is not None)
    return found


def standing_of(workspace: Workspace) -> Standing:
    """What is recalled already, from the batches."""
    batches = list_recalls(workspace)
    cells: set[int] = set()
    reasons: dict[bytes, str] = {}
    for batch in batches:
        folder = batch_path(workspace.recalls, batch.sequence)
        if batch.kind == "open":
            reasons |= read_reasons((folder / LINKS_FILE).read_bytes(), str(folder / LINKS_FILE))
        else:
            cells.update(read_cells((folder / CELLS_FILE).read_bytes(), str(folder / CELLS_FILE)).tolist())
    return Standing(batches, cells, reasons)


def retained(workspace: Workspace) -> list[Release]:
    """Every release that is kept, oldest first.

    Raises:
        MissingError: there is none.
    """
    releases = [open_release(workspace, info.version) for info in list_releases(workspace)]
    if not releases:
        raise MissingError(
            "there is no release to recall from",
            str(workspace.releases),
            "Make one with: linkwell release create v1 --as WHO",
        )
    return releases


def locate(releases: Iterable[Release], link_ids: Collection[bytes]) -> dict[bytes, int]:
    """The cells of links, from whichever release has them."""
    located: dict[bytes, int] = {}
    if link_ids:
        for release in releases:
            located |= cells_of(release, link_ids)
    return located


def cell_rows_of(releases: Iterable[Release], recalled: Collection[int]) -> dict[int, int]:
    """Rows of every cell that is not recalled: the most it has in any release."""
    rows: dict[int, int] = {}
    gone = np.array(sorted(recalled), dtype=np.int64)
    for release in releases:
        here: dict[int, int] = {}
        for table in read_tables(release.parts, ["cell"]):
            cells, counts = np.unique(table["cell"].to_numpy().astype(np.int64), return_counts=True)
            keep = ~np.isin(cells, gone)
            for cell, count in zip(cells[keep].tolist(), counts[keep].tolist(), strict=True):
                here[cell] = here.get(cell, 0) + count
        for cell, count in here.items():
            rows[cell] = max(rows.get(cell, 0), count)
    return rows


def links_of(releases: Iterable[Release], cells: Collection[int]) -> list[bytes]:
    """The link ids of every row of the cells, over all releases, sorted."""
    wanted = np.array(sorted(cells), dtype=np.int64)
    found = [np.empty(0, dtype="S16")]
    for release in releases:
        holding = zip(release.parts, release.manifest.parts, strict=True)
        for table in read_tables([path for path, part in holding if set(cells) & set(part.cells)], ["cell", "link_id"]):
            hit = np.isin(table["cell"].to_numpy().astype(np.int64), wanted)
            if hit.any():
                found.append(id_array(table["link_id"].filter(pa.array(hit))))
    values: list[bytes] = np.unique(np.concatenate(found)).tolist()
    return [value.ljust(LINK_ID_BYTES, b"\0") for value in values]  # NumPy strips trailing zeros of `S16`
