"""Why a link has the verdicts it has: each statement about it, where it stood, when it was seen, and what read it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.errors import MissingError
from linkwell.base.ids import canonical_url, link_id
from linkwell.base.schema import USES
from linkwell.base.shards import read_tables
from linkwell.build.builds import Build
from linkwell.build.judging import page_targets
from linkwell.build.wellknown import read_captures
from linkwell.rights import PARSER, Capture, HostFiles, Policy, host_key, redirect_target, seen_at_text, statement_words

_MAX_SHOWN_CHARACTERS = 500


class Told(msgspec.Struct, frozen=True):
    """One statement. `where` is the URL it stood at, `of` what it was said of (`page` or `image`), `words` a sentence for people."""

    use: str
    verdict: str
    kind: str
    of: str
    words: str
    said: str
    malformed: bool
    where: str
    seen_at: str | None
    parser: str
    warc: str
    offset: int


class Explanation(msgspec.Struct, frozen=True):
    """A link's verdicts and what they come from."""

    url: str
    page_url: str
    seen_at: str | None
    crawl: str
    warc: str
    offset: int
    license: str | None
    license_scope: str | None
    verdicts: dict[str, str]
    statements: tuple[Told, ...]
    hosts_without_files: tuple[str, ...] = ()
    """Of the image and its page: hosts of which the archives hold no robots.txt or its like."""


def explain(
    url: str, links: Sequence[Path], evidence: Sequence[Path], well_known: Sequence[Path], *, policy: Policy
) -> Explanation:
    """Explain the verdicts of one link.

    Args:
        url: as it is in the list, or any spelling with the same canonical form.
        links: parquet files with the link, in `LINK_SCHEMA`.
        evidence: files in `rights.EVIDENCE_SCHEMA`.
        well_known: files in `wellknown.WELL_KNOWN_SCHEMA`.
        policy: to read the well-known files under.

    Raises:
        MissingError: no such link is in those files.
        DamagedFileError: a file does not read.
    """
    row = _row(url, links)
    page: str = row["page_url"]
    told = list(_on_page(page, evidence))
    pointers = [each.said for each in told if each.kind == "rsl-pointer"]
    told += _at_hosts(row["url"], page, pointers, well_known, policy)
    order = {use: place for place, use in enumerate(USES)}
    told.sort(key=lambda each: order.get(each.use, len(order)))
    seen = row["seen_at"]
    return Explanation(
        url=row["url"],
        page_url=page,
        seen_at=seen.isoformat() if seen is not None else None,
        crawl=row["crawl"],
        warc=row["warc"],
        offset=row["offset"],
        license=row["license"],
        license_scope=row["license_scope"],
        verdicts={use: row[use] for use in USES},
        statements=tuple(told),
        hosts_without_files=_without_files((row["url"], page), well_known),
    )


def build_behind(url: str, links: Sequence[Path], builds: Sequence[Build]) -> Build | None:
    """The build that a link of a release came from: the first that has it from the same capture; None where none has.

    Args:
        url: as for `explain`.
        links: the release's parts.
        builds: those of the workspace.

    Raises:
        MissingError: no such link is in `links`.
        DamagedFileError: a file does not read.
    """
    row = _row(url, links)
    for build in builds:
        try:
            held = _row(row["url"], build.links)
        except MissingError:
            continue
        if all(held[name] == row[name] for name in ("page_url", "warc", "offset")):
            return build
    return None


def _row(url: str, links: Sequence[Path]) -> dict[str, Any]:
    spellings = [url, canonical_url(url) or url]
    ids = pa.array([link_id(each) for each in dict.fromkeys(spellings)], pa.binary(16))
    for path in links:
        first = 0
        for table in read_tables([path], ["link_id"]):
            matching = pc.index(pc.is_in(table["link_id"], value_set=ids), pa.scalar(value=True)).as_py()
            if matching >= 0:
                return _row_at(path, first + matching)
            first += table.num_rows
    raise MissingError(
        "no such link is in this list",
        "URL",
        "Give the image's URL as it stands in the list; look at another one with: --release V.",
    )


def _row_at(path: Path, number: int) -> dict[str, Any]:
    first = 0
    for table in read_tables([path]):
        if number < first + table.num_rows:
            found: dict[str, Any] = table.slice(number - first, 1).to_pylist()[0]
            return found
        first += table.num_rows
    raise MissingError("the row is gone", str(path))


def _on_page(page: str, evidence: Sequence[Path]) -> Iterator[Told]:
    for table in read_tables(evidence):
        for row in table.filter(pc.field("source_url") == page).to_pylist():
            seen = row["seen_at"]
            yield Told(
                use=row["use"],
                verdict=row["verdict"],
                kind=row["kind"],
                of=row["scope"],
                words=statement_words(row["kind"], row["use"], row["verdict"]),
                said=row["raw"].decode("utf-8", "replace")[:_MAX_SHOWN_CHARACTERS],
                malformed=row["malformed"],
                where=page,
                seen_at=seen.isoformat() if seen is not None else None,
                parser=row["parser"],
                warc=row["warc"],
                offset=row["offset"],
            )


def _without_files(urls: Sequence[str], well_known: Sequence[Path]) -> tuple[str, ...]:
    hosts = dict.fromkeys(host for url in urls if (host := host_key(url)))
    seen = {host for host, _capture in read_captures(well_known, hosts)}
    return tuple(host for host in hosts if host not in seen)


def _at_hosts(
    url: str, page: str, pointers: Sequence[str], well_known: Sequence[Path], policy: Policy
) -> Iterator[Told]:
    asked = [(url, "image", host_key(url)), (page, "page", host_key(page))]
    targets = [redirect_target(page, each) for raw in pointers for each in page_targets(raw)]
    documents = [each for each in targets if each]
    hosts = {host for _url, _scope, host in asked if host} | {host for each in documents if (host := host_key(each))}
    by_host: dict[str, list[Capture]] = {}
    for host_of, capture in read_captures(well_known, hosts):
        by_host.setdefault(host_of, []).append(capture)
    sets = [(about, scope, by_host.get(host or "", [])) for about, scope, host in asked]
    for document in dict.fromkeys(documents):
        terms = [
            each for each in by_host.get(host_key(document) or "", []) if (each.kind, each.url) == ("rsl", document)
        ]
        sets.append((page, "page", terms))
    for about, scope, captures in sets:
        for capture, signal in HostFiles(captures, policy).statements(about, scope=scope):
            yield Told(
                use=signal.use,
                verdict=signal.verdict,
                kind=signal.kind,
                of=scope,
                words=statement_words(signal.kind, signal.use, signal.verdict),
                said=signal.evidence,
                malformed=signal.verdict == "unknown",
                where=capture.url,
                seen_at=seen_at_text(capture.seen_at),
                parser=PARSER,
                warc=capture.warc,
                offset=capture.offset,
            )
