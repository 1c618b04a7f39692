"""The demo's report: counts read from the release and the copy as they stand at the end, rendered into one HTML file.

Nothing about a removed entry can be in it: tables are read after the removal, and of what was removed only counts per public
class come in.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import can_ada
import jinja2
import numpy as np
import pyarrow as pa

from linkwell.base.schema import USES, VERDICTS
from linkwell.base.shards import read_tables, write_bytes
from linkwell.base.sites import host_of, site_of

__all__ = ["Account", "Bar", "Report", "Step", "copy_charts", "release_charts", "write_report"]

_USE_NAMES = {"train_ai": "Training AI", "tdm": "Text and data mining", "search": "Search"}
_TONES = {"allow": "good", "disallow": "stop", "conditional": "perhaps", "unknown": "none"}
_LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese",
    "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "und": "not sure", "zh": "Chinese",
}  # fmt: skip
_MAX_BARS = 14
_SIZE_BINS = 8


@dataclass(frozen=True)
class Bar:
    """One bar of a chart, or one row of an account."""

    label: str
    count: int
    tone: str = "main"
    """Its colour: main, good, stop, perhaps, none or covered."""


@dataclass(frozen=True)
class Verdict:
    """The verdicts for one use."""

    use: str
    parts: Sequence[Bar]


@dataclass(frozen=True)
class Domain:
    """What came of the links of one domain."""

    label: str
    parts: Sequence[Bar]

    @property
    def count(self) -> int:
        """Its links."""
        return sum(part.count for part in self.parts)


@dataclass(frozen=True)
class Account:
    """Rows in, rows removed per public class, rows out."""

    title: str
    start_label: str
    start: int
    removed: Sequence[Bar]
    end_label: str
    end: int

    @property
    def adds_up(self) -> bool:
        """Whether in = out + removed."""
        return self.start == self.end + sum(row.count for row in self.removed)


@dataclass(frozen=True)
class Step:
    """One step of the story, as told in the terminal and in the report."""

    title: str
    lines: Sequence[str]
    command: str
    seconds: float


@dataclass(frozen=True)
class Figure:
    """A number worth knowing at once."""

    value: str
    label: str


@dataclass
class Report:
    """All that the report shows."""

    dataset: str
    created: str
    lead: str
    release: str
    rows: int = 0
    cells: int = 0
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: list[Bar] = field(default_factory=list)
    """What became of the first release's rows: kept, and removed per public class."""
    accounts: list[Account] = field(default_factory=list)
    domains: list[Bar] = field(default_factory=list)
    languages: list[Bar] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    licences: list[Bar] = field(default_factory=list)
    copy_line: str = ""
    outcomes: list[Bar] = field(default_factory=list)
    fetched: list[Domain] = field(default_factory=list)
    fetched_parts: list[Bar] = field(default_factory=list)
    sizes: list[Bar] = field(default_factory=list)
    receipt: list[tuple[str, str]] = field(default_factory=list)
    scan: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    footer: str = ""


def ranked(counts: Mapping[str, int], limit: int = _MAX_BARS) -> list[Bar]:
    """Bars, longest first; what is beyond the limit is put together as `others`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > limit:
        ordered = [*ordered[: limit - 1], ("others", sum(n for _, n in ordered[limit - 1 :]))]
    return [Bar(name, n) for name, n in ordered]


def release_charts(report: Report, parts: Sequence[Path]) -> None:
    """Fill in what the charts say about a release, from its parts as they stand."""
    domains: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    verdicts: dict[str, Counter[str]] = {use: Counter() for use in USES}
    for table in read_tables(parts, ["url", "language", "license", *USES]):
        domains.update(_domain_of(url) for url in _texts(table, "url"))
        languages.update(_texts(table, "language"))
        licences.update(map(_licence_name, table["license"].to_pylist()))
        for use in USES:
            verdicts[use].update(_texts(table, use))
    report.rows = domains.total()
    report.domains = ranked(domains)
    report.languages = ranked({_LANGUAGES.get(code, code): n for code, n in languages.items()})
    report.licences = ranked(licences)
    report.verdicts = [
        Verdict(_USE_NAMES[use], [Bar(verdict, verdicts[use][verdict], _TONES[verdict]) for verdict in VERDICTS])
        for use in USES
    ]


def _texts(table: pa.Table, column: str) -> list[str]:
    """The values of a column that is never null."""
    return [str(value) for value in table[column].to_pylist()]


def copy_charts(report: Report, parts: Sequence[Path]) -> None:
    """Fill in what the charts say about a populated copy, from its parquet files as they stand."""
    domains: dict[str, Counter[str]] = {}
    sides: list[int] = []
    for table in read_tables(parts, ["url", "failure", "original_width", "original_height"]):
        for row in table.to_pylist():
            outcome = (
                "fetched" if row["failure"] is None else "opted out" if row["failure"] == "opted_out" else "failed"
            )
            domains.setdefault(_domain_of(row["url"]), Counter())[outcome] += 1
            if row["failure"] is None:
                sides.append(max(row["original_width"], row["original_height"]))
    ordered = sorted(domains.items(), key=lambda item: (-item[1]["fetched"], item[0]))
    rest = sum((counts for _, counts in ordered[_MAX_BARS - 1 :]), Counter[str]())
    if len(ordered) > _MAX_BARS:
        ordered = [*ordered[: _MAX_BARS - 1], ("others", rest)]
    report.fetched = [Domain(name, _outcome_parts(counts)) for name, counts in ordered]
    report.fetched_parts = _outcome_parts(sum(domains.values(), Counter[str]()))
    report.sizes = histogram(sides)


def _outcome_parts(counts: Mapping[str, int]) -> list[Bar]:
    tones = {"fetched": "good", "opted out": "perhaps", "failed": "stop"}
    return [Bar(name, counts[name], tone) for name, tone in tones.items()]


def histogram(values: Iterable[int], bins: int = _SIZE_BINS) -> list[Bar]:
    """Counts of values in bins of one width, a round number of pixels; each bin is named by where it begins."""
    array = np.array(sorted(values))
    if not len(array):
        return []
    span = max(int(array[-1]) - int(array[0]), 1)
    width = next(w for w in _ROUND_WIDTHS if w * bins >= span + w)
    start = int(array[0]) // width * width
    edges = np.arange(start, int(array[-1]) + width + 1, width)
    counts, _ = np.histogram(array, edges)
    return [Bar(str(int(edge)), int(n)) for edge, n in zip(edges, counts, strict=False)]


_ROUND_WIDTHS = [step * 10**power for power in range(1, 6) for step in (1, 2, 4, 5)]


def _domain_of(url: str) -> str:
    return site_of(host_of(url))


def _licence_name(url: str | None) -> str:
    """A licence as people call it.

    >>> _licence_name("https://creativecommons.org/licenses/by-sa/4.0/")
    'CC BY-SA 4.0'
    """
    if url is None:
        return "none stated"
    parts = can_ada.parse(url).pathname.strip("/").split("/")
    match parts:
        case ["licenses", name, version, *_]:
            return f"CC {name.upper()} {version}"
        case ["publicdomain", "zero", version, *_]:
            return f"CC0 {version}"
        case ["publicdomain", "mark", version, *_]:
            return f"Public Domain Mark {version}"
        case _:
            return url


def write_report(report: Report, to: Path) -> None:
    """Render the report into one self-contained file."""
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("linkwell.demo", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    write_bytes(to, page.get_template("report.html.j2").render(r=report).encode())
