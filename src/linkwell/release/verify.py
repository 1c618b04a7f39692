"""Check a release from its signatures down to every byte of its parts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from linkwell.base.counts import plural
from linkwell.base.errors import DamagedFileError, ReconciliationError, SignatureError
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import file_sha256, open_parquet, read_tables
from linkwell.base.words import Words, is_member, words_from, words_of
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.release.manifest import Part, part_path, schema_columns
from linkwell.release.partition import Partition
from linkwell.release.reconcile import reconcile
from linkwell.release.store import Release, open_release

_RESTORE = "Restore the file from a backup or the feed; its name is its SHA-256."


@dataclass(frozen=True)
class VerifyReport:
    """A release that holds."""

    version: str
    revision: int
    parts: int
    rows: int
    cells: int
    smallest_cell_rows: int
    quarantined: int
    """Entries of it that are in quarantine now, and so should leave with the next recall."""
    recalled_cells: int
    """Cells of it that are recalled: the reissue that takes them out was cut off and must be given again."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing in it waits to be taken out."""
        return not self.quarantined and not self.recalled_cells


def verify_release(workspace: Workspace, version: str) -> VerifyReport:
    """Check signatures, hashes, schema, counts, that cells are whole and large enough, and look for quarantined entries.

    Returns:
        What was checked. `quarantined` above 0 asks for a recall; it is no damage. Nor are `recalled_cells`.

    Raises:
        MissingError: there is no such release.
        SignatureError: manifest, signatures or a part were changed, or a part is missing; the file is named.
        ReconciliationError: the counts do not add up, or a cell is split or too small.
    """
    return verify_parts(workspace, open_release(workspace, version))


def verify_parts(workspace: Workspace, release: Release) -> VerifyReport:
    """`verify_release` for a release that is open."""
    manifest = release.manifest
    where = str(release.folder)
    counts = reconcile(manifest.reconciliation.input, manifest.reconciliation.removed, manifest.reconciliation.output)
    if counts.output != manifest.rows or manifest.rows != sum(part.rows for part in manifest.parts):
        raise ReconciliationError("the manifest's own row counts do not add up", where)
    if manifest.schema != schema_columns():
        raise ReconciliationError("the manifest is of another schema than this Linkwell's", where)
    quarantined = words_from(CaseBook.open(workspace).quarantined())
    removed_cells = Partition(workspace).removed_cells
    seen: dict[int, str] = {}
    smallest = 0
    held = 0
    for part, path in zip(manifest.parts, release.parts, strict=True):
        sizes, here = _verify_part(manifest.dataset, part, path, quarantined)
        held += here
        for cell, rows in sizes.items():
            if cell in seen:
                raise ReconciliationError(f"cell {cell} is split over two parts", str(path))
            seen[cell] = part.sha256
            smallest = min(smallest or rows, rows)
    if len(seen) != manifest.cells or smallest != manifest.smallest_cell_rows:
        raise ReconciliationError("the cells are not those the manifest counts", where)
    is_first = manifest.previous is None and manifest.revision == 1
    if is_first and len(seen) > 1 and smallest < manifest.cell_min_rows:
        raise ReconciliationError(f"a cell has {plural(smallest, 'row')}, fewer than {manifest.cell_min_rows}", where)
    return VerifyReport(
        version=manifest.version,
        revision=manifest.revision,
        parts=len(manifest.parts),
        rows=manifest.rows,
        cells=len(seen),
        smallest_cell_rows=smallest,
        quarantined=held,
        recalled_cells=len(removed_cells & seen.keys()),
    )


def _verify_part(dataset: str, part: Part, path: Path, quarantined: Words) -> tuple[dict[int, int], int]:
    """Rows of every cell of a part that holds, and how many of its rows are quarantined."""
    if not path.is_file():
        raise SignatureError("a part of the release is not there", str(path), _RESTORE)
    if (
        path.stat().st_size != part.bytes
        or file_sha256(path) != part.sha256
        or part.path != part_path(dataset, part.sha256)
    ):
        raise SignatureError("this is not the file that was signed for", str(path), _RESTORE)
    with open_parquet(path) as file:
        if not _is_of_links(file.schema_arrow):
            raise DamagedFileError("its columns are not those of a release", str(path), _RESTORE)
    sizes: dict[int, int] = {}
    last = -1
    held = 0
    for table in read_tables([path], ["link_id", "cell"]):
        cells = table["cell"].to_numpy().astype(np.int64)
        if len(cells) and (cells[0] < last or (np.diff(cells) < 0).any()):
            raise ReconciliationError("its cells are not runs of rows", str(path))
        last = int(cells[-1]) if len(cells) else last
        for cell, rows in zip(*(a.tolist() for a in np.unique(cells, return_counts=True)), strict=True):
            sizes[cell] = sizes.get(cell, 0) + rows
        held += int(is_member(words_of(table["link_id"]), quarantined).sum())
    if tuple(sorted(sizes)) != part.cells or sum(sizes.values()) != part.rows:
        raise ReconciliationError("its cells or rows are not those the manifest counts", str(path))
    return sizes, held


def _is_of_links(schema: pa.Schema) -> bool:
    """Whether a file has the columns of a link. Parquet widens what it has no type for: dictionary indices, whole seconds."""
    return schema.names == LINK_SCHEMA.names and all(
        field.type == wanted.type
        or (pa.types.is_dictionary(field.type) and pa.types.is_dictionary(wanted.type))
        or (pa.types.is_timestamp(field.type) and pa.types.is_timestamp(wanted.type))
        for field, wanted in zip(schema, LINK_SCHEMA, strict=True)
    )
