"""Files at fixed places of a host, as an archive holds their responses: robots.txt, tdmrep.json, ai.txt, trust.txt, RSL terms.

What a response is worth: 2xx, the file, unless it is HTML, which is an error page in disguise and states nothing. 4xx: no file. 5xx
of robots.txt, where no good response was seen: complete disallow (RFC 9309, 2.3.1.4), if the policy says so. 3xx: the target's
response, up to five of them, for the host that was asked (RFC 9309, 2.3.1.2), which whoever gathers the captures looks up
(`targets`). Several captures add up: any disallow wins. RSL terms that a robots.txt points to count as if they stood on its host.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import can_ada
import msgspec

from linkwell.rights.policy import DEFAULT_POLICY, Policy
from linkwell.rights.robots import Robots, parse_robots
from linkwell.rights.robots_signals import RobotsStatements, license_pointers
from linkwell.rights.rsl import MEDIA_TYPE, POINTER_KIND, Rsl, parse_rsl
from linkwell.rights.tdmrep import TdmRep, parse_tdmrep
from linkwell.rights.text_files import AiTxt, TrustTxt, parse_ai_txt, parse_trust_txt
from linkwell.rights.verdicts import Signal

MAX_WELL_KNOWN_BYTES = 1 << 20
"""Of one file that is kept and read."""

WELL_KNOWN_PATHS = {
    "/robots.txt": "robots.txt",
    "/.well-known/tdmrep.json": "tdmrep.json",
    "/ai.txt": "ai.txt",
    "/.well-known/ai.txt": "ai.txt",
    "/.well-known/trust.txt": "trust.txt",
    "/trust.txt": "trust.txt",
    "/license.xml": "rsl",
    "/rsl.xml": "rsl",
    "/.well-known/rsl.xml": "rsl",
}
"""Paths and the kind of file that stands there. An RSL document elsewhere is known by its media type."""

_LAST_WORDS = ("s.txt", "i.txt", "t.txt", "p.json", "e.xml", "l.xml")
_OK, _REDIRECT, _CLIENT, _SERVER = 200, 300, 400, 500
MAX_REDIRECTS = 5
"""Followed for one file (RFC 9309, 2.3.1.2)."""


class Capture(msgspec.Struct, frozen=True):
    """One response for a well-known file. `seen_at` is in seconds since 1970, UTC; `status` 0 where it is not known."""

    url: str
    kind: str
    status: int
    location: str | None
    body: bytes
    seen_at: int | None = None
    warc: str = ""
    offset: int = -1


Statement = tuple[Capture, Signal]
"""A signal and the response it was read from."""


def well_known_kind(url: str, content_type: str | None = None) -> str | None:
    """Which kind of well-known file stands at a URL, or None."""
    if content_type is not None and content_type.lower().startswith(MEDIA_TYPE):
        return "rsl"
    if not url.endswith(_LAST_WORDS):
        return None
    path = url.partition("://")[2].partition("/")[2]
    return WELL_KNOWN_PATHS.get(f"/{path}")


def host_key(url: str) -> str | None:
    """Host, and port where it is not the scheme's own, of a URL: http and https are taken for one site."""
    try:
        return can_ada.parse(url).host or None
    except ValueError:
        return None


def looks_like_html(body: bytes) -> bool:
    """Whether a body is a page, whatever it was asked for as."""
    start = body[:1_000].removeprefix(b"\xef\xbb\xbf").lstrip()[:500].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<script", b"<meta", b"<div"))


def targets(capture: Capture) -> list[str]:
    """What has to be looked up to know what a response says: where it redirects to, or the terms that a robots.txt names."""
    if _REDIRECT <= capture.status < _CLIENT:
        target = redirect_target(capture.url, capture.location)
        return [target] if target else []
    if capture.kind != "robots.txt" or capture.status >= _CLIENT or b"icense" not in capture.body.lower():
        return []
    return license_pointers(parse_robots(capture.body))


def redirect_target(url: str, location: str | None) -> str | None:
    """Where a response sends a client, absolute."""
    try:
        return (can_ada.parse(url) + location).href if location else None
    except ValueError:
        return None


class HostFiles:
    """What the well-known files of one host say about URLs on it.

    Args:
        captures: responses of that host, redirects resolved.
        policy: which agents are asked about, and what an unreachable robots.txt counts as.
    """

    def __init__(self, captures: Sequence[Capture], policy: Policy = DEFAULT_POLICY) -> None:
        self._policy = policy
        self._robots = [
            (capture, RobotsStatements(robots, policy))
            for capture, robots in _read(captures, "robots.txt", parse_robots)
        ]
        self._tdmreps = _read(captures, "tdmrep.json", parse_tdmrep)
        self._ai_txts = _read(captures, "ai.txt", parse_ai_txt)
        self._rsls = _read(captures, "rsl", parse_rsl)
        trusts = _read(captures, "trust.txt", parse_trust_txt)
        self._trusts = [each for each in trusts if "/.well-known/" in each[0].url] or trusts
        answered = [c for c in captures if c.kind == "robots.txt" and not _REDIRECT <= c.status < _CLIENT]
        good = any(c.status < _SERVER for c in answered)
        self._broken = [c for c in captures if c.kind == "robots.txt" and c.status >= _SERVER] if not good else []

    def __bool__(self) -> bool:
        """Whether any file says anything at all."""
        return bool(self._robots or self._tdmreps or self._ai_txts or self._rsls or self._trusts or self._broken)

    def statements(self, url: str, *, scope: str) -> list[Statement]:
        """The signals about a URL of the host, each with the response it was read from; each signal once."""
        found: dict[Signal, Capture] = {}
        for capture, signal in self._all(url, scope):
            found.setdefault(signal, capture)
        return [(capture, signal) for signal, capture in found.items()]

    def _all(self, url: str, scope: str) -> Iterator[Statement]:
        policy = self._policy
        for capture, robots in self._robots:
            for signal in robots.signals(url, scope=scope):
                if signal.kind != POINTER_KIND or not self._has_terms(signal.evidence):
                    yield capture, signal
        for capture in self._broken:
            evidence = f"HTTP {capture.status}: complete disallow (RFC 9309, 2.3.1.4)"
            for use in ("train_ai", "search"):
                yield capture, Signal("robots.txt", scope, use, policy.unreachable_robots, evidence)
        for capture, ai_txt in self._ai_txts:
            yield from ((capture, signal) for signal in ai_txt.signals(url, scope=scope, policy=policy))
        for capture, trust in self._trusts:
            yield from ((capture, signal) for signal in trust.signals(scope=scope))
        for capture, tdmrep in self._tdmreps:
            yield from ((capture, signal) for signal in tdmrep.signals(url, scope=scope))
        for capture, rsl in self._rsls:
            yield from ((capture, signal) for signal in rsl.signals(url, scope=scope))

    def _has_terms(self, pointer: str) -> bool:
        return any(capture.url in pointer for capture, _ in self._rsls)


_File = TypeVar("_File", Robots, TdmRep, AiTxt, TrustTxt, Rsl)


def _read(
    captures: Sequence[Capture], kind: str, parse: Callable[[bytes], _File | None]
) -> list[tuple[Capture, _File]]:
    """The files of one kind that say something, each distinct body once."""
    read: list[tuple[Capture, _File]] = []
    seen: set[bytes] = set()
    for capture in captures:
        if capture.kind != kind or not (_OK <= capture.status < _REDIRECT or not capture.status):
            continue
        if capture.body in seen or looks_like_html(capture.body):
            continue
        seen.add(capture.body)
        parsed = parse(capture.body)
        if parsed is not None:
            read.append((capture, parsed))
    return read
