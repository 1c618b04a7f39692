"""Links gathered page by page and turned into Arrow tables, a batch at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.settings import FilterSettings
from linkwell.build.filters import NO_FILTERS, declared_too_small, rules
from linkwell.build.language import UNSURE, LanguageDetector
from linkwell.build.page import ALT, ImageRights, Page
from linkwell.build.urls import Resolver, clean
from linkwell.rights import (
    DEFAULT_POLICY,
    UNSTATED,
    Evidence,
    Policy,
    Verdicts,
    combine,
    header_signals,
    licence_of,
    meta_signals,
    page_evidence,
)

if TYPE_CHECKING:
    # Loads machine code, which small files do without.
    from linkwell.build.watbatch import WatBatch

BATCH_ROWS = 2_500
"""Rows of one table. A URL and a text take at most some 8 kB each, so that a batch stays below 100 MB whatever is in it."""

RESERVED_SCHEMA: pa.Schema = pa.schema(
    [("link_id", pa.binary(16)), *((use, pa.string()) for use in USES)]  # type: ignore[arg-type] # the stub says object
)
"""A URL that a page opted out and that is no link for another reason: its caption is missing or filtered, say."""

UNLINKED_SCHEMA: pa.Schema = pa.schema([("page_url", pa.string()), ("link_id", pa.binary(16))])  # type: ignore[arg-type] # as above
"""A picture of a page that is no link, as `RESERVED_SCHEMA` says, where the page's host may still opt it out."""

Statements = tuple[tuple[str, str], ...]
Codes = tuple[int, ...]

_HTTP = ("http://", "https://")
_DISALLOW = VERDICTS.index("disallow")


