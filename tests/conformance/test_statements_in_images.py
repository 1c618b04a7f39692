"""XMP wherever a format puts it and in every encoding that it allows, and the values of IPTC's, PLUS's and CAWG's vocabularies."""

import struct
import zlib

import pytest

from linkwell.rights import combine, embedded_signals, read_embedded
from linkwell.rights.manifests import entry_signals

NO, YES, IF, NOTHING = "disallow", "allow", "conditional", "unknown"
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def rdf(inner: str, prefix: str = "rdf") -> str:
    """An RDF element with one description."""
    return (
        f'<{prefix}:RDF xmlns:{prefix}="{RDF}"><{prefix}:Description {prefix}:about="" '
        'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:tdm="http://www.w3.org/ns/tdmrep/" '
        f'xmlns:cc="http://creativecommons.org/ns#">{inner}</{prefix}:Description></{prefix}:RDF>'
    )


def wrapped(inner: str) -> str:
    """A packet as Adobe's toolkit writes it."""
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{inner}{" " * 40}<?xpacket end="w"?>'


def meta(inner: str) -> str:
    """The element around RDF."""
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{inner}</x:xmpmeta>'


PROHIBITED = rdf(f"<plus:DataMining>{VOCABULARY}DMI-PROHIBITED</plus:DataMining>")
PACKET = wrapped(meta(PROHIBITED)).encode()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG's signature and chunks."""
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def profile(packet: bytes) -> bytes:
    """A packet as ImageMagick writes a profile."""
    digits = packet.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\nxmp\n{len(packet):8}\n{lines}\n".encode()


def tiff(packet: bytes, order: str) -> bytes:
    """A TIFF with tag 700."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHII", 700, 1, len(packet), 26)
    return mark + struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", 1) + entry + b"\0\0\0\0" + packet


PLACES = {
    "jpeg": b"\xff\xd8\xff\xe1" + struct.pack(">H", len(PACKET) + 31) + b"http://ns.adobe.com/xap/1.0/\0" + PACKET,
    "png iTXt": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET)),
    "png iTXt with a language": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0XMP\0" + PACKET)),
    "png iTXt compressed": png((b"IDAT", b"x"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0XMP\0" + zlib.compress(PACKET))),
    "png tEXt": png((b"tEXt", b"XML:com.adobe.xmp\0" + PACKET)),
    "png zTXt": png((b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(PACKET))),
    "png profile": png((b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(profile(PACKET)))),
    "png profile, not compressed": png((b"tEXt", b"Raw profile type xmp\0" + profile(PACKET))),
    "webp": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x04" + b"\0" * 9 + b"XMP " + struct.pack("<I", len(PACKET)) + PACKET,
    "tiff, little end first": tiff(PACKET, "<"),
    "tiff, big end first": tiff(PACKET, ">"),
    "avif, mime item": b"\0\0\0\x1cftypavif\0\0\0\0mif1" + b"\0\0\0\x08mdat" + PACKET,
    "heif, uuid box": b"\0\0\0\x18ftypheic\0\0\1\0uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + PACKET,
    "jpeg xl, xml box": b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I", len(PACKET) + 8) + b"xml " + PACKET,
    "gif": b"GIF89a" + b"\x21\xff\x0bXMP DataXMP" + PACKET + b"\x01" + bytes(range(255, -1, -1)) + b"\0\0",
}


@pytest.mark.parametrize("name", PLACES)
def test_where_formats_put_xmp(name: str) -> None:
    """ISO 16684-3 and the formats' own specifications; PNG in all three of its text chunks."""
    assert combine(embedded_signals(PLACES[name])) == (NO, NO, NO)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "packet",
    [
        wrapped(meta(PROHIBITED)),
        meta(PROHIBITED),
        PROHIBITED,
        wrapped(meta(rdf(f"<plus:DataMining>{VOCABULARY}DMI-PROHIBITED</plus:DataMining>", "r"))),
        wrapped(rdf(f"<plus:DataMining>{VOCABULARY}DMI-PROHIBITED</plus:DataMining>", "r")),
        wrapped(rdf(f'<plus:DataMining rdf:resource="{VOCABULARY}DMI-PROHIBITED"/>')),
    ],
    ids=["wrapped", "xmpmeta", "rdf", "another prefix", "another prefix, no xmpmeta", "resource"],
)
def test_encodings_and_wrappers(packet: str, encoding: str) -> None:
    """ISO 16684-1, 7.1 and 7.3: any of Unicode's encodings; xmpmeta may be missing, prefixes are free."""
    assert combine(embedded_signals(b"II*\0\1\2\3\4" + packet.encode(encoding) + b"\0\1\2")) == (NO, NO, NO)


def test_two_packets_of_different_kinds_are_both_read() -> None:
    """An xmpmeta, and a bare RDF behind it that holds the reservation."""
    data = meta(rdf("")).encode() + b"\0\0" + PROHIBITED.encode()
    assert combine(embedded_signals(data)).train_ai == NO


