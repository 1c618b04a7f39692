"""What a picture process is told and answers: frames over a socket, each a small message and the bytes of an image.

A frame is its kind (1 byte), the size of the message and of the image (4 bytes each, big-endian), the message (MessagePack), the image.
A large image is no part of its frame: a sealed anonymous file goes over a second socket (`SCM_RIGHTS`), beside one byte, and both sides have it without a copy.
"""

import struct
from typing import Final

import msgspec

from linkwell.pictures.kept import Box, Look, Rendering

HEAD: Final = struct.Struct(">BII")

READY: Final = 0
"""From the process, once: it has loaded."""
KEPT: Final = 1
"""To it: a `Kept`, for everything from now on. Not answered; everything else is, in order."""
ASK: Final = 2
"""To it: an `Ask` and the bytes of an image; answered by an `Answer`."""
RENDER: Final = 3
"""To it: make the image of a picture held, by its `Number`; answered by an `Answer`."""
DROP: Final = 4
"""To it: forget a picture held, by its `Number`. Not answered."""
ANSWER: Final = 5


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """An image to look at. With `hold` its picture is held until it is said whether to render it; an original is never rendered."""

    number: int
    hold: bool
    boxes: tuple[Box, ...] = ()
    in_file: bool = False
    """Whether the image is the next file of the second socket."""


class Number(msgspec.Struct, frozen=True, array_like=True):
    """Which of the pictures held."""

    number: int


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of an image: the look for an `ASK`, and the rendering where it was made."""

    look: Look | None
    rendering: Rendering | None


encode: Final = msgspec.msgpack.Encoder().encode


def frame(kind: int, message: msgspec.Struct | None = None, image: bytes = b"") -> bytes:
    """One frame."""
    packed = encode(message) if message is not None else b""
    return b"".join((HEAD.pack(kind, len(packed), len(image)), packed, image))
