"""Why a link gave no image: every class has a name, a sentence, and whether it may pass."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

DOWNLOAD = "failed_to_download"
RESIZE = "failed_to_resize"
VERIFY = "failed_to_verify"

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad_url": "the URL does not parse as http or https",
        "dns": "Name or service not known",
        "dns_unanswered": "no name server answers",
        "refused_address": "the address is private, loopback, link-local or reserved",
        "connect": "cannot connect",
        "tls": "TLS handshake or certificate failed",
        "timeout": "timed out",
        "disconnected": "connection closed by the server",
        "truncated": "the response ended early",
        "header_too_large": "a response header is too large",
        "bad_http": "the response is not HTTP",
        "bad_encoding": "the content coding is unknown or broken",
        "too_many_redirects": "too many redirects",
        "redirect_refused": "the redirect leads to something that is not http or https",
        "too_large": "the image has too many bytes",
        "robots_disallowed": "robots.txt does not allow it",
        "robots_unreachable": "robots.txt cannot be read: a refusal",
        "host_down": "not asked: its host failed again and again, or wants to be left alone for long",
        "hash_mismatch": "hash mismatch",  # img2dataset's words
        "opted_out": "Use of image disallowed by X-Robots-Tag directive",  # img2dataset's words
        "unexpected": "an error nobody foresaw",
        "not_in_archive": "the archive has no response for the URL",
        "not_an_image": "not an image",
        "unsupported_format": "an image format that is not read here",
        "too_many_pixels": "image area too large",  # img2dataset's words
        "decode_error": "Image decoding error",  # img2dataset's words
        "truncated_image": "Image decoding error: the image ends early",
        "decoder_lost": "Image decoding error: the decoder broke down",
        "decoder_too_slow": "Image decoding error: it takes too long",
        "aspect_ratio": "aspect ratio too large",  # img2dataset's words
        "too_small": "image too small",  # img2dataset's words
        "bad_boxes": "the boxes to blur are no boxes",
    }
)
"""The message of each class; HTTP statuses (`http_404`) have img2dataset's `HTTP Error 404: Not Found`."""

_OF_RESIZE = frozenset(
    {
        "not_an_image",
        "unsupported_format",
        "too_many_pixels",
        "decode_error",
        "truncated_image",
        "decoder_lost",
        "decoder_too_slow",
        "aspect_ratio",
        "too_small",
        "bad_boxes",
    }
)
_PASSING = frozenset(
    {"connect", "timeout", "disconnected", "truncated", "dns_unanswered", "robots_unreachable", "host_down"}
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class Failure(Exception):  # noqa: N818 - an outcome of one link, counted, not an error of the run
    """The outcome of a link that gave no image. It never holds the URL.

    Attributes:
        kind: the class, as counted in the report.
        message: what stands in `error_message`.
    """

    def __init__(self, kind: str, message: str | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = message if message is not None else MESSAGES[kind]

    def without_frames(self) -> "Failure":
        """Itself, letting go of the frames it was raised in: they hold what was received so far, up to the largest body each."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    @property
    def status(self) -> str:
        """img2dataset's status: `failed_to_download` or `failed_to_resize`; and ours, `failed_to_verify`."""
        if self.kind == "hash_mismatch":
            return VERIFY
        return RESIZE if self.kind in _OF_RESIZE else DOWNLOAD

    @property
    def passing(self) -> bool:
        """Whether it may well be gone at the next try."""
        return passes(self.kind)


def passes(kind: str) -> bool:
    """Whether a failure of this class may well be gone at the next try."""
    if kind.startswith("http_"):
        status = int(kind.removeprefix("http_"))
        return status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
    return kind in _PASSING


def http_failure(status: int) -> Failure:
    """The failure for an HTTP status that is no success."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return Failure(f"http_{status}", f"HTTP Error {status}: {phrase}")
