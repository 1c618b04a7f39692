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
_PLAIN_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_AROUND = "".join(map(chr, range(0x21)))
_INSIDE = str.maketrans("", "", "\t\r\n")
_MAX_HOSTS = 100_000


def clean(url: str) -> str:
    """The value without what the URL standard ignores: controls and spaces around it, tabs and line ends inside."""
    return url.strip(_AROUND).translate(_INSIDE)


class Resolver:
    """Resolves the srcs of page after page; remembers hosts that parse, as nothing after a host can fail to."""

    def __init__(self, max_url_characters: int) -> None:
        self.max_url_characters = max_url_characters
        self._good_hosts: set[str] = set()
        self._base_text = ""
        self._base: can_ada.URL | None = None

    def set_page(self, page_url: str, base: str) -> None:
        """Resolve what follows against `base`, which is itself resolved against the page; a base that does not parse is none."""
        self._base_text = page_url
        self._base = _parse(page_url)
        if base and self._base is not None:
            try:
                resolved = self._base + base
            except ValueError:
                return
            # The HTML standard ignores a base that is data: or javascript:; nothing relative can be resolved against it.
            if resolved.protocol not in {"data:", "javascript:"}:
                self._base = resolved
        elif base:
            self._base = _parse(base)

    def resolve(self, src: str) -> tuple[str, str | None]:
        """The URL of a cleaned, non-empty src, and None; or, where it can be no link, the reason.

        Reasons: `url_too_long`, `bad_url` (no parser accepts it), `not_http`.
        """
        if len(src) > self.max_url_characters:
            return "", "url_too_long"
        if src.startswith(_HTTP):
            host = src.split("/", 3)[2]
            if host in self._good_hosts:
                return src, None
            if not can_ada.can_parse(src):
                return "", "bad_url"
            # An all-numeric last label is an address; only names are remembered.
            if _PLAIN_HOST.fullmatch(host) and host[-1].isalpha() and len(self._good_hosts) < _MAX_HOSTS:
                self._good_hosts.add(host)
            return src, None
        return self._resolve_relative(src)

    def _resolve_relative(self, src: str) -> tuple[str, str | None]:
        try:
            if src[:7].lower() == "http://" or src[:8].lower() == "https://":
                return (src, None) if can_ada.can_parse(src) else ("", "bad_url")
            resolved = can_ada.parse(src) if self._base is None else self._base + src
        except ValueError:
            return "", "bad_url"
        if resolved.protocol not in {"http:", "https:"}:
            return "", "not_http"
        url = resolved.href
        return (url, None) if len(url) <= self.max_url_characters else ("", "url_too_long")


def _parse(url: str) -> can_ada.URL | None:
    try:
        return can_ada.parse(url)
    except ValueError:
        return None
