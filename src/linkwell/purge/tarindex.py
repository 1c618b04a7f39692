"""What is in a tar archive, as arrays: quickly where all of it is plain, else by the reader in `tar`.

Plain are ustar files with short names. Only where headers are is found one after the other; what they say is checked over thousands
at once. The checks are those of `tar`, or stricter: what does not pass is read again there, which also finds the words for damage.
"""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from linkwell.purge.tar import BLOCK, MAX_HEADER_BYTES, Member, members

NAME: Final = 100
"""Bytes of the name in a header."""
_PAGE_BYTES = 4_096
"""Read at a time: the headers of a caption and a JSON mostly lie in the page where the picture ends."""
_STREAM_BYTES = 1 << 20
"""The same from a disk, where to read all in a row is quicker than to wait for every page."""
_FIRST, _AT_ONCE = 256, 4_096
"""Members of the first piece and of later ones: bounds the memory for headers, and how late it is seen that a file comes from a disk."""
_WAITED_SECONDS, _STREAMED_MEMBER_BYTES, _MEMORY_BYTES = 8e-6, 65_536, 3_000_000_000
"""A member that took longer than the first waited for a disk, which is read in a row if members are no larger than the second; what
comes at more than the third a second comes from memory."""
_FEW_WAITS = 2
"""Times that this thread slept while it read a piece, at which the piece came from memory: the time went to other processes."""
_KEPT_CODE_BYTES = 128_000_000
"""An archive of so many bytes is walked through by machine code that is kept: to load it costs as much as some thousand members."""
_SUM = slice(148, 156)
_EVEN = np.uint64(0x00FF00FF00FF00FF)
_BLANK = 0x20

Numbers = npt.NDArray[np.int64]

MOST_DIGITS: Final = 18
"""Of a key that is taken for a number."""

NEXT, WHY, LONGEST, DIGITS = range(4)
"""Numbers that the compiled walk is told and tells."""
STATE: Final = 4
FULL, ENDED, UNUSUAL = range(3)
"""Why it stopped: there is no more room, the end mark came, or something that is not plain."""
NOT_YET: Final = -1
"""Of `DIGITS`: there was no member before."""


@dataclass(frozen=True, eq=False)
class TarIndex:
    """Every member of an archive, as arrays: names as bytes, the rest as in `Member`."""

    size: int
    """Of the archive, bytes."""
    names: npt.NDArray[np.bytes_]
    start: Numbers
    data: Numbers
    length: Numbers
    end: Numbers
    is_file: npt.NDArray[np.bool_]
    keys: Numbers | None = None
    """Of each member, where all are known to be numbers of `digits` digits without folder."""
    digits: int = 0


class Piece(NamedTuple):
    """Some members of a plain archive, one behind the other."""

    names: npt.NDArray[np.bytes_]
    starts: Numbers
    lengths: Numbers
    offset: int
    """Where the next header is, or the end mark."""
    ended: bool
    """Whether that is the end mark."""
    keys: Numbers | None = None
    """Where a walk tells them: keys as numbers, good where `digits` of the last piece is not 0."""
    digits: int = 0


Walk = Callable[[int, int, int, int, int], Piece | None]
"""Reads members from an archive: by descriptor, size, where to begin, how many at most, bytes to read at a time. None where one is not plain."""


def read_index(path: Path, *, large: bool = False) -> TarIndex:
    """Every member of a tar archive.

    Args:
        path: the archive.
        large: gigabytes of archives are looked at, so that it pays to make machine code, which takes seconds once.

    Raises:
        DamagedFileError: a header is damaged, the archive is cut short, or something follows its end.
        FormatError: it uses something that `tar` does not read, such as sparse files.
    """
    return _plain_index(path, large=large) or _index_of(path.stat().st_size, list(members(path)))


def _index_of(size: int, listed: list[Member]) -> TarIndex:
    def numbers(name: str) -> Numbers:
        return np.array([getattr(member, name) for member in listed], dtype=np.int64)

    names = np.array([m.name.encode("utf-8", "surrogateescape") for m in listed], dtype=np.bytes_)
    files = np.array([m.is_file for m in listed], dtype=bool)
    return TarIndex(size, names, numbers("start"), numbers("data"), numbers("size"), numbers("end"), files)


def _plain_index(path: Path, *, large: bool) -> TarIndex | None:
    """The index of an archive of nothing but ustar files with short names; None where anything else is in it, or damage."""
    size = path.stat().st_size
    if size < 2 * BLOCK or size % BLOCK:
        return None
    walk = _walk_of(size, large=large)
    pieces: list[Piece] = []
    with open(path, "rb", buffering=0, opener=_opened_to_look) as file:
        end, most, page_bytes = 0, _FIRST, _PAGE_BYTES
        while not pieces or not pieces[-1].ended:
            started, waits = time.monotonic(), _waits()
            piece = walk(file.fileno(), size, end, most, page_bytes)
            if piece is None or not (pieces or len(piece.starts)):
                return None
            seconds = time.monotonic() - started if _waits() - waits > _FEW_WAITS else 0
            page_bytes = _page_bytes(page_bytes, len(piece.starts), piece.offset - end, seconds)
            end, most = piece.offset, _AT_ONCE
            pieces.append(piece)
        tail = os.pread(file.fileno(), MAX_HEADER_BYTES, end)
    if len(tail) != size - end or tail.count(0) != len(tail):
        return None
    starts = np.concatenate([piece.starts for piece in pieces])
    return TarIndex(
        size,
        np.concatenate([piece.names for piece in pieces]),
        starts,
        starts + BLOCK,
        np.concatenate([piece.lengths for piece in pieces]),
        np.append(starts[1:], end),
        np.ones(len(starts), dtype=bool),
        np.concatenate([keys for piece in pieces if (keys := piece.keys) is not None]) if pieces[-1].digits else None,
        pieces[-1].digits,
    )


