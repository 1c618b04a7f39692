"""Undo the content coding of a response as it comes in, never further than a cap: a kilobyte of gzip can mean a megabyte."""

import zlib
from collections.abc import Iterable, Iterator

from linkwell.populate.failures import Failure

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 2
_PIECE_BYTES = 1 << 18
MAX_RATIO = 100
"""A body that grows to more than this many times what was received of it is a bomb: a picture is compressed already."""
FREE_BYTES = 1_000_000
"""The ratio is not looked at below."""


class ContentDecoder:
    """Undoes `identity`, `gzip`, `x-gzip` or `deflate`, or several of them; Linkwell asks for none and accepts these.

    Args:
        coding: the header.
        max_bytes: of the decoded body.
        cuts: whether a body that is too large, or cut short, is read as far as it goes.

    Raises:
        Failure: `bad_encoding` where the coding is none of these.
    """

    def __init__(self, coding: str, max_bytes: int, *, cuts: bool = False) -> None:
        codings = [each.strip().lower() for each in coding.split(",") if each.strip()]
        if any(each not in ("identity", "gzip", "x-gzip", "deflate") for each in codings):
            raise Failure("bad_encoding")
        self._stages = [_Inflater(max_bytes, cuts=cuts) for each in codings if each != "identity"]

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """What a piece of the body adds, in pieces of bounded size.

        Raises:
            Failure: `too_large` beyond `max_bytes` or `MAX_RATIO`, `bad_encoding` where it is damaged.
        """
        pieces: Iterable[bytes] = (piece,)
        for stage in reversed(self._stages):
            pieces = stage.inflate_all(pieces)
        yield from pieces

    def finish(self) -> None:
        """Say that the body is over.

        Raises:
            Failure: `truncated` where more should have come.
        """
        for stage in self._stages:
            stage.finish()


class _Inflater:
    """One coding."""

    def __init__(self, max_bytes: int, *, cuts: bool) -> None:
        self._max_bytes = max_bytes
        self._cuts = cuts
        self._head = b""
        self._decoder: zlib._Decompress | None = None
        self._in = self._out = 0

    def inflate_all(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield from self._inflate(piece)

    def _inflate(self, piece: bytes) -> Iterator[bytes]:
        self._in += len(piece)
        if self._decoder is None:
            piece = self._head = self._head + piece
            if len(piece) < _HEADER_BYTES:
                return
            self._decoder = zlib.decompressobj(_window(piece))
        full = False
        while (piece or full) and not self._decoder.eof and self._out <= self._max_bytes:
            room = min(_PIECE_BYTES, self._max_bytes + 1 - self._out)
            try:
                made = self._decoder.decompress(piece, room)
            except zlib.error:
                raise Failure("bad_encoding") from None
            piece = self._decoder.unconsumed_tail
            full = len(made) == room  # then zlib may hold more although it took all
            self._out += len(made)
            if not self._cuts:
                bomb = self._out > FREE_BYTES and self._out > MAX_RATIO * self._in
                if bomb or self._out > self._max_bytes:
                    raise Failure("too_large")
            elif self._out > self._max_bytes:
                made = made[:-1]
            if made:
                yield made

    def finish(self) -> None:
        if self._cuts:
            return
        if self._decoder is None or not self._decoder.eof:
            raise Failure("truncated")


def _window(head: bytes) -> int:
    """What zlib is to expect: some servers send `deflate` without its header (RFC 1950 §2.2)."""
    wrapped = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:_HEADER_BYTES], "big") % 31 == 0
    return _GZIP_OR_ZLIB if wrapped or head.startswith(_GZIP_MAGIC) else _RAW


def decode_content(body: bytes, coding: str, max_bytes: int, *, cuts: bool = False) -> bytes:
    """A whole body without its content coding; see `ContentDecoder`.

    Raises:
        Failure: `too_large`, `truncated` or `bad_encoding`.
    """
    decoder = ContentDecoder(coding, max_bytes, cuts=cuts)
    decoded = b"".join(decoder.decode(body))
    decoder.finish()
    return decoded