PLUS = [
    ("DMI-UNSPECIFIED", NOTHING, NOTHING, NOTHING),
    ("DMI-ALLOWED", YES, YES, YES),
    ("DMI-PROHIBITED-AIMLTRAINING", NO, NOTHING, NOTHING),
    ("DMI-PROHIBITED-GENAIMLTRAINING", NO, NOTHING, NOTHING),
    ("DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", NO, NO, YES),
    ("DMI-PROHIBITED", NO, NO, NO),
    ("DMI-PROHIBITED-SEECONSTRAINT", NO, NO, NOTHING),
    ("DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", NO, NO, NOTHING),
    ("DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", NO, NO, NOTHING),
]


@pytest.mark.parametrize("form", [VOCABULARY + "{}", "{}", "plus:{}", VOCABULARY + "{}/", " " + VOCABULARY + "{}\n"])
@pytest.mark.parametrize(("code", "train_ai", "tdm", "search"), PLUS)
def test_plus_data_mining(code: str, form: str, train_ai: str, tdm: str, search: str) -> None:
    """Each value of the vocabulary, by its address, by a prefix, and alone."""
    packet = meta(rdf(f"<plus:DataMining>{form.format(code)}</plus:DataMining>"))
    assert combine(embedded_signals(packet.encode())) == (train_ai, tdm, search)


def test_the_constraint_is_shown() -> None:
    """`SEECONSTRAINT` points to a text, which stands in the evidence."""
    packet = meta(
        rdf(
            f"<plus:DataMining>{VOCABULARY}DMI-PROHIBITED-SEECONSTRAINT</plus:DataMining>"
            '<plus:OtherConstraints><rdf:Alt><rdf:li xml:lang="x-default">research only</rdf:li></rdf:Alt></plus:OtherConstraints>'
        )
    )
    assert all("research only" in signal.evidence for signal in embedded_signals(packet.encode()))


@pytest.mark.parametrize(
    ("inner", "train_ai", "tdm"),
    [
        ("<tdm:reservation>1</tdm:reservation><tdm:policy>https://h.example/p.json</tdm:policy>", NO, NO),
        ("<tdm:reservation>0</tdm:reservation>", NOTHING, YES),
        ("<tdm:reservation>yes</tdm:reservation>", NOTHING, NOTHING),
        ("<tdm:policy>https://h.example/p.json</tdm:policy>", NOTHING, NOTHING),
    ],
)
def test_tdmrep_in_xmp(inner: str, train_ai: str, tdm: str) -> None:
    """TDMRep's namespace in a file's metadata."""
    verdicts = combine(embedded_signals(meta(rdf(inner)).encode()))
    assert (verdicts.train_ai, verdicts.tdm) == (train_ai, tdm)


def test_a_creative_commons_licence_in_xmp() -> None:
    """`cc:license` is a statement of the licence, as XMP's WebStatement is."""
    packet = meta(rdf('<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>'))
    assert read_embedded(packet.encode()).web_statement == "https://creativecommons.org/licenses/by/4.0/"


MINING = [
    # entry, use, constraint, train_ai, tdm
    ("cawg.ai_training", "notAllowed", None, NO, NOTHING),
    ("cawg.ai_generative_training", "notAllowed", None, NO, NOTHING),
    ("cawg.data_mining", "notAllowed", None, NO, NO),
    ("cawg.ai_inference", "notAllowed", None, NOTHING, NOTHING),
    ("cawg.ai_training", "allowed", None, YES, NOTHING),
    ("cawg.ai_generative_training", "allowed", None, NOTHING, NOTHING),
    ("cawg.data_mining", "allowed", None, NOTHING, YES),
    ("cawg.ai_training", "constrained", "ask us", IF, NOTHING),
    ("cawg.ai_training", "constrained", None, NO, NOTHING),
    ("cawg.ai_training", "constrained", "", NO, NOTHING),
    ("cawg.ai_training", "NotAllowed", None, NOTHING, NOTHING),
    ("cawg.ai_training", None, None, NOTHING, NOTHING),
    ("c2pa.ai_training", "notAllowed", None, NO, NOTHING),
    ("c2pa.data_mining", "constrained", "ask us", IF, IF),
    ("example.reading_aloud", "notAllowed", None, NOTHING, NOTHING),
]


@pytest.mark.parametrize(("name", "use", "constraint", "train_ai", "tdm"), MINING)
def test_training_and_mining_entries(
    name: str, use: str | None, constraint: str | None, train_ai: str, tdm: str
) -> None:
    """CAWG 1.1, 2: each entry and each use; constrained without a constraint is not allowed."""
    entry = {"use": use} | ({} if constraint is None else {"constraint_info": constraint})
    verdicts = combine(entry_signals({"entries": {name: entry}}))
    assert (verdicts.train_ai, verdicts.tdm) == (train_ai, tdm)