class LinkCollector:
    """Judges the images of page after page and keeps those that are links.

    `counts` gets `images`, `links`, `duplicates` (the same URL and text once more on one page), `texts_cut`, `rejected_<reason>`,
    and, for pages with links, `signals_<verdict>` and `signals_malformed`.
    """

    def __init__(
        self,
        counts: Counter[str],
        *,
        max_text_characters: int,
        max_url_characters: int,
        detector: LanguageDetector | None,
        policy: Policy = DEFAULT_POLICY,
        filters: FilterSettings = NO_FILTERS,
        blocked_domains: frozenset[str] = frozenset(),
    ) -> None:
        self.counts = counts
        self.crawl = "unknown"
        self.row_count = 0
        self._max_text_characters = max_text_characters
        self._resolver = Resolver(max_url_characters)
        self._detector = detector
        self._policy = policy
        self._rules = rules(filters, blocked_domains)
        # Judged before anything else, as it is the rule that most images fail.
        self._min_text_characters = filters.min_text_characters
        self._extensions = tuple(f".{each.lower().lstrip('.')}" for each in filters.blocked_extensions)
        self._min_side = filters.min_side_pixels
        self._evidence: list[Evidence] = []
        self._reserved: dict[str, Codes] = {}
        # Set while pages are read; however pages are added, their pictures that are no links must then reach `_unlinked`.
        self.keeps_unlinked = False
        self._unlinked: list[tuple[str, str]] = []
        self._clear()

    @property
    def limits(self) -> tuple[int, int, int]:
        """The fewest and the most characters of a text, and the most of a URL."""
        return self._min_text_characters, self._max_text_characters, self._resolver.max_url_characters

    def _clear(self) -> None:
        self.row_count = 0
        self._urls: list[str] = []
        self._texts: list[str] = []
        self._widths: dict[int, int] = {}
        self._heights: dict[int, int] = {}
        self._text_sources: dict[int, str] = {}
        self._image_licences: dict[int, str] = {}
        self._credits: dict[int, str] = {}
        self._page_urls: list[str] = []
        self._warcs: list[str] = []
        self._offsets: list[int] = []
        self._seen_at: list[int | None] = []
        self._page_rows: list[int] = []
        self._crawls: list[str] = []
        self._licences: list[str | None] = []
        self._verdicts: list[Codes] = []

    def add(self, page: Page) -> None:  # noqa: C901, PLR0912 - the innermost loop: a call costs as much as what it does
        """Judge the images of one page."""
        resolver = self._resolver
        resolver.set_page(page.url, page.base)
        good_origins, max_url = resolver.good_origins, resolver.max_url_characters
        urls, texts = self._urls, self._texts
        counts, max_text, min_text = self.counts, self._max_text_characters, self._min_text_characters
        seen: dict[str, str] = {}
        seen_again: set[tuple[str, str]] = set()
        kept: list[int] = []
        first = len(urls)
        for number, image in enumerate(page.images):
            src, alt = image.url, image.alt
            text = " ".join(alt.split()) if alt else ""
            if not text:
                counts[_reason_without_text(src)] += 1
                continue
            if len(text) < min_text:
                counts["rejected_text_too_short"] += 1
                continue
            if len(text) > max_text:
                text = text[:max_text].rstrip()
                counts["texts_cut"] += 1
            if (
                src[: src.find("/", 8) + 1] in good_origins
                and src.isprintable()
                and src[-1] != " "
                and len(src) <= max_url
            ):
                url = src
            else:
                url, reason = resolver.resolve(src)
                if reason is not None:
                    counts["rejected_" + reason] += 1
                    continue
            if url in seen:
                if seen[url] == text or (url, text) in seen_again:
                    counts["duplicates"] += 1
                    continue
                seen_again.add((url, text))
            else:
                seen[url] = text
            urls.append(url)
            texts.append(text)
            kept.append(number)
        if kept and (self._min_side or self._needs_rules(first)):
            kept = self._filter(page, first, kept)
        counts["images"] += len(page.images)
        if page.headers or page.metas:
            self._reserve(page, first, kept)
        if self.keeps_unlinked and len(kept) < len(page.images):
            self._unlinked += [(page.url, url) for url in self._not_kept(page, first, kept)]
        if kept:
            counts["links"] += len(kept)
            self._add_page(page, first, kept)

    def opts_out(self, page: Page) -> bool:
        """Whether what a page states forbids a use that overrules what other pages say of the same picture."""
        codes, _stated = _judge(tuple(page.headers), tuple(page.metas), self._policy)
        return _DISALLOW in codes[: USES.index("search")]

    def _reserve(self, page: Page, first: int, kept: list[int]) -> None:
        """Note the pictures of a page that opts out which are no links themselves: the same URL may be one on another page."""
        if not self.opts_out(page):
            return
        codes, _stated = _judge(tuple(page.headers), tuple(page.metas), self._policy)
        for url in self._not_kept(page, first, kept):
            self._reserved[url] = max(codes, self._reserved.get(url, codes), key=lambda held: held.count(_DISALLOW))

    def _not_kept(self, page: Page, first: int, kept: list[int]) -> Iterator[str]:
        """The URLs of the page's pictures that are no rows from `first` on, which are those of the images `kept`."""
        images = page.images
        rows = set(self._urls[first:])
        others = dict.fromkeys([image.url for image in images])
        for number in kept:
            others.pop(images[number].url, None)
        for src in others:
            url, reason = self._resolver.resolve(src)
            if reason is None and url not in rows:
                yield url

    def _needs_rules(self, first: int) -> bool:
        """Whether a rule may be against a row from `first` on: a page's URLs are searched for the extensions all at once."""
        if len(self._rules) > (1 if self._extensions else 0):
            return True
        urls = "\n".join(self._urls[first:]).lower()
        return any(each in urls for each in self._extensions)

    def _filter(self, page: Page, first: int, kept: list[int]) -> list[int]:
        """Take out the rows from `first` on that a rule is against; returns which images are left."""
        urls, texts = self._urls[first:], self._texts[first:]
        lost: dict[int, str] = {}
        self._apply_rules(range(len(urls)), urls, texts, lost)
        if self._min_side and page.sizes is not None:
            for row, number in enumerate(kept):
                if row not in lost and declared_too_small(*page.sizes[number], self._min_side):
                    lost[row] = "rejected_too_small"
        if not lost:
            return kept
        for name in lost.values():
            self.counts[name] += 1
        self._urls[first:] = [url for row, url in enumerate(urls) if row not in lost]
        self._texts[first:] = [text for row, text in enumerate(texts) if row not in lost]
        return [number for row, number in enumerate(kept) if row not in lost]

    def _apply_rules(self, rows: Sequence[int], urls: list[str], texts: list[str], lost: dict[int, str]) -> None:
        """Put those of the rows that a rule is against into `lost`, with the first rule's counter."""
        for name, rule in self._rules:
            for row in rows:
                if row not in lost and rule(urls[row], texts[row]):
                    lost[row] = name

    def add_batch(self, batch: "WatBatch") -> None:
        """Judge the images of many records of a WAT at once: rows and counters are those of `add`, page by page."""
        run = 0
        pages: dict[int, Page] = {}
        for record in batch.unusual():
            page = None if batch.is_slow(record) else batch.read_statements(record)
            if page is not None and not self.opts_out(page):
                pages[record] = page
                continue
            self._add_records(batch, run, record, pages)
            found = batch.read_slowly(record, self.counts)
            if found is not None:
                self.add(found)
            run = record + 1
        self._add_records(batch, run, len(batch.facts), pages)

    def _add_records(self, batch: "WatBatch", first: int, last: int, pages: Mapping[int, Page]) -> None:
        """Add the records from `first` to `last`, none of which is slow; `pages` are those that state something."""
        if first == last:
            return
        counts = self.counts
        batch.count(counts, first, last)
        first_row, last_row = batch.rows(first, last)
        urls, texts = batch.urls[first_row:last_row], batch.texts[first_row:last_row]
        of_record: list[int] = np.repeat(np.arange(first, last), batch.row_counts(first, last)).tolist()
        lost: dict[int, str] = {}
        resolved_for = -1
        for row in np.flatnonzero(batch.asked[first_row:last_row]).tolist():
            record = of_record[row]
            if record != resolved_for:
                page = pages.get(record)
                self._resolver.set_page(batch.page_urls[record], page.base if page else "")
                resolved_for = record
            urls[row], reason = self._resolver.resolve(urls[row])
            if reason is not None:
                lost[row] = "rejected_" + reason
        self._find_duplicates(list(zip(of_record, urls, texts, strict=True)), lost)
        if self._rules:
            rows: Sequence[int] = range(len(urls))
            if len(self._rules) == 1 and self._extensions:
                joined = "\n".join(urls).lower()
                found = [each for each in self._extensions if each in joined]
                folded = joined.split("\n") if found else []
                rows = sorted({row for each in found for row, url in enumerate(folded) if each in url})
            self._apply_rules(rows, urls, texts, lost)
        for name, number in Counter(lost.values()).items():
            counts[name] += number
        if lost:
            kept = [row for row in range(len(urls)) if row not in lost]
            urls, texts = [urls[row] for row in kept], [texts[row] for row in kept]
            of_record = [of_record[row] for row in kept]
        if urls:
            counts["links"] += len(urls)
            self._urls += urls
            self._texts += texts
            self.row_count += len(urls)
            self._add_pages(batch, first, last, np.bincount(np.array(of_record) - first, minlength=last - first), pages)

    @staticmethod
    def _find_duplicates(rows: list[tuple[int, str, str]], lost: dict[int, str]) -> None:
        """Put rows with the page, URL and text of one before into `lost`."""
        if len(set(rows)) == len(rows):
            return
        seen: set[tuple[int, str, str]] = set()
        for number, row in enumerate(rows):
            if number in lost:
                continue
            if row in seen:
                lost[number] = "duplicates"
            seen.add(row)

    def _add_pages(
        self, batch: "WatBatch", first: int, last: int, row_counts: "np.ndarray[Any, Any]", pages: Mapping[int, Page]
    ) -> None:
        """Note the pages with rows among records `first` to `last`."""
        with_rows: list[int] = np.flatnonzero(row_counts).tolist()
        offsets, seen_at = batch.places(first, last)
        self._page_urls += [batch.page_urls[first + each] for each in with_rows]
        self._warcs += [batch.warcs[first + each] for each in with_rows]
        self._offsets += [offsets[each] for each in with_rows]
        self._seen_at += [seen_at[each] for each in with_rows]
        self._page_rows += row_counts[with_rows].tolist()
        self._crawls += [self.crawl] * len(with_rows)
        verdicts: list[Codes] = [_UNSTATED] * len(with_rows)
        page_licences: list[str | None] = [None] * len(with_rows)
        for number, each in enumerate(with_rows):
            page = pages.get(first + each)
            if page is not None:
                self._resolver.set_page(page.url, page.base)
                verdicts[number], stated, licences, page_licences[number] = self._judge_page(page)
                if stated or licences:
                    self._note_evidence(page, licences, [])
        self._verdicts += verdicts
        self._licences += page_licences

    def _add_image_statements(self, page: Page, first: int, kept: list[int]) -> list[str]:
        """Note for the rows from `first` on where their captions stood and what is stated of them; returns the licences."""
        if page.text_sources is not None:
            for row, number in enumerate(kept, first):
                if page.text_sources[number] != ALT:
                    self._text_sources[row] = page.text_sources[number]
        stated: dict[str, ImageRights] = {}
        for src, rights in page.rights.items():
            url, reason = self._resolver.resolve(src)
            if reason is None:
                stated[url] = rights
        licences = []
        for row in range(first, first + len(kept)) if stated else ():
            rights = stated.get(self._urls[row], _NOTHING)
            if rights.credit:
                self._credits[row] = rights.credit
            url, reason = self._resolver.resolve(rights.licence or "")
            licence = licence_of([url]) if reason is None else None
            if licence:
                self._image_licences[row] = licence
                licences.append(url)
        return licences

    def _judge_page(self, page: Page) -> tuple[Codes, tuple[str, ...], list[str], str | None]:
        """The verdicts of a page with links, which counters they add to, its licences resolved, and the one of them that holds."""
        verdicts = _UNSTATED
        stated: tuple[str, ...] = ()
        if page.headers or page.metas:
            verdicts, stated = _judge(tuple(page.headers), tuple(page.metas), self._policy)
            for name in stated:
                self.counts[name] += 1
        if not page.licences:
            return verdicts, stated, [], None
        resolved = map(self._resolver.resolve, page.licences)
        licences = [url for url, reason in resolved if reason is None]
        return verdicts, stated, licences, licence_of(licences)

    def _note_evidence(self, page: Page, licences: list[str], of_images: list[str]) -> None:
        """Keep what a page with links states."""
        self._evidence += page_evidence(
            page.url,
            page.headers,
            page.metas,
            licences=[
                *(("page", "stated on the page", url) for url in licences),
                *(("image", "stated for the image", url) for url in dict.fromkeys(of_images)),
            ],
            policy=self._policy,
            seen_at=page.seen_at,
            warc=page.warc,
            offset=page.offset,
        )

    def _add_page(self, page: Page, first: int, kept: list[int]) -> None:
        if page.sizes is not None:
            for row, number in enumerate(kept, first):
                width, height = page.sizes[number]
                if width is not None:
                    self._widths[row] = width
                if height is not None:
                    self._heights[row] = height
        verdicts, stated, licences, licence = self._judge_page(page)
        of_images: list[str] = []
        if page.text_sources is not None or page.rights:
            of_images = self._add_image_statements(page, first, kept)
        if stated or licences or of_images:
            self._note_evidence(page, licences, of_images)
        self._page_urls.append(page.url)
        self._warcs.append(page.warc)
        self._offsets.append(page.offset)
        self._seen_at.append(page.seen_at)
        self._page_rows.append(len(kept))
        self._crawls.append(self.crawl)
        self._licences.append(licence)
        self._verdicts.append(verdicts)
        self.row_count += len(kept)
        page.images = []

    def take_reserved(self) -> pa.Table:
        """The URLs opted out since the last call that are no links, in `RESERVED_SCHEMA`."""
        taken, self._reserved = self._reserved, {}
        verdicts = [[VERDICTS[codes[number]] for codes in taken.values()] for number in range(len(USES))]
        return pa.table([link_ids(taken), *(pa.array(each, pa.string()) for each in verdicts)], schema=RESERVED_SCHEMA)

    @property
    def unlinked_count(self) -> int:
        """How many rows `take_unlinked` would give."""
        return len(self._unlinked)

    def take_unlinked(self) -> pa.Table:
        """The pictures since the last call that are no links, in `UNLINKED_SCHEMA`; none unless `keeps_unlinked`."""
        taken, self._unlinked = self._unlinked, []
        pages = pa.array([page for page, _url in taken], pa.string())
        return pa.table([pages, link_ids([url for _page, url in taken])], schema=UNLINKED_SCHEMA)

    def take_evidence(self) -> list[Evidence]:
        """What the pages since the last call stated."""
        taken, self._evidence = self._evidence, []
        return taken

    def take_table(self) -> pa.Table:
        """The rows gathered since the last call, in `LINK_SCHEMA`."""
        rows = self.row_count
        of_page = np.repeat(np.arange(len(self._page_rows), dtype=np.int32), self._page_rows)
        pages = _numbers(of_page, pa.int32())

        verdict_codes = np.array(self._verdicts, np.int8).reshape(-1, len(USES))

        def spread(values: list[Any], kind: pa.DataType) -> "pa.Array[Any]":
            return pa.array(values, kind).take(pages)

        def verdict(use: str) -> "pa.Array[Any]":
            codes = verdict_codes[of_page, USES.index(use)]
            return pa.DictionaryArray.from_arrays(_numbers(codes, pa.int8()), pa.array(VERDICTS, pa.string()))

        text = pa.string()
        languages = self._detector.detect(self._texts) if self._detector else [UNSURE] * rows
        columns = {
            "link_id": link_ids(self._urls),
            "url": pa.array(self._urls, text),
            "text": pa.array(self._texts, text),
            "text_source": pa.array([self._text_sources.get(row, ALT) for row in range(rows)], text)
            if self._text_sources
            else pa.repeat(pa.scalar(ALT, text), rows),
            "width": _sparse(self._widths, rows, pa.int32()),
            "height": _sparse(self._heights, rows, pa.int32()),
            "language": pa.array(languages, text),
            "page_url": spread(self._page_urls, text),
            "license": _over(spread(self._licences, text), self._image_licences),
            "license_scope": _over(
                spread(["page" if licence else None for licence in self._licences], text),
                dict.fromkeys(self._image_licences, "image"),
            ),
            "credit": _sparse(self._credits, rows, text),
            **{use: verdict(use) for use in USES},
            "crawl": spread(self._crawls, text),
            "warc": spread(self._warcs, text),
            "offset": spread(self._offsets, pa.int64()),
            "seen_at": spread(self._seen_at, LINK_SCHEMA.field("seen_at").type),
            "similarity": pa.nulls(rows, pa.float32()),
            "safety_bin": pa.nulls(rows, pa.int8()),
            "cell": pa.nulls(rows, pa.uint32()),
        }
        table = pa.table([columns[name] for name in LINK_SCHEMA.names], schema=LINK_SCHEMA)
        self._clear()
        return table


