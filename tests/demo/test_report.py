"""The report counts rightly, loads nothing, and shows hostile texts as texts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from linkwell.demo.report import Account, Bar, Figure, Report, Step, copy_charts, histogram, ranked, write_report


def test_an_account_says_when_it_does_not_add_up(tmp_path: Path) -> None:
    """In = out + removed, or the report says so plainly."""
    good = Account("a", "in", 10, [Bar("x", 3), Bar("y", 2)], "out", 5)
    bad = Account("b", "in", 10, [Bar("x", 3)], "out", 5)
    assert good.adds_up
    assert not bad.adds_up
    report = Report("birds", "today", "lead", "v1-r2", accounts=[good, bad])
    write_report(report, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("✓ adds up") == 1
    assert page.count("✗ does not add up") == 1


def test_the_report_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    """No address in it is loaded, and markup in a name or a line stays text."""
    evil = '<script src="http://evil.example/x.js"></script><img src=x onerror=alert(1)>'
    report = Report(evil, evil, evil, evil, figures=[Figure(evil, evil)], notes=[evil], domains=[Bar(evil, 3)])
    report.steps = [Step(evil, [evil], evil, 1.0)]
    report.receipt = [(evil, evil)]
    write_report(report, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script" in page
    for loading in ("<link", "@import", "url(", "<iframe", "srcset"):
        assert loading not in page
    assert "default-src 'none'" in page


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 1000), max_size=40), st.integers(2, 20))
def test_ranking_loses_no_count(counts: dict[str, int], limit: int) -> None:
    """However many names there are, the bars hold every count, longest first, and no more bars than the limit."""
    bars = ranked(counts, limit)
    assert sum(bar.count for bar in bars) == sum(counts.values())
    assert len(bars) <= limit


@given(st.lists(st.integers(1, 20_000), max_size=60))
def test_a_histogram_counts_every_value(values: list[int]) -> None:
    """Whatever the sizes are, each picture is in one bin, and there are few bins."""
    bars = histogram(values)
    assert sum(bar.count for bar in bars) == len(values)
    assert len(bars) <= 9


def test_what_came_of_a_copy_is_counted_by_domain(tmp_path: Path) -> None:
    """Fetched, opted out and failed, for each registered domain; all domains together at the end."""
    rows = [
        ("http://a.site.example:81/1.jpg", None),
        ("http://b.site.example/2.jpg", "opted_out"),
        ("http://other.example/3.jpg", "http_404"),
        ("http://other.example/4.jpg", None),
        ("http://other.example/5.jpg", None),
    ]
    table = pa.table(
        {
            "url": [url for url, _ in rows],
            "failure": pa.array([failure for _, failure in rows], pa.string()),
            "original_width": pa.array([100 if f is None else None for _, f in rows], pa.int32()),
            "original_height": pa.array([80 if f is None else None for _, f in rows], pa.int32()),
        }
    )
    pq.write_table(table, tmp_path / "00000.parquet")
    report = Report("birds", "today", "lead", "v1")
    copy_charts(report, [tmp_path / "00000.parquet"])
    found = {row.label: [part.count for part in row.parts] for row in report.fetched}
    assert found == {"other.example": [2, 0, 1], "site.example": [1, 1, 0]}
    assert [part.count for part in report.fetched_parts] == [3, 1, 1]
    assert sum(bar.count for bar in report.sizes) == 3
