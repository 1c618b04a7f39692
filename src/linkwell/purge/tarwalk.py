"""The walk through the headers of a tar archive, compiled: a read of a page for a sample, and some tens of nanoseconds for a member.

Sees the same as `tarindex.walk_some`. Imported only to make the machine code, which `tarcode` loads and calls.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types

from linkwell.base.compiled import bytes_at, numbers_at, part
from linkwell.purge.tar import BLOCK
from linkwell.purge.tarindex import DIGITS, ENDED, FULL, LONGEST, MOST_DIGITS, NAME, NEXT, NOT_YET, STATE, UNUSUAL, WHY

_WORDS: Final = BLOCK // 8
_EVEN: Final = 0x00FF00FF00FF00FF
_ONES, _HIGHEST = 0x0101010101010101, -0x7F7F7F7F7F7F7F80
"""Of every byte the lowest bit, and the highest: with them a word tells whether a byte of it is 0."""
_STEPS: Final = 64
"""No more is read at a time than the last headers took, as copying it costs; so many parts of a page less with each read."""
_ZERO, _BLANK, _DOT, _SLASH = 48, 32, 46, 47

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

# Resolved by name when the code is loaded; reading through a map instead would kill the process on a disk error.
_pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.int64, types.int64, types.int64))


@part
def _number(header: Bytes, first: int, digits: int) -> int:
    """An octal number of exactly so many digits; -1 where there is anything else."""
    value = 0
    wrong = 0
    for place in range(first, first + digits):
        digit = int(header[place]) ^ _ZERO
        wrong |= digit
        value = value * 8 + digit
    return -1 if wrong > 7 else value


@part
def _sum(header: Bytes, words: Numbers) -> int:
    """The sum of the bytes of a header, its own field taken as blanks."""
    both = 0
    for place in range(_WORDS):
        word = words[place]
        both += (word & _EVEN) + ((word >> 8) & _EVEN)  # four sums, each of at most 128 bytes
    total = 8 * _BLANK
    for _ in range(4):
        total += both & 0xFFFF
        both >>= 16
    for place in range(148, 156):
        total -= int(header[place])
    return total


@part
def _is_end(byte: int) -> bool:
    """Whether a byte may stand behind a number."""
    return byte == 0 or byte == _BLANK


@part
def _is_plain(header: Bytes, words: Numbers) -> bool:
    """Whether a header is that of a plain file, its name in its field alone, with the right sum of its bytes."""
    kind = header[156]
    return (
        _number(header, 148, 6) == _sum(header, words)
        and (kind == _ZERO or kind == 0)
        and header[345] == 0
        and _is_end(header[135])
        and _is_end(header[154])
        and _is_end(header[155])
    )


@part
def _copy_name(header: Bytes, words: Numbers, name: Bytes) -> int:
    """Copy a name, and zeros behind it; returns its length, -1 where something stands behind its end."""
    for place in range(NAME):
        name[place] = header[place]
    whole = 0
    while whole < NAME // 8 and not (words[whole] - _ONES) & ~words[whole] & _HIGHEST:
        whole += 1
    length = 8 * whole
    while length < NAME and header[length] != 0:
        length += 1
    rest = 0
    for place in range(length, min(8 * whole + 8, NAME)):
        rest |= int(header[place])
    for place in range(whole + 1, NAME // 8):
        rest |= words[place]
    if whole < NAME // 8:
        for place in range(NAME // 8 * 8, NAME):
            rest |= int(header[place])
    return length if rest == 0 else -1


@part
def _key(name: Bytes, length: int, keys: Numbers, member: int) -> int:
    """Write the number that a name begins with; returns of how many digits, 0 where that is not all of its key or it has a folder."""
    digits = value = 0
    while digits < length and digits <= MOST_DIGITS:
        digit = int(name[digits]) - _ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        digits += 1
    if digits == length or digits > MOST_DIGITS or name[digits] != _DOT:
        return 0
    for place in range(digits, length):
        if name[place] == _SLASH:
            return 0
    keys[member] = value
    return digits


@part
def _walk(
    descriptor: int,
    size: int,
    page: int,
    page_bytes: int,
    most: int,
    starts: Numbers,
    lengths: Numbers,
    keys: Numbers,
    names: int,
    state: Numbers,
) -> int:
    offset = base = last = state[NEXT]
    have, want = 0, page_bytes
    for count in range(most):
        if offset + BLOCK > base + have:
            if offset + BLOCK <= base + page_bytes:
                want = page_bytes  # too little was read
            else:
                want = max(last + BLOCK - base, want - page_bytes // _STEPS)
            have = _pread(np.int32(descriptor), page, want, offset)
            base = offset
            if have < BLOCK:
                state[WHY] = UNUSUAL
                return count
        header = bytes_at(page + offset - base, BLOCK)
        words = numbers_at(page + offset - base, _WORDS)
        if header[0] == 0:
            state[NEXT], state[WHY] = offset, ENDED
            return count
        last = offset
        name = bytes_at(names + count * NAME, NAME)
        length = _number(header, 124, 11)
        letters = _copy_name(header, words, name)
        if length < 0 or letters < 0 or not _is_plain(header, words):
            state[WHY] = UNUSUAL
            return count
        state[LONGEST] = max(state[LONGEST], letters)
        if state[DIGITS]:
            digits = _key(name, letters, keys, count)
            state[DIGITS] = digits if state[DIGITS] in (digits, NOT_YET) else 0
        starts[count], lengths[count] = offset, length
        offset += BLOCK + (length + BLOCK - 1) // BLOCK * BLOCK
        if offset >= size:
            state[WHY] = UNUSUAL
            return count
    state[NEXT], state[WHY] = offset, FULL
    return most


def walk_at(
    descriptor: int,
    size: int,
    page: int,
    page_bytes: int,
    most: int,
    starts: int,
    lengths: int,
    keys: int,
    names: int,
    state: int,
) -> int:
    """Walk on from `NEXT`, until the end mark, anything unusual, or as many members as there is room for; returns how many were found.

    Args:
        descriptor: of the archive.
        size: of the archive, bytes.
        page: address of memory that is read into; nothing in it is kept from call to call.
        page_bytes: of it, whole blocks.
        most: members there is room for.
        starts: address of numbers (most), filled: where headers are.
        lengths: address of numbers (most), filled: bytes of data.
        keys: address of numbers (most), filled: keys, as long as all of them are numbers of as many digits.
        names: address of bytes (most, NAME), filled, with zeros behind each.
        state: address of numbers (STATE): `NEXT` says where to go on, and is brought up to date; `WHY` is filled with how it ended, and
            `LONGEST` with how long the longest name is; `DIGITS` is brought up to date: `NOT_YET` before the first member, 0 once
            keys are not numbers of as many digits each.
    """
    return _walk(
        descriptor,
        size,
        page,
        page_bytes,
        most,
        numbers_at(starts, most),
        numbers_at(lengths, most),
        numbers_at(keys, most),
        names,
        numbers_at(state, STATE),
    )
