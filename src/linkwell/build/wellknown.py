"""Well-known files in archives (robots.txt, tdmrep.json, ai.txt, trust.txt, RSL): kept as evidence, whole and as served.

While a WARC is read, responses at well-known places, and RSL terms wherever they stand, are collected into `wellknown.parquet` beside
the links. Archives that hold nothing else, such as Common Crawl's robotstxt files, are read for them alone (`collect_captures`).
What is made of them is in `judging`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import WarcRecord, WarcRecordType

from linkwell.base.shards import open_parquet
from linkwell.build.archive import Archive, reading
from linkwell.build.body import unpack_body
from linkwell.build.dates import seconds_of
from linkwell.build.evidence import kept_beside
from linkwell.build.head import Head, read_head
from linkwell.engine import TaskContext
from linkwell.rights import MAX_WELL_KNOWN_BYTES, PARSER, Capture, host_key, well_known_kind

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

_MAX_HELD_BYTES = 16_000_000
_MAX_HELD_ROWS = 5_000


class CaptureWriter:
    """Collects the well-known files of one archive; nothing is written where there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[tuple[str, Capture]] = []
        self._held_bytes = 0

    def add(self, capture: Capture, host: str | None = None) -> None:
        """Keep one response, of its URL's host unless another is named."""
        self._held.append((host or host_key(capture.url) or "", capture))
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
        rows = [capture_row(host, capture) for host, capture in self._held]
        self._writer.write_table(pa.Table.from_pylist(rows, WELL_KNOWN_SCHEMA))
        self._held, self._held_bytes = [], 0


def read_capture(record: WarcRecord, head: Head, warc: str) -> Capture | None:
    """The well-known file that a record holds, or None where it holds something else, whose body is then not touched.

    Raises:
        OSError: the archive is damaged here.
    """
    url = head.url.strip("<>")
    kind = well_known_kind(url)
    status, location = 0, None
    if record.record_type == WarcRecordType.response:
        http = record.http_headers if head.is_http else None
        if http is None:
            return None
        kind = kind or well_known_kind(url, head.first("content-type"))
        if kind is None:
            return None
        status, location = http.status_code or 0, head.first("location")
    if kind is None:
        return None
    body = unpack_body(
        record.reader.read(MAX_WELL_KNOWN_BYTES),
        head.first("transfer-encoding") or "",
        head.first("content-encoding") or "",
        MAX_WELL_KNOWN_BYTES,
    )
    return Capture(url, kind, status, location, body, seconds_of(head.date), warc, record.stream_pos)


class CollectParams(msgspec.Struct, frozen=True):
    """Parameters of `collect_captures`."""

    source: str


def collect_captures(context: TaskContext) -> None:
    """Take the well-known files out of an archive that is read for nothing else.

    Raises:
        UnavailableError: the source cannot be read to its end.
    """
    source = context.params(CollectParams).source
    archive = Archive(source, context.counts)
    captures = CaptureWriter(kept_beside(context, CAPTURES_OUTPUT))
    with reading(source):
        for record in archive.records():
            try:
                if record.record_type not in (WarcRecordType.response, WarcRecordType.resource):
                    continue
                capture = read_capture(record, read_head(record), PurePosixPath(source).name)
            except OSError as error:
                archive.damaged(record, error)
                continue
            if capture is not None:
                captures.add(capture)
                context.count("well_known_files")
    context.count("bytes_read", archive.byte_size)
    captures.close()


def read_captures(paths: Sequence[Path], hosts: Iterable[str]) -> Iterator[tuple[str, Capture]]:
    """The captures of these hosts, each with its host: the column of hosts first, then only the row groups that hold one."""
    wanted = set(hosts)
    for path in paths if wanted else ():
        with open_parquet(path) as file:
            for number in range(file.num_row_groups):
                here = file.read_row_group(number, columns=["host"])["host"].to_pylist()
                if wanted.isdisjoint(here):
                    continue
                table = file.read_row_group(number).filter(pa.array([host in wanted for host in here]))
                yield from captures_in(table)


def captures_in(table: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, Capture]]:
    """The rows of a table in `WELL_KNOWN_SCHEMA`, each with its host."""
    for row in table.to_pylist():
        host = row.pop("host")
        del row["parser"]
        yield host, Capture(**row)


def capture_row(host: str, capture: Capture) -> dict[str, object]:
    """A row of `WELL_KNOWN_SCHEMA`."""
    return {"host": host, **msgspec.structs.asdict(capture), "parser": PARSER}
