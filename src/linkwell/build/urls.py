r"""Which URL a `src` is, and whether it can be a link.

The rule. As the URL standard says, white space and control characters around the value, and tabs and line ends inside it, are
no part of it. What then starts with `http://` or `https://` is kept as found, character for character, where the standard's
parser accepts it. Everything else is resolved by that parser against the page's base, so it comes out in the standard's
serialisation: spaces and non-ASCII percent-encoded in the path, hosts lower-case and in ASCII form, `\` read as `/`, dot
segments gone. RFC 3986 resolution (urllib's) differs from it in those points only.
"""

import re

import can_ada

_HTTP = ("http://", "https://")
# Only named hosts: a last label of digits makes an address, whose numbers can be wrong.
_NAMED_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?/")
_AROUND = "".join(map(chr, range(0x21)))
_INSIDE = str.maketrans("", "", "\t\r\n")
_MAX_ORIGINS = 100_000


def clean(url: str) -> str:
    """The value without what the URL standard ignores: controls and spaces around it, tabs and line ends inside."""
    url = url.strip(_AROUND)
    return url if url.isprintable() else url.translate(_INSIDE)


class Resolver:
    """Resolves the srcs of page after page.

    `good_origins` are beginnings, `https://host/`, of URLs that parsed: as nothing after the host can fail to, a
    printable src of at most `max_url_characters` that begins so and does not end in a space is a link as it stands.
    """

    def __init__(self, max_url_characters: int) -> None:
        self.max_url_characters = max_url_characters
        self.good_origins: set[str] = set()
        self._page_url = ""
        self._base_href = ""
        self._base: can_ada.URL | None = None
        self._is_parsed = False

    def set_page(self, page_url: str, base: str) -> None:
        """Resolve what follows against `base`, which is itself resolved against the page; a base that does not parse is none."""
        self._page_url = page_url
        self._base_href = base
        self._is_parsed = False

    def _parse_base(self) -> can_ada.URL | None:
        """What relative srcs of this page are relative to; parsed when the first one comes."""
        page = _parse(self._page_url)
        if not self._base_href:
            return page
        if page is None:
            return _parse(self._base_href)
        try:
            base = page + self._base_href
        except ValueError:
            return page
        # The HTML standard ignores a base that is data: or javascript:.
        return page if base.protocol in {"data:", "javascript:"} else base

    def resolve(self, src: str) -> tuple[str, str | None]:
        """The URL of a src, and None; or, where it can be no link, the reason.

        Reasons: `no_src` (empty), `data_url` (a picture inside the page), `url_too_long`, `bad_url` (no parser accepts it),
        `no_base` (relative, on a page whose own address is no URL that something can be relative to), `not_http`.
        """
        src = clean(src)
        if not src:
            return "", "no_src"
        if src[:5].lower() == "data:":
            return "", "data_url"
        if len(src) > self.max_url_characters:
            return "", "url_too_long"
        if not src[:8].lower().startswith(_HTTP):
            return self._resolve_relative(src)
        origin = src[: src.find("/", 8) + 1]
        if origin not in self.good_origins or not src.isprintable():
            if not can_ada.can_parse(src):
                return "", "bad_url"
            if len(self.good_origins) < _MAX_ORIGINS and _NAMED_ORIGIN.fullmatch(origin):
                self.good_origins.add(origin)
        return src, None

    def _resolve_relative(self, src: str) -> tuple[str, str | None]:
        if not self._is_parsed:
            self._base, self._is_parsed = self._parse_base(), True
        try:
            resolved = can_ada.parse(src) if self._base is None else self._base + src
        except ValueError:
            return "", "no_base" if self._base is None else "bad_url"
        if resolved.protocol not in {"http:", "https:"}:
            return "", "not_http"
        url = resolved.href
        return (url, None) if len(url) <= self.max_url_characters else ("", "url_too_long")


def _parse(url: str) -> can_ada.URL | None:
    """A URL that others can be relative to, or None."""
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return None
    # A path without a slash (`mailto:a@b`) is opaque: nothing is relative to it.
    return parsed if parsed.pathname.startswith("/") else None
