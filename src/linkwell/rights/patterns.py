"""Path patterns of robots.txt (RFC 9309, 2.2.2 and 2.2.3), which TDMRep, RSL and others use as well, and tables of many of them.

Octets are compared after both sides are brought to one form: escapes of unreserved characters decoded, everything outside
printable ASCII escaped, escapes in upper case. A literal `*` or `$` of a URL is escaped, so that `%2A` in a rule means it.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

import can_ada

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_TO_ESCAPE = re.compile(rb"[^!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normal_pattern(pattern: bytes) -> bytes:
    """A rule's path in normal form; `*` and a `$` at the end keep their meaning, runs of `*` become one."""
    ends = pattern.endswith(b"$")
    body = pattern[:-1] if ends else pattern
    return re.sub(rb"\*{2,}", b"*", _normal(body).replace(b"$", b"%24")) + (b"$" if ends else b"")


@lru_cache(maxsize=256)
def path_of(url: str) -> bytes | None:
    """Path and query of an absolute URL in normal form, or None where it does not parse."""
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return None
    path = _normal(((parsed.pathname or "/") + parsed.search).encode("utf-8", "surrogatepass"))
    return path.replace(b"*", b"%2A").replace(b"$", b"%24")


def _normal(text: bytes) -> bytes:
    if b"%" in text:
        text = _ESCAPE.sub(_decode, text)
    return _TO_ESCAPE.sub(_encode, text)


def _decode(match: re.Match[bytes]) -> bytes:
    octet = int(match[1], 16)
    return bytes((octet,)) if octet in _UNRESERVED else match[0].upper()


def _encode(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def matches(pattern: bytes, path: bytes) -> bool:
    """Whether a pattern in normal form matches a path in normal form, from its start.

    Each piece between two `*` is looked for once, from where the one before ended: the leftmost place is as good as any other, so
    nothing is tried twice.
    """
    ends = pattern.endswith(b"$")
    first, *rest = (pattern[:-1] if ends else pattern).split(b"*")
    if not path.startswith(first):
        return False
    position = len(first)
    if not rest:
        return not ends or position == len(path)
    last = rest.pop()
    for piece in rest:
        found = path.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    if ends:
        return len(path) - len(last) >= position and path.endswith(last)
    return path.find(last, position) >= 0


_Order = tuple[int, ...]
_Value = TypeVar("_Value")


class PatternTable(Generic[_Value]):
    """Many patterns, each with a place in an order: which one that matches comes first.

    Patterns without `*` are found by their text, one look for each length there is, however many there are. Of those with `*`, only
    the ones that begin like the path are tried, in order, until no better one can follow.

    Args:
        entries: place in the order (smaller is better), pattern in normal form, and what it stands for. Of several with one
            pattern only the best can ever be found, and is kept.
    """

    def __init__(self, entries: Iterable[tuple[_Order, bytes, _Value]]) -> None:
        best: dict[bytes, tuple[_Order, _Value]] = {}
        for order, pattern, value in entries:
            held = best.get(pattern)
            if held is None or order < held[0]:
                best[pattern] = (order, value)
        self._starts: dict[bytes, tuple[_Order, _Value]] = {}
        self._wholes: dict[bytes, tuple[_Order, _Value]] = {}
        wild: list[tuple[_Order, bytes, bytes, _Value]] = []
        for pattern, (order, value) in best.items():
            if b"*" in pattern:
                wild.append((order, pattern.partition(b"*")[0], pattern, value))
            elif pattern.endswith(b"$"):
                self._wholes[pattern[:-1]] = (order, value)
            else:
                self._starts[pattern] = (order, value)
        self._lengths = sorted({len(pattern) for pattern in self._starts})
        self._wild = sorted(wild, key=lambda entry: entry[0])

    def first(self, path: bytes) -> _Value | None:
        """What the first pattern in the order that matches a path stands for."""
        return next(iter(self.firsts(path)), None)

    def firsts(self, path: bytes) -> list[_Value]:
        """The same, of all patterns that share the first place."""
        plain = list(self._without_star(path))
        best = min((order for order, _value in plain), default=None)
        found = [value for order, value in plain if order == best]
        for order, start, pattern, value in self._wild:
            if best is not None and best < order:
                break
            if path.startswith(start) and matches(pattern, path):
                if order != best:
                    best, found = order, []
                found.append(value)
        return found

    def _without_star(self, path: bytes) -> Iterator[tuple[_Order, _Value]]:
        if path in self._wholes:
            yield self._wholes[path]
        for length in self._lengths:
            if length > len(path):
                break
            if (entry := self._starts.get(path[:length])) is not None:
                yield entry
