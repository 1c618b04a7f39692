"""Tells how a run is doing while it runs: writes the status file, and answers Prometheus where it is asked to."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from linkwell.base.errors import UsageError
from linkwell.populate.status import Status, metrics, write_status

_EVERY_SECONDS = 1.0
_MAX_REQUEST_BYTES = 8_192
_REQUEST_SECONDS = 5.0


def parse_address(text: str) -> tuple[str, int]:
    """Address and port of `[ADDRESS:]PORT`; without an address, loopback.

    >>> parse_address("9100")
    ('127.0.0.1', 9100)

    Raises:
        UsageError: it does not read.
    """
    address, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65_535:  # noqa: PLR2004 - the largest port
        raise UsageError(f"{text!r} is no port", "--metrics", "Give PORT, or ADDRESS:PORT, as 9100.")
    return address.strip("[]") or "127.0.0.1", int(port)


class Watching:
    """Runs beside a run, inside its loop.

    Args:
        folder: where the status file goes.
        look: the status now.
    """

    def __init__(self, folder: Path, look: Callable[[], Status]) -> None:
        self._folder = folder
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self.started_at = time.time()

    async def start(self, listen: str | None) -> None:
        """Begin; `listen` is where Prometheus asks, None: nowhere.

        Raises:
            UsageError: nobody can listen there.
        """
        if listen is not None:
            address, port = parse_address(listen)
            try:
                self._server = await asyncio.start_server(self._answer, address, port, limit=_MAX_REQUEST_BYTES)
            except OSError as error:
                raise UsageError(f"cannot listen on {listen}: {error.strerror}", "--metrics") from error
        self._task = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """End, with a last word."""
        if self._server is not None:
            self._server.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(OSError):
                write_status(self._folder, self._look())

    async def _write(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # the run itself will say that the disk is full
                write_status(self._folder, self._look())
            await asyncio.sleep(_EVERY_SECONDS)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                found = head.startswith((b"GET /metrics ", b"GET / "))
                body = metrics(self._look()).encode() if found else b"see /metrics\n"
                status = b"200 OK" if found else b"404 Not Found"
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)
                )
                await writer.drain()
        writer.close()
