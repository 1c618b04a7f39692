"""The compiled walk through tar archives: where its machine code comes from, and the call."""

from functools import cache
from pathlib import Path

import numpy as np

from linkwell.base.machine_code import Function, functions_of, kept_functions
from linkwell.purge.tarindex import DIGITS, ENDED, LONGEST, NAME, NEXT, NOT_YET, STATE, UNUSUAL, WHY, Piece, as_names

_SOURCES = ("tar", "tarindex", "tarwalk")
"""Modules that the machine code is made from."""


def _make() -> dict[str, Function]:
    from linkwell.purge.tarwalk import walk_at  # noqa: PLC0415 - numba

    return {"walk": walk_at}


@cache
def machine_code(*, make: bool) -> Function | None:
    """`tarwalk.walk_at` compiled; None where no earlier process made it and this one is not to, which takes seconds."""
    here = Path(__file__)
    sources = [here.with_name(f"{each}.py") for each in _SOURCES]
    functions = functions_of("tar", sources, _make) if make else kept_functions("tar", sources)
    return None if functions is None else functions["walk"]


class CompiledWalk:
    """Walks on through one archive with each call, as `tarindex.walk_some` does."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._digits = NOT_YET
        self._page = self._names = np.empty(0, np.uint8)

    def __call__(self, descriptor: int, size: int, offset: int, most: int, page_bytes: int) -> Piece | None:
        """The next members of a plain archive; None where one is not plain."""
        if len(self._page) < page_bytes:
            self._page = np.empty(page_bytes, np.uint8)
        if len(self._names) < most * NAME:
            self._names = np.empty(most * NAME, np.uint8)
        state = np.zeros(STATE, np.int64)
        state[NEXT], state[DIGITS] = offset, self._digits
        numbers = np.empty((3, most), np.int64)
        starts, lengths, keys = numbers
        filled = (each.ctypes.data for each in (*numbers, self._names, state))
        count = self._function(descriptor, size, self._page.ctypes.data, page_bytes, most, *filled)
        if state[WHY] == UNUSUAL:
            return None
        self._digits = int(state[DIGITS])
        # Names of full length are not copied otherwise, and the memory is used again.
        names = self._names[: count * NAME].reshape(count, NAME)[:, : max(int(state[LONGEST]), 1)].copy()
        return Piece(
            as_names(names, int(state[LONGEST])),
            starts[:count],
            lengths[:count],
            int(state[NEXT]),
            bool(state[WHY] == ENDED),
            keys[:count],
            self._digits,
        )
