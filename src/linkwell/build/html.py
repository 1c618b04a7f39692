"""Pages from WARC: HTTP responses (and resources) that are HTML, parsed by lexbor as a browser would."""

import re
from collections import Counter

from fastwarc.warc import WarcRecord, WarcRecordType
from selectolax.lexbor import LexborHTMLParser, LexborNode

from linkwell.build.body import unpack_body
from linkwell.build.charset import page_as_utf8
from linkwell.build.dates import seconds_of
from linkwell.build.depth import depth_end
from linkwell.build.page import Page, add_header, add_meta, is_licence_rel
from linkwell.build.pictures import Attributes, find_pictures
from linkwell.rights import HEADER_NAMES, RSL_LINK, RSL_TYPE

MAX_HTML_BYTES = 8_000_000
"""A longer page is read up to here; the tree of a page takes some ten times its bytes."""

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_LINKS = {"link", "a", "area"}
_READ = ", ".join(
    (
        "img, picture, figcaption, meta, base[href]",
        'script[type*="ld+json" i]',
        *(f'{each}[rel*="license" i]' for each in sorted(_LINKS)),
    )
)
"""What is looked at, for one walk through the tree."""


def read_html_page(record: WarcRecord, warc: str, counts: Counter[str]) -> Page | None:
    """The page of one response or resource record, or None where it is no HTML, or a page without images.

    Counts `pages`, `wrong_charset`, `pages_cut`, `skipped_not_html`, `skipped_no_http`.

    Raises:
        OSError: the archive is damaged here.
    """
    headers: list[tuple[str, str]] = []
    content_type = record.headers.get("Content-Type")
    if record.record_type == WarcRecordType.response:
        if not (content_type or "").startswith("application/http"):
            counts["skipped_no_http"] += 1
            return None
        # Chunks and compression are undone here: FastWARC takes a header that no longer holds for damage of the file.
        record.parse_http(auto_decode="none", strict_mode=False)
        headers = list(record.http_headers.items())
        content_type = record.http_headers.get("Content-Type")
    if content_type and not content_type.strip().lower().startswith(_HTML_TYPES):
        counts["skipped_not_html"] += 1
        return None
    body = unpack_body(
        record.reader.read(MAX_HTML_BYTES),
        _field(headers, "transfer-encoding"),
        _field(headers, "content-encoding"),
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
    html, replaced = page_as_utf8(body, content_type)
    if replaced:
        counts["wrong_charset"] += 1
    end = depth_end(html)
    if end < len(html):
        counts["pages_cut"] += 1
        html = html[:end]
    target = record.headers.get("WARC-Target-URI") or ""
    page = Page(
        url=target[1:-1] if target[:1] == "<" and target[-1:] == ">" else target,
        base="",
        warc=warc,
        offset=record.stream_pos,
        seen_at=seconds_of(record.headers.get("WARC-Date") or ""),
        images=[],
        headers=[each for each in headers if each[0].strip().lower() in HEADER_NAMES],
    )
    fill_page(page, html)
    return page if page.images else None


def _may_have_pictures(body: bytes) -> bool:
    """Whether a page names pictures in one of the ways that are read; in whatever encoding, as all of them keep ASCII's letters."""
    if b"<img" in body:
        return True
    folded = body.lower()
    if b"\0" in folded:
        folded = folded.replace(b"\0", b"")
    return any(word in folded for word in (b"<img", b"og:image", b"imageobject"))


def _field(headers: list[tuple[str, str]], name: str) -> str:
    return ", ".join(value for each, value in headers if each.lower() == name)


def fill_page(page: Page, html: bytes) -> None:
    """Put what an HTML text in UTF-8 says into `page`: pictures, base, metas, licence links."""
    tree = LexborHTMLParser(html)
    found = tree.css(_READ)
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
