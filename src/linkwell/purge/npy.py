"""NumPy files by their rows: read, written without some of them, or with zeros in their place."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError, FormatError

_ADVICE = "Restore the file, make it again, or delete it; until then it may hold recalled rows."
_ROWS_AT_ONCE_BYTES = 16_777_216


def open_npy(path: Path) -> npt.NDArray[Any]:
    """Map an array; its first axis counts rows.

    Raises:
        DamagedFileError: it is no whole `.npy` file.
        FormatError: it holds Python objects, or is stored by columns.
    """
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise FormatError("this array holds Python objects, which are never loaded", str(path), _ADVICE) from None
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError("this is no whole NumPy file", str(path), _ADVICE) from None
    if array.ndim == 0 or (array.ndim > 1 and not array.flags.c_contiguous):
        raise FormatError("this array has no rows one after the other", str(path), _ADVICE)
    return array


def rewrite_npy(source: Path, target: Path, hits: npt.NDArray[np.bool_], *, blank: bool = False) -> None:
    """Write an array without the rows in `hits`, or with zeros in them.

    Raises:
        DamagedFileError: the source does not read, or has another number of rows.
        OSError: the target cannot be written.
    """
    array = open_npy(source)
    if len(array) != len(hits):
        raise DamagedFileError("this array has not as many rows as its metadata", str(source), _ADVICE)
    shape = (len(array) if blank else int((~hits).sum()), *array.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
    step = max(1, _ROWS_AT_ONCE_BYTES // max(1, array[:1].nbytes))
    with target.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, len(array), step):
            piece, gone = array[start : start + step], hits[start : start + step]
            if gone.any():
                piece = np.array(piece) if blank else piece[~gone]
                if blank:
                    piece[gone] = np.zeros((), dtype=array.dtype)
            file.write(np.ascontiguousarray(piece).tobytes())
