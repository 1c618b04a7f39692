"""Metadata inside image files: XMP wherever a format puts it, PLUS values, training-and-mining entries."""

import struct
import zlib

import pytest

from linkwell.rights import combine, embedded_signals, read_embedded
from linkwell.rights.manifests import entry_signals, manifest_signals

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"


def packet(inner: str = "", attributes: str = "") -> bytes:
    """An XMP packet."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:tdm="http://www.w3.org/ns/tdmrep/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f"{attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def mining(code: str) -> bytes:
    """A packet with one DataMining value."""
    return packet(f"<plus:DataMining>{VOCABULARY}{code}</plus:DataMining>")


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg(*segments: bytes) -> bytes:
    """The head of a JPEG."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xda\x00\x02\xff\xd9"


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def extended(whole: bytes, size: int = 100) -> list[bytes]:
    """Extended XMP in pieces."""
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF0123456789ABCDEF"
    return [
        segment(0xE1, head + struct.pack(">II", len(whole), at) + whole[at : at + size])
        for at in range(0, len(whole), size)
    ]


PROHIBITED = mining("DMI-PROHIBITED")
STANDARD = b"http://ns.adobe.com/xap/1.0/\0"


@pytest.mark.parametrize(
    "data",
    [
        jpeg(segment(0xE0, b"JFIF\0"), segment(0xE1, STANDARD + PROHIBITED)),
        jpeg(segment(0xE1, STANDARD + packet()), *extended(PROHIBITED)),
        jpeg(segment(0xE1, STANDARD + packet()), *extended(PROHIBITED)[::-1]),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PROHIBITED),
        b"\x89PNG\r\n\x1a\n" + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(PROHIBITED)),
        b"RIFF\0\0\0\0WEBPVP8X" + b"XMP " + struct.pack("<I", len(PROHIBITED)) + PROHIBITED,
        b"\0\0\0\x1cftypavif\0\0\0\0" + b"mdat" + PROHIBITED,
        b"GIF89a" + PROHIBITED,
        PROHIBITED[PROHIBITED.find(b"<rdf:RDF") : PROHIBITED.find(b"</x:xmpmeta>")],
    ],
    ids=[
        "jpeg",
        "jpeg extended",
        "jpeg extended, backwards",
        "png",
        "png compressed",
        "webp",
        "avif",
        "gif",
        "bare rdf",
    ],
)
def test_xmp_is_found_in_every_format(data: bytes) -> None:
    """Wherever a format puts its packet, the reservation is read."""
    assert combine(embedded_signals(data)) == ("disallow", "disallow", "disallow")


@pytest.mark.parametrize(
    ("code", "train_ai", "tdm", "search"),
    [
        ("DMI-UNSPECIFIED", "unknown", "unknown", "unknown"),
        ("DMI-ALLOWED", "allow", "allow", "allow"),
        ("DMI-PROHIBITED-AIMLTRAINING", "disallow", "unknown", "unknown"),
        ("DMI-PROHIBITED-GENAIMLTRAINING", "disallow", "unknown", "unknown"),
        ("DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", "disallow", "disallow", "allow"),
        ("DMI-PROHIBITED", "disallow", "disallow", "disallow"),
        ("DMI-PROHIBITED-SEECONSTRAINT", "disallow", "disallow", "unknown"),
        ("DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", "disallow", "disallow", "unknown"),
        ("DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", "disallow", "disallow", "unknown"),
    ],
)
def test_values_of_plus_data_mining(code: str, train_ai: str, tdm: str, search: str) -> None:
    """Each value of the vocabulary, as text, as attribute, as resource, and without its namespace."""
    for data in (
        mining(code),
        packet(attributes=f'plus:DataMining="{VOCABULARY}{code}"'),
        packet(f'<plus:DataMining rdf:resource="{VOCABULARY}{code}"/>'),
        packet(f"<plus:DataMining>{code}</plus:DataMining>"),
    ):
        assert combine(embedded_signals(data)) == (train_ai, tdm, search)


