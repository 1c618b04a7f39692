"""RSL 1.0 (rslstandard.org, 2025-12-10): licence terms in XML, and the links that point to them.

A pointer alone (`Link: <…>; rel="license"; type="application/rsl+xml"`, `<link>`, `License:` in robots.txt) says that terms exist:
training is `conditional`. The terms themselves, for each `<content>` whose `url` matches:

- `<prohibits type="usage">` of the use, of `ai-all` or `all`, in any licence: disallow. Prohibits win over permits (our reading:
  no text on precedence was found).
- `<permits type="usage">` that does not list the use: not permitted, disallow.
- permitted: `allow` where no payment but `free` is asked, which is what a payment without type and terms is, and no user or country
  is singled out; else, and where no usage is named, `conditional`. Of several licences, which are offers, the best one holds.
- A `server` on the content must be asked for a licence even where it is free: nothing better than `conditional`.

A path of a document on the host that is asked about is one of that host; what another host's document says by path is its own, and
reaches the asked host only as the target of its pointer (see `well_known`).

XML is read by expat with every document type refused, so that there are no entities to expand.
"""

import re
from dataclasses import dataclass, field

import can_ada

from linkwell.base.safe_xml import XmlRefusedError, read_xml
from linkwell.rights.encoding import has_wide_mark
from linkwell.rights.patterns import matches, normal_pattern, path_of
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

NAMESPACE = "https://rslstandard.org/rsl"
MEDIA_TYPE = "application/rsl+xml"
KIND = "rsl"
POINTER_KIND = "rsl-pointer"
_MAX_BYTES = 1 << 20
_NAMES = {
    "train_ai": frozenset({"all", "ai-all", "ai-train", "train-ai", "train-genai"}),
    "tdm": frozenset({"all"}),
    "search": frozenset({"all", "search"}),
}
_ORDER = ("disallow", "conditional", "allow")
_LINK_VALUE = re.compile(r"<([^<>]*)>([^<]*)")
_MAX_LINK_CHARACTERS = 8_192


@dataclass
class _Terms:
    permits: dict[str, set[str]] = field(default_factory=dict)
    prohibits: dict[str, set[str]] = field(default_factory=dict)
    payments: set[str] = field(default_factory=set)
    asks_server: bool = False

    def verdict(self, use: str) -> str | None:
        names = _NAMES[use]
        if names & self.prohibits.get("usage", set()):
            return "disallow"
        permitted = self.permits.get("usage")
        if permitted is not None and not names & permitted:
            return None if use == "tdm" else "disallow"
        limited = self.asks_server or {"user", "geo"} & (self.permits.keys() | self.prohibits.keys())
        free = self.payments <= {"free"}
        return "allow" if permitted is not None and free and not limited else "conditional"


class Rsl:
    """The terms of one RSL document."""

    def __init__(self, contents: list[tuple[str, list[_Terms]]], *, malformed: str = "") -> None:
        self._contents = [(url, *_host_and_pattern(url), licences) for url, licences in contents if licences]
        self._malformed = malformed

    def signals(self, url: str, *, scope: str) -> list[Signal]:
        """What the document states about a URL."""
        if self._malformed:
            return [Signal(KIND, scope, "train_ai", "unknown", self._malformed)]
        signals = []
        path = path_of(url) or b"/"
        host = _host(url) if any(named for _stated, named, _pattern, _licences in self._contents) else None
        for stated, named, pattern, licences in self._contents:
            if named not in (None, host) or not matches(pattern, path):
                continue
            for use, names in _NAMES.items():
                verdicts = [verdict for terms in licences if (verdict := terms.verdict(use))]
                prohibited = any(names & terms.prohibits.get("usage", set()) for terms in licences)
                if verdicts:
                    verdict = "disallow" if prohibited else max(verdicts, key=_ORDER.index)
                    evidence = f'<content url="{stated}">: {_shown(licences)}'
                    signals.append(Signal(KIND, scope, use, verdict, evidence[:MAX_EVIDENCE_CHARACTERS]))
        return signals


