"""Rows of other projects' tables to rows of links."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.ids import link_ids
from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.build.foreign import Foreign
from linkwell.build.language import UNSURE, LanguageDetector
from linkwell.build.urls import Resolver
from linkwell.rights import licence_of

EXAMPLE_ROWS = 10
"""So many row numbers are named of each reason in one file."""

_MAX_SIDE_PIXELS = 2**31 - 1
_MAX_SIMILARITY = 1.001  # a cosine, rounded
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEPT_OF_LINKWELL = (
    "text_source",
    "license_scope",
    "credit",
    *USES,
    "crawl",
    "warc",
    "offset",
    "seen_at",
    "safety_bin",
)
_NO_OFFSET = -1

if TYPE_CHECKING:
    Array: TypeAlias = pa.Array[Any]
else:
    Array = pa.Array  # at run time the class takes no parameter


class Rejections:
    """Rows that became no links: how many for each reason, and the numbers of the first. Never their values."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.rows: dict[str, list[int]] = {}

    def add(self, reason: str, number: int, rows: int = 1) -> None:
        """Count a row, or several that were lost with it, under a reason; `number` is that of the first, from 1."""
        self.counts["rejected_" + reason] += rows
        examples = self.rows.setdefault(reason, [])
        if len(examples) < EXAMPLE_ROWS:
            examples.append(number)


class Converter:
    """Makes links of the rows of one table. `counts` gets `texts_cut` and, through `rejections`, `rejected_<reason>`."""

    def __init__(
        self,
        foreign: Foreign,
        rejections: Rejections,
        *,
        crawl: str,
        max_text_characters: int,
        max_url_characters: int,
        detector: LanguageDetector | None,
    ) -> None:
        self._foreign = foreign
        self._rejections = rejections
        self._crawl = crawl
        self._max_text_characters = max_text_characters
        self._resolver = Resolver(max_url_characters)
        self._resolver.set_page("", "")
        self._detector = detector

    def links(self, table: pa.Table, numbers: Sequence[int]) -> pa.Table:
        """The rows of a table, whose columns are named as `Foreign.columns` says, that can be links, in `LINK_SCHEMA`.

        Args:
            table: some of the rows.
            numbers: their numbers in the file, from 1.
        """
        columns = self._foreign.columns
        urls, texts, kept = self._urls_and_texts(table, numbers)
        rows = len(urls)
        table = table.take(pa.array(kept, pa.int64()))

        def column(ours: str) -> Array | None:
            name = columns.get(ours)
            return None if name is None else table[name].combine_chunks()

        sides = column("width"), column("height")
        width, height = sides[::-1] if self._foreign.swapped else sides
        given_licences = column("license")
        licences = (
            [_licence(value) for value in _strings(given_licences)] if given_licences is not None else [None] * rows
        )
        page_urls, warcs, named = (column(name) for name in ("page_url", "warc", "credit"))
        text = pa.string()
        made: dict[str, Array] = {
            "link_id": link_ids(urls),
            "url": pa.array(urls, text),
            "text": pa.array(texts, text),
            "text_source": _repeat("import", rows),
            "width": _pixels(width, rows),
            "height": _pixels(height, rows),
            "language": self._languages(column("language"), texts),
            "page_url": _repeat("", rows)
            if page_urls is None
            else pa.array([_clean(v) for v in _strings(page_urls)], text),
            "license": pa.array(licences, text),
            "license_scope": pa.array(["page" if licence else None for licence in licences], text),
            "credit": pa.nulls(rows, text)
            if named is None
            else pa.array([_clean(v) or None for v in _strings(named)], text),
            **{use: _repeat("unknown", rows) for use in USES},
            "crawl": _repeat(self._crawl, rows),
            "warc": _repeat("", rows) if warcs is None else pa.array([_clean(v) for v in _strings(warcs)], text),
            "offset": pa.array(np.full(rows, _NO_OFFSET, np.int64)),
            "seen_at": pa.nulls(rows, LINK_SCHEMA.field("seen_at").type),
            "similarity": _similarity(column("similarity"), rows),
            "safety_bin": _safety_bins(column("punsafe"), rows),
            "cell": pa.nulls(rows, pa.uint32()),
        }
        made |= _own_columns(table, _KEPT_OF_LINKWELL if self._foreign.name == "linkwell" else USES)
        if self._foreign.name == "linkwell":
            made["license_scope"] = pc.if_else(pc.is_valid(made["license"]), made["license_scope"].cast(text), None)
        return pa.table(
            [made[name].cast(LINK_SCHEMA.field(name).type) for name in LINK_SCHEMA.names], schema=LINK_SCHEMA
        )

    def _urls_and_texts(self, table: pa.Table, numbers: Sequence[int]) -> tuple[list[str], list[str], list[int]]:
        columns = self._foreign.columns
        given_urls = _strings(table[columns["url"]].combine_chunks())
        has_text = "text" in columns
        given_texts: Iterable[str | None] = (
            _strings(table[columns["text"]].combine_chunks()) if has_text else [""] * len(given_urls)
        )
        good_origins, max_url = self._resolver.good_origins, self._resolver.max_url_characters
        resolve, reject, limit = self._resolver.resolve, self._rejections.add, self._max_text_characters
        urls: list[str] = []
        texts: list[str] = []
        kept: list[int] = []
        for index, (given_url, given_text) in enumerate(zip(given_urls, given_texts, strict=True)):
            if not given_url:
                reject("no_url", numbers[index])
                continue
            text = " ".join(given_text.split()) if given_text else ""
            if not text and has_text:
                reject("no_text", numbers[index])
                continue
            if _broken(given_url) or _broken(text):
                reject("not_utf8", numbers[index])
                continue
            if (
                given_url[: given_url.find("/", 8) + 1] in good_origins
                and given_url.isprintable()
                and given_url[-1] != " "
                and len(given_url) <= max_url
            ):
                url = given_url
            else:
                url, reason = resolve(given_url)
                if reason is not None:
                    reject(_REASONS.get(reason, reason), numbers[index])
                    continue
            if len(text) > limit:
                text = text[:limit].rstrip()
                self._rejections.counts["texts_cut"] += 1
            urls.append(url)
            texts.append(text)
            kept.append(index)
        return urls, texts, kept

    def _languages(self, given: Array | None, texts: list[str]) -> Array:
        if given is not None:
            return pa.array([_language(value) for value in _strings(given)], pa.string())
        return pa.array(self._detector.detect(texts) if self._detector else [UNSURE] * len(texts), pa.string())


