"""Recalls for machines that are not Linkwell: one record in the form of OSV for each, and an Atom feed of them.

Both say what the signed batch says and nothing more. Records are targets of the feed, signed like the batch itself. The Atom file stands
beside it, unsigned, at a name that stays (`recalls-<dataset>.atom`): it tells that there is something to fetch, and what its hash is.

Sources: OSV schema 1.6 (ossf.github.io/osv-schema), RFC 4287.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from linkwell.base.counts import plural
from linkwell.recall.batch import Batch

OSV_FILE = "osv.json"
_OSV_VERSION = "1.6.0"
_ATOM = "http://www.w3.org/2005/Atom"


def record_id(batch: Batch) -> str:
    """The name of a recall among records: `LINKWELL-birds-000001`."""
    return f"LINKWELL-{batch.dataset}-{batch.sequence:06d}"


def summary(batch: Batch) -> str:
    """One sentence. A covered recall gives no reason, and this gives none."""
    if batch.kind == "open":
        one = f"link of {batch.dataset} is recalled, with its reason"
        return plural(batch.row_count, one, f"links of {batch.dataset} are recalled, each with its reason")
    cells, links = plural(batch.cell_count, "cell"), plural(batch.row_count, "link")
    return f"{cells} of {batch.dataset}, {links}, {'is' if batch.cell_count == 1 else 'are'} recalled"


def details(batch: Batch) -> str:
    """What a holder is to do."""
    return (
        f"{summary(batch)}. Remove them from every copy, and from what was made of it: linkwell purge plan COPY --feed URL shows what would go. "
        "Copies that carry no cell are matched by the link ids that are listed."
    )


def osv_record(batch: Batch, batch_sha256: str) -> bytes:
    """The record of one recall.

    Args:
        batch: what its `batch.json` says.
        batch_sha256: of that file, hex.
    """
    issued = f"{batch.issued}T00:00:00Z"
    record: dict[str, Any] = {
        "schema_version": _OSV_VERSION,
        "id": record_id(batch),
        "modified": issued,
        "published": issued,
        "summary": summary(batch),
        "details": details(batch),
        "affected": [
            {
                "package": {"ecosystem": "Linkwell", "name": batch.dataset},
                "versions": list(batch.releases),
                "database_specific": {"cells": batch.cell_count, "links": batch.row_count},
            }
        ],
        "database_specific": {
            "kind": batch.kind,
            "sequence": batch.sequence,
            "batch": f"recalls/{batch.dataset}/{batch.sequence:06d}/batch.json",
            "batch_sha256": batch_sha256,
        },
    }
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def atom_feed(dataset: str, batches: Sequence[tuple[Batch, str]]) -> bytes:
    """The Atom feed of a dataset's recalls, the newest first.

    Args:
        dataset: its name.
        batches: every recall that is published, with the SHA-256 of its `batch.json`.
    """
    ET.register_namespace("", _ATOM)
    feed = ET.Element(_tag("feed"))
    ordered = sorted(batches, key=lambda each: -each[0].sequence)
    _add(feed, "id", f"urn:linkwell:recalls:{dataset}")
    _add(feed, "title", f"Recalls of {dataset}")
    _add(feed, "updated", _updated(ordered[0][0]) if ordered else _moment(date(1970, 1, 1), 0))
    author = ET.SubElement(feed, _tag("author"))
    _add(author, "name", f"Publisher of {dataset}")
    ET.SubElement(feed, _tag("link"), {"rel": "self", "href": atom_name(dataset)})
    for batch, sha256 in ordered:
        entry = ET.SubElement(feed, _tag("entry"))
        _add(entry, "id", f"urn:linkwell:recalls:{dataset}:{batch.sequence:06d}")
        _add(entry, "title", f"Recall {batch.sequence} of {dataset}: {summary(batch)}")
        _add(entry, "updated", _updated(batch))
        _add(entry, "summary", f"{details(batch)} From: {', '.join(batch.releases)}. SHA-256 of batch.json: {sha256}.")
        ET.SubElement(entry, _tag("category"), {"term": batch.kind})
        # RFC 4287, 4.1.2: an entry without content has an alternate link. A target's file is named by its hash.
        digest = hashlib.sha256(osv_record(batch, sha256)).hexdigest()
        name = f"targets/recalls/{dataset}/{batch.sequence:06d}/{digest}.{OSV_FILE}"
        ET.SubElement(entry, _tag("link"), {"rel": "alternate", "type": "application/json", "href": name})
    data: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def atom_name(dataset: str) -> str:
    """The name of the Atom file, below `feed/`."""
    return f"recalls-{dataset}.atom"


def _tag(name: str) -> str:
    return f"{{{_ATOM}}}{name}"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, _tag(name)).text = text


def _updated(batch: Batch) -> str:
    """A time for each recall: the day that the batch says, and its number as seconds, so that those of one day are in order."""
    return _moment(date.fromisoformat(batch.issued), batch.sequence % 86_400)


def _moment(day: date, seconds: int) -> str:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")
