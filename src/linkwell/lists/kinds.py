"""What a hash list can hold, how each value is written in a list, and the fixed-width bytes it is stored and matched as."""

import binascii
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from linkwell.base.ids import canonical_id, link_id

ALGORITHMS = ("md5", "sha1", "sha256", "pdq", "url")
"""The signal types that load; a match names one of them."""

LINK = "link"
CANONICAL = "canonical"

KIND_BYTES: Mapping[str, int] = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32, LINK: 16, CANONICAL: 16}
"""What is stored, with its width. A URL is stored as two ids and never as itself."""

KIND_ALGORITHM: Mapping[str, str] = {kind: kind for kind in KIND_BYTES} | {LINK: "url", CANONICAL: "url"}

SIGNAL_NAMES: Mapping[bytes, str] = {name.encode(): name for name in ALGORITHMS} | {
    b"sha-1": "sha1",
    b"sha-256": "sha256",
}
"""How lists write the names of signal types, in lower case."""

UNSUPPORTED_NAMES: frozenset[bytes] = frozenset(
    b"video_md5 video_sha256 raw_text trend_query url_md5 pdq_ocr text_tlsh vpdq clip photodna pdna tmk tmk_pdqf sha512".split()
)
"""Signal types of the field that cannot match a picture or a URL as the ledger and the links hold them."""


class Value(NamedTuple):
    """One thing to store: its kind, and exactly `KIND_BYTES[kind]` bytes."""

    kind: str
    data: bytes


class Refused(NamedTuple):
    """A row that does not load. The reason is one of a fixed set: it never holds anything of the row."""

    reason: str


Parsed = tuple[Value, ...] | Refused

NOT_UTF8 = Refused("not UTF-8")
NO_SIGNAL = Refused("no signal on the line")
NOT_A_URL = Refused("not an http or https URL")


def _parse_hex(kind: str, text: bytes) -> Parsed:
    if len(text) == 2 * KIND_BYTES[kind]:
        try:
            return (Value(kind, binascii.unhexlify(text)),)
        except binascii.Error:
            pass
    return Refused(f"not the {2 * KIND_BYTES[kind]} hex digits of a {kind} signal")


def _parse_url(text: bytes) -> Parsed:
    try:
        url = text.decode("utf-8")
    except UnicodeDecodeError:
        return NOT_UTF8
    canonical = canonical_id(url)
    if canonical is None:
        return NOT_A_URL
    return (Value(LINK, link_id(url)), Value(CANONICAL, canonical))


PARSERS: Mapping[str, Callable[[bytes], Parsed]] = {
    kind: partial(_parse_hex, kind) for kind in ("md5", "sha1", "sha256", "pdq")
} | {"url": _parse_url}
"""By algorithm: the text of a signal, without white space around it, to what is stored."""


def parse_signal(name: bytes, text: bytes) -> Parsed:
    """One signal: the name of its type as the list writes it, and its text."""
    name = name.strip().lower()
    algorithm = SIGNAL_NAMES.get(name)
    if algorithm is None:
        if name in UNSUPPORTED_NAMES:
            return Refused(f"unsupported signal type {name.decode()}")
        return Refused("unknown signal type")
    text = text.strip()
    return PARSERS[algorithm](text) if text else NO_SIGNAL
