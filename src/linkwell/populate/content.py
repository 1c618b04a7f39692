"""Undo the content coding of a response, never further than a cap: a kilobyte of gzip can mean a gigabyte."""

import zlib

from linkwell.populate.failures import Failure

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


def decode_content(body: bytes, coding: str, max_bytes: int, *, cuts: bool = False) -> bytes:
    """The body without its content coding: `identity`, `gzip`, `x-gzip` or `deflate`; Linkwell asks for none and accepts these.

    Args:
        body: as it came.
        coding: the header.
        max_bytes: of the decoded body.
        cuts: whether a body that is too large, or cut short, is read as far as it goes.

    Raises:
        Failure: `too_large` beyond `max_bytes`, `truncated` where it is cut short, `bad_encoding` for anything else.
    """
    codings = [each.strip().lower() for each in coding.split(",") if each.strip()]
    for each in reversed(codings):
        if each == "identity":
            continue
        if each not in ("gzip", "x-gzip", "deflate"):
            raise Failure("bad_encoding")
        body = _inflate(body, max_bytes, cuts=cuts)
    return body


def _inflate(body: bytes, max_bytes: int, *, cuts: bool) -> bytes:
    for bits in (_GZIP_OR_ZLIB, _RAW):  # some servers send `deflate` without its zlib header
        decoder = zlib.decompressobj(bits)
        try:
            decoded = decoder.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if cuts:
            return decoded[:max_bytes]
        if len(decoded) > max_bytes:
            raise Failure("too_large")
        if not decoder.eof:
            raise Failure("truncated")
        return decoded
    raise Failure("bad_encoding")
