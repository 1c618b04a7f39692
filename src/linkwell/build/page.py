"""What a reader of archives finds on one page, before anything is judged: the same for a WAT record and for an HTML response."""

from dataclasses import dataclass, field

import msgspec

from linkwell.rights import HEADER_NAMES, META_NAMES

ALT = "alt"
"""The usual source of a caption."""

Size = tuple[int | None, int | None]


class Image(msgspec.Struct, gc=False):
    """One picture of a page: its address and caption as they stand in the page, entities decoded; empty where there is none."""

    url: str = ""
    alt: str = ""


class ImageRights(msgspec.Struct, frozen=True, gc=False):
    """What a page states of one picture: the URL of its licence, and who is to be named."""

    licence: str | None = None
    credit: str | None = None


@dataclass(slots=True)
class Page:
    """One page and the statements on it.

    Of `headers` and `metas` only those are kept that may hold a signal. `images` may hold any struct with `url` and `alt`. `sizes` is parallel to it, or None where the archive keeps no declared
    sizes; so is `text_sources`, None where all captions are alts. `rights` is by address, as it stands in the page. `licences` are the targets of links that say they are the licence, as they stand in the page. `seen_at` is in seconds
    since 1970, UTC, or None where the record's date does not read.
    """

    url: str
    base: str
    warc: str
    offset: int
    seen_at: int | None
    images: list[Image]
    headers: list[tuple[str, str]] = field(default_factory=list)
    metas: list[tuple[str, str]] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    sizes: list[Size] | None = None
    text_sources: list[str] | None = None
    rights: dict[str, ImageRights] = field(default_factory=dict)


_LICENCE_METAS: frozenset[str] = frozenset(
    {
        "license",
        "licence",
        "cc:license",
        "dc.license",
        "dcterms.license",
        "dc.rights",
        "dcterms.rights",
        "dc.rights.license",
    }
)
PAGE_METAS = set(META_NAMES | _LICENCE_METAS)
"""Lower-case names of the metas that are kept; `wat.also_keep_metas` adds those of a policy's own crawlers."""


def add_header(page: Page, name: str, value: str) -> None:
    """Keep a header field, or a meta that stands for one, if it may hold a signal."""
    if name.lower() in HEADER_NAMES:
        page.headers.append((name, value))


def add_meta(page: Page, name: str, content: str) -> None:
    """Keep a meta if it may hold a signal, or the licence."""
    folded = name.lower()
    if folded in PAGE_METAS:
        if folded in _LICENCE_METAS:
            page.licences.append(content)
        else:
            page.metas.append((name, content))


def is_licence_rel(rel: str) -> bool:
    """Whether a link's `rel` says that its target is the licence."""
    return "license" in rel.lower().split()
