"""URLs that are plain enough to be told and joined without a parser, compiled. What is not plain is left to `urls.Resolver`.

A plain URL is one whose meaning the URL standard's parser does not change by a byte: a named host in small letters, and a path and
query of characters that it does not encode, without dot segments.
"""

import numpy as np

from linkwell.base.compiled import part
from linkwell.build.jsonscan import byte_at
from linkwell.build.watfacts import Bytes

_DASH, _DOT, _SLASH, _COLON, _QUESTION, _PERCENT, _TWO, _HASH = 45, 46, 47, 58, 63, 37, 50, 35

_HTTP = np.frombuffer(b"http", np.uint8)
_SAFE = np.zeros(256, np.bool_)
_SAFE[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~!$&()*+,;=@%.-", np.uint8)] = True


@part
def scheme_end(data: Bytes, first: int, last: int) -> int:
    """Where the slashes of `http://` or `https://` begin, or -1 where the bytes do not start so."""
    if last - first < 7:
        return -1
    for place in range(4):
        if data[first + place] != _HTTP[place]:
            return -1
    at = first + 4
    if data[at] == 115:
        at += 1
    at += 1
    if at + 2 > last or data[at - 1] != _COLON or data[at] != _SLASH or data[at + 1] != _SLASH:
        return -1
    return at


@part
def _port_end(data: Bytes, at: int, last: int) -> int:
    """Where the slash behind a port is that stays as it is; or -1."""
    number = 0
    first = at
    while at < last and 48 <= data[at] <= 57:
        number = number * 10 + byte_at(data, at) - 48
        at += 1
        if number == 0 or number > 65_535:
            return -1
    return at if at > first and number != 80 and number != 443 and at < last and data[at] == _SLASH else -1


@part
def host_end(data: Bytes, at: int, last: int) -> int:
    """Where the slash behind the plain host that starts at `at`, and its port, is; or -1.

    Labels as in `urls._NAMED_ORIGIN`; two hyphens in a row, as punycode has them, are not plain, nor are the default ports.
    """
    label = at
    while at < last:
        byte = data[at]
        if 97 <= byte <= 122 or 48 <= byte <= 57:
            at += 1
        elif byte == _DASH:
            if at == label or data[at - 1] == _DASH:
                return -1
            at += 1
        elif byte == _DOT or byte == _SLASH or byte == _COLON:
            if at == label or data[at - 1] == _DASH:
                return -1
            if byte != _DOT:
                # A last label that starts with a digit may make the host an address.
                if data[label] < 97:
                    return -1
                return at if byte == _SLASH else _port_end(data, at + 1, last)
            at += 1
            label = at
        else:
            return -1
    return -1


@part
def is_plain_path(data: Bytes, at: int, last: int, also: int) -> bool:
    """Whether a path, with its query, stays as it is. `also`: a further byte that may be in the path (a colon, where it can end no scheme)."""
    is_start = True
    while at < last:
        byte = data[at]
        if byte == _QUESTION:
            at += 1
            while at < last:
                byte = data[at]
                if not (_SAFE[byte] or byte == _SLASH or byte == _COLON or byte == _QUESTION):
                    return False
                at += 1
            return True
        if byte == _SLASH:
            is_start = True
            at += 1
            continue
        if is_start and (byte == _DOT or (byte == _PERCENT and at + 1 < last and data[at + 1] == _TWO)):
            return False
        if not (_SAFE[byte] or byte == also):
            return False
        is_start = False
        at += 1
    return True


@part
def is_plain_rest(data: Bytes, at: int, last: int) -> bool:
    """Whether everything is printable ASCII, and the last of it no space: then an absolute URL stays as it is."""
    for place in range(at, last):
        if data[place] < 32 or data[place] > 126:
            return False
    return byte_at(data, last - 1) != 32


@part
def base_of(data: Bytes, first: int, last: int) -> tuple[int, int, int]:
    """Of a page's URL: where its scheme ends (behind the colon), its origin (before the path's slash), its folder (behind its last slash).

    All -1 where it is not plain.
    """
    slashes = scheme_end(data, first, last)
    if slashes < 0:
        return -1, -1, -1
    origin = host_end(data, slashes + 2, last)
    if origin < 0:
        return -1, -1, -1
    path = origin
    while path < last and data[path] != _QUESTION and data[path] != _HASH:
        path += 1
    if not is_plain_path(data, origin, path, _COLON) or not is_plain_rest(data, first, last):
        return -1, -1, -1
    folder = path
    while data[folder - 1] != _SLASH:
        folder -= 1
    return slashes, origin, folder