_NOTHING = ImageRights()


def _numbers(values: "np.ndarray[Any, Any]", kind: pa.DataType) -> "pa.Array[Any]":
    """Numbers of that kind as an Arrow array; `pa.array` would load numpy's masked arrays to see that they are none (12 ms)."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values).data)])


def _codes(verdicts: Verdicts) -> Codes:
    """The verdict for each of `USES`, as its place in `VERDICTS`."""
    return tuple(VERDICTS.index(getattr(verdicts, use)) for use in USES)


_UNSTATED = _codes(UNSTATED)


@lru_cache(maxsize=4096)
def _judge(headers: Statements, metas: Statements, policy: Policy) -> tuple[Codes, tuple[str, ...]]:
    """What a page's statements come to, and the counters they add to; remembered, as most pages say one of a few things."""
    agents = policy.agents.training
    signals = header_signals(headers, scope="page", user_agents=agents) + meta_signals(metas, user_agents=agents)
    stated = tuple("signals_malformed" if each.verdict == "unknown" else f"signals_{each.verdict}" for each in signals)
    return _codes(combine(signals, policy)), stated


def _reason_without_text(src: str) -> str:
    if not src.startswith(_HTTP):
        src = clean(src)
        if not src:
            return "rejected_no_src"
        if src[:5].lower() == "data:":
            return "rejected_data_url"
    return "rejected_no_text"


def _sparse(values: Mapping[int, int | str], rows: int, kind: pa.DataType) -> "pa.Array[Any]":
    return pa.array([values.get(row) for row in range(rows)] if values else [None] * rows, kind)


def _over(column: "pa.Array[Any]", values: Mapping[int, str]) -> "pa.Array[Any]":
    """The column with other values in some rows."""
    if not values:
        return column
    return pa.array([values.get(row, value) for row, value in enumerate(column.to_pylist())], pa.string())
