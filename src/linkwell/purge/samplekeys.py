"""Samples of a tar archive by the names of its members: a sample is all members that share a key.

The key is the part of a name before the first dot of its base name (peers.md 5.4). Where all keys are digits of one length, as ours
and img2dataset's are, they are compared as numbers, which costs a fraction of comparing bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from linkwell.purge.match import cell_of_key
from linkwell.purge.tarindex import MOST_DIGITS, TarIndex

FILLER: Final = "__purged__"
"""A member that stands where samples were, in an archive changed in its place. WebDataset passes over such names."""

_KEY_DIGITS, _ROW_DIGITS = 13, 5
_DOT = ord(".")

Names = npt.NDArray[np.bytes_]
Flags = npt.NDArray[np.bool_]

NO_KEYS: Final[Names] = np.empty(0, dtype=np.bytes_)


def sample_keys(names: Names) -> Names:
    """The key of each member, with its folder; empty for a name that starts with a dot, and for fillers.

    >>> sample_keys(np.array([b"00000/000010005.seg.png", b".hidden", b"a"])).tolist()
    [b'00000/000010005', b'', b'a']
    """
    if len(names) == 0:
        return names
    base = np.strings.rfind(names, b"/") + 1
    dots = np.strings.find(names, b".", base)
    stops = np.where(dots < 0, np.strings.str_len(names), dots)
    stops = np.where((stops == base) | (names == FILLER.encode()), 0, stops)
    keys: Names = np.strings.slice(names, 0, stops)
    return keys


def _without_folder(keys: Names) -> Names:
    """Keys as the sibling parquet has them."""
    if len(keys) == 0:
        return keys
    based: Names = np.strings.slice(keys, np.strings.rfind(keys, b"/") + 1, np.strings.str_len(keys))
    return based


@dataclass(frozen=True, eq=False)
class SampleRuns:
    """Members of an archive in runs of one key each. A sample whose members stand apart is more than one run."""

    member_keys: npt.NDArray[Any]
    """Of each member: bytes, or numbers of `digits` digits."""
    digits: int
    """0 where keys are bytes."""

    @classmethod
    def of_index(cls, index: TarIndex) -> "SampleRuns":
        """From what was found in an archive."""
        if index.keys is not None:
            return cls(index.keys, index.digits)
        return cls.of(index.names, index.is_file)

    @classmethod
    def of(cls, names: Names, is_file: Flags) -> "SampleRuns":
        """From the names of members; those that are no files belong to no sample."""
        numbers, digits = _all_numbers(names) if is_file.all() else (None, 0)
        if numbers is not None:
            return cls(numbers, digits)
        keys = sample_keys(names)
        keys[~is_file] = b""
        return cls(keys, 0)

    @cached_property
    def _begins(self) -> Flags:
        keys = self.member_keys
        begins = np.ones(len(keys), dtype=bool)
        if len(keys):
            begins[1:] = keys[1:] != keys[:-1]
        return begins

    @cached_property
    def of_member(self) -> npt.NDArray[np.intp]:
        """Which run each member is in."""
        return np.cumsum(self._begins) - 1

    @cached_property
    def keys(self) -> npt.NDArray[Any]:
        """The key of each run, with its folder, as in `member_keys`."""
        runs: npt.NDArray[Any] = self.member_keys[self._begins]
        return runs

    @cached_property
    def named(self) -> Flags:
        """Whether a run is a sample."""
        return np.ones(len(self.keys), dtype=bool) if self.digits else self.keys != b""

    @cached_property
    def base(self) -> npt.NDArray[Any]:
        """The key of each run without its folder."""
        return self.keys if self.digits else _without_folder(self.keys)

    def among(self, listed: Names) -> Flags:
        """Which runs have one of the keys, without folder."""
        if len(listed) == 0:
            return np.zeros(len(self.base), dtype=bool)
        if self.digits:
            numbers = _numbers_among(listed, self.digits)
            if np.array_equal(numbers, self.base):
                return np.ones(len(numbers), dtype=bool)
            return np.isin(self.base, numbers)
        known = frozenset(listed.tolist())
        return np.fromiter((key in known for key in self.base.tolist()), dtype=bool, count=len(self.base))

    def cells(self) -> npt.NDArray[np.int64]:
        """The cells that our keys name; -1 for keys of another form."""
        if self.digits:
            cells: npt.NDArray[np.int64] = self.base // 10**_ROW_DIGITS
            return cells if self.digits == _KEY_DIGITS else np.full(len(cells), -1, dtype=np.int64)
        return np.array([cell_of_key(key.decode("utf-8", "replace")) for key in self.base.tolist()], dtype=np.int64)

    def names_of(self, chosen: Flags) -> Sequence[bytes]:
        """The keys of some runs without folder, as bytes."""
        base = self.base[chosen].tolist()
        return [b"%0*d" % (self.digits, number) for number in base] if self.digits else base

    def count(self, chosen: Flags) -> int:
        """How many samples some runs are."""
        keys = self.keys[chosen]
        in_order = self.digits and bool((keys[1:] > keys[:-1]).all())
        return len(keys) if in_order else len(np.unique(keys))


def cells_named(keys: Names) -> npt.NDArray[np.int64]:
    """The cells that keys without folder name; -1 for a key of another form."""
    if keys.dtype.itemsize != _KEY_DIGITS:
        return np.array([cell_of_key(key.decode("utf-8", "replace")) for key in keys.tolist()], dtype=np.int64)
    numbers, sound = _decimal(np.ascontiguousarray(_letters(keys).T))
    return np.where(sound, numbers // 10**_ROW_DIGITS, -1)


def _all_numbers(names: Names) -> tuple[npt.NDArray[np.int64] | None, int]:
    """Keys as numbers, and of how many digits; None where not all are of that form."""
    digits = names[0].find(b".") if len(names) else 0
    if not 0 < digits <= MOST_DIGITS:
        return None, 0
    letters = np.ascontiguousarray(_letters(names)[:, : digits + 1].T)
    numbers, sound = _decimal(letters[:digits])
    if not (sound.all() and (letters[digits] == _DOT).all()) or b"/" in names.tobytes():
        return None, 0
    return numbers, digits


def _numbers_among(listed: Names, digits: int) -> npt.NDArray[np.int64]:
    """Those of some keys that are so many digits, as numbers."""
    letters = _letters(listed)
    if letters.shape[1] < digits:
        return np.empty(0, dtype=np.int64)
    columns = np.ascontiguousarray(letters.T)
    numbers, sound = _decimal(columns[:digits])
    return numbers[sound & ~columns[digits:].any(axis=0)]


def _letters(names: Names) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(names).view(np.uint8).reshape(len(names), names.dtype.itemsize)


def _decimal(columns: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], Flags]:
    """Numbers whose digits stand in columns; and which are made of digits alone."""
    numbers = np.zeros(columns.shape[1], dtype=np.int64)
    sound = np.ones(columns.shape[1], dtype=bool)
    for column in columns:
        digit = column - np.uint8(ord("0"))  # wraps round
        sound &= digit <= 9  # noqa: PLR2004 - decimal
        numbers = numbers * 10 + digit
    return numbers, sound
