"""Sets of link ids as arrays: membership of whole columns without a Python object for each id."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.ids import LINK_ID_BYTES

_SORTABLE = np.dtype([("high", ">u8"), ("low", ">u8")])
"""A 16-byte id as two big-endian words: numeric order is byte order."""


def member_words(ids: Collection[bytes]) -> npt.NDArray[np.void]:
    """Link ids as a sorted array, for `is_member`."""
    return np.frombuffer(b"".join(sorted(ids)), _SORTABLE)


def id_words(column: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> npt.NDArray[np.void]:
    """A column of ids as an array that `is_member` takes."""
    pieces = []
    for chunk in column.cast(pa.binary(LINK_ID_BYTES)).chunks:
        buffer = chunk.buffers()[1]
        if buffer is not None and len(chunk):
            pieces.append(np.frombuffer(memoryview(buffer), _SORTABLE, len(chunk), chunk.offset * LINK_ID_BYTES))
    return np.concatenate(pieces) if pieces else np.zeros(0, _SORTABLE)


def is_member(ids: npt.NDArray[np.void], members: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which of `ids` are among `members`."""
    if not len(members):
        return np.zeros(len(ids), bool)
    place = np.minimum(np.searchsorted(members, ids), len(members) - 1)
    return np.asarray(members[place] == ids)
