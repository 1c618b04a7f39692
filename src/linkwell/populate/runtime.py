"""What one process keeps from shard to shard: its loop, its connections, its picture processes, its hash lists."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from linkwell.base.settings import PopulateSettings
from linkwell.base.workspace import Workspace
from linkwell.lists import Matcher, load_matcher
from linkwell.pictures import Pictures
from linkwell.populate.fetch import Fetcher, FetchLimits, Transport
from linkwell.populate.guard import AddressPolicy, parse_pins
from linkwell.populate.web import Web

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """Where images come from."""

    allow_net: tuple[str, ...]
    resolve: tuple[str, ...]
    from_archive: tuple[str, ...]


class Runtime:
    """One loop and one client session for all shards that this process makes with the same settings."""

    def __init__(self, access: Access, settings: PopulateSettings, picture_processes: int) -> None:
        self.loop = asyncio.new_event_loop()
        # A broken connection is counted as the outcome of its link; asyncio's own report could name hosts on standard error.
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.pictures: Pictures | None = None
        """The picture processes; None where pictures are looked at right here."""
        if picture_processes:
            self.pictures = self.run(_start_pictures(picture_processes, settings.picture_deadline_seconds))
        self._web: Web | None = None
        self.fetcher = Fetcher(
            self.run(self._open(access, settings)),
            FetchLimits(
                settings.total_deadline_seconds,
                settings.max_redirects,
                settings.retries,
                settings.retry_backoff_seconds,
            ),
        )

    async def _open(self, access: Access, settings: PopulateSettings) -> Transport:
        if access.from_archive:
            from linkwell.populate.archive import Archive  # noqa: PLC0415 - the web does without a WARC reader

            return Archive([Path(path) for path in access.from_archive], settings.max_image_bytes)
        self._web = Web(
            user_agent=settings.user_agent,
            policy=AddressPolicy(access.allow_net),
            pins=parse_pins(access.resolve),
            concurrency=settings.concurrency,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            max_bytes=settings.max_image_bytes,
        )
        return self._web

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        """Close connections, picture processes and loop."""
        if self._web is not None:
            self.run(self._web.close())
        if self.pictures is not None:
            self.run(self.pictures.close())
        self.loop.close()


async def _start_pictures(processes: int, deadline_seconds: float) -> Pictures:
    return Pictures(processes, deadline_seconds)


_runtimes: dict[tuple[object, ...], Runtime] = {}
_matchers: dict[tuple[object, ...], Matcher] = {}


def runtime(access: Access, settings: PopulateSettings, picture_processes: int = 0) -> Runtime:
    """This process's runtime; one made for other settings is closed."""
    key = (access, settings, picture_processes)
    if key not in _runtimes:
        close_runtime()
        # Arrow's own allocator keeps 25 MB for itself; the shards of a copy give it little to do.
        pa.set_memory_pool(pa.system_memory_pool())
        _runtimes[key] = Runtime(access, settings, picture_processes)
    return _runtimes[key]


def close_runtime() -> None:
    """Close this process's runtime, if it has one."""
    while _runtimes:
        _, old = _runtimes.popitem()
        with contextlib.suppress(RuntimeError, OSError, socket.error):
            old.close()


def current_matcher(workspace: Workspace) -> Matcher:
    """The workspace's hash lists, loaded once for as long as their files stay the same."""
    files = sorted(workspace.lists.iterdir()) if workspace.lists.is_dir() else []
    state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file())
    key = (os.fspath(workspace.root), *state)
    if key not in _matchers:
        _matchers.clear()
        _matchers[key] = load_matcher(workspace)
    return _matchers[key]
