"""A random sample of the links an audit found nothing about, for somebody who may look, and what they found in it.

Drawn by a keyed hash of the link id: every set of links is as likely as any other, nobody without the key can say which will be drawn,
and one pass over the shards is enough.
"""

import csv
import heapq
import hmac
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from linkwell.audit.record import audits_folder, find_record, links_fingerprint, read_json, write_json
from linkwell.audit.run import audit_findings
from linkwell.base.errors import MissingError, UsageError
from linkwell.base.shards import read_tables, write_bytes
from linkwell.base.workspace import Workspace, check_name
from linkwell.lists import PRIVACY

SAMPLE_FORMAT = "linkwell-sample-1"


class Sample(msgspec.Struct, frozen=True):
    """What `audits/<label>.sample.json` holds: counts alone."""

    label: str
    links: str
    """Fingerprint of the shards it was drawn from."""
    drawn_at: str
    population: int
    """Links that could have been drawn: those the audit found nothing about."""
    drawn: int
    found: int | None = None
    """How many of them were what should not be there; None until somebody has said."""
    unverified: int = 0
    """How many of them could not be looked at."""
    checked_by: str = ""
    format: str = SAMPLE_FORMAT

    @property
    def verified(self) -> int:
        """How many were looked at."""
        return self.drawn - self.unverified


def draw_sample(workspace: Workspace, links: Sequence[Path], label: str, size: int, to: Path) -> Sample:
    """Draw links at random and write them to a CSV of number, link id and URL, mode 0600.

    The file is for whoever is allowed to verify; it names no finding, and the links in it are as public as the list.

    Args:
        workspace: whose audit.
        links: the shards that were audited.
        label: of the audit.
        size: how many to draw.
        to: the file.

    Raises:
        MissingError: these shards were not audited.
        UsageError: fewer than one is asked for.
    """
    if size < 1:
        raise UsageError("a sample has at least one link")
    record = find_record(workspace, label)
    fingerprint = links_fingerprint(links)
    if record.links != fingerprint:
        raise MissingError("these links were not audited as they are now", label, "Run: linkwell audit")
    moment = datetime.now(UTC).isoformat(timespec="microseconds")
    seed = hmac.digest(workspace.master_key(), f"linkwell:sample:1\0{label}\0{moment}".encode(), "sha256")
    known = {one.link_id for one in audit_findings(workspace, label) if one.finding_class != PRIVACY}
    drawn = _smallest(seed, links, known, size)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "link_id", "url"])
    writer.writerows([number, link.hex(), url] for number, (link, url) in enumerate(drawn, 1))
    write_bytes(to, text.getvalue().encode(), mode=0o600)
    sample = Sample(label, fingerprint, moment, record.checked - len(known), len(drawn))
    write_json(_path(workspace, label), sample)
    return sample


def enter_sample(workspace: Workspace, label: str, *, found: int, unverified: int, who: str) -> Sample:
    """Write down what came of a sample.

    Raises:
        MissingError: none was drawn.
        UsageError: the numbers are not of this sample.
    """
    sample = read_sample(workspace, label)
    if sample is None:
        raise MissingError("no sample was drawn", label, "Draw one with: linkwell audit sample N FILE")
    if min(found, unverified) < 0 or found + unverified > sample.drawn:
        raise UsageError(f"{found} found and {unverified} not verified do not fit a sample of {sample.drawn}")
    entered = msgspec.structs.replace(sample, found=found, unverified=unverified, checked_by=who)
    write_json(_path(workspace, label), entered)
    return entered


def read_sample(workspace: Workspace, label: str) -> Sample | None:
    """The newest sample of an audit; None where none was drawn.

    Raises:
        DamagedFileError: its record does not read.
    """
    path = _path(workspace, label)
    return read_json(path, Sample) if path.exists() else None


def _path(workspace: Workspace, label: str) -> Path:
    return audits_folder(workspace) / f"{check_name(label, 'audit')}.sample"


def _smallest(seed: bytes, links: Sequence[Path], known: set[bytes], size: int) -> list[tuple[bytes, str]]:
    """The links whose keyed hash is smallest, each once: (link id, URL), in the order of the hash."""
    best: dict[bytes, tuple[bytes, str]] = {}
    limit = b"\xff" * 32
    for table in read_tables(links, ["link_id", "url"]):
        urls = table["url"]
        for row, link in enumerate(table["link_id"].to_pylist()):
            key = hmac.digest(seed, bytes(link or b""), "sha256")
            if key <= limit and link not in known:
                best[key] = (bytes(link or b""), str(urls[row].as_py()))
        if len(best) > 2 * size:
            best = {key: best[key] for key in heapq.nsmallest(size, best)}
            limit = max(best)
    return [best[key] for key in heapq.nsmallest(size, best)]
