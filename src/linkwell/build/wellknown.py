"""Well-known files in archives (robots.txt, tdmrep.json, ai.txt, trust.txt, RSL): kept as evidence, and applied to links of their hosts.

While a WARC is read, responses at well-known places are collected into `wellknown.parquet` beside the links, whole and as served.
Where a build has any, one more stage goes over the shards before de-duplication, so that an opt-out is never lost to a duplicate
that was seen without it: the files of an image's host speak of the image, those of its page's host of the page.

A stated permission lifts an `unknown` only where nothing malformed stands on the page (see `rights.combine`).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fastwarc.warc import WarcRecord, WarcRecordType

from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.build.body import unpack_body
from linkwell.build.dates import seconds_of
from linkwell.engine import Engine, TaskContext, local_input, run_stage, task
from linkwell.rights import (
    MAX_WELL_KNOWN_BYTES,
    PARSER,
    Capture,
    HostFiles,
    Policy,
    Signal,
    combine,
    host_key,
    redirect_target,
    resolve_redirects,
    well_known_kind,
)

CAPTURES_OUTPUT = "wellknown.parquet"


def _field(name: str, arrow_type: pa.DataType, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, arrow_type, nullable=nullable)


WELL_KNOWN_SCHEMA: pa.Schema = pa.schema(
    [
        _field("host", pa.string()),
        _field("url", pa.string()),
        _field("kind", pa.string()),
        _field("status", pa.int16()),
        _field("location", pa.string(), nullable=True),
        _field("body", pa.binary()),
        _field("seen_at", pa.int64(), nullable=True),
        _field("warc", pa.string()),
        _field("offset", pa.int64()),
        _field("parser", pa.string()),
    ]
)
"""One response for a well-known file; `seen_at` in seconds since 1970, UTC."""

_APPLY = "linkwell.build.wellknown:apply_captures"
_MAX_HELD_BYTES = 16_000_000
_MAX_HELD_ROWS = 5_000
_REDIRECT_HOPS = 5
_STRENGTH = {"disallow": 3, "conditional": 2, "allow": 1, "unknown": 0}


class CaptureWriter:
    """Collects the well-known files of one archive; nothing is written where there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[Capture] = []
        self._held_bytes = 0

    def add(self, capture: Capture) -> None:
        """Keep one response."""
        self._held.append(capture)
        self._held_bytes += len(capture.body)
        if self._held_bytes > _MAX_HELD_BYTES or len(self._held) >= _MAX_HELD_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is held."""
        if self._held:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, WELL_KNOWN_SCHEMA, compression="zstd")
        rows = [
            {
                "host": host_key(each.url) or "",
                "url": each.url,
                "kind": each.kind,
                "status": each.status,
                "location": each.location,
                "body": each.body,
                "seen_at": each.seen_at,
                "warc": each.warc,
                "offset": each.offset,
                "parser": PARSER,
            }
            for each in self._held
        ]
        self._writer.write_table(pa.Table.from_pylist(rows, WELL_KNOWN_SCHEMA))
        self._held, self._held_bytes = [], 0


def read_capture(record: WarcRecord, warc: str) -> Capture | None:
    """The well-known file that a record holds, or None where it holds something else, whose body is then not touched.

    Raises:
        OSError: the archive is damaged here.
    """
    if record.record_type not in (WarcRecordType.response, WarcRecordType.resource):
        return None
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    kind = well_known_kind(url)
    if kind is None:
        return None
    status, location, coding, transfer = 0, None, "", ""
    if record.record_type == WarcRecordType.response:
        record.parse_http(auto_decode="none", strict_mode=False)
        if record.http_headers is None:
            return None
        status = record.http_headers.status_code or 0
        location = record.http_headers.get("Location")
        coding = record.http_headers.get("Content-Encoding") or ""
        transfer = record.http_headers.get("Transfer-Encoding") or ""
    body = unpack_body(record.reader.read(MAX_WELL_KNOWN_BYTES), transfer, coding, MAX_WELL_KNOWN_BYTES)
    seen_at = seconds_of(record.headers.get("WARC-Date") or "")
    return Capture(url, kind, status, location, body, seen_at, warc, record.stream_pos)


def captures_of(paths: Sequence[Path], hosts: Iterable[str]) -> dict[str, list[Capture]]:
    """The captures of these hosts, by host, with redirects followed through other hosts' captures."""
    wanted = set(hosts)
    found: list[Capture] = []
    loaded: set[str] = set()
    for _ in range(_REDIRECT_HOPS + 1):
        fresh = list(_load(paths, wanted - loaded))
        loaded |= wanted
        found += fresh
        targets = (redirect_target(each.url, each.location) for each in fresh if 300 <= each.status < 400)  # noqa: PLR2004 - redirects
        wanted |= {host for target in targets if target and (host := host_key(target))}
        if wanted <= loaded:
            break
    by_host: dict[str, list[Capture]] = {}
    for capture in resolve_redirects(found):
        by_host.setdefault(host_key(capture.url) or "", []).append(capture)
    return by_host


