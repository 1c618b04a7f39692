"""Pages from WAT: the metadata records that ia-web-commons, Common Crawl's extractor, writes for each record of a WARC.

Only the members that are used are decoded, into typed structs; a record that is no HTML response costs a search for one word. A
record whose members have other types than usual, or bytes that are no UTF-8, is read again by a lenient way, slower by a factor
of ten; only what is no JSON at all is broken.
"""

import json
from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from linkwell.build.dates import seconds_of
from linkwell.build.page import PAGE_METAS, Page, add_header, add_meta, is_licence_rel
from linkwell.rights import HEADER_NAMES, RSL_LINK, RSL_TYPE

_RESPONSE = b'"HTTP-Response-Metadata"'
_HEAD = b'"Head":{'
_LINKS = b'"Links":['
_IMAGE = b'"IMG@/src"'
_LICENCE = b"icense"
_INFO = b'"WARC-Info-Metadata"'


class _Link(msgspec.Struct, gc=False):
    path: str = ""
    url: str = ""
    alt: str = ""
    rel: str = ""


class _HeadLink(_Link, gc=False):
    type: str = ""


class _Meta(msgspec.Struct, gc=False):
    name: str = ""
    property: str = ""
    http_equiv: str = msgspec.field(default="", name="http-equiv")
    content: str = ""


class _Head(msgspec.Struct, gc=False):
    # Two <base> elements make a list; the first one holds.
    base: str | list[str] = msgspec.field(default="", name="Base")
    metas: list[_Meta] = msgspec.field(default_factory=list, name="Metas")
    links: list[_HeadLink] = msgspec.field(default_factory=list, name="Link")


class Stated(msgspec.Struct, gc=False):
    """What a page states outside its links, as the compiled reader tells it."""

    headers: dict[str, str | list[str]]
    metas: list[_Meta]
    links: list[_HeadLink]
    base: str | list[str]


class _Html(msgspec.Struct, gc=False):
    head: _Head = msgspec.field(default_factory=_Head, name="Head")
    links: list[_Link] = msgspec.field(default_factory=list, name="Links")


class _Response(msgspec.Struct, gc=False):
    headers: dict[str, str | list[str]] = msgspec.field(default_factory=dict, name="Headers")
    html: _Html | None = msgspec.field(default=None, name="HTML-Metadata")


class _Payload(msgspec.Struct, gc=False):
    response: _Response | None = msgspec.field(default=None, name="HTTP-Response-Metadata")


class _WarcHeader(msgspec.Struct, gc=False):
    target: str = msgspec.field(default="", name="WARC-Target-URI")
    date: str = msgspec.field(default="", name="WARC-Date")


class _Envelope(msgspec.Struct, gc=False):
    payload: _Payload = msgspec.field(default_factory=_Payload, name="Payload-Metadata")
    warc: _WarcHeader = msgspec.field(default_factory=_WarcHeader, name="WARC-Header-Metadata")


class _Container(msgspec.Struct, gc=False):
    filename: str = msgspec.field(default="", name="Filename")
    offset: str | int = msgspec.field(default=-1, name="Offset")


class _Record(msgspec.Struct, gc=False):
    envelope: _Envelope = msgspec.field(default_factory=_Envelope, name="Envelope")
    container: _Container = msgspec.field(default_factory=_Container, name="Container")


_decode = msgspec.json.Decoder(_Record).decode
_decode_stated = msgspec.json.Decoder(list[Stated]).decode
_decode_links = msgspec.json.Decoder(list[_Link]).decode


def _decode_quickly(body: bytes | bytearray, words: tuple[bytes, ...] = (_IMAGE, _LICENCE)) -> _Record | None:
    """The record with only those of its links that hold one of the words, or None where that cannot be told.

    By default these are the links that are images or may state a licence.

    The links are nine tenths of a record, and most are not wanted. Those that are wanted are cut out, from the brace before the
    word to the brace after it, and the rest of the list is not looked at. A cut that falls inside a string leaves a piece whose
    quotes do not pair, which is no JSON: then, and where anything else is unusual, the record is decoded as a whole.
    """
    start = body.find(_LINKS)
    end = body.rfind(b"}]") + 1
    # In Common Crawl's order, the head before the links and no other list behind them, the last bracket ends the links.
    if not 0 < start < end or body.find(_HEAD, 0, start) < 0:
        return None
    spans: dict[int, int] = {}
    for word in words:
        at = body.find(word, start, end)
        while at >= 0:
            after = body.find(b"}", at, end) + 1
            if not after:
                return None
            spans[body.rfind(b"{", start, at)] = after
            at = body.find(word, after, end)
    # A line end between them is in no string of JSON: two cuts inside strings cannot make one string together.
    pieces = b",\n".join([body[first:after] for first, after in spans.items()])
    try:
        record = _decode(b"\n".join((body[: start + len(_LINKS)], body[end:])))
        links = _decode_links(b"[%b]" % pieces)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if record.envelope.payload.response is None or record.envelope.payload.response.html is None:
        return None
    record.envelope.payload.response.html.links = links
    return record


