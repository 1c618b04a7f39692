"""Where code that was compiled on this machine is kept for later processes."""

import os
import stat
from pathlib import Path

_CACHE_VARIABLE = "LINKWELL_CACHE"


def cache_folder() -> Path | None:
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
