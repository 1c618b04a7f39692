"""Links gathered page by page and turned into Arrow tables, a batch at a time."""

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.build.language import UNSURE, LanguageDetector
from linkwell.build.page import Page
from linkwell.build.urls import Resolver, clean
from linkwell.rights import UNSTATED, Verdicts, combine, header_signals, licence_of, meta_signals

BATCH_ROWS = 5_000
"""Rows of one table. A URL and a text take at most some 8 kB each, so that a batch stays below 100 MB whatever is in it."""

_HTTP = ("http://", "https://")
_VERDICT_CODE = {verdict: code for code, verdict in enumerate(VERDICTS)}


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
    ) -> None:
        self.counts = counts
        self.crawl = "unknown"
        self.row_count = 0
        self._max_text_characters = max_text_characters
        self._resolver = Resolver(max_url_characters)
        self._detector = detector
        self._clear()

    def _clear(self) -> None:
        self.row_count = 0
        self._urls: list[str] = []
        self._texts: list[str] = []
        self._widths: dict[int, int] = {}
        self._heights: dict[int, int] = {}
        self._pages: list[Page] = []
        self._page_rows: list[int] = []
        self._crawls: list[str] = []
        self._licences: list[str | None] = []
        self._verdicts: list[Verdicts] = []

    def add(self, page: Page) -> None:
        """Judge the images of one page."""
        resolver = self._resolver
        resolver.set_page(page.url, page.base)
        good_origins, max_url = resolver.good_origins, resolver.max_url_characters
        urls, texts = self._urls, self._texts
        counts, max_text = self.counts, self._max_text_characters
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
        counts["images"] += len(page.images)
        if kept:
            counts["links"] += len(kept)
            self._add_page(page, first, kept)

    def _add_page(self, page: Page, first: int, kept: list[int]) -> None:
        if page.sizes is not None:
            for row, number in enumerate(kept, first):
                width, height = page.sizes[number]
                if width is not None:
                    self._widths[row] = width
                if height is not None:
                    self._heights[row] = height
        verdicts = UNSTATED
        if page.headers or page.metas:
            verdicts, stated = _judge(tuple(page.headers), tuple(page.metas))
            for name in stated:
                self.counts[name] += 1
        licence = None
        if page.licences:
            resolved = map(self._resolver.resolve, page.licences)
            licence = licence_of(url for url, reason in resolved if reason is None)
        self._pages.append(page)
        self._page_rows.append(len(kept))
        self._crawls.append(self.crawl)
        self._licences.append(licence)
        self._verdicts.append(verdicts)
        self.row_count += len(kept)
        page.images = []

    def take_table(self) -> pa.Table:
        """The rows gathered since the last call, in `LINK_SCHEMA`."""
        rows = self.row_count
        of_page = np.repeat(np.arange(len(self._pages), dtype=np.int32), self._page_rows)

        def spread(values: list[Any], kind: pa.DataType) -> "pa.Array[Any]":
            return pa.array(values, kind).take(of_page)

        def verdict(use: str) -> "pa.Array[Any]":
            codes = np.array([_VERDICT_CODE[getattr(each, use)] for each in self._verdicts], np.int8)
            return pa.DictionaryArray.from_arrays(pa.array(codes[of_page], pa.int8()), pa.array(VERDICTS, pa.string()))

        text = pa.string()
        languages = self._detector.detect(self._texts) if self._detector else [UNSURE] * rows
        columns = {
            "link_id": link_ids(self._urls),
            "url": pa.array(self._urls, text),
            "text": pa.array(self._texts, text),
            "text_source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["alt"])).cast(
                text
            ),
            "width": _sparse(self._widths, rows),
            "height": _sparse(self._heights, rows),
            "language": pa.array(languages, text),
            "page_url": spread([page.url for page in self._pages], text),
            "license": spread(self._licences, text),
            "license_scope": spread(["page" if licence else None for licence in self._licences], text),
            "credit": pa.nulls(rows, text),
            **{use: verdict(use) for use in USES},
            "crawl": spread(self._crawls, text),
            "warc": spread([page.warc for page in self._pages], text),
            "offset": spread([page.offset for page in self._pages], pa.int64()),
            "seen_at": spread([page.seen_at for page in self._pages], LINK_SCHEMA.field("seen_at").type),
            "similarity": pa.nulls(rows, pa.float32()),
            "safety_bin": pa.nulls(rows, pa.int8()),
            "cell": pa.nulls(rows, pa.uint32()),
        }
        table = pa.table([columns[name] for name in LINK_SCHEMA.names], schema=LINK_SCHEMA)
        self._clear()
        return table


Statements = tuple[tuple[str, str], ...]


@lru_cache(maxsize=4096)
def _judge(headers: Statements, metas: Statements) -> tuple[Verdicts, tuple[str, ...]]:
    """What a page's statements come to, and the counters they add to; remembered, as most pages say one of a few things."""
    signals = header_signals(headers, scope="page") + meta_signals(metas)
    stated = tuple("signals_malformed" if each.verdict == "unknown" else f"signals_{each.verdict}" for each in signals)
    return combine(signals), stated


def _reason_without_text(src: str) -> str:
    if not src.startswith(_HTTP):
        src = clean(src)
        if not src:
            return "rejected_no_src"
        if src[:5].lower() == "data:":
            return "rejected_data_url"
    return "rejected_no_text"


def _sparse(values: dict[int, int], rows: int) -> "pa.Array[Any]":
    return pa.array([values.get(row) for row in range(rows)], pa.int32()) if values else pa.nulls(rows, pa.int32())
