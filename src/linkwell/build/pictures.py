"""The pictures of one HTML page, and what the page says of each: more than `<img src alt>`, which is all that a WAT keeps.

Of an `<img>` come, as links with one caption: its `src`; the address in the first of the attributes that scripts load it from
later; the largest candidate of `srcset`, or of the first `<source>` of its `<picture>`. The caption is the first of these that is
not blank: `alt`, the `<figcaption>` of its `<figure>`, `title`, `aria-label`. Further links: `og:image` with `og:image:alt`, and
JSON-LD `ImageObject`s with a caption. Licence and credit of an `ImageObject` hold for its address, wherever else on the page
that stands.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from selectolax.lexbor import LexborNode

from linkwell.build.page import ALT, Image, ImageRights, Page, Size

LAZY_ATTRIBUTES = (
    "data-src", "data-original", "data-lazy-src", "data-lazy", "data-original-src", "data-full-src", "data-hi-res-src",
    "data-image", "data-img-src", "data-url", "data-echo", "data-ll-src", "data-pin-media",
)  # fmt: skip
"""Where scripts keep an image's address until it is scrolled to, the usual ones first."""

LAZY_SRCSETS = ("data-srcset", "data-lazy-srcset", "data-original-set")

_MORE_ADDRESSES = frozenset({*LAZY_ATTRIBUTES, "srcset", *LAZY_SRCSETS})

_MORE_CAPTIONS = frozenset({"title", "aria-label"})
_NO_SIZE: Size = (None, None)
_NOTHING_AROUND: dict[str | None, LexborNode] = {}

Attributes = Mapping[str, str | None]
"""Of one element: names in small letters and values, None where an attribute has no value."""

_CANDIDATE = re.compile(r"[\s,]*([^\s,](?:[^\s]*[^\s,])?)(?:,|\s++([^,()]*+(?:\([^)]*+\)[^,()]*+)*+)(?:,|$)|\s*+$)")
_DESCRIPTOR = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([wx])")
_MAX_SRCSET_CHARACTERS = 20_000
_DIGITS = re.compile(r"\s*\+?(\d{1,9})")
_MAX_SIDE = 1_000_000
_LONGEST_REMEMBERED = 12
_MAX_JSON_VALUES = 20_000
_MAX_JSON_CHARACTERS = 1_000_000
_MAX_CREDIT_CHARACTERS = 500
_JSON_WRAPPING = re.compile(
    r"\A\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*.{0,40}?\*/)|(?:-->|//\s*\]\]>|\]\]>)\s*\Z", re.DOTALL
)
_OG_IMAGE = frozenset({"og:image", "og:image:url"})


class _Found:
    """Images gathered in parallel lists, as `Page` has them."""

    def __init__(self, page: Page) -> None:
        self.images = page.images
        self.sizes: list[Size] = []
        self.sources: list[str] = []

    def add(self, url: str, text: str, source: str, size: Size = _NO_SIZE) -> None:
        self.images.append(Image(url, text))
        self.sizes.append(size)
        self.sources.append(source)


def find_pictures(
    page: Page,
    images: Iterable[LexborNode],
    metas: Sequence[Attributes],
    scripts: Iterable[LexborNode],
    *,
    nested: bool,
) -> None:
    """Put all pictures of a page into `page.images`, `sizes`, `text_sources` and `rights`.

    Args:
        page: gets them.
        images: every `<img>`, in the page's order.
        metas: attributes of every `<meta>`, in the page's order.
        scripts: scripts of which some may be JSON-LD.
        nested: whether there is a `<picture>` or a `<figcaption>`.
    """
    found = _Found(page)
    for node in images:
        attributes = node.attributes
        around = _around(node) if nested else _NOTHING_AROUND
        _add_img(found, attributes, around)
    _add_open_graph(found, metas)
    for script in scripts:
        if (script.attributes.get("type") or "").partition(";")[0].strip().lower() == "application/ld+json":
            text = script.text(deep=True)
            # JSON may spell a letter by its number.
            if "ImageObject" in text or "\\u00" in text:
                _add_image_objects(page, found, text)
    page.sizes = found.sizes
    page.text_sources = found.sources


def _add_img(found: _Found, attributes: Attributes, around: Mapping[str | None, LexborNode]) -> None:
    src, text, source = attributes.get("src") or "", attributes.get("alt") or "", ALT
    if not text or text.isspace():
        text = ""
        if around or not _MORE_CAPTIONS.isdisjoint(attributes):
            text, source = _other_caption(attributes, around.get("figure"))
    width, height = attributes.get("width"), attributes.get("height")
    size = (pixels(width), pixels(height)) if width or height else _NO_SIZE
    found.images.append(Image(src, text))
    found.sizes.append(size)
    found.sources.append(source)
    picture = around.get("picture")
    if picture is None and _MORE_ADDRESSES.isdisjoint(attributes):
        return
    others = [next(filter(None, map(attributes.get, LAZY_ATTRIBUTES)), None), largest(attributes.get("srcset"))]
    others.extend(largest(attributes.get(name)) for name in LAZY_SRCSETS if name in attributes)
    if picture is not None:
        others.append(_largest_source(picture))
    for url in dict.fromkeys(others):
        if url and url != src:
            found.add(url, text, source, size)


