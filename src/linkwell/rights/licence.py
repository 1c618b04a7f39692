"""Licence links: which URL a page or image states, with Creative Commons ones in one canonical form.

Only a link that says it is the licence (`rel=license`, or a meta that names one) is a statement; a Creative Commons URL that
merely occurs in a page is not, as it may speak of one picture, of a text, or of Creative Commons itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import can_ada

from linkwell.rights.cc_licences import CREATIVE_COMMONS_PATHS

_HOSTS = frozenset({"creativecommons.org", "www.creativecommons.org"})
_PAGES_OF_A_LICENCE = ("deed", "legalcode", "rdf")
_MAX_URL_CHARACTERS = 2_000


@dataclass(frozen=True)
class Licence:
    """A licence URL and where it was stated: `image` or `page`."""

    url: str
    scope: str


def creative_commons(url: str) -> str | None:
    """The canonical form of a Creative Commons licence or public-domain URL, or None where it is none.

    Recognised by host and by its path being one of the licences there are (`cc_licences`), never by a substring; scheme, `www.`, case, deed or legal-code pages and queries are folded.

    >>> creative_commons("http://www.creativecommons.org/licenses/BY-SA/3.0/de/deed.en?x=1")
    'https://creativecommons.org/licenses/by-sa/3.0/de/'
    >>> creative_commons("https://creativecommons.org/licenses/by-sa/3.0/xx/") is None
    True
    >>> creative_commons("https://example.org/creativecommons.org/licenses/by/4.0/") is None
    True
    """
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return None
    if parsed.protocol not in ("http:", "https:") or parsed.host not in _HOSTS:
        return None
    words = [word for word in parsed.pathname.lower().split("/") if word]
    for length in (4, 3, 2):
        # The longest that is a licence: what follows is a deed, a legal code or a language.
        path = "/".join(words[:length])
        following = words[length] if len(words) > length else ""
        if path in CREATIVE_COMMONS_PATHS and (not following or following.startswith(_PAGES_OF_A_LICENCE)):
            return f"https://creativecommons.org/{path}/"
    return None


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
