"""XMP inside image files, found by looking at the bytes: no picture is decoded and no image library is asked.

A packet is searched for by its wrapper (`<?xpacket`), `<x:xmpmeta` or `<rdf:RDF`, in UTF-8, UTF-16 and UTF-32, which finds it in JPEG,
PNG, WebP, AVIF, HEIF, JPEG XL, TIFF and GIF alike. Three forms need more: JPEG's extended XMP, which is dealt over several segments,
PNG's compressed text, and the profile in hexadecimal digits that ImageMagick writes into PNG. The XML is read by expat with every
document type refused.
"""

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from linkwell.base.jpeg import segments
from linkwell.base.safe_xml import XmlRefusedError, read_xml

MAX_PACKET_BYTES = 4_000_000
"""Of one packet; a longer one is cut, and then malformed."""

PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
TDM = "http://www.w3.org/ns/tdmrep/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_CC = "http://creativecommons.org/ns#"
_WANTED = frozenset(
    {
        (PLUS, "DataMining"), (PLUS, "OtherConstraints"), (PLUS, "LicensorURL"), (TDM, "reservation"), (TDM, "policy"),
        (_RIGHTS, "WebStatement"), (_DC, "creator"), (_DC, "rights"), (_PHOTOSHOP, "Credit"), (_CC, "license"),
    }
)  # fmt: skip
_MAX_PACKETS = 16
_MAX_VALUE_CHARACTERS = 2_000
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"iTXt", b"zTXt", b"tEXt")
_PNG_XMP, _PNG_PROFILE = b"XML:com.adobe.xmp", b"Raw profile type xmp"
_JPEG_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_GUID_BYTES = 32
_APP1 = 0xE1
_PARTS = {"<x:xmpmeta": "</x:xmpmeta>", "<rdf:RDF": "</rdf:RDF>"}
_WRAPPER = {"<?xpacket begin": "<?xpacket end"}
"""Asked where none of the parts is found: the prefixes above are those of every known writer, but any would do."""
_WIDE = {"utf-16": b"R\0D\0F", "utf-32": b"R\0\0\0D\0\0\0F"}
"""What a packet of these encodings holds, in either order of bytes; one look tells most files that they have none."""


@dataclass(frozen=True)
class Xmp:
    """What the packets of one file say: values by namespace and name, in order; `malformed` holds packets that do not read."""

    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    malformed: list[bytes] = field(default_factory=list)

    def first(self, *names: tuple[str, str]) -> str | None:
        """The first value of the first of these names that has one."""
        return next((self.values[name][0] for name in names if self.values.get(name)), None)

    @property
    def web_statement(self) -> str | None:
        """Where the rights are stated, or the licence, as a URL."""
        return self.first((_RIGHTS, "WebStatement"), (_CC, "license"))

    @property
    def licensor_url(self) -> str | None:
        """Where a licence is to be had."""
        return self.first((PLUS, "LicensorURL"))

    @property
    def creators(self) -> str | None:
        """Who made the picture, several names divided by commas."""
        return ", ".join(dict.fromkeys(self.values.get((_DC, "creator"), []))) or None

    @property
    def credit(self) -> str | None:
        """The credit line."""
        return self.first((_PHOTOSHOP, "Credit"))

    @property
    def notice(self) -> str | None:
        """The copyright notice."""
        return self.first((_DC, "rights"))


def read_xmp(data: bytes) -> Xmp:
    """Read all XMP of a file; never raises, and takes time linear in the bytes."""
    result = Xmp()
    for packet in packets(data):
        reader = _Reader()
        if reader.read(packet):
            for name, values in reader.values.items():
                result.values.setdefault(name, []).extend(values)
        else:
            result.malformed.append(packet)
    return result


def packets(data: bytes) -> Iterator[bytes]:
    """The XMP packets of a file, in UTF-8, at most 16."""
    sources = [data]
    if data.startswith(b"\xff\xd8"):
        sources += _jpeg_extended(data)
    elif data.startswith(_PNG):
        sources += _png_texts(data)
    yield from itertools.islice(itertools.chain.from_iterable(map(_packets_in, sources)), _MAX_PACKETS)


def _packets_in(source: bytes) -> Iterator[bytes]:
    encodings = ["utf-8"]
    for wide, mark in _WIDE.items():
        encodings += [f"{wide}-le", f"{wide}-be"] if mark in source else []
    for encoding in encodings:
        found = False
        for with_end in (True, False):
            for packet in _between(source, _marks(encoding, with_end=with_end), with_end=with_end):
                found = True
                yield packet if encoding == "utf-8" else packet.decode(encoding, "replace").encode()
            if found:
                break


class _Marks(NamedTuple):
    """Where a packet begins, and what ends it."""

    starts: re.Pattern[bytes]
    ends: dict[bytes, bytes]


