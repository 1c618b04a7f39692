"""TDMRep (W3C CG Final Report 2024-02-02): what a reservation means, and the file /.well-known/tdmrep.json.

`1` reserves text and data mining, of which training is one form, so both uses are disallowed; `0` allows mining and says nothing
about training. Anything else is a protocol error: kept as malformed, verdict `unknown`.

The file is an array of objects with `location` (a robots.txt pattern) and `tdm-reservation`; the first that matches holds. Read
beyond the specification, because they are found in the wild and are meant: one object in place of the array, arrays inside an
object (JSON-LD's `@graph`), the numbers as strings or with a fraction of nought, several locations in a list, no `location` (the
whole site). A location that is a whole URL holds for its own host alone. A file that is no JSON but begins like it is malformed;
HTML, or any other text, is an error page and states nothing. Among many entries the first that matches is found by a table.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import can_ada
import msgspec

from linkwell.rights.encoding import as_utf8
from linkwell.rights.patterns import PatternTable, normal_pattern, path_of
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

_RESERVATION = ("tdm-reservation", "tdm:reservation", "tdmReservation")
_MAX_BYTES = 1 << 20
KIND = "tdmrep.json"


def reservation_uses(stated: str) -> tuple[tuple[str, str], ...]:
    """Uses and verdicts of one value of `tdm-reservation`."""
    if stated == "1":
        return (("tdm", "disallow"), ("train_ai", "disallow"))
    if stated == "0":
        return (("tdm", "allow"),)
    return (("tdm", "unknown"), ("train_ai", "unknown"))


class _Entry(NamedTuple):
    """One entry: the host it is for (None: any that serves the file), pattern in normal form, what it states, and its JSON."""

    host: str | None
    pattern: bytes
    stated: str
    evidence: str


class TdmRep:
    """A tdmrep.json: its entries in order, or none and `malformed` where it does not read."""

    def __init__(self, entries: Iterable[_Entry], *, malformed: str = "") -> None:
        by_host: dict[str | None, list[tuple[tuple[int], bytes, tuple[int, _Entry]]]] = {}
        for place, entry in enumerate(entries):
            by_host.setdefault(entry.host, []).append(((place,), entry.pattern, (place, entry)))
        self._tables = {host: PatternTable(listed) for host, listed in by_host.items()}
        self._malformed = malformed

    def signals(self, url: str, *, scope: str) -> list[Signal]:
        """What the file states about a URL of its host."""
        if self._malformed:
            return [Signal(KIND, scope, use, verdict, self._malformed) for use, verdict in reservation_uses("")]
        path = path_of(url) or b"/"
        hosts = (None, _host(url)) if len(self._tables) > (None in self._tables) else (None,)
        found = [first for host in hosts if host in self._tables and (first := self._tables[host].first(path))]
        if not found:
            return []
        _place, entry = min(found, key=lambda each: each[0])
        return [Signal(KIND, scope, use, verdict, entry.evidence) for use, verdict in reservation_uses(entry.stated)]


def parse_tdmrep(data: bytes) -> TdmRep | None:
    """Read a tdmrep.json; None where the file is no statement at all."""
    text = as_utf8(data[: _MAX_BYTES + 1]).removeprefix(b"\xef\xbb\xbf").strip()
    if text[:1] not in (b"[", b"{"):
        return None
    shown = text[:MAX_EVIDENCE_CHARACTERS].decode("utf-8", "replace")
    try:
        value: object = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return TdmRep([], malformed=shown)
    entries = list(_entries(value))
    if not entries:
        # Readable, but no rule in it: an empty array reserves nothing, anything else was meant to say something.
        return None if value in ([], {}) else TdmRep([], malformed=shown)
    return TdmRep(entries)


def _entries(value: object, depth: int = 0) -> Iterator[_Entry]:
    if isinstance(value, list):
        for each in value:
            yield from _entries(each, depth)
    elif isinstance(value, Mapping):
        key = next((each for each in _RESERVATION if each in value), None)
        if key is not None:
            stated, evidence = _stated(value[key]), msgspec.json.encode(value).decode()[:MAX_EVIDENCE_CHARACTERS]
            given = value.get("location", "/")
            for location in given if isinstance(given, list) else (given,):
                host, pattern = _host_and_path(location if isinstance(location, str) else "/")
                yield _Entry(host, normal_pattern(pattern.encode("utf-8", "replace")), stated, evidence)
        elif depth < 2:  # noqa: PLR2004 - an array in an object in an array is as deep as anybody goes
            for each in value.values():
                if isinstance(each, list | Mapping):
                    yield from _entries(each, depth + 1)


def _host_and_path(location: str) -> tuple[str | None, str]:
    """A location that is a whole URL, or lacks its slash, as a path; and the host that a whole URL names."""
    location = location.strip()
    if location[:1] in ("/", "*"):
        return None, location
    _scheme, separator, rest = location.partition("://")
    return (_host(location), "/" + rest.partition("/")[2]) if separator else (None, "/" + location)


def _host(url: str) -> str:
    try:
        host: str = can_ada.parse(url).hostname
    except ValueError:
        return ""
    return host


def _stated(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
