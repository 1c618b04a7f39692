"""The task that turns one archive file into one shard of links."""

import contextlib
import gc
import io
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import WarcRecord, WarcRecordType

from linkwell.base.schema import LINK_SCHEMA
from linkwell.base.settings import FilterSettings
from linkwell.base.shards import ParquetWriter, storage_error
from linkwell.build.archive import MAX_RECORD_BYTES, Archive, reading
from linkwell.build.columns import BATCH_ROWS, UNLINKED_SCHEMA, LinkCollector
from linkwell.build.evidence import EVIDENCE_OUTPUT, EvidenceWriter, kept_beside
from linkwell.build.filters import NO_FILTERS, read_domains
from linkwell.build.head import read_head
from linkwell.build.html import PageGatherer, Unparsed, read_html_page
from linkwell.build.language import LanguageDetector
from linkwell.build.members import Members
from linkwell.build.page import Page
from linkwell.build.wat import also_keep_metas, read_wat_page
from linkwell.build.wellknown import CAPTURES_OUTPUT, CaptureWriter, read_capture
from linkwell.engine import TaskContext
from linkwell.rights import DEFAULT_POLICY, Policy

if TYPE_CHECKING:
    from linkwell.build.watbatch import WatBatch

UNLINKED_OUTPUT = "unlinked.parquet"
"""Output of `extract`, in `columns.UNLINKED_SCHEMA`; empty where no well-known file can be at hand."""

RESERVED_OUTPUT = "reserved.parquet"
"""Output of `extract`, in `columns.RESERVED_SCHEMA`; none where no page opts out a picture that is no link."""

ROW_GROUP_ROWS = 10_000
"""Bounds what is held before it is written: a row takes at most some 16 kB."""

BATCHED_FROM_BYTES = 4_000_000
"""Smaller WATs are read record by record, without machine code."""

UNKNOWN_CRAWL = "unknown"
_CRAWL_NAME = re.compile(r"(CC-MAIN-\d{4}-\d{2}|CC-NEWS)(?!\d)")
_IS_PART_OF = re.compile(rb"(?:isPartOf:[ \t]*|\"isPartOf\":\")([A-Za-z0-9._-]{1,100})")
_MAX_INFO_BYTES = 8_000
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_INFO = b'"WARC-Info-Metadata"'
_GZIP_MAGIC = b"\x1f\x8b\x08"
_NEXT_RECORD = b"\nWARC/1."


class ExtractSettings(msgspec.Struct, frozen=True):
    """What decides the outcome besides the source. `crawl` None: as the archive says. `language` False: `und` for all."""

    crawl: str | None
    max_text_characters: int
    max_url_characters: int
    language: bool = True
    policy: Policy = DEFAULT_POLICY
    filters: FilterSettings = NO_FILTERS
    blocked_domains_sha256: str = ""
    well_known: bool = False
    """Whether well-known files are given apart, so that a WAT's pages may be opted out by them too."""


class ExtractParams(msgspec.Struct, frozen=True):
    """Parameters of `extract`."""

    source: str
    settings: ExtractSettings


