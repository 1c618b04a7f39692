"""The partition: which link has which cell, for the life of the dataset, and which cells and links never come back.

Restricted and encrypted, in `releases/.partition/`: it keeps links that have long left every release. An index names its files; a
generation is the cells that one release added. Cell numbers only grow.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.base.settings import Settings
from linkwell.base.shards import storage_errors, sweep, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.release.cover import BLOCK_CELLS, cover_seed, draw_cover

_id: pa.DataType = pa.binary(LINK_ID_BYTES)
PARTITION_SCHEMA: pa.Schema = pa.schema(
    [pa.field("link_id", _id), pa.field("canonical_id", _id), pa.field("cell", pa.uint32())]
)
_REMOVED_SCHEMA: pa.Schema = pa.schema([pa.field("link_id", _id)])
_FILE_ROWS = 1_000_000


class Generation(msgspec.Struct, frozen=True):
    """The cells that one release added: `first_cell` and the `cell_count - 1` numbers after it."""

    version: str
    first_cell: int
    cell_count: int
    cells_per_shard: int
    files: tuple[str, ...]
    blocks: tuple[int, ...] = ()
    """First cells of the look-alike blocks (`cover.py`); of generations that are older than those, none."""


class Cover(msgspec.Struct, frozen=True):
    """Cells that leave together, whichever of them was hit. Which ones were is written nowhere."""

    origin: str
    """The release that left them out first, as `release v2`, or `recall`."""
    cells: tuple[int, ...]


@dataclass(frozen=True)
class Leaving:
    """Which cells leave, given those that are hit."""

    cells: frozenset[int]
    """All of them, padding included."""
    drawn: frozenset[int]
    """Those of them that no earlier cover has: a cover of their own, to be kept."""


class _Index(msgspec.Struct, frozen=True):
    generations: tuple[Generation, ...] = ()
    removed_cells: tuple[int, ...] = ()
    removed_files: tuple[str, ...] = ()
    covers: tuple[Cover, ...] = ()


class Partition:
    """The partition of a workspace's dataset. Hold the workspace's lock `release` while it is changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.releases / ".partition"
        self._index_path = self._folder / "index.json"
        self._key = workspace.master_key
        try:
            self._index = msgspec.json.decode(self._index_path.read_bytes(), type=_Index)
        except FileNotFoundError:
            self._index = _Index()
        except msgspec.DecodeError as error:
            raise DamagedFileError("the index of the cells does not read", str(self._index_path), _RESTORE) from error

    @property
    def generations(self) -> tuple[Generation, ...]:
        """One for each release that was made, in order."""
        return self._index.generations

    @property
    def next_cell(self) -> int:
        """The first number no cell has had."""
        last = self._index.generations[-1] if self._index.generations else None
        return last.first_cell + last.cell_count if last else 0

    @property
    def removed_cells(self) -> frozenset[int]:
        """Cells that were recalled."""
        return frozenset(self._index.removed_cells)

    @property
    def covers(self) -> tuple[Cover, ...]:
        """Cells that leave together, in the order they were drawn."""
        return self._index.covers

    @property
    def files(self) -> list[Path]:
        """The sealed files of all links that ever had a cell: `PARTITION_SCHEMA`."""
        return [self._folder / name for generation in self._index.generations for name in generation.files]

    def blocks(self) -> tuple[int, ...]:
        """First cells of the look-alike blocks of all cells, ascending."""
        found: list[int] = []
        for each in self._index.generations:
            evenly = range(each.first_cell, each.first_cell + each.cell_count, BLOCK_CELLS)
            found.extend(each.blocks or evenly)
        return tuple(found)

    def leaving(
        self,
        hit_cells: Collection[int],
        cell_rows: Mapping[int, int],
        settings: Settings,
        *,
        min_rows: int,
        new_blocks: tuple[int, ...] = (),
        like: Collection[int] | None = None,
    ) -> Leaving:
        """The cells that leave with the hit ones: those of the covers they are in, and a cover that is drawn for the others.

        Args:
            hit_cells: cells that hold a suspected entry; all in `cell_rows`.
            cell_rows: rows of every cell that is not recalled.
            settings: how covers are padded.
            min_rows: k.
            new_blocks: the blocks of cells that are not in the partition yet.
            like: where given, a cover is drawn though nothing is hit, from the blocks of these cells or from all.
        """
        gone: set[int] = set()
        for cover in self.covers:
            if not set(cover.cells).isdisjoint(hit_cells):
                gone.update(cover.cells)
        bare = set(hit_cells) - gone
        drawn: list[int] = []
        if bare or (like is not None and not hit_cells):
            drawn = draw_cover(
                bare,
                cell_rows,
                (*self.blocks(), *new_blocks),
                min_rows=min_rows,
                batch_cells=settings.recall.cells_per_batch,
                padding_per_hit=settings.recall.padding_cells_per_hit,
                seed=cover_seed(self._key(), settings.dataset, len(self.covers)),
                taken={cell for cover in self.covers for cell in cover.cells},
                like=like or (),
            )
        return Leaving(frozenset(gone | set(drawn)), frozenset(drawn))

    def require(self, versions: Iterable[str]) -> None:
        """Stop if a release is there whose cells are not known any more.

        Raises:
            MissingError: so it is; new cells for old links would undo what cells are for.
        """
        known = {generation.version for generation in self._index.generations}
        lost = sorted(set(versions) - known)
        if lost:
            raise MissingError(f"the cells of release {', '.join(lost)} are not there", str(self._folder), _RESTORE)

    def removed_links(self) -> set[bytes]:
        """Links that were recalled one by one."""
        found: set[bytes] = set()
        for name in self._index.removed_files:
            for table in read_sealed(self._folder / name, self._key()):
                found.update(link.as_py() for link in table["link_id"])
        return found

    def add_generation(
        self,
        version: str,
        cell_count: int,
        cells_per_shard: int,
        tables: Iterable[pa.Table],
        *,
        blocks: tuple[int, ...] = (),
        cover: Collection[int] = (),
    ) -> Generation:
        """Add the cells of a new release, and the cover it drew for what it leaves out; they count once this returns."""
        self._prepare()
        files: list[str] = []
        for table in _regroup(tables):
            name = f"cells-{version}-{len(files):05d}.parquet"
            write_sealed(self._folder / name, table, self._key())
            files.append(name)
        generation = Generation(version, self.next_cell, cell_count, cells_per_shard, tuple(files), blocks)
        covers = (Cover(f"release {version}", tuple(sorted(map(int, cover)))),) if cover else ()
        self._store(
            msgspec.structs.replace(
                self._index,
                generations=(*self._index.generations, generation),
                covers=(*self._index.covers, *covers),
            )
        )
        return generation

    def add_cover(self, cells: Collection[int]) -> None:
        """Remember that these cells leave together with a recall."""
        self._prepare()
        cover = Cover("recall", tuple(sorted(map(int, cells))))
        if cover.cells and cover not in self._index.covers:
            self._store(msgspec.structs.replace(self._index, covers=(*self._index.covers, cover)))

    def undo(self, version: str) -> None:
        """Forget the last generation if it is of a version that was never finished: nobody has seen its cells."""
        if self._index.generations and self._index.generations[-1].version == version:
            files = self._index.generations[-1].files
            covers = tuple(each for each in self._index.covers if each.origin != f"release {version}")
            kept = self._index.generations[:-1]
            self._store(msgspec.structs.replace(self._index, generations=kept, covers=covers))
            for name in files:
                (self._folder / name).unlink(missing_ok=True)

    def remove(self, cells: Collection[int], links: Collection[bytes]) -> None:
        """Remember that these cells and links never come back."""
        self._prepare()
        removed_files = self._index.removed_files
        if links:
            ordered = sorted(links)
            name = f"removed-{hashlib.sha256(b''.join(ordered)).hexdigest()[:16]}.parquet"
            if name not in removed_files:
                table = pa.table([binary_array(ordered, LINK_ID_BYTES)], schema=_REMOVED_SCHEMA)
                write_sealed(self._folder / name, table, self._key())
                removed_files = (*removed_files, name)
        removed_cells = tuple(sorted({*self._index.removed_cells, *map(int, cells)}))
        self._store(msgspec.structs.replace(self._index, removed_cells=removed_cells, removed_files=removed_files))

    def _prepare(self) -> None:
        with storage_errors(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(self._folder)

    def _store(self, index: _Index) -> None:
        if index != self._index:
            write_bytes(self._index_path, msgspec.json.format(msgspec.json.encode(index), indent=1), mode=0o600)
            self._index = index


_RESTORE = f"Restore the folder {Path('releases') / '.partition'} from its backup."


def _regroup(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about `_FILE_ROWS`, at least one row each."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= _FILE_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.concat_tables(waiting)