def _load(paths: Sequence[Path], hosts: set[str]) -> Iterator[Capture]:
    """Captures of these hosts: the column of hosts first, then only the row groups that hold one."""
    if not hosts:
        return
    for path in paths:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                here = file.read_row_group(number, columns=["host"])["host"].to_pylist()
                if hosts.isdisjoint(here):
                    continue
                table = file.read_row_group(number).filter(pa.array([host in hosts for host in here]))
                for row in table.drop_columns(["host", "parser"]).to_pylist():
                    yield Capture(**row)


class ApplyParams(msgspec.Struct, frozen=True):
    """Parameters of `apply_captures`."""

    shard: str
    captures: tuple[str, ...]
    evidence: str | None
    policy: Policy


def apply_well_known(
    shards: Sequence[Path],
    captures: Sequence[Path],
    evidence: Sequence[Path],
    folder: Path,
    engine: Engine,
    *,
    policy: Policy,
) -> list[Path]:
    """The shards with the well-known files of their hosts applied; the same shards where there are no captures.

    Args:
        shards: of links, in `LINK_SCHEMA`.
        captures: files in `WELL_KNOWN_SCHEMA`.
        evidence: of each shard's pages, or none at all.
        folder: where the stage `rights` goes.
        engine: what runs it.
        policy: which agents are asked about.
    """
    if not captures:
        return list(shards)
    beside = {path.name.partition(".")[0]: str(path) for path in evidence}
    inputs = tuple(local_input(path) for path in captures)
    tasks = [
        task(
            "rights",
            index,
            _APPLY,
            ApplyParams(str(shard), tuple(map(str, captures)), beside.get(shard.name.partition(".")[0]), policy),
            (local_input(shard), *inputs),
        )
        for index, shard in enumerate(shards)
    ]
    return run_stage(tasks, folder / "rights", engine).outputs("links.parquet")


def apply_captures(context: TaskContext) -> None:
    """Rewrite one shard with the verdicts that the well-known files of its hosts come to."""
    params = context.params(ApplyParams)
    shard = Path(params.shard)
    hosts: set[str] = set()
    for table in read_tables([shard], ["url", "page_url"]):
        for name in ("url", "page_url"):
            hosts.update(_hosts(_texts(table, name)))
    by_host = captures_of([Path(path) for path in params.captures], hosts)
    files = {host: read for host, listed in by_host.items() if (read := HostFiles(listed, params.policy))}
    malformed = _malformed_pages(params.evidence)
    with ParquetWriter(context.output("links.parquet"), LINK_SCHEMA) as writer:
        for table in read_tables([shard]):
            judged = _judge(table, files, malformed, params.policy, context) if files else table
            writer.write(judged)
            context.count("rows", judged.num_rows)


def _texts(table: pa.Table, name: str) -> list[str]:
    return [str(value) for value in table[name].to_pylist()]


def _hosts(urls: Iterable[str]) -> set[str]:
    """The hosts of many URLs; each scheme-and-host is parsed once."""
    origins = {url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0] for url in urls}
    return {host for origin in origins if (host := host_key(f"https://{origin}/"))} | {
        host for origin in origins if ":" in origin and (host := host_key(f"http://{origin}/"))
    }


def _malformed_pages(evidence: str | None) -> frozenset[tuple[str, str]]:
    """Pages and uses with a statement that does not read."""
    if evidence is None or not Path(evidence).exists():
        return frozenset()
    table = pq.read_table(evidence, columns=["source_url", "use", "malformed"])
    table = table.filter(pc.field("malformed"))
    return frozenset(zip(_texts(table, "source_url"), _texts(table, "use"), strict=True))


def _judge(
    table: pa.Table,
    files: dict[str, HostFiles],
    malformed: frozenset[tuple[str, str]],
    policy: Policy,
    context: TaskContext,
) -> pa.Table:
    urls, pages = _texts(table, "url"), _texts(table, "page_url")
    columns = {use: _texts(table, use) for use in USES}
    page_signals: dict[str, list[Signal]] = {}
    changed = False
    for row, (url, page) in enumerate(zip(urls, pages, strict=True)):
        of_image = files.get(host_key(url) or "")
        signals = [signal for _, signal in of_image.statements(url, scope="image")] if of_image else []
        if page not in page_signals:
            of_page = files.get(host_key(page) or "")
            page_signals[page] = [s for _, s in of_page.statements(page, scope="page")] if of_page else []
        signals += page_signals[page]
        if not signals:
            continue
        context.count("rights_applied")
        for use, verdict in zip(USES, combine(signals, policy), strict=True):
            held = columns[use][row]
            if verdict == "allow" and (page, use) in malformed:
                continue
            if _STRENGTH[verdict] > _STRENGTH[held]:
                columns[use][row] = verdict
                changed = True
    if not changed:
        return table
    for use in USES:
        codes = pa.array(np.array([VERDICTS.index(each) for each in columns[use]], np.int8), pa.int8())
        values = pa.DictionaryArray.from_arrays(codes, pa.array(VERDICTS, pa.string()))
        table = table.set_column(LINK_SCHEMA.get_field_index(use), LINK_SCHEMA.field(use), values)
    return table
