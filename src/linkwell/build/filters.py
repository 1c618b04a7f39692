"""Which links are kept: small named rules over one link, each counted as `rejected_<name>` where it says no.

The defaults are LAION's: captions of five characters and more, no `.svg` and no `.gif`. (What is no http(s) URL, such as `data:` and
`javascript:`, can be no link whatever the settings, and is rejected before.) Everything here stands in `[build.filters]` of
`linkwell.toml`, and 0, false or an empty value switches a rule off. How often a caption may occur is a rule over the whole
build: see `boilerplate`.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from linkwell.base.errors import FormatError, MissingError
from linkwell.base.settings import FilterSettings

NO_FILTERS = FilterSettings(min_text_characters=0, blocked_extensions=(), max_text_pages=0)
"""Every rule switched off."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LONGEST_DOMAIN = 253

Rule = Callable[[str, str], bool]
"""From URL and text to whether the link goes."""


def text_too_long(text: str, max_characters: int) -> bool:
    """Whether a text has more characters than that, where other builds would cut it."""
    return len(text) > max_characters


def text_not_printable(text: str) -> bool:
    """Whether a text holds control, unassigned or private characters, or the mark of a decoding that failed."""
    return not text.isprintable() or _REPLACEMENT in text


def blocked_extension(url: str, extensions: tuple[str, ...]) -> bool:
    """Whether the path of a URL ends so, in any case, before query and fragment. `extensions` are lower-case, with their dot."""
    return url.partition("#")[0].partition("?")[0].lower().endswith(extensions)


def declared_too_small(width: int | None, height: int | None, min_pixels: int) -> bool:
    """Whether a declared side is smaller than that; what declares nothing stays."""
    return (width is not None and width < min_pixels) or (height is not None and height < min_pixels)


def blocked_domain(url: str, domains: frozenset[str]) -> bool:
    """Whether the host of a URL is one of the domains, or below one."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    while host:
        if host in domains:
            return True
        host = host.partition(".")[2]
    return False


def read_domains(path: Path) -> frozenset[str]:
    """The domains of a file: one a line, `#` starts a comment; also the form of hosts files (`0.0.0.0 name`).

    Raises:
        MissingError: there is no such file.
        FormatError: it is no text, or a line is no domain.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise MissingError("there is no such file", str(path), "build.filters.blocked_domains names it.") from error
    except UnicodeDecodeError as error:
        raise FormatError("this is no list of domains", str(path), "Put one domain on each line.") from error
    found = set()
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            domain = words[-1].lower().strip(".").encode("idna").decode("ascii")
        except UnicodeError:
            domain = ""
        if not domain or len(domain) > _LONGEST_DOMAIN or "/" in domain:
            raise FormatError("this is no domain", f"{path}, line {number}", "Put one domain on each line.")
        found.add(domain)
    return frozenset(found)


def rules(settings: FilterSettings, domains: frozenset[str]) -> list[tuple[str, Rule]]:
    """The rules over URL and text that the settings switch on, cheap ones first, each with its counter.

    `min_text_characters` is not among them: the collector asks it first of all, before it resolves a URL.
    """
    found: list[tuple[str, Rule]] = []
    if settings.max_text_characters:
        found.append(("rejected_text_too_long", lambda _url, text: text_too_long(text, settings.max_text_characters)))
    if settings.printable_text:
        found.append(("rejected_text_not_printable", lambda _url, text: text_not_printable(text)))
    if settings.blocked_extensions:
        extensions = tuple(f".{each.lower().lstrip('.')}" for each in settings.blocked_extensions)
        found.append(("rejected_extension", lambda url, _text: blocked_extension(url, extensions)))
    if domains:
        found.append(("rejected_domain", lambda url, _text: blocked_domain(url, domains)))
    return found
