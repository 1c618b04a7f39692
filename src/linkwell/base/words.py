"""Columns of 16-byte ids as pairs of 64-bit words: joins and memberships of whole columns, without a Python object for each id.

The words are big-endian, so that the order of pairs is the order of bytes.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkwell.base.ids import LINK_ID_BYTES

Words = npt.NDArray[np.uint64]
"""Shape (rows, 2)."""


def no_words() -> Words:
    """No ids."""
    return np.zeros((0, 2), np.uint64)


def words_of(column: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> Words:
    """A column of 16-byte ids (`fixed_size_binary(16)`, or `binary` that holds such) without nulls."""
    pieces = []
    for chunk in column.cast(pa.binary(LINK_ID_BYTES)).chunks:
        buffer = chunk.buffers()[1]
        if len(chunk) and buffer is not None:
            raw = np.frombuffer(memoryview(buffer), np.uint64, 2 * len(chunk), LINK_ID_BYTES * chunk.offset)
            pieces.append(raw.byteswap().reshape(-1, 2))
    return stack(pieces)


def words_from(ids: Collection[bytes]) -> Words:
    """Distinct ids as ordered words, for `look_up`."""
    raw = np.frombuffer(b"".join(sorted(set(ids))), np.uint64)
    return raw.byteswap().reshape(-1, 2)


def stack(pieces: list[Words]) -> Words:
    """One after the other."""
    return np.concatenate(pieces) if pieces else no_words()


def starts(ordered: Words) -> npt.NDArray[np.bool_]:
    """Where in ordered ids a new one begins."""
    first = np.ones(len(ordered), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return first


def distinct(words: Words) -> Words:
    """Each id once, ordered."""
    ordered = words[np.lexsort((words[:, 1], words[:, 0]))]
    return ordered[starts(ordered)]


def look_up(wanted: Words, ordered: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each wanted id its place in distinct ordered ids, and whether it is there."""
    if not len(ordered) or not len(wanted):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    place = np.searchsorted(ordered[:, 0], wanted[:, 0]).astype(np.int64)
    place[place == len(ordered)] = 0
    # Ids whose first eight bytes are equal lie side by side: step on while only those are. Hardly any are.
    pending = np.flatnonzero((ordered[place, 0] == wanted[:, 0]) & (ordered[place, 1] < wanted[:, 1]))
    while len(pending):
        pending = pending[place[pending] + 1 < len(ordered)]
        place[pending] += 1
        at = place[pending]
        pending = pending[(ordered[at, 0] == wanted[pending, 0]) & (ordered[at, 1] < wanted[pending, 1])]
    return place, (ordered[place] == wanted).all(axis=1)


def blind(words: Words, key: bytes) -> Words:
    """The ids under a secret permutation: equal ids stay equal, and nobody without the key can tell which they are.

    For ids of restricted tables (links that have left, digests) that must be joined out of core: what lies in temporary files
    cannot be compared with a list. Each id is one block under AES; equality is all that it is meant to keep.

    Args:
        words: the ids.
        key: 32 bytes.
    """
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block an id, equality is wanted
    sealed = cipher.update(np.ascontiguousarray(words).tobytes()) + cipher.finalize()
    return np.frombuffer(sealed, np.uint64).reshape(-1, 2)


def is_member(wanted: Words, ordered: Words) -> npt.NDArray[np.bool_]:
    """Which of the wanted ids are among distinct ordered ones."""
    return look_up(wanted, ordered)[1]
