"""The body of an HTTP response as a crawler stored it: chunked and compressed as it came, or already unpacked, or half of each.

Crawlers differ: Common Crawl unpacks and renames the headers, wget stores what came, others unpack and leave the headers. So a
header is only a hint here, and the bytes decide: what does not look chunked or compressed is taken as it is.
"""

import importlib
import re
import zlib

_CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r\n")
_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15


def unpack_body(raw: bytes, transfer_encoding: str, content_encoding: str, max_bytes: int) -> bytes:
    """The body without chunks and compression, as far as it reads, and at most `max_bytes` of it.

    Args:
        raw: the stored bytes.
        transfer_encoding: the header's value, or empty.
        content_encoding: the header's value, or empty.
        max_bytes: where a compressed body is cut, so that a small archive cannot fill the memory.
    """
    body = _dechunk(raw) if "chunked" in transfer_encoding.lower() else raw
    for encoding in reversed([each.strip().lower() for each in content_encoding.split(",")]):
        if encoding in {"gzip", "x-gzip", "deflate"}:
            body = _inflate(body, max_bytes)
        elif encoding == "br":
            body = _unbrotli(body, max_bytes)
    return body[:max_bytes]


def _dechunk(raw: bytes) -> bytes:
    pieces: list[bytes] = []
    position = 0
    while match := _CHUNK_HEAD.match(raw, position):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(raw[match.end() : match.end() + size])
        position = match.end() + size + len(b"\r\n")
    # Cut in the middle: what came so far. Not chunked at all: as it is.
    return b"".join(pieces) if position else raw


def _inflate(body: bytes, max_bytes: int) -> bytes:
    for window in (_GZIP_OR_ZLIB, _RAW_DEFLATE):
        try:
            return zlib.decompressobj(window).decompress(body, max_bytes)
        except zlib.error:
            continue
    return body


def _unbrotli(body: bytes, max_bytes: int) -> bytes:
    try:
        brotli = importlib.import_module("brotli")
    except ImportError:
        return body
    try:
        unpacked: bytes = brotli.Decompressor().process(body, output_buffer_limit=max_bytes)
    except (brotli.error, TypeError):
        return body
    return unpacked
