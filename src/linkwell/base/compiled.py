"""Functions compiled by numba, and where their machine code is kept. Import it only where much is to do: numba costs 0.3 s and 60 MB.

Compiled code is kept for the next process in the user's own cache folder (`LINKWELL_CACHE`, else `$XDG_CACHE_HOME/linkwell`, else
`~/.cache/linkwell`), mode 0700, as Python keeps its bytecode; never in a workspace, which may come from somebody else. Where that
folder is another's, or cannot be written, every process compiles anew (some seconds).
"""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numba

_CACHE_VARIABLE = "LINKWELL_CACHE"

F = TypeVar("F", bound=Callable[..., object])


def _cache_folder() -> Path | None:
    """A folder that only this user writes, or None."""
    given = os.environ.get(_CACHE_VARIABLE) or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(given) if given else Path.home() / ".cache") / "linkwell" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):
        return None
    mine = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if mine and os.access(folder, os.W_OK) else None


_CACHED = _cache_folder()

IS_CACHED = _CACHED is not None
"""Whether compiled code is kept for the next process."""


def compiled(*parts: ModuleType) -> Callable[[F], F]:
    """A decorator: the function as machine code, made when it is first called; it lets other threads run meanwhile.

    Args:
        parts: modules whose functions it calls. Numba notices a change in the function's own file only, so that what is kept lies
            in a folder named by what these files hold.
    """

    def compile_later(function: F) -> F:
        if _CACHED is None:
            return cast("F", numba.njit(nogil=True)(function))
        held = b"".join(Path(str(each.__file__)).read_bytes() for each in parts)
        config: Any = numba.config
        before = config.CACHE_DIR
        config.CACHE_DIR = str(_CACHED / hashlib.sha256(held).hexdigest()[:16])
        try:
            return cast("F", numba.njit(cache=True, nogil=True)(function))
        finally:
            config.CACHE_DIR = before

    return compile_later


def part(function: F) -> F:
    """The function for use inside compiled ones; from Python it cannot be called, but its `py_func` can."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast("F", numba.njit(**options)(function))