def _opened_to_look(path: str, flags: int) -> int:
    """Open a file without noting when it was read, which is a tenth of what reading a page costs; only its owner may."""
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        return os.open(path, flags)


def _walk_of(size: int, *, large: bool) -> Walk:
    """The way to walk through an archive of so many bytes."""
    if not large and size < _KEPT_CODE_BYTES:
        return walk_some
    from linkwell.purge.tarcode import CompiledWalk, machine_code  # noqa: PLC0415 - llvmlite costs 0.02 s and 50 MB

    function = machine_code(make=large)
    return walk_some if function is None else CompiledWalk(function)


def _waits() -> int:
    """How often this thread slept, as for a disk."""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def _page_bytes(now: int, members: int, span: int, seconds: float) -> int:
    """How much to read at a time, by how long the last piece waited and took: what is found is the same."""
    if now == _STREAM_BYTES:
        return _PAGE_BYTES if span > _MEMORY_BYTES * seconds else now
    waited = seconds > _WAITED_SECONDS * members
    return _STREAM_BYTES if waited and span <= _STREAMED_MEMBER_BYTES * members else now


def walk_some(descriptor: int, size: int, offset: int, most: int, page_bytes: int) -> Piece | None:
    """The next members of a plain archive; None where one is not plain."""
    starts: list[int] = []
    headers: list[bytes] = []
    base, page, ended = offset, b"", False
    while len(starts) < most:
        place = offset - base
        header = page[place : place + BLOCK]
        if len(header) < BLOCK:
            page, base = os.pread(descriptor, page_bytes, offset), offset
            header = page[:BLOCK]
            if len(header) < BLOCK:
                return None
        if not header[0]:
            ended = True
            break
        try:
            length = int(header[124:135], 8)
        except ValueError:
            return None
        starts.append(offset)
        headers.append(header)
        offset += (length + (2 * BLOCK - 1)) & -BLOCK
        if offset >= size or length < 0:
            return None
    blocks = np.frombuffer(b"".join(headers), dtype=np.uint8).reshape(-1, BLOCK)
    lengths = _octal(blocks[:, 124:135])
    if not _all_plain(blocks) or (lengths < 0).any():
        return None
    longest = int(np.flatnonzero(blocks[:, :NAME].any(axis=0)).max(initial=0)) + 1
    return Piece(as_names(blocks, longest), np.array(starts, dtype=np.int64), lengths, offset, ended)


def as_names(headers: npt.NDArray[np.uint8], longest: int) -> npt.NDArray[np.bytes_]:
    """The names at the beginning of headers, of which the longest has so many bytes; little memory where all are short."""
    width = max(longest, 1)
    return np.ascontiguousarray(headers[:, :width]).view(f"S{width}")[:, 0]


def _octal(digits: npt.NDArray[np.uint8]) -> Numbers:
    """Octal numbers, one a row; negative where anything but octal digits stands."""
    values = np.zeros(len(digits), dtype=np.int64)
    wrong = np.zeros(len(digits), dtype=bool)
    for column in np.ascontiguousarray(digits.T):
        digit = column - ord("0")  # wraps round
        wrong |= digit > 7  # noqa: PLR2004 - octal
        values = values * 8 + digit
    values[wrong] = -1
    return values


def _all_plain(headers: npt.NDArray[np.uint8]) -> bool:
    """Whether all are headers of plain files with the right sum of bytes: name in its field alone, nothing behind its end."""
    kinds, behind = headers[:, 156], headers[:, [135, 154, 155]]
    return bool(
        (_octal(headers[:, 148:154]) == _sums(headers)).all()
        and ((kinds == ord("0")) | (kinds == 0)).all()
        and (headers[:, 345] == 0).all()
        and ((behind == 0) | (behind == _BLANK)).all()
        and _names_end(headers[:, :NAME])
    )


def _sums(headers: npt.NDArray[np.uint8]) -> Numbers:
    """The sum of the bytes of each header, its own field taken as blanks."""
    words = headers.view(np.uint64)
    used = np.flatnonzero(np.bitwise_or.reduce(words, axis=0)) if len(words) else np.empty(0, dtype=np.intp)
    sums = np.zeros(len(words), dtype=np.uint64)  # four sums of 16 bits each
    for place in used.tolist():  # most of a header is empty
        word = words[:, place]
        sums += (word & _EVEN) + ((word >> np.uint64(8)) & _EVEN)
    whole = sums.view(np.uint16).reshape(-1, 4).sum(axis=1, dtype=np.int64)
    own = headers[:, _SUM].astype(np.int64).sum(axis=1)
    totals: Numbers = whole - own + 8 * _BLANK
    return totals


def _names_end(names: npt.NDArray[np.uint8]) -> bool:
    """Whether nothing but zeros stands behind the first zero of each name."""
    used = int(np.flatnonzero(names.any(axis=0)).max(initial=-1)) + 1
    return not any(((names[:, place - 1] == 0) & (names[:, place] != 0)).any() for place in range(1, used))
