"""Which processes make a copy: few that fetch and write, each with some that decode beside it.

A process that fetches holds Arrow, an HTTP client and the hash lists; one that decodes holds OpenCV and a picture. Kept apart they
take half the memory of processes that do everything, and hostile bytes meet neither keys nor network.
"""

import os
from pathlib import Path

import msgspec

from linkwell.base.shards import write_bytes
from linkwell.engine import Engine, LocalEngine, SerialEngine

_FILE = "processes"
_OF_ONE_FETCHER = 8
"""Processes that one fetcher is enough for: it takes about a quarter of the time that a picture takes."""


class Layout(msgspec.Struct, frozen=True):
    """Processes of one run."""

    fetchers: int = 1
    """Processes that fetch and write, among which the limits of hosts are divided."""
    picture_processes: int = 0
    """Picture processes of each; 0: pictures are decoded where they are fetched."""


def lay_out(engine: Engine, tasks: int) -> tuple[Layout, Engine]:
    """How many of each, and the engine that runs the fetchers: of local processes this one is the first.

    >>> lay_out(LocalEngine(2), tasks=10)
    (Layout(fetchers=1, picture_processes=1), SerialEngine())
    >>> lay_out(LocalEngine(16), tasks=100)[0]
    Layout(fetchers=2, picture_processes=7)
    """
    if not isinstance(engine, LocalEngine):
        return Layout(max(1, min(int(getattr(engine, "workers", 1)), tasks))), engine
    workers = engine.workers or os.cpu_count() or 1
    fetchers = max(1, min(-(-workers // _OF_ONE_FETCHER), tasks))
    layout = Layout(fetchers, max(1, workers // fetchers - 1))
    if fetchers == 1:
        return layout, SerialEngine()
    return layout, LocalEngine(fetchers, engine.max_attempts)


def write_layout(folder: Path, layout: Layout) -> None:
    """Write it beside the task list: tasks do not depend on it."""
    write_bytes(folder / _FILE, msgspec.json.encode(layout))


def read_layout(folder: Path) -> Layout:
    """What `write_layout` wrote; one process for all where it did not."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Layout)
    except (FileNotFoundError, msgspec.DecodeError):
        return Layout()