def _around(node: LexborNode) -> dict[str | None, LexborNode]:
    """The nearest few elements around a node; of each name the nearest."""
    nearest: dict[str | None, LexborNode] = {}
    parent = node.parent
    for _ in range(6):
        if parent is None or (name := parent.tag) in {"body", "html"}:
            break
        nearest.setdefault(name, parent)
        parent = parent.parent
    return nearest


def _other_caption(attributes: Attributes, figure: LexborNode | None) -> tuple[str, str]:
    caption = figure.css_first("figcaption") if figure is not None else None
    texts = (
        ("figcaption", caption.text(deep=True, separator=" ") if caption is not None else None),
        ("title", attributes.get("title")),
        ("aria-label", attributes.get("aria-label")),
    )
    return next(((text, source) for source, text in texts if text and not text.isspace()), ("", ALT))


def _largest_source(picture: LexborNode) -> str | None:
    for node in picture.css("source"):
        url = largest(node.attributes.get("srcset") or node.attributes.get("data-srcset"))
        if url:
            return url
    return None


def largest(srcset: str | None) -> str | None:
    """The address of the candidate with the greatest width or density in a `srcset`, the first among equals.

    >>> largest("a.jpg, b.jpg 2x"), largest("s.jpg 320w,l,1.jpg 1024w"), largest(" , ")
    ('b.jpg', 'l,1.jpg', None)
    """
    if not srcset:
        return None
    best, best_size = None, -1.0
    position, srcset = 0, srcset[:_MAX_SRCSET_CHARACTERS]
    while match := _CANDIDATE.match(srcset, position):
        described = _DESCRIPTOR.search(match[2] or "")
        size = float(described[1]) if described else 1.0
        if size > best_size:
            best, best_size = match[1], size
        position = match.end()
    return best


def pixels(value: str | None) -> int | None:
    """A declared side as the HTML standard reads a dimension: digits first, then anything but a per cent sign."""
    if not value:
        return None
    return _remembered_pixels(value) if len(value) <= _LONGEST_REMEMBERED else _pixels(value)


def _pixels(value: str) -> int | None:
    match = _DIGITS.match(value)
    if match is None or value[match.end() :].lstrip("0123456789.").startswith("%"):
        return None
    side = int(match[1])
    return side if 0 < side <= _MAX_SIDE else None


_remembered_pixels = lru_cache(maxsize=4096)(_pixels)


def _add_open_graph(found: _Found, metas: Sequence[Attributes]) -> None:
    """Each `og:image` with the properties that follow it, as the Open Graph protocol has them in groups."""
    groups: list[dict[str, str]] = []
    for attributes in metas:
        name = (attributes.get("property") or attributes.get("name") or "").strip().lower()
        if not name.startswith("og:image"):
            continue
        if name in _OG_IMAGE and not (groups and name == "og:image:url" and "og:image:url" not in groups[-1]):
            groups.append({})
        if groups:
            groups[-1].setdefault(name, attributes.get("content") or "")
    for group in groups:
        url, text = group.get("og:image") or group.get("og:image:url", ""), group.get("og:image:alt", "")
        if url and text and not text.isspace():
            size = (pixels(group.get("og:image:width")), pixels(group.get("og:image:height")))
            found.add(url, text, "og:image:alt", size)


def _add_image_objects(page: Page, found: _Found, script: str) -> None:
    """The `ImageObject`s of one JSON-LD script; what is no JSON is passed over, as every consumer of it does."""
    try:
        value = msgspec.json.decode(_JSON_WRAPPING.sub("", script[:_MAX_JSON_CHARACTERS]))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    for each in image_objects(value):
        url = _text(each.get("contentUrl")) or _text(each.get("url"))
        if not url:
            continue
        licence = _text(each.get("license")) or _text(each.get("acquireLicensePage"))
        credit = _text(each.get("creditText")) or _text(each.get("creator")) or _text(each.get("copyrightNotice"))
        if licence or credit:
            page.rights.setdefault(
                url, ImageRights(licence or None, " ".join(credit.split())[:_MAX_CREDIT_CHARACTERS] or None)
            )
        text = _text(each.get("caption")) or _text(each.get("description")) or _text(each.get("name"))
        if text and not text.isspace():
            found.add(url, text, "json-ld", (_json_pixels(each.get("width")), _json_pixels(each.get("height"))))


def image_objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object in a JSON-LD value whose `@type` is `ImageObject`, in order; looks at a bounded number of values."""
    waiting = [value]
    for _ in range(_MAX_JSON_VALUES):
        if not waiting:
            return
        current = waiting.pop()
        if isinstance(current, dict):
            kinds = current.get("@type")
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                if isinstance(kind, str) and re.split(r"[/:#]", kind)[-1] == "ImageObject":
                    yield current
                    break
            waiting.extend(reversed(list(current.values())))
        elif isinstance(current, list):
            waiting.extend(reversed(current))


def _text(value: object, depth: int = 3) -> str:
    """A JSON-LD value as text: of an object its name, address or id; of a list all of it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and depth:
        return ", ".join(filter(None, (_text(each, depth - 1) for each in value[:20])))
    if isinstance(value, dict) and depth:
        for key in ("name", "@value", "text", "url", "@id"):
            if found := _text(value.get(key), depth - 1):
                return found
    return ""


def _json_pixels(value: object) -> int | None:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool):
        return None
    return (
        pixels(str(int(value)))
        if isinstance(value, int | float) and 0 < value < _MAX_SIDE
        else (pixels(value) if isinstance(value, str) else None)
    )