def _shown(licences: list[_Terms]) -> str:
    parts = []
    for terms in licences:
        for name, listed in (("permits", terms.permits), ("prohibits", terms.prohibits)):
            parts += [f"{name} {kind} {' '.join(sorted(words))}" for kind, words in sorted(listed.items())]
        parts += [f"payment {each}" for each in sorted(terms.payments)]
    return "; ".join(parts)


def _host_and_pattern(stated: str) -> tuple[str | None, bytes]:
    """The host that a content's `url` names, None where it is a path; empty, which no URL has, where it does not read."""
    host = None
    if stated[:1] not in ("/", "*", ""):
        host = _host(stated)
        stated = "/" + stated.partition("://")[2].partition("/")[2]
    return host, normal_pattern((stated or "/").encode("utf-8", "replace"))


def _host(url: str) -> str:
    try:
        host: str = can_ada.parse(url).host
    except ValueError:
        return ""
    return host


def parse_rsl(data: bytes) -> Rsl | None:
    """Read an RSL document; None where it is no RSL. A document with a document type, or that breaks off, is malformed."""
    named = b"rslstandard.org" in data or b"<rsl" in data or has_wide_mark(data)
    if len(data) > _MAX_BYTES or not named:
        return None
    reader = _Reader()
    try:
        read_xml(data, start=reader.start, end=reader.end, characters=reader.characters)
    except XmlRefusedError:
        looks_html = b"<html" in data[:2_000].lower()
        return None if looks_html else Rsl([], malformed=data[:MAX_EVIDENCE_CHARACTERS].decode("utf-8", "replace"))
    return Rsl(reader.contents) if reader.is_rsl else None


class _Reader:
    def __init__(self) -> None:
        self.contents: list[tuple[str, list[_Terms]]] = []
        self.is_rsl = False
        self._has_server = False
        self._terms: _Terms | None = None
        self._into: set[str] | None = None
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2].lower()
        if local == "rsl":
            self.is_rsl = True
        elif local == "content":
            self.contents.append((attributes.get("url", "/").strip(), []))
            self._has_server = bool(attributes.get("server", "").strip())
        elif local == "license" and self.contents:
            self._terms = _Terms(asks_server=self._has_server)
            self.contents[-1][1].append(self._terms)
        elif self._terms is not None and local in ("permits", "prohibits"):
            listed = self._terms.permits if local == "permits" else self._terms.prohibits
            self._into = listed.setdefault(attributes.get("type", "usage").strip().lower(), set())
            self._text = []
        elif self._terms is not None and local == "payment":
            self._terms.payments.add(attributes.get("type", "free").strip().lower())
        elif self._terms is not None and local in ("standard", "custom", "amount", "server"):
            self._terms.payments.add(local)

    def end(self, name: str) -> None:
        local = name.rpartition(" ")[2].lower()
        if self._into is not None and local in ("permits", "prohibits"):
            self._into.update("".join(self._text).replace(",", " ").lower().split())
            self._into = None
        elif local == "license":
            self._terms = None
        elif local == "content":
            self._has_server = False

    def characters(self, text: str) -> None:
        if self._into is not None:
            self._text.append(text)


def rsl_links(value: str) -> list[str]:
    """Targets of the RSL pointers in one Link header field, in order.

    >>> rsl_links('<https://a.example/l.xml>; rel="license"; type="application/rsl+xml", </x>; rel=next')
    ['https://a.example/l.xml']
    """
    if "rsl" not in value.lower():
        return []
    targets = []
    for match in _LINK_VALUE.finditer(value[:_MAX_LINK_CHARACTERS]):
        named: dict[str, str] = {}
        for part in match[2].lower().split(";"):
            name, _, word = part.partition("=")
            named.setdefault(name.strip(), word.strip(" \t,").strip('"'))
        if named.get("type") == MEDIA_TYPE and "license" in named.get("rel", "").split():
            targets.append(match[1].strip())
    return targets


def pointer_signal(evidence: str, *, scope: str) -> Signal:
    """The signal of a link to RSL terms."""
    return Signal(POINTER_KIND, scope, "train_ai", "conditional", evidence[:MAX_EVIDENCE_CHARACTERS])
