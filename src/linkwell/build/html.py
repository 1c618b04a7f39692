"""Pages from WARC: HTTP responses (and resources) that are HTML, parsed by lexbor as a browser would."""

import re
from collections import Counter

import msgspec
from fastwarc.warc import WarcRecord, WarcRecordType
from selectolax.lexbor import LexborCSSSelector, LexborDocumentOptions, LexborHTMLParser, LexborNode

from linkwell.build.body import unpack_body
from linkwell.build.charset import page_as_utf8
from linkwell.build.dates import seconds_of
from linkwell.build.depth import depth_end
from linkwell.build.head import Head
from linkwell.build.page import Page, add_header, add_meta, is_licence_rel
from linkwell.build.pictures import Attributes, find_pictures
from linkwell.rights import RSL_LINK, RSL_TYPE

MAX_HTML_BYTES = 8_000_000
"""A longer page is read up to here; the tree of a page takes some ten times its bytes."""

_HELD_PAGES = 50
_HELD_BYTES = 2_000_000

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_LINKS = {"link", "a", "area"}
_READ = 'img, picture, figcaption, meta, base[href], script[type*="ld+json" i], [rel*="license" i]:is(link, a, area)'  # no two hold for one
"""What is looked at, for one walk through the tree; each part of it takes time at every element."""
_AS_WRITTEN = LexborDocumentOptions.WO_EVENTS.value
"""Without what follows from the tree's growth: it costs time, and does no more than copy a chosen `<option>` to where it is shown."""
_SELECTOR = LexborCSSSelector()  # type: ignore[no-untyped-call] # the stub leaves it out
"""Made once: making one takes a tenth of the walk."""


class Unparsed(msgspec.Struct, gc=False):
    """A page that may have pictures, as it was read."""

    page: Page
    body: bytes
    content_type: str | None


class PageGatherer:
    """Holds pages until there are enough to parse, so that each step is done for many, one behind another.

    A parser drives everything else out of a processor's caches: page by page all the steps together take a fifth longer.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._held: list[Unparsed] = []
        self._bytes = 0

    def add(self, unparsed: Unparsed) -> bool:
        """Add a page; whether there are enough now."""
        self._held.append(unparsed)
        self._bytes += len(unparsed.body)
        return len(self._held) >= _HELD_PAGES or self._bytes >= _HELD_BYTES

    def take(self) -> list[Page]:
        """The pages that were added, in order, but for those without pictures. Counts `wrong_charset` and `pages_cut`."""
        held, self._held, self._bytes = self._held, [], 0
        texts = [self._text(each) for each in held]
        for each, html in zip(held, texts, strict=True):
            fill_page(each.page, html)
        return [each.page for each in held if each.page.images]

    def _text(self, unparsed: Unparsed) -> bytes:
        html, replaced = page_as_utf8(unparsed.body, unparsed.content_type)
        unparsed.body = b""
        if replaced:
            self._counts["wrong_charset"] += 1
        end = depth_end(html)
        if end < len(html):
            self._counts["pages_cut"] += 1
            html = html[:end]
        return html


def read_html_page(record: WarcRecord, head: Head, warc: str, counts: Counter[str]) -> Unparsed | None:
    """The page of one response or resource record, or None where it is no HTML, or surely a page without pictures.

    Counts `pages`, `pages_cut`, `skipped_not_html`, `skipped_no_http`.

    Raises:
        OSError: the archive is damaged here.
    """
    content_type = head.content_type
    if record.record_type == WarcRecordType.response:
        if not head.is_http or not (content_type or "").startswith("application/http"):
            counts["skipped_no_http"] += 1
            return None
        content_type = head.first("content-type")
    if content_type and not content_type.strip().lower().startswith(_HTML_TYPES):
        counts["skipped_not_html"] += 1
        return None
    body = unpack_body(
        record.reader.read(MAX_HTML_BYTES),
        head.joined("transfer-encoding"),
        head.joined("content-encoding"),
        MAX_HTML_BYTES,
    )
    if not content_type and not _LOOKS_LIKE_HTML.match(body):
        counts["skipped_not_html"] += 1
        return None
    counts["pages"] += 1
    if len(body) == MAX_HTML_BYTES:
        counts["pages_cut"] += 1
    if not _may_have_pictures(body):
        return None
    target = head.url
    page = Page(
        url=target[1:-1] if target[:1] == "<" and target[-1:] == ">" else target,
        base="",
        warc=warc,
        offset=record.stream_pos,
        seen_at=seconds_of(head.date),
        images=[],
        headers=head.statements,
    )
    return Unparsed(page, body, content_type)


def _may_have_pictures(body: bytes) -> bool:
    """Whether a page names pictures in one of the ways that are read; in whatever encoding, as all of them keep ASCII's letters."""
    if b"<img" in body:
        return True
    folded = body.lower()
    if b"\0" in folded:
        folded = folded.replace(b"\0", b"")
    return any(word in folded for word in (b"<img", b"og:image", b"imageobject"))


def fill_page(page: Page, html: bytes) -> None:
    """Put what an HTML text in UTF-8 says into `page`: pictures, base, metas, licence links."""
    tree = LexborHTMLParser(html, options=_AS_WRITTEN)
    found = _SELECTOR.find(_READ, tree.root) if tree.root is not None else []
    of_tag: dict[str | None, list[LexborNode]] = {}
    for node in found:
        of_tag.setdefault(node.tag, []).append(node)
    metas = [node.attributes for node in of_tag.get("meta", ())]
    find_pictures(
        page,
        of_tag.get("img", ()),
        metas,
        of_tag.get("script", ()),
        nested="picture" in of_tag or "figcaption" in of_tag,
    )
    page.base = (of_tag["base"][0].attributes.get("href") or "") if "base" in of_tag else ""
    for attributes in metas:
        content = attributes.get("content") or ""
        if http_equiv := attributes.get("http-equiv"):
            add_header(page, http_equiv, content)
        if name := attributes.get("name") or attributes.get("property"):
            add_meta(page, name, content)
    if _LINKS.isdisjoint(of_tag):
        return
    for node in found:
        if node.tag in _LINKS:
            _add_licence_link(page, node.attributes)


def _add_licence_link(page: Page, attributes: Attributes) -> None:
    if not is_licence_rel(attributes.get("rel") or ""):
        return
    target = attributes.get("href") or ""
    if (attributes.get("type") or "").strip().lower() == RSL_TYPE:
        add_meta(page, RSL_LINK, target)
    else:
        page.licences.append(target)
