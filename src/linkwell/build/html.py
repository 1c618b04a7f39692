"""Pages from WARC: HTTP responses (and resources) that are HTML, parsed by lexbor as a browser would."""

import re
from collections import Counter

from fastwarc.warc import WarcRecord, WarcRecordType
from selectolax.lexbor import LexborHTMLParser, LexborNode

from linkwell.build.body import unpack_body
from linkwell.build.charset import decode_page
from linkwell.build.dates import seconds_of
from linkwell.build.depth import depth_end
from linkwell.build.page import Page, add_header, add_meta, is_licence_rel
from linkwell.build.pictures import find_pictures
from linkwell.rights import RSL_LINK, RSL_TYPE

MAX_HTML_BYTES = 8_000_000
"""A longer page is read up to here; the tree of a page takes some ten times its bytes."""

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)


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
    text, replaced = decode_page(body, content_type)
    if replaced:
        counts["wrong_charset"] += 1
    end = depth_end(text)
    if end < len(text):
        counts["pages_cut"] += 1
        text = text[:end]
    target = record.headers.get("WARC-Target-URI") or ""
    page = Page(
        url=target[1:-1] if target[:1] == "<" and target[-1:] == ">" else target,
        base="",
        warc=warc,
        offset=record.stream_pos,
        seen_at=seconds_of(record.headers.get("WARC-Date") or ""),
        images=[],
        headers=headers,
    )
    fill_page(page, text)
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


def fill_page(page: Page, html: str) -> None:
    """Put what an HTML text says into `page`: pictures, base, metas, licence links."""
    tree = LexborHTMLParser(html)
    find_pictures(page, tree, html)
    base = tree.css_first("base[href]") if _mentions(html, "<base") else None
    page.base = _attribute(base, "href") if base is not None else ""
    for node in tree.css("meta"):
        attributes = node.attributes
        content = attributes.get("content") or ""
        if http_equiv := attributes.get("http-equiv"):
            add_header(page, http_equiv, content)
        if name := attributes.get("name") or attributes.get("property"):
            add_meta(page, name, content)
    for node in tree.css("link[rel], a[rel], area[rel]") if _mentions(html, "icense") else ():
        if is_licence_rel(_attribute(node, "rel")):
            target = _attribute(node, "href")
            if _attribute(node, "type").strip().lower() == RSL_TYPE:
                add_meta(page, RSL_LINK, target)
            else:
                page.licences.append(target)


def _mentions(html: str, word: str) -> bool:
    """Whether a page holds a word in small letters, or capitals: a search is some fifty times as fast as asking the tree."""
    return word in html or word.upper() in html


def _attribute(node: LexborNode, name: str) -> str:
    return node.attributes.get(name) or ""
