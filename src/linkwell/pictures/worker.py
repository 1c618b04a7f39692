"""A picture process: reads images off a socket, looks at them, renders them, answers; it has no network, no keys and no files.

It ends when the other end of the socket is closed, however that comes. Start it with `python -m linkwell.pictures.worker FD FILES_FD`.
"""

import contextlib
import mmap
import os
import resource
import signal
import socket
import sys
from typing import NamedTuple

import cv2
import msgspec

from linkwell.pictures.decode import Picture
from linkwell.pictures.kept import Box, ImageBytes, Kept, Look, Rendering
from linkwell.pictures.rendering import look, render
from linkwell.pictures.wire import ANSWER, ASK, DROP, HEAD, KEPT, READY, RENDER, Answer, Ask, Number, frame

_BYTES_A_PIXEL = 40
"""A decoder's worst, with a floating point TIFF in mind."""
_MEMORY_BYTES = 3_000_000_000
"""Address space of the process without any picture: much more than it ever touches."""


class _Held(NamedTuple):
    picture: Picture
    boxes: tuple[Box, ...]


class _Worker:
    def __init__(self, channel: socket.socket, files: socket.socket) -> None:
        self._channel = channel
        self._files = files
        self._kept = Kept()
        self._held: dict[int, _Held] = {}

    def serve(self) -> None:
        """Answer until the socket is closed."""
        self._channel.sendall(frame(READY))
        while (head := self._read(HEAD.size)) is not None:
            kind, message_bytes, image_bytes = HEAD.unpack(head)
            message = self._read(message_bytes)
            image = self._read(image_bytes)
            if message is None or image is None:
                return
            if kind == KEPT:
                self._kept = msgspec.msgpack.decode(message, type=Kept)
                _limit_memory(self._kept.max_pixels)
            elif kind == ASK:
                ask = msgspec.msgpack.decode(message, type=Ask)
                self._ask(ask, self._next_file() if ask.in_file else image)
                image = b""
            elif kind == RENDER:
                held = self._held.pop(msgspec.msgpack.decode(message, type=Number).number)
                rendering, made = render(held.picture, self._kept, held.boxes)
                self._answer(None, rendering, made)
            elif kind == DROP:
                del self._held[msgspec.msgpack.decode(message, type=Number).number]

    def _ask(self, ask: Ask, image: ImageBytes) -> None:
        try:
            seen, picture = look(image, self._kept)
        except Exception:  # noqa: BLE001 - one odd image must not end the process; it is counted, and its text never shown
            seen, picture = Look("unexpected"), None
        if picture is None or self._kept.keep_original:
            self._answer(seen, None)
        elif ask.hold:
            self._held[ask.number] = _Held(picture, ask.boxes)
            self._answer(seen, None)
        else:
            self._answer(seen, *render(picture, self._kept, ask.boxes))

    def _answer(self, seen: Look | None, rendering: Rendering | None, made: bytes = b"") -> None:
        self._channel.sendall(frame(ANSWER, Answer(seen, rendering), made))

    def _next_file(self) -> mmap.mmap:
        """The next large image, mapped, not copied."""
        _, descriptors, _, _ = socket.recv_fds(self._files, 1, 1)
        try:
            return mmap.mmap(descriptors[0], 0, prot=mmap.PROT_READ)
        finally:
            os.close(descriptors[0])

    def _read(self, size: int) -> bytes | None:
        """Exactly `size` bytes; None where the socket is closed before."""
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            got = self._channel.recv_into(view)
            if not got:
                return None
            view = view[got:]
        return bytes(buffer)


def _limit_memory(max_pixels: int) -> None:
    """Let the largest picture decode, and no file claim the machine: what asks for more is a `decode_error`."""
    limit = _MEMORY_BYTES + _BYTES_A_PIXEL * max_pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))


def main(descriptor: int, files: int) -> None:
    """Serve one end of a socket, and take large images from another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides, by closing the socket
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a picture is never left on disk
    cv2.setNumThreads(1)
    with (
        contextlib.suppress(ConnectionError),
        socket.socket(fileno=descriptor) as channel,
        socket.socket(fileno=files) as file_channel,
    ):
        _Worker(channel, file_channel).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
