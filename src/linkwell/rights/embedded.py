"""What an image file itself says: IPTC/PLUS DataMining and rights fields in XMP, TDMRep in XMP, C2PA and CAWG manifests.

PLUS DataMining (IPTC Photo Metadata 2023.1) is one value: `DMI-ALLOWED`, or a prohibition with its extent. `SEE…` values prohibit and
point to text that may make exceptions; nobody reads that text here, so they prohibit. `DMI-UNSPECIFIED` states nothing; any other
value, and a packet that does not read as XML, is malformed.
"""

import re
from dataclasses import dataclass

from linkwell.base.jpeg import outside_scan
from linkwell.rights.manifests import has_manifest, manifest_signals
from linkwell.rights.tdmrep import reservation_uses
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal
from linkwell.rights.xmp import PLUS, TDM, Xmp, read_xmp

IPTC_KIND = "iptc-data-mining"
TDM_KIND = "tdm-reservation-xmp"
_SCOPE = "image"
_TRAINING = (("train_ai", "disallow"),)
_MINING = (("train_ai", "disallow"), ("tdm", "disallow"))
_VALUES: dict[str, tuple[tuple[str, str], ...]] = {
    "DMI-UNSPECIFIED": (),
    "DMI-ALLOWED": (("train_ai", "allow"), ("tdm", "allow"), ("search", "allow")),
    "DMI-PROHIBITED-AIMLTRAINING": _TRAINING,
    "DMI-PROHIBITED-GENAIMLTRAINING": _TRAINING,
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": (*_MINING, ("search", "allow")),
    "DMI-PROHIBITED": (*_MINING, ("search", "disallow")),
    "DMI-PROHIBITED-SEECONSTRAINT": _MINING,
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": _MINING,
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": _MINING,
}
_END_OF_NAME = re.compile("[/:#]")
"""Before a value's own name: the vocabulary's address, or a prefix in its place."""
_UNREAD = (("train_ai", "unknown"),)


@dataclass(frozen=True)
class Embedded:
    """What a file says of its rights: signals, all of scope `image`, and who is to be named and asked, as far as it says."""

    signals: tuple[Signal, ...] = ()
    web_statement: str | None = None
    licensor_url: str | None = None
    creator: str | None = None
    credit: str | None = None
    notice: str | None = None


def read_embedded(data: bytes, media_type: str = "") -> Embedded:
    """Read the metadata of an image file. Never raises, fetches nothing, and takes time linear in the bytes.

    Args:
        data: the file.
        media_type: its type as decoded or served (`image/jpeg`); empty where it is not known.
    """
    xmp, signals = _read(data, media_type)
    return Embedded(tuple(signals), xmp.web_statement, xmp.licensor_url, xmp.creators, xmp.credit, xmp.notice)


def embedded_signals(data: bytes, media_type: str = "") -> list[Signal]:
    """The signals in an image file; see `read_embedded`."""
    return _read(data, media_type)[1]


def _read(data: bytes, media_type: str) -> tuple[Xmp, list[Signal]]:
    stated = outside_scan(data)
    xmp = read_xmp(stated)
    signals = _xmp_signals(xmp) if xmp.values or xmp.malformed else []
    if has_manifest(stated):
        signals += manifest_signals(data, media_type)
    return xmp, list(dict.fromkeys(signals))


def _xmp_signals(xmp: Xmp) -> list[Signal]:
    signals = []
    constraint = xmp.first((PLUS, "OtherConstraints"))
    for value in xmp.values.get((PLUS, "DataMining"), []):
        code = _END_OF_NAME.split(value.rstrip("/"))[-1].upper()
        see = f"; plus:OtherConstraints {constraint}" if constraint else ""
        signals += _signals(IPTC_KIND, _VALUES.get(code, _UNREAD), f"plus:DataMining {value}{see}")
    for value in xmp.values.get((TDM, "reservation"), []):
        signals += _signals(TDM_KIND, reservation_uses(value), f"tdm:reservation {value}")
    for packet in xmp.malformed:
        # Only what may have been a reservation: most broken packets say nothing about consent.
        for mark, kind in ((b"DataMining", IPTC_KIND), (b":reservation", TDM_KIND)):
            if (found := packet.find(mark)) >= 0:
                excerpt = packet[found : found + 200].decode("utf-8", "replace")
                signals += _signals(kind, _UNREAD, f"XMP that does not read: {excerpt}")
    return signals


def _signals(kind: str, stated: tuple[tuple[str, str], ...], evidence: str) -> list[Signal]:
    return [Signal(kind, _SCOPE, use, verdict, evidence[:MAX_EVIDENCE_CHARACTERS]) for use, verdict in stated]