@cache
def _marks(encoding: str, *, with_end: bool) -> _Marks:
    """The marks of parts, whose ends belong to them, or of a wrapper, in one encoding."""
    parts = _PARTS if with_end else _WRAPPER
    ends = {start.encode(encoding): end.encode(encoding) for start, end in parts.items()}
    return _Marks(re.compile(b"|".join(map(re.escape, ends))), ends)


def _between(source: bytes, marks: _Marks, *, with_end: bool) -> Iterator[bytes]:
    """What begins with a mark up to its end, or to the end of the file; a part inside another is not one of its own."""
    position = 0
    while start := marks.starts.search(source, position):
        end_mark = marks.ends[start[0]]
        end = source.find(end_mark, start.end())
        position = len(source) if end < 0 else end + len(end_mark)
        last = position if end < 0 or with_end else end
        yield source[start.start() : min(last, start.start() + MAX_PACKET_BYTES)]


def _jpeg_extended(data: bytes) -> list[bytes]:
    """Extended XMP put together: each APP1 names its packet, the whole length and where its piece belongs."""
    if _JPEG_EXTENSION not in data:
        return []
    wholes: dict[bytes, bytearray] = {}
    for marker, start, end in segments(data):
        if marker == _APP1 and data.startswith(_JPEG_EXTENSION, start + 4):
            head = start + 4 + len(_JPEG_EXTENSION)
            guid = data[head : head + _GUID_BYTES]
            full, offset = (int.from_bytes(data[head + at : head + at + 4], "big") for at in (32, 36))
            piece = data[head + 40 : end]
            if full <= MAX_PACKET_BYTES and offset + len(piece) <= full and len(wholes) < _MAX_PACKETS:
                whole = wholes.setdefault(guid, bytearray())
                if len(whole) < offset + len(piece):
                    whole.extend(bytes(offset + len(piece) - len(whole)))
                whole[offset : offset + len(piece)] = piece
    return [bytes(whole) for whole in wholes.values()]


def _png_texts(data: bytes) -> list[bytes]:
    """The XMP of text chunks that are compressed, or written as a profile in hexadecimal digits."""
    found: list[bytes] = []
    position = len(_PNG)
    while position + 12 <= len(data) and len(found) < _MAX_PACKETS:
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind in _PNG_TEXTS:
            keyword, _, rest = data[position + 8 : position + 8 + length].partition(b"\0")
            text = _png_text(kind, keyword, rest) if keyword in (_PNG_XMP, _PNG_PROFILE) else b""
            if text:
                found.append(text)
        position += 12 + length
    return found


def _png_text(kind: bytes, keyword: bytes, rest: bytes) -> bytes:
    """The text of a chunk; empty where it stands in the file as it is, and is found there."""
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"iTXt":
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif kind == b"zTXt":
        rest = rest[1:]
    if compressed:
        try:
            rest = zlib.decompressobj().decompress(rest, 2 * MAX_PACKET_BYTES)
        except zlib.error:
            return b"<x:xmpmeta"
    if keyword == _PNG_PROFILE:
        # A line with its name, one with its length, then digits.
        digits = re.sub(rb"\s", b"", rest.lstrip().partition(b"\n")[2].lstrip().partition(b"\n")[2])
        try:
            return bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            return b"<x:xmpmeta"
    return rest if compressed else b""


class _Reader:
    """Collects the wanted properties, as attributes, text, `rdf:resource` or the items of an array."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        self._inside: list[tuple[str, str] | None] = []
        self._text: list[str] = []
        self._text_size = 0

    def read(self, packet: bytes) -> bool:
        """Whether the packet reads as XML."""
        try:
            read_xml(packet, start=self._start, end=self._end, characters=self._characters)
        except XmlRefusedError:
            return False
        return True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        key = _key(name)
        outer = self._inside[-1] if self._inside else None
        wanted = key if key in _WANTED else outer
        self._inside.append(wanted)
        self._text, self._text_size = [], 0
        for attribute, value in attributes.items():
            attribute_key = _key(attribute)
            if attribute_key in _WANTED:
                self._add(attribute_key, value)
            elif key in _WANTED and attribute_key == (_RDF, "resource"):
                self._add(key, value)

    def _end(self, _name: str) -> None:
        inside = self._inside.pop()
        if inside is not None:
            self._add(inside, "".join(self._text))
        self._text, self._text_size = [], 0

    def _characters(self, text: str) -> None:
        if self._inside and self._inside[-1] is not None and self._text_size < _MAX_VALUE_CHARACTERS:
            self._text.append(text)
            self._text_size += len(text)

    def _add(self, key: tuple[str, str], value: str) -> None:
        value = " ".join(value.split())[:_MAX_VALUE_CHARACTERS]
        if value:
            self.values.setdefault(key, []).append(value)


def _key(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition(" ")
    return namespace, local