def read_wat_page(body: bytes | bytearray, counts: Counter[str]) -> Page | None:
    """The page that one metadata record describes, or None where it describes something else, or no page with images.

    Counts `pages`; `wrong_charset` where bytes had to be replaced; `broken_json`, `skipped_no_response` and `skipped_not_html`.
    """
    if _RESPONSE not in body:
        counts["skipped_no_response"] += 1
        return None
    try:
        record = _decode_quickly(body) or _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        lenient = _decode_leniently(body, counts)
        if lenient is None:
            return None
        record = lenient
    response = record.envelope.payload.response
    if response is None:
        counts["skipped_no_response"] += 1
        return None
    html = response.html
    if html is None:
        counts["skipped_not_html"] += 1
        return None
    counts["pages"] += 1
    # One pass over the links, which are some two hundred: images, and the few others that say what they are (most say nofollow).
    found = [link for link in html.links if link.path == "IMG@/src" or link.rel]
    images: list[Any] = [link for link in found if link.path == "IMG@/src"]
    return _page(record, response, html, images, found) if images else None


def read_wat_statements(body: bytes | bytearray, *, licences: bool) -> Page | None:
    """The page of a record without its images: its base and what it states; None where `read_wat_page` has to be asked.

    Args:
        body: of a record that describes a page.
        licences: whether one of the links in its body may be the licence.
    """
    record = _decode_quickly(body, (_LICENCE,) if licences else ())
    if record is None or record.envelope.payload.response is None or record.envelope.payload.response.html is None:
        return None
    response, html = record.envelope.payload.response, record.envelope.payload.response.html
    return _page(record, response, html, [], [link for link in html.links if link.rel])


def read_stated(stated: bytes) -> list[Stated]:
    """What pages state, from JSON with a comma behind each."""
    return _decode_stated(b"[%b]" % stated.removesuffix(b","))


def page_of(stated: Stated, url: str, warc: str, offset: int, seen_at: int) -> Page:
    """The page that states this, without its images."""
    page = Page(url, _first(stated.base), warc, offset, seen_at, [])
    _add_statements(page, stated.headers, stated.metas, stated.links)
    return page


def _page(record: _Record, response: _Response, html: _Html, images: list[Any], found: list[_Link]) -> Page:
    target = record.envelope.warc.target
    page = Page(
        url=target[1:-1] if target[:1] == "<" and target[-1:] == ">" else target,
        base=_first(html.head.base),
        warc=record.container.filename,
        offset=_offset(record.container.offset),
        seen_at=seconds_of(record.envelope.warc.date),
        images=images,
    )
    _add_statements(page, response.headers, html.head.metas, html.head.links)
    page.licences.extend([link.url for link in found if "icense" in link.rel and is_licence_rel(link.rel)])
    return page


def _first(base: str | list[str]) -> str:
    return base if isinstance(base, str) else next(iter(base), "")


def _add_statements(
    page: Page, headers: dict[str, str | list[str]], metas: list[_Meta], head_links: list[_HeadLink]
) -> None:
    for name, value in headers.items():
        if name not in _silent_names and _may_speak(name, HEADER_NAMES):
            page.headers.extend((name, each) for each in ([value] if isinstance(value, str) else value))
    for meta in metas:
        if meta.http_equiv:
            # What a page says in place of a header field counts as one.
            add_header(page, meta.http_equiv, meta.content)
        name = meta.name or meta.property
        if name not in _silent_names and _may_speak(name, SPEAKING_NAMES):
            add_meta(page, name, meta.content)
    for head_link in head_links:
        if "icense" in head_link.rel and is_licence_rel(head_link.rel):
            if head_link.type.strip().lower() == RSL_TYPE:
                add_meta(page, RSL_LINK, head_link.url)
            else:
                page.licences.append(head_link.url)


SPEAKING_NAMES = set(PAGE_METAS | HEADER_NAMES)
"""Names of header fields and metas that are read, in small letters."""

_silent_names: set[str] = set()
_MAX_NAMES = 10_000


def also_keep_metas(names: Iterable[str]) -> None:
    """Keep metas of these lower-case names too, from now on in this process: those of the crawlers that a policy asks about.

    Names of an earlier policy stay: what is kept and not asked about states nothing.
    """
    PAGE_METAS.update(names)
    SPEAKING_NAMES.update(names)
    _silent_names.clear()


def _may_speak(name: str, names: AbstractSet[str]) -> bool:
    """Whether the name of a header field or meta is one of `names`; remembers names that are nobody's."""
    folded = name.lower()
    if folded not in SPEAKING_NAMES and len(_silent_names) < _MAX_NAMES:
        _silent_names.add(name)
    return folded in names


def _offset(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        return -1


def _decode_leniently(body: bytes | bytearray, counts: Counter[str]) -> _Record | None:
    """The record by way of the standard library: any types, any bytes, lone surrogates, raw control characters."""
    text = body.decode("utf-8", "replace")
    try:
        record = msgspec.convert(_plain(json.loads(text, strict=False)), _Record)
    except (ValueError, RecursionError):
        counts["broken_json"] += 1
        return None
    if "\ufffd" in text:
        counts["wrong_charset"] += 1
    return record


def _plain(value: object) -> object:
    """JSON with every scalar a string, nulls left out, and no lone surrogates."""
    if isinstance(value, dict):
        return {_plain_text(str(k)): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value if v is not None]
    return _plain_text(value if isinstance(value, str) else str(value))


def _plain_text(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