def extract(context: TaskContext) -> None:
    """Write the links of one WAT or WARC file to `links.parquet`, in the order of the file.

    Raises:
        UnavailableError: the source cannot be read to its end.
        StorageError: the shard cannot be written.
    """
    params = context.params(ExtractParams)
    settings = params.settings
    also_keep_metas(settings.policy.training_agents)
    collector = LinkCollector(
        context.counts,
        max_text_characters=settings.max_text_characters,
        max_url_characters=settings.max_url_characters,
        detector=LanguageDetector() if settings.language else None,
        policy=settings.policy,
        filters=settings.filters,
        blocked_domains=_blocked_domains(settings),
    )
    output = context.output("links.parquet")
    evidence = EvidenceWriter(kept_beside(context, EVIDENCE_OUTPUT))
    captures = CaptureWriter(kept_beside(context, CAPTURES_OUTPUT))
    collector.keeps_unlinked = settings.well_known
    reserved: list[pa.Table] = []
    unlinked = context.output(UNLINKED_OUTPUT)
    try:
        with (
            fewer_collections(),
            ParquetWriter(output, LINK_SCHEMA, row_group_rows=ROW_GROUP_ROWS, intermediate=True) as writer,
            ParquetWriter(unlinked, UNLINKED_SCHEMA, intermediate=True) as others,
        ):
            for page in read_pages(params.source, context.counts, collector, settings.crawl, captures):
                if isinstance(page, Page):
                    collector.add(page)
                else:
                    collector.add_batch(page)
                if collector.row_count >= BATCH_ROWS:
                    evidence.add(collector.take_evidence())
                    writer.write(collector.take_table())
                    reserved.append(collector.take_reserved())
                if collector.unlinked_count >= BATCH_ROWS:
                    others.write(collector.take_unlinked())
            if collector.row_count:
                evidence.add(collector.take_evidence())
                writer.write(collector.take_table())
            others.write(collector.take_unlinked())
            reserved.append(collector.take_reserved())
            if any(table.num_rows for table in reserved):
                pq.write_table(pa.concat_tables(reserved), context.output(RESERVED_OUTPUT), compression="lz4")
            evidence.close()
            captures.close()
    except OSError as error:
        # Reading has errors of its own: this is the shard that cannot be written.
        raise storage_error(error, output) from error


def _blocked_domains(settings: ExtractSettings) -> frozenset[str]:
    path = settings.filters.blocked_domains
    return read_domains(Path(path)) if path else frozenset()


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the garbage collector look for cycles less often: pages make none, and are many small objects (a sixth of the time)."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def read_pages(
    source: str,
    counts: Counter[str],
    collector: LinkCollector,
    crawl: str | None,
    captures: CaptureWriter | None = None,
) -> "Iterator[Page | WatBatch]":
    """The pages with images of one archive, of a large WAT many at a time; sets the collector's crawl name as soon as the archive gives it.

    Well-known files that it holds (robots.txt, …) go to `captures`.

    Raises:
        UnavailableError: the disk or the network fails.
    """
    with reading(source):
        yield from _read_pages(source, counts, collector, crawl, captures)


def _read_pages(
    source: str, counts: Counter[str], collector: LinkCollector, crawl: str | None, captures: CaptureWriter | None
) -> "Iterator[Page | WatBatch]":
    archive = Archive(source, counts)
    warc = PurePosixPath(source).name
    named = crawl or _crawl_of_path(source)
    collector.crawl = named or UNKNOWN_CRAWL
    named, stopped_at = yield from _read_members(archive, counts, collector, named)
    if stopped_at is None:
        return
    gatherer = PageGatherer(counts)
    for record in archive.records(stopped_at):
        page, is_enough, told = None, False, named
        try:
            if record.record_type == WarcRecordType.metadata:
                body = _read_metadata(record, archive, counts)
                if named is None and len(body) <= _MAX_INFO_BYTES and _INFO in body:
                    told = _crawl_of_info(body)
                page = _read_wat_page(body, record, archive, counts) if body else None
            elif record.record_type == WarcRecordType.warcinfo:
                told = named or _crawl_of_info(record.reader.read(_MAX_INFO_BYTES))
            else:
                unparsed = _read_response(record, warc, counts, collector, captures)
                is_enough = unparsed is not None and gatherer.add(unparsed)
        except OSError as error:
            archive.damaged(record, error)
        if is_enough or page is not None or told != named:
            yield from gatherer.take()
        if told is not None:
            # It holds for what comes behind it.
            named = collector.crawl = told
        if page is not None:
            yield page
    yield from gatherer.take()
    counts["bytes_read"] += archive.byte_size


def _read_response(
    record: WarcRecord, warc: str, counts: Counter[str], collector: LinkCollector, captures: CaptureWriter | None
) -> Unparsed | None:
    """What a response or a resource holds: a page, or a well-known file, which goes to `captures`."""
    head = read_head(record)
    capture = read_capture(record, head, warc) if captures is not None else None
    if captures is not None and capture is not None:
        captures.add(capture)
        counts["well_known_files"] += 1
        return None
    # Behind it, or in another archive, may be what the page's host says of it.
    collector.keeps_unlinked = True
    return read_html_page(record, head, warc, counts)


