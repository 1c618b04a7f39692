"""What a hash list can hold, how each value is written in a list, and the fixed-width bytes it is stored and matched as."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from linkwell.base.ids import canonical_id, link_id

ALGORITHMS = ("md5", "sha1", "sha256", "pdq", "url")
"""The signal types that load; a match names one of them."""

RECORD_BYTES = 16

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


class PassedOver(NamedTuple):
    """A row that is right and of no use here: a video, a fingerprint nobody matches, a statement that it is no match.

    As with `Refused`, the reason is one of a fixed set.
    """

    reason: str


Parsed = tuple[Value, ...] | Refused | PassedOver


class Row(NamedTuple):
    """One row of a list: what it parses to, and what its supplier says of it. Restricted."""

    line_number: int
    """The number of its first line, or of its entry where entries are not lines; from 1."""
    parsed: Parsed
    record: bytes | None = None
    """`record_key` of the supplier's own id; None where the list has none: then the value itself is the id."""
    withdrawn: bool = False
    """Whether the record, or where there is none the values, are to match no longer."""
    expires: int | None = None
    """When it stops matching, in seconds since 1970; None for never."""


def record_key(*parts: str) -> bytes:
    """16 bytes that stand for a supplier's id of an entry, so that the id itself is stored nowhere."""
    digest = hashlib.sha256(b"linkwell:list-record:1\0")
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.digest()[:RECORD_BYTES]


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


def parse_encoded(algorithm: str, text: bytes) -> Parsed:
    """A signal as hex, or as base32 or base64 where its length says so: partners write all three.

    >>> parse_encoded("md5", base64.b64encode(bytes(16))) == (Value("md5", bytes(16)),)
    True
    """
    text = text.strip()
    if not text:
        return NO_SIGNAL
    width = KIND_BYTES.get(algorithm)
    if width is not None and len(text) != 2 * width:
        for length, decode in ((-(-width // 5) * 8, base64.b32decode), (-(-width // 3) * 4, _base64)):
            if len(text) == length:
                try:
                    data = decode(text)
                except (binascii.Error, ValueError):
                    continue
                if len(data) == width:
                    return (Value(algorithm, data),)
    return PARSERS[algorithm](text)


def _base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


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
