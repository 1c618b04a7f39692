"""Which site a URL belongs to: its registered domain, by the Public Suffix List that ships with the library."""

from functools import lru_cache

import can_ada
from publicsuffixlist import PublicSuffixList


def host_of(url: str) -> str:
    """The host of a URL as the URL standard writes it; nothing where it does not parse."""
    try:
        host: str = can_ada.parse(url).hostname
    except ValueError:
        return ""
    return host


@lru_cache(maxsize=65_536)
def site_of(host: str) -> str:
    """The registered domain; the host itself where it has none (an address, a bare suffix).

    >>> site_of("cdn.shop.example.co.uk")
    'example.co.uk'
    >>> site_of("192.0.2.7")
    '192.0.2.7'
    """
    if not host or host.startswith("[") or host[-1].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
