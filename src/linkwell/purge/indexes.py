"""FAISS indexes: vectors leave, the ids of all others stay what they are.

Inverted lists store ids, and lose theirs. Where an id is a position (flat, quantised and HNSW storage), the code is
overwritten with that of the zero vector in its place. The library is an extra: without it an index is a file that could not be dealt with.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linkwell.base.errors import DamagedFileError, FormatError, MissingError

_ADVICE = "Build it again from the purged embeddings; until then it may hold recalled vectors."


def _library() -> Any:
    """FAISS, imported where it is needed.

    Raises:
        MissingError: it is not installed.
    """
    try:
        import faiss  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingError(
            "purging an index needs FAISS", "faiss", "Install it with: pip install 'linkwell[faiss]'."
        ) from None
    return faiss


def open_index(path: Path) -> Any:
    """Read an index.

    Raises:
        DamagedFileError: it does not read.
        FormatError: its lists lie in another file.
        MissingError: FAISS is not installed.
    """
    faiss = _library()
    try:
        index = faiss.read_index(os.fspath(path))
    except RuntimeError as error:
        if "ondisk" in str(error).lower() or "OnDisk" in str(error):
            raise FormatError("the lists of this index lie in another file", str(path), _ADVICE) from None
        raise DamagedFileError("this index does not read", str(path), _ADVICE) from None
    return index


def without_ids(index: Any, ids: npt.NDArray[np.int64], where: str) -> None:
    """Take vectors out of an index; no other changes its id.

    Raises:
        FormatError: the index is of a kind that cannot.
    """
    faiss = _library()
    inner = _innermost(index)
    if isinstance(inner, faiss.IndexIVF):
        if isinstance(inner.invlists, faiss.OnDiskInvertedLists):
            raise FormatError("the lists of this index lie in another file", where, _ADVICE)
        inner.make_direct_map(False)  # noqa: FBT003 - its only parameter
        index.remove_ids(ids)
        return
    if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        stored = faiss.vector_to_array(index.id_map)
        ids = np.flatnonzero(np.isin(stored, ids))
    codes = _codes(inner, ids, where)
    codes[ids] = _blank(inner)


def ids_held(index: Any, ids: npt.NDArray[np.int64], where: str) -> int:
    """How many of the ids still have a vector in the index.

    Raises:
        FormatError: the index is of a kind that cannot tell.
    """
    faiss = _library()
    inner = _innermost(index)
    if isinstance(inner, faiss.IndexIVF):
        lists = inner.invlists
        held = 0
        for number in range(lists.nlist):
            size = lists.list_size(number)
            if size:
                held += int(np.isin(faiss.rev_swig_ptr(lists.get_ids(number), size), ids).sum())
        return held
    if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        ids = np.flatnonzero(np.isin(faiss.vector_to_array(index.id_map), ids))
    return int((_codes(inner, ids, where)[ids] != _blank(inner)).any(axis=1).sum())


def _innermost(index: Any) -> Any:
    """The index that stores vectors, below transformations, id maps and refinements."""
    faiss = _library()
    while True:
        index = faiss.downcast_index(index)
        if isinstance(index, (faiss.IndexPreTransform, faiss.IndexIDMap, faiss.IndexIDMap2)):
            index = index.index
        elif isinstance(index, faiss.IndexHNSW):
            index = index.storage
        else:
            return index


def _blank(index: Any) -> npt.NDArray[np.uint8]:
    """The code of the zero vector, which resembles nothing."""
    code: npt.NDArray[np.uint8] = index.sa_encode(np.zeros((1, index.d), dtype=np.float32))[0]
    return code


def _codes(index: Any, ids: npt.NDArray[np.int64], where: str) -> npt.NDArray[np.uint8]:
    """The stored codes, one row for a vector, as they lie in memory."""
    faiss = _library()
    if not isinstance(index, faiss.IndexFlatCodes):
        raise FormatError(f"an index of the kind {type(index).__name__} cannot be purged", where, _ADVICE)
    if len(ids) and int(ids.max()) >= index.ntotal:
        raise DamagedFileError("this index has fewer vectors than its metadata has rows", where, _ADVICE)
    codes: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size)
    return codes.reshape(index.ntotal, index.code_size)


def write_index(index: Any, target: Path) -> None:
    """Write an index.

    Raises:
        OSError: the target cannot be written.
    """
    faiss = _library()
    data = faiss.serialize_index(index)
    with target.open("wb") as file:
        file.write(memoryview(data))
