"""What a reader of archives finds on one page, before anything is judged: the same for a WAT record and for an HTML response."""

from dataclasses import dataclass, field

import msgspec

Size = tuple[int | None, int | None]


class Image(msgspec.Struct, gc=False):
    """One `<img>`: its src and alt as they stand in the page, entities decoded; empty where there is none."""

    url: str = ""
    alt: str = ""


@dataclass(slots=True)
class Page:
    """One page and the statements on it.

    `images` may hold any struct with `url` and `alt`. `sizes` is parallel to it, or None where the archive keeps no declared
    sizes. `licences` are the targets of links that say they are the licence, as they stand in the page. `seen_at` is in seconds
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


_LICENCE_METAS = frozenset(
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


def is_licence_rel(rel: str) -> bool:
    """Whether a link's `rel` says that its target is the licence."""
    return "license" in rel.lower().split()


def is_licence_meta(name: str) -> bool:
    """Whether a meta of this name may hold the URL of the licence."""
    return name.lower() in _LICENCE_METAS
