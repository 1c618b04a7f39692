"""Licence links: which URL a page or image states, with Creative Commons ones in one canonical form.

Only a link that says it is the licence (`rel=license`, or a meta that names one) is a statement; a Creative Commons URL that
merely occurs in a page is not, as it may speak of one picture, of a text, or of Creative Commons itself.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import can_ada

_HOSTS = frozenset({"creativecommons.org", "www.creativecommons.org"})
_LICENCE_PATH = re.compile(
    r"/licenses/(?P<kind>[a-z]+(?:-[a-z]+)*\+?)/(?P<version>\d\.\d)(?:/(?P<jurisdiction>[a-z]{2}(?:-[a-z]{2})?|igo|scotland))?(?:/.*)?",
)
_PUBLIC_PATH = re.compile(r"/publicdomain/(?P<kind>zero|mark)/(?P<version>\d\.\d)(?:/.*)?")
_OLD_PUBLIC_PATH = re.compile(r"/licenses/publicdomain(?:/.*)?")
_KINDS = frozenset(
    {
        "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "by-nd-nc",
        "sa", "nd", "nc", "nc-sa", "nd-nc", "nc-nd", "sampling", "sampling+", "nc-sampling+", "devnations",
    }
)  # fmt: skip
_MAX_URL_CHARACTERS = 2_000


@dataclass(frozen=True)
class Licence:
    """A licence URL and where it was stated: `image` or `page`."""

    url: str
    scope: str


def creative_commons(url: str) -> str | None:
    """The canonical form of a Creative Commons licence or public-domain URL, or None where it is none.

    Recognised by host and path, never by a substring; scheme, `www.`, case, deed or legal-code pages and queries are folded.

    >>> creative_commons("http://www.creativecommons.org/licenses/BY-SA/3.0/de/deed.en?x=1")
    'https://creativecommons.org/licenses/by-sa/3.0/de/'
    >>> creative_commons("https://example.org/creativecommons.org/licenses/by/4.0/") is None
    True
    """
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return None
    if parsed.protocol not in ("http:", "https:") or parsed.hostname not in _HOSTS:
        return None
    path = parsed.pathname.lower()
    if match := _LICENCE_PATH.fullmatch(path):
        jurisdiction = f"{match['jurisdiction']}/" if match["jurisdiction"] else ""
        kind = match["kind"]
        return (
            f"https://creativecommons.org/licenses/{kind}/{match['version']}/{jurisdiction}" if kind in _KINDS else None
        )
    if match := _PUBLIC_PATH.fullmatch(path):
        return f"https://creativecommons.org/publicdomain/{match['kind']}/{match['version']}/"
    return "https://creativecommons.org/licenses/publicdomain/" if _OLD_PUBLIC_PATH.fullmatch(path) else None


def licence_of(links: Iterable[str]) -> str | None:
    """The licence that links stated as licences name: a Creative Commons one in canonical form, else the URL as it is.

    Args:
        links: absolute URLs of links that say they are the licence, in the order of the page.

    Returns:
        The URL, or None where none is given, or where they name different Creative Commons licences: then it is not stated which
        one holds for an image, and a guess would launder somebody's rights.
    """
    other: str | None = None
    found: set[str] = set()
    for link in links:
        canonical = creative_commons(link)
        if canonical is not None:
            found.add(canonical)
        elif other is None and len(link) <= _MAX_URL_CHARACTERS and link.lower().startswith(("http://", "https://")):
            other = link
    if len(found) == 1:
        return found.pop()
    return None if found else other
