"""TDMRep (W3C CG Final Report 2024-02-02): what a reservation means, and the file /.well-known/tdmrep.json.

`1` reserves text and data mining, of which training is one form, so both uses are disallowed; `0` allows mining and says nothing
about training. Anything else is a protocol error: kept as malformed, verdict `unknown`.

The file is an array of objects with `location` (a robots.txt pattern) and `tdm-reservation`; the first that matches holds. Read
beyond the specification, because they are found in the wild and are meant: one object in place of the array, arrays inside an
object (JSON-LD's `@graph`), the numbers as strings, no `location` (the whole site). A file that is no JSON but begins like it is
malformed; HTML, or any other text, is an error page and states nothing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from linkwell.rights.robots import matches, normal_pattern, path_of
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


class TdmRep:
    """A tdmrep.json: its entries in order, or none and `malformed` where it does not read."""

    def __init__(self, entries: list[tuple[bytes, str, str]], *, malformed: str = "") -> None:
        self._entries = entries
        self._malformed = malformed

    def signals(self, url: str, *, scope: str) -> list[Signal]:
        """What the file states about a URL of its host."""
        if self._malformed:
            return [Signal(KIND, scope, use, verdict, self._malformed) for use, verdict in reservation_uses("")]
        path = path_of(url) or b"/"
        for pattern, stated, evidence in self._entries:
            if matches(pattern, path):
                return [Signal(KIND, scope, use, verdict, evidence) for use, verdict in reservation_uses(stated)]
        return []


def parse_tdmrep(data: bytes) -> TdmRep | None:
    """Read a tdmrep.json; None where the file is no statement at all."""
    text = data[: _MAX_BYTES + 1].removeprefix(b"\xef\xbb\xbf").strip()
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


def _entries(value: object, depth: int = 0) -> Iterator[tuple[bytes, str, str]]:
    if isinstance(value, list):
        for each in value:
            yield from _entries(each, depth)
    elif isinstance(value, Mapping):
        key = next((each for each in _RESERVATION if each in value), None)
        if key is not None:
            location = value.get("location", "/")
            pattern = location if isinstance(location, str) else "/"
            if pattern[:1] not in ("/", "*"):
                pattern = _path_pattern(pattern)
            evidence = msgspec.json.encode(value).decode()[:MAX_EVIDENCE_CHARACTERS]
            yield normal_pattern(pattern.encode("utf-8", "replace")), _stated(value[key]), evidence
        elif depth < 2:  # noqa: PLR2004 - an array in an object in an array is as deep as anybody goes
            for each in value.values():
                if isinstance(each, list | Mapping):
                    yield from _entries(each, depth + 1)


def _path_pattern(location: str) -> str:
    """A location that is a whole URL, or lacks its slash, as a path."""
    _scheme, separator, rest = location.partition("://")
    return "/" + (rest.partition("/")[2] if separator else location)


def _stated(value: object) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
