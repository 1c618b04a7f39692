"""Picture processes, as the loop that fetches sees them: an image in, what became of it out.

Decoders are what hostile bytes break first. They run in processes that have neither network nor keys; one that dies, or takes too
long, costs the image it was at, which is named, and is replaced. A process answers in the order it is asked.
"""

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from linkwell.base.errors import UnavailableError
from linkwell.base.memory_file import MemoryFile
from linkwell.pictures.kept import Box, Kept, Look, Rendering
from linkwell.pictures.wire import ASK, DROP, HEAD, KEPT, READY, RENDER, Answer, Ask, Number, frame

_MODULE = "linkwell.pictures.worker"
_HELD_PICTURES = 2
"""Pictures that a process may hold at once, waiting to be told whether to render them."""
_LOST = "decoder_lost"
_TOO_SLOW = "decoder_too_slow"
_SENT_BYTES = 1_000_000
"""Images on their way to a process at once, but always two: enough to keep it busy, and no more copies than that."""
_MAX_FALSE_STARTS = 2
_MAX_LOAD_SECONDS = 60.0
_SOCKET_BYTES = 1 << 20
_SECRETS = ("LINKWELL_MASTER_KEY",)
_QUIET = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""A process decodes one picture at a time: threads of its libraries would only take memory."""

Decide = Callable[[Look], bool]
"""Whether an image that looks so is to be rendered."""


def _future() -> "asyncio.Future[tuple[Answer, bytes]]":
    return asyncio.get_running_loop().create_future()


@dataclass
class _Job:
    """One image on its way through a process."""

    number: int
    data: bytes | MemoryFile = field(repr=False)
    kept: Kept
    boxes: tuple[Box, ...]
    hold: bool
    """Whether the picture is held after the look, until it is known whether it is rendered."""
    held_by: int | None = None
    """The process that holds the picture, where it was looked at and its rendering is asked for."""
    answer: "asyncio.Future[tuple[Answer, bytes]]" = field(default_factory=_future)


class Pictures:
    """Some picture processes. Make it and use it inside one loop; close it there."""

    def __init__(self, processes: int, deadline_seconds: float) -> None:
        """Start `processes` processes, without waiting until they have loaded; each image has `deadline_seconds`."""
        self._channels = [_Channel(deadline_seconds) for _ in range(processes)]

    async def examine(
        self, data: bytes | MemoryFile, kept: Kept, boxes: Sequence[Box] = (), decide: Decide | None = None
    ) -> tuple[Look, Rendering | None, bytes]:
        """Look at an image and render it.

        Args:
            data: its bytes; a file is sealed, and stays open until the answer.
            kept: how it is kept.
            boxes: what is blurred.
            decide: asked between the two; where it says no, nothing is rendered. None: always.

        Returns:
            What was seen; the rendering, None where it failed before or was not wanted; the bytes to keep.

        Raises:
            UnavailableError: a picture process does not start.
        """
        channel = min(self._channels, key=lambda each: each.load)
        return await channel.examine(data, kept, tuple(boxes), decide)

    async def close(self) -> None:
        """End every process."""
        await asyncio.gather(*(channel.close() for channel in self._channels))


class _Channel(asyncio.Protocol):
    """One process after the other: the socket, and what was asked and not answered."""

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._jobs: deque[_Job] = deque()
        self._sent = 0
        """How many of the jobs, from the first, the process has been told of."""
        self._sent_bytes = 0
        self._numbers = itertools.count()
        self._holding = asyncio.Semaphore(_HELD_PICTURES)
        self._timer: asyncio.TimerHandle | None = None
        self._generation = 0
        self._false_starts = 0
        self._closed = False
        self._start()

    @property
    def load(self) -> int:
        """Images asked and not answered."""
        return len(self._jobs)

    async def examine(
        self, data: bytes | MemoryFile, kept: Kept, boxes: tuple[Box, ...], decide: Decide | None
    ) -> tuple[Look, Rendering | None, bytes]:
        """See `Pictures.examine`."""
        job = _Job(next(self._numbers), data, kept, boxes, hold=decide is not None)
        if decide is None:
            answer, image = await self._ask(job)
            look = answer.look or Look(_LOST)
            return look, answer.rendering, image
        async with self._holding:
            holder = self._generation
            answer, _ = await self._ask(job)
            look = answer.look or Look(_LOST)
            if look.failure is not None:
                return look, None, b""
            wanted = False
            try:
                wanted = decide(look)
            finally:
                if not wanted and holder == self._generation:
                    self._write(frame(DROP, Number(job.number)))
            if not wanted:
                return look, None, b""
            answer, image = await self._ask(_Job(job.number, data, kept, boxes, hold=False, held_by=holder))
            return look, answer.rendering or Rendering(_LOST), image

    async def close(self) -> None:
        """End the process, and whoever still waits for it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await self._connected
        if self._transport is not None:
            self._transport.abort()
        self._end_process()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._files, their_files = socket.socketpair()
        with theirs, their_files:
            for each in (ours, theirs):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            for each in (ours, self._files):
                each.setblocking(False)  # noqa: FBT003 - the socket's own way to be told
            passed = (theirs.fileno(), their_files.fileno())
            environment = {name: value for name, value in os.environ.items() if name not in _SECRETS} | _QUIET
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, *map(str, passed)],
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries write to it what they think of a file
                env=environment,
            )
        self._generation += 1
        self._started = time.monotonic()
        self._lost_as = _LOST
        self._kept: Kept | None = None
        self._ready = False
        self._sent = self._sent_bytes = 0
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._connected = asyncio.ensure_future(self._connect(ours))

    async def _connect(self, ours: socket.socket) -> None:
        self._transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        self._send_more()

    async def _ask(self, job: _Job) -> tuple[Answer, bytes]:
        self._jobs.append(job)
        self._send_more()
        if self._timer is None:
            self._watch()
        return await job.answer

    def _send_more(self) -> None:
        """Tell the process of what is next, as far as there is room."""
        while (
            self._transport is not None
            and self._sent < len(self._jobs)
            and (self._sent < 2 or self._sent_bytes < _SENT_BYTES)  # noqa: PLR2004 - as _SENT_BYTES says
        ):
            job = self._jobs[self._sent]
            self._sent += 1
            self._sent_bytes += len(job.data)
            self._send(job)

    def _send(self, job: _Job) -> None:
        if job.kept != self._kept:
            self._kept = job.kept
            self._write(frame(KEPT, job.kept))
        if job.held_by == self._generation:
            self._write(frame(RENDER, Number(job.number)))
        elif isinstance(job.data, bytes):
            self._write(frame(ASK, Ask(job.number, job.hold, job.boxes), job.data))
        elif job.answer.done():  # nobody waits for it, and its file may be closed
            self._write(frame(ASK, Ask(job.number, job.hold, job.boxes)))
        else:
            with contextlib.suppress(ConnectionError):  # then the process is gone, and the job goes to the next
                socket.send_fds(self._files, [b"\0"], [job.data.fileno()])
            self._write(frame(ASK, Ask(job.number, job.hold, job.boxes, in_file=True)))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take the answers that are whole."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= HEAD.size:
            kind, message_bytes, image_bytes = HEAD.unpack_from(buffer, start)
            middle = start + HEAD.size + message_bytes
            end = middle + image_bytes
            if len(buffer) < end:
                break
            with memoryview(buffer) as view:
                self._answer(kind, view[start + HEAD.size : middle], bytes(view[middle:end]))
            start = end
        del buffer[:start]

    def _answer(self, kind: int, message: memoryview, image: bytes) -> None:
        if kind == READY:
            self._ready = True
            return
        job = self._pop()
        if not job.answer.done():
            job.answer.set_result((msgspec.msgpack.decode(message, type=Answer), image))

    def _pop(self) -> _Job:
        job = self._jobs.popleft()
        self._sent -= 1
        self._sent_bytes -= len(job.data)
        self._send_more()
        return job

    def connection_lost(self, error: Exception | None) -> None:
        """Name the image at which the process died, and give the others to a new one."""
        del error
        self._transport = None
        self._end_process()
        if self._closed:
            self._fail_all(asyncio.CancelledError())
        elif not self._ready and self._false_starts == _MAX_FALSE_STARTS:
            self._fail_all(
                UnavailableError("a picture process does not start", None, "See whether this works: linkwell doctor")
            )
        else:
            self._false_starts = 0 if self._ready else self._false_starts + 1
            if self._jobs and self._ready:
                culprit = self._pop()
                if not culprit.answer.done():
                    culprit.answer.set_result((Answer(Look(self._lost_as), Rendering(self._lost_as)), b""))
            self._start()

    def _fail_all(self, error: BaseException) -> None:
        while self._jobs:
            answer = self._jobs.popleft().answer
            if not answer.done():
                answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()

    def _end_process(self) -> None:
        self._files.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # it has nothing of its own to lose
        self._process.wait()

    def _watch(self) -> None:
        """See after the deadline whether the process is still at the same image; the time it takes to load does not count."""
        head = self._jobs[0] if self._jobs and self._ready else None

        def look_again() -> None:
            self._timer = None
            loading_for_ever = not self._ready and time.monotonic() - self._started > _MAX_LOAD_SECONDS
            if self._jobs and (self._jobs[0] is head or loading_for_ever):
                self._lost_as = _TOO_SLOW
                self._process.kill()
            if self._jobs:
                self._watch()

        self._timer = asyncio.get_running_loop().call_later(self._deadline_seconds, look_again)