def _read_members(
    archive: Archive, counts: Counter[str], collector: LinkCollector, named: str | None
) -> "Generator[Page | WatBatch, None, tuple[str | None, int | None]]":
    """Read a WAT as far as it is in order; returns the crawl's name and where to go on, as `Members.stopped_at` says."""
    with contextlib.closing(archive.open()) as file:
        reading = _read_batches if _batches_pay(file, collector) else _read_one_by_one
        named, stopped_at = yield from reading(file, counts, collector, named)
        if stopped_at is None:
            counts["bytes_read"] += file.tell()
        return named, stopped_at


def _batches_pay(file: BinaryIO, collector: LinkCollector) -> bool:
    """Whether many records are to be read at once: not where the file is small, or pictures without captions are resolved too."""
    size = file.seek(0, io.SEEK_END)
    is_gzip = file.seek(0) == 0 and file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    return is_gzip and size >= BATCHED_FROM_BYTES and not collector.keeps_unlinked


def _read_one_by_one(
    file: BinaryIO, counts: Counter[str], collector: LinkCollector, named: str | None
) -> "Generator[Page | WatBatch, None, tuple[str | None, int | None]]":
    members = Members(file)
    for member in members:
        if named is None:
            # Each name holds for the records behind it.
            named = _crawl_of_member(member, collector, is_info=members.is_info)
        if members.is_info:
            continue
        if member[:1] != b"{":
            counts["skipped_metadata"] += 1
            continue
        page = read_wat_page(member, counts)
        if page is not None:
            yield page
    return named, members.stopped_at


def _read_batches(
    file: BinaryIO, counts: Counter[str], collector: LinkCollector, named: str | None
) -> "Generator[Page | WatBatch, None, tuple[str | None, int | None]]":
    from linkwell.build.watfile import Unusual, WatFile, can_read  # noqa: PLC0415 - machine code, which small files do without

    if not can_read():
        return (yield from _read_one_by_one(file, counts, collector, named))
    wat = WatFile(file, collector.limits, _MAX_INFO_BYTES if named is None else 0)
    for each in wat:
        if not isinstance(each, Unusual):
            yield each
            continue
        if named is None:
            named = _crawl_of_member(each.body, collector, is_info=each.is_info)
            wat.longest_info = _MAX_INFO_BYTES if named is None else 0
        page = None
        if not each.is_info:
            if each.body[:1] == b"{":
                page = read_wat_page(each.body, counts)
            else:
                counts["skipped_metadata"] += 1
        if page is not None:
            yield page
    if wat.skipped:
        counts["skipped_metadata"] += wat.skipped
    return named, wat.stopped_at


def _read_metadata(record: WarcRecord, archive: Archive, counts: Counter[str]) -> bytes:
    """The body of a metadata record that is JSON, else nothing."""
    if record.content_length > MAX_RECORD_BYTES:
        counts["broken_record_too_large"] += 1
        archive.search_after(record)
        return b""
    body = record.reader.read()
    if body[:1] == b"{":
        return body
    counts["skipped_metadata"] += 1
    return b""


def _read_wat_page(body: bytes, record: WarcRecord, archive: Archive, counts: Counter[str]) -> Page | None:
    broken = counts["broken_json"]
    page = read_wat_page(body, counts)
    if counts["broken_json"] > broken and _NEXT_RECORD in body:
        # Its length is wrong: it ran over the records after it, which are read again.
        archive.search_after(record)
    return page


def _crawl_of_path(path: str) -> str | None:
    match = _CRAWL_NAME.search(path)
    return match[1] if match else None


def _crawl_of_member(member: bytes | bytearray, collector: LinkCollector, *, is_info: bool) -> str | None:
    """The crawl's name, where a record of a WAT tells it: a warcinfo, or what describes one; the collector is told too."""
    if is_info or (member[:1] == b"{" and len(member) <= _MAX_INFO_BYTES and _INFO in member):
        found = _crawl_of_info(member[:_MAX_INFO_BYTES])
        collector.crawl = found or collector.crawl
        return found
    return None


def _crawl_of_info(body: bytes | bytearray) -> str | None:
    match = _IS_PART_OF.search(body)
    return match[1].decode("ascii") if match else None
