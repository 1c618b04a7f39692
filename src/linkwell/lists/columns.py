"""Arrow columns of fixed-width bytes as numpy rows, and back, without copying."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkwell.base.errors import FormatError

Rows = npt.NDArray[np.uint8]
"""(rows, width)"""


def fixed_bytes(
    column: "pa.ChunkedArray[pa.FixedSizeBinaryScalar]", width: int, name: str
) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """The rows of a column, and which of them are not null; a null row's bytes mean nothing.

    Raises:
        FormatError: the column is not `fixed_size_binary(width)`.
    """
    if column.type != pa.binary(width):
        raise FormatError(f"the column is {column.type}, not fixed_size_binary({width})", name)
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.binary(width))
    data = array.buffers()[1]
    count = len(array)
    if data is None:
        rows = np.zeros((count, width), np.uint8)
    else:
        rows = np.frombuffer(memoryview(data), np.uint8)[array.offset * width : (array.offset + count) * width].reshape(
            count, width
        )
    return rows, array.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_)


def fixed_column(data: bytes, width: int) -> pa.FixedSizeBinaryArray:
    """Values run together, each of `width` bytes, as a column without nulls."""
    array = pa.Array.from_buffers(pa.binary(width), len(data) // width, [None, pa.py_buffer(data)])
    assert isinstance(array, pa.FixedSizeBinaryArray)  # noqa: S101 - narrows the stub's type
    return array


def one_row(value: bytes) -> Rows:
    """One value as one row."""
    return np.frombuffer(value, np.uint8).reshape(1, len(value))
