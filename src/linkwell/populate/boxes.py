"""Boxes to blur, by link: a table of strangers' making, read once for each process and kept as arrays.

img2dataset takes boxes from a column of the links themselves (`bbox_col`); a release has no such column, so here they come in a
table of their own, with a column that says which link they are of: `link_id`, or `url`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import FormatError
from linkwell.base.ids import LINK_ID_BYTES, link_id
from linkwell.base.shards import open_parquet, read_tables
from linkwell.pictures import Box

_COLUMNS = ("boxes", "bboxes", "bbox", "face_bboxes")
"""Names under which boxes are found, the first that is there; DataComp says `face_bboxes`."""
_SIDES = 4
_ID = f"S{LINK_ID_BYTES}"


class BoxTable:
    """Boxes by link id: 32 bytes for each box."""

    def __init__(self, ids: npt.NDArray[np.bytes_], sides: npt.NDArray[np.float32]) -> None:
        """Take the ids of the boxes' links, sorted, and the boxes, of shape (boxes, 4)."""
        self._ids = ids
        self._sides = sides

    def of(self, identity: bytes) -> tuple[Box, ...]:
        """The boxes of a link; empty where it has none."""
        first, last = (int(np.searchsorted(self._ids, np.bytes_(identity), side)) for side in ("left", "right"))
        return tuple((row[0], row[1], row[2], row[3]) for row in self._sides[first:last].tolist())


def read_boxes(path: Path) -> BoxTable:
    """Read a table of boxes.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it is not parquet.
        FormatError: it has no column of links or of boxes, or a box that has not four sides.

    A side that is empty is not a number then, and the picture is refused when it is to be blurred.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=1)
def _read(path: Path, stamp: int) -> BoxTable:  # noqa: ARG001 - the stamp is the cache's
    with open_parquet(path) as file:
        names = file.schema_arrow.names
    column = next((name for name in _COLUMNS if name in names), None)
    of = next((name for name in ("link_id", "url", "URL") if name in names), None)
    if column is None or of is None:
        raise FormatError("it needs a column link_id or url and a column boxes", str(path))
    ids: list[npt.NDArray[np.bytes_]] = [np.empty(0, _ID)]
    sides: list[npt.NDArray[np.float32]] = [np.empty((0, _SIDES), np.float32)]
    for table in read_tables([path], [of, column]):
        counts, boxes = _boxes(table[column].combine_chunks(), path)
        ids.append(np.repeat(_ids(table[of].to_pylist(), of, path), counts))
        sides.append(boxes)
    all_ids = np.concatenate(ids)
    order = np.argsort(all_ids, kind="stable")
    return BoxTable(all_ids[order], np.concatenate(sides)[order])


def _ids(values: list[Any], name: str, path: Path) -> npt.NDArray[np.bytes_]:
    if None in values:
        raise FormatError(f"column {name} has empty values", str(path))
    identities: list[bytes] = values if name == "link_id" else [link_id(url) for url in values]
    if any(len(value) != LINK_ID_BYTES for value in identities):
        raise FormatError(f"column {name} has values that are not {LINK_ID_BYTES} bytes", str(path))
    return np.array(identities, _ID)


def _boxes(column: "pa.Array[Any]", path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """How many boxes each row has, and all of them."""
    form = FormatError("boxes are lists of four numbers: left, top, right, bottom, as shares of the sides", str(path))
    try:
        lists: Any = column.cast(pa.list_(pa.list_(pa.float32())))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise form from None
    boxes = lists.flatten()
    lengths = boxes.value_lengths().to_numpy(zero_copy_only=False)
    if (lengths != _SIDES).any():  # an empty box has no length: it counts as not a number
        raise form
    counts = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    return counts, boxes.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, _SIDES)
