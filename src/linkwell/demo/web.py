"""Serves the demo's web: all its hosts on one loopback port, in a thread of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from linkwell.base.errors import UnavailableError
from linkwell.demo.sites import Answer, Web

ADDRESS = "127.0.0.1"
FIRST_PORT = 8917
"""Tried first, so that two demos make the same links; the next free ones after it."""
_PORT_COUNT = 40
_MAX_ENDLESS_BYTES = 64 * 2**20
"""Even an endless answer ends here: the demo's own bound."""
_HTTP_OK = 200


def free_socket() -> socket.socket:
    """A listening loopback socket on the first free port from `FIRST_PORT` on.

    Raises:
        UnavailableError: none of the ports is free.
    """
    for port in range(FIRST_PORT, FIRST_PORT + _PORT_COUNT):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise UnavailableError(
        "no port is free for the demo's web",
        f"{ADDRESS}:{FIRST_PORT}-{FIRST_PORT + _PORT_COUNT - 1}",
        "End an older demo.",
    )


@contextmanager
def serve(world: Web, listener: socket.socket) -> Iterator[None]:
    """Serve the web on a listening socket for the block, then close it."""
    started = threading.Event()
    # A runner's end cancels what still waits: an answer that sleeps must not outlive the block.
    runner = asyncio.Runner()
    done = asyncio.Event()

    async def run() -> None:
        site = web.ServerRunner(web.Server(_Handler(world), access_log=None), shutdown_timeout=0.2)
        await site.setup()
        await web.SockSite(site, listener).start()
        started.set()
        await done.wait()
        await site.cleanup()

    def work() -> None:
        with runner:
            runner.run(run())

    thread = threading.Thread(target=work, name="demo-web", daemon=True)
    thread.start()
    started.wait()
    try:
        yield
    finally:
        runner.get_loop().call_soon_threadsafe(done.set)
        thread.join()
        listener.close()


class _Handler:
    """Answers requests by Host header and path."""

    def __init__(self, world: Web) -> None:
        self._world = world

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        answers = self._world.answers.get((request.host or "").partition(":")[0], {})
        answer = answers.get(request.path, Answer(b"not here", status=404))
        if answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)
        if answer.endless:
            return await _pour(request, answer)
        return web.Response(body=answer.body, status=answer.status, headers=list(answer.headers))


async def _pour(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send the body over and over until the client hangs up."""
    response = web.StreamResponse(status=_HTTP_OK, headers=list(answer.headers))
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(_MAX_ENDLESS_BYTES // len(answer.body)):
            await response.write(answer.body)
    return response