_REASONS = {"no_src": "no_url", "no_base": "relative_url"}
_LANGUAGE = re.compile(r"[a-z]{2}")
_OLD_CODES = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}


def _language(value: str | None) -> str:
    """ISO 639-1 of a code with or without region or script (`zh-Latn`, `pt_BR`)."""
    code = re.split("[-_]", (value or "").strip().lower())[0]
    return _OLD_CODES.get(code, code) if _LANGUAGE.fullmatch(code) else UNSURE


@lru_cache(maxsize=4096)
def _licence(value: str | None) -> str | None:
    """The licence URL; LAION writes `?` for none. What is no URL names no licence that can be linked to."""
    return licence_of([value.strip()]) if value and not _broken(value) else None


def _clean(value: str | None) -> str:
    return "" if value is None or _broken(value) else value.strip()


def _broken(value: str) -> bool:
    return not value.isascii() and _SURROGATE.search(value) is not None


def _strings(column: Array) -> list[str | None]:
    """A column's values as strings; bytes that are not UTF-8 come as surrogates."""
    kind = column.type
    if isinstance(column, pa.DictionaryArray):
        return _strings(column.dictionary_decode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _decoded(column)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return [None if value is None else str(value) for value in column.to_pylist()]
    try:
        values: list[str | None] = column.to_pylist()
    except UnicodeDecodeError:
        return _decoded(column.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()))
    return values


def _decoded(column: Array) -> list[str | None]:
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in column.to_pylist()]


def _floats(column: Array | None, rows: int) -> npt.NDArray[np.float64]:
    """A column as numbers; NaN where it holds none."""
    if column is None:
        return np.full(rows, np.nan)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.array([_float(value) for value in _strings(column)], np.float64)


def _float(value: str | None) -> float:
    try:
        return float(value) if value else np.nan
    except ValueError:
        return np.nan


def _pixels(column: Array | None, rows: int) -> Array:
    numbers = _floats(column, rows)
    good = (numbers >= 1) & (numbers <= _MAX_SIDE_PIXELS)
    return pa.array(np.where(good, numbers, 0).astype(np.int32), mask=~good)


def _similarity(column: Array | None, rows: int) -> Array:
    numbers = _floats(column, rows)
    return pa.array(numbers.astype(np.float32), mask=~(np.abs(numbers) <= _MAX_SIMILARITY))


def _safety_bins(column: Array | None, rows: int) -> Array:
    """`punsafe`, a probability, in ten bins of equal width: bin 0 is below 0.1, bin 9 from 0.9."""
    numbers = _floats(column, rows)
    good = (numbers >= 0) & (numbers <= 1)
    bins: npt.NDArray[np.int8] = np.minimum(np.where(good, numbers, 0) * 10, 9).astype(np.int8)
    return pa.array(bins, mask=~good)


def _own_columns(table: pa.Table, names: Sequence[str]) -> dict[str, Array]:
    """Columns that keep their name and meaning: what was found out about consent is not lost by exporting and importing it."""
    kept: dict[str, Array] = {}
    for name in names:
        if name not in table.column_names:
            continue
        column = table[name].combine_chunks()
        if name in USES:
            column = pa.array([v if v in VERDICTS else "unknown" for v in _strings(column)], pa.string())
        kept[name] = column
    return kept


def _repeat(value: str, rows: int) -> Array:
    return pa.array([value] * rows, pa.string())
