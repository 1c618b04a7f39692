"""Captions that stand on very many pages (`logo`, `tip`): left out with all their links, wherever in the build they are.

*count*, one task an archive, counts for each caption (white space folded, small letters) the distinct pages it has a link on, in
a count-min sketch of 4 rows by 262,144 counters: 4 MB, whatever the archive's size. *total* adds the sketches up. *drop* rewrites
one archive's links without those whose caption comes to more pages than allowed. The sketch never counts too few, so no boilerplate
stays; it counts too many by at most some hundred-thousandth of all captions of the build, which is why the limit should not be small
in a large build. A page that is in two archives counts twice.
"""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import DamagedFileError
from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.shards import ParquetWriter, read_tables, write_array
from linkwell.engine import Engine, TaskContext, local_input, run_stage, task

STAGES = ("captions", "caption-totals", "captions-dropped")
"""Folders of the stages below the build's."""

REJECTED = "rejected_boilerplate_text"
_ROWS, _BITS = 4, 18
_WIDTH = 1 << _BITS
_ROW_GROUP_ROWS = 20_000


class CountParams(msgspec.Struct, frozen=True):
    """Parameters of `count`."""

    shard: str


class TotalParams(msgspec.Struct, frozen=True):
    """Parameters of `total`."""

    sketches: tuple[str, ...]


class DropParams(msgspec.Struct, frozen=True):
    """Parameters of `drop`."""

    shard: str
    sketch: str
    max_pages: int


def drop_boilerplate(shards: list[Path], folder: Path, engine: Engine, *, max_pages: int) -> tuple[list[Path], int]:
    """The shards without the links whose caption is on more than `max_pages` pages of all of them, and how many those were."""
    module = "linkwell.build.boilerplate:"
    counting = [
        task("captions", index, module + "count", CountParams(str(shard)), (local_input(shard),))
        for index, shard in enumerate(shards)
    ]
    sketches = run_stage(counting, folder / STAGES[0], engine).outputs("sketch.npy")
    adding = task(
        "caption-totals", 0, module + "total", TotalParams(tuple(map(str, sketches))), tuple(map(local_input, sketches))
    )
    (sketch,) = run_stage([adding], folder / STAGES[1], engine).outputs("sketch.npy")
    dropping = [
        task(
            "captions-dropped",
            index,
            module + "drop",
            DropParams(str(shard), str(sketch), max_pages),
            (local_input(shard), local_input(sketch)),
        )
        for index, shard in enumerate(shards)
    ]
    done = run_stage(dropping, folder / STAGES[2], engine)
    return done.outputs("links.parquet"), done.counts()[REJECTED]


def count(context: TaskContext) -> None:
    """Write the sketch of one shard."""
    params = context.params(CountParams)
    sketch = np.zeros((_ROWS, _WIDTH), np.uint32)
    page: list[object] | None = None
    seen: set[str] = set()
    for table in read_tables([Path(params.shard)], ["text", "page_url", "offset"]):
        texts = []
        # The links of a page stand one after another.
        for text, *now in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
            if now != page:
                page, seen = now, set()
            if text not in seen:
                seen.add(text)
                texts.append(text)
        for row, places in enumerate(_places(texts)):
            np.add.at(sketch[row], places, 1)
    _save(context, sketch)


def total(context: TaskContext) -> None:
    """Write the sum of all sketches."""
    params = context.params(TotalParams)
    sketch = np.zeros((_ROWS, _WIDTH), np.uint32)
    for path in params.sketches:
        sketch += _load(Path(path))
    _save(context, sketch)


def drop(context: TaskContext) -> None:
    """Write one shard without the captions that are on too many pages."""
    params = context.params(DropParams)
    sketch = _load(Path(params.sketch))
    with ParquetWriter(
        context.output("links.parquet"), LINK_SCHEMA, row_group_rows=_ROW_GROUP_ROWS, intermediate=True
    ) as writer:
        for table in read_tables([Path(params.shard)]):
            places = _places([str(text) for text in table["text"].to_pylist()])
            pages = np.min([sketch[row][places[row]] for row in range(_ROWS)], axis=0)
            kept = table.filter(pa.array(pages <= params.max_pages))
            context.count(REJECTED, table.num_rows - kept.num_rows)
            writer.write(kept)


def _places(texts: list[str]) -> npt.NDArray[np.int64]:
    """Where each text is counted, in each row of the sketch: shape (rows, texts)."""
    digests = b"".join(hashlib.blake2b(text.lower().encode(), digest_size=16).digest() for text in texts)
    words = np.frombuffer(digests, "<u4").reshape(-1, _ROWS)
    return (words % _WIDTH).astype(np.int64).T


def _save(context: TaskContext, sketch: npt.NDArray[np.uint32]) -> None:
    with context.output("sketch.npy").open("wb") as file:
        write_array(file, sketch)


def _load(path: Path) -> npt.NDArray[np.uint32]:
    try:
        sketch: npt.NDArray[np.uint32] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DamagedFileError("this file does not read", str(path), "Give the build's command again.") from error
    return sketch