@pytest.mark.parametrize(
    "data",
    [
        mining("DMI-SOMETHING"),
        mining("DMI-PROHIBITED").replace(b"</rdf:Description>", b"</oops>"),
        mining("DMI-PROHIBITED")[:-90],
        PROHIBITED.replace(b"<x:xmpmeta", b'<x:xmpmeta a="1" a="2"'),
    ],
)
def test_what_does_not_read_is_malformed(data: bytes) -> None:
    """A value nobody knows, or broken XML around one, is flagged."""
    assert [(s.use, s.verdict) for s in embedded_signals(data)] == [("train_ai", "unknown")]


def test_entities_in_xmp_are_refused() -> None:
    """A document type inside a packet makes it malformed, and expands nothing."""
    bomb = PROHIBITED.replace(b"<rdf:RDF", b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rdf:RDF').replace(
        b"DMI-PROHIBITED", b"&b;"
    )
    assert combine(embedded_signals(bomb)).train_ai == "unknown"


def test_tdmrep_in_xmp() -> None:
    """`tdm:reservation` in a packet."""
    assert combine(embedded_signals(packet(attributes='tdm:reservation="1"'))).tdm == "disallow"


def test_who_is_to_be_named() -> None:
    """Creators in order, each once."""
    found = read_embedded(packet("<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>"))
    assert found.creator == "Ada, Bo"
    assert found.credit is None


@pytest.mark.parametrize(
    ("entries", "stated"),
    [
        ({"cawg.ai_training": {"use": "notAllowed"}}, {("train_ai", "disallow")}),
        ({"c2pa.ai_generative_training": {"use": "notAllowed"}}, {("train_ai", "disallow")}),
        ({"cawg.ai_training": {"use": "allowed"}}, {("train_ai", "allow")}),
        ({"cawg.ai_generative_training": {"use": "allowed"}}, set()),
        ({"cawg.data_mining": {"use": "allowed"}}, {("tdm", "allow")}),
        ({"cawg.data_mining": {"use": "notAllowed"}}, {("tdm", "disallow"), ("train_ai", "disallow")}),
        ({"cawg.ai_training": {"use": "constrained"}}, {("train_ai", "disallow")}),
        ({"cawg.ai_training": {"use": "constrained", "constraint_info": ""}}, {("train_ai", "disallow")}),
        ({"cawg.ai_training": {"use": "constrained", "constraint_info": "ask us"}}, {("train_ai", "conditional")}),
        ({"cawg.ai_training": {"use": "perhaps"}}, {("train_ai", "unknown")}),
        ({"cawg.ai_training": "notAllowed"}, {("train_ai", "unknown")}),
        ({"cawg.ai_inference": {"use": "notAllowed"}}, set()),
        (None, {("train_ai", "unknown")}),
    ],
)
def test_entries_of_training_and_mining(entries: object, stated: set[tuple[str, str]]) -> None:
    """Constrained without a constraint is notAllowed (CAWG 1.1); inference is none of the uses."""
    assert {(s.use, s.verdict) for s in entry_signals({"entries": entries} if entries is not None else [])} == stated


def test_the_native_library_is_asked_only_where_there_are_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No marks, no call; marks around nothing readable are no statement or malformed, never a crash."""
    assert manifest_signals(jpeg(segment(0xE0, b"JFIF\0")), "image/jpeg") == []
    junk = jpeg(segment(0xEB, b"JP\0\1\0\0\0\1" + b"\0\0\0\x30jumb\0\0\0\x20jumdc2pa" + b"\0" * 40))
    assert all(s.verdict == "unknown" for s in manifest_signals(junk, "image/jpeg"))
    assert all(s.verdict == "unknown" for s in manifest_signals(b"jumb c2pa", "text/nonsense"))
