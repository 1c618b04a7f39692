"""Documents of partner services, made up: what their interfaces answer, in form but not in content."""

import json
from collections.abc import Iterable, Sequence

NCMEC_NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"


def ncmec_image(identity: str, fingerprints: str, member: int = 42, classification: str = "A1") -> str:
    """One image, with feedback of another member in it."""
    return (
        f'<image><member id="{member}">Example</member><timestamp>2026-01-02T03:04:05Z</timestamp><id>{identity}</id>'
        f"<classification>{classification}</classification><fingerprints>{fingerprints}</fingerprints>"
        '<feedback><affirmativeFeedback type="Md5"><members><member id="7">Other</member></members></affirmativeFeedback>'
        "</feedback></image>"
    )


def ncmec_deleted(identity: str, member: int = 42) -> str:
    """One tombstone."""
    return f'<deletedImage><member id="{member}">Example</member><id>{identity}</id></deletedImage>'


def ncmec_page(entries: Iterable[str], following: str = "", videos: str = "") -> bytes:
    """One page."""
    paging = f"<paging><next>{following}</next></paging>" if following else ""
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f'<queryResult xmlns="{NCMEC_NAMESPACE}"><images count="1" maxTimestamp="2026-01-02T03:04:05Z">'
        + "".join(entries)
        + f"</images>{videos}{paging}</queryResult>"
    ).encode()


def stopncii_record(value: str, status: str = "Active", kind: str = "ImagePDQ") -> dict[str, object]:
    """One hash record."""
    return {
        "lastModtimestamp": 1_700_000_000,
        "signalType": kind,
        "hashValue": value,
        "hashStatus": status,
        "caseNumbers": {"a-1": status},
        "CSPFeedbacks": [{"source": "x", "feedbackValue": "None", "tags": []}],
    }


def stopncii_page(records: Sequence[object], token: str | None = None, following: int = 7) -> bytes:
    """One page of `FetchHashes`."""
    page = {
        "count": len(records),
        "nextPageToken": token,
        "nextSetTimestamp": following,
        "hasMoreRecords": token is not None,
        "hashRecords": records,
    }
    return json.dumps(page).encode()


def threat(identity: int, value: str, kind: str = "HASH_MD5", *, deleted: bool = False) -> dict[str, object]:
    """One threat update."""
    return {
        "id": str(identity),
        "indicator": value,
        "type": kind,
        "last_updated": 1_700_000_000 + identity,
        "should_delete": deleted,
        "descriptors": {"data": [{"id": "1", "owner": {"id": "2"}, "status": "MALICIOUS", "tags": []}]},
    }
