"""Signals from header fields and metas, and the verdicts they come to."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.rights import (
    RESTRICTION_COLUMNS,
    Signal,
    Verdicts,
    combine,
    header_signals,
    meta_signals,
    restriction_rank,
)


@pytest.mark.parametrize(
    ("value", "verdicts"),
    [
        ("1", Verdicts("disallow", "disallow", "unknown")),
        (" 1 ", Verdicts("disallow", "disallow", "unknown")),
        ("0", Verdicts("unknown", "allow", "unknown")),
        ("true", Verdicts("unknown", "unknown", "unknown")),
        ("1.0", Verdicts("unknown", "unknown", "unknown")),
        ("", Verdicts("unknown", "unknown", "unknown")),
        ("0, 1", Verdicts("disallow", "disallow", "unknown")),
    ],
)
def test_tdm_reservation(value: str, verdicts: Verdicts) -> None:
    """1 reserves mining and with it training, 0 allows mining only, anything else is malformed; in header and meta alike."""
    assert combine(header_signals([("TDM-Reservation", value)], scope="page")) == verdicts
    assert combine(meta_signals([("tdm-reservation", value)])) == verdicts


def test_a_malformed_reservation_is_kept_and_not_lifted_by_an_allow() -> None:
    """What does not read may have been a reservation: it stays visible as a signal, and a second statement cannot allow over it."""
    signals = header_signals([("tdm-reservation", "yes"), ("tdm-reservation", "0")], scope="image")
    assert [(s.use, s.verdict, s.evidence) for s in signals] == [
        ("tdm", "unknown", "yes"),
        ("train_ai", "unknown", "yes"),
        ("tdm", "allow", "0"),
    ]
    assert combine(signals).tdm == "unknown"


def test_several_field_lines_add_up() -> None:
    """The strictest of several lines counts, whatever their order."""
    lines = [("X-Robots-Tag", "noai"), ("x-robots-tag", "all"), ("Content-Type", "text/html")]
    assert combine(header_signals(lines, scope="page")) == Verdicts("disallow", "unknown", "allow")
    assert combine(header_signals(lines[::-1], scope="page")) == Verdicts("disallow", "unknown", "allow")


def test_evidence_is_kept_and_bounded() -> None:
    """A signal carries what was stated, cut at 500 characters, and where."""
    (signal,) = header_signals([("X-Robots-Tag", "noai" + " " * 10_000)], scope="image")
    assert signal.evidence.startswith("noai")
    assert len(signal.evidence) == 500
    assert (signal.kind, signal.scope) == ("x-robots-tag", "image")


_signals = st.builds(
    Signal, st.just("k"), st.just("page"), st.sampled_from(USES), st.sampled_from(VERDICTS), st.just("")
)


@given(st.lists(_signals), st.randoms())
def test_combining_knows_no_order_and_disallow_wins(signals: list[Signal], random: object) -> None:
    """Any order gives the same verdicts; one disallow is enough; nothing stated is unknown."""
    verdicts = combine(signals)
    assert combine(signals[::-1]) == verdicts
    assert combine(signals * 2) == verdicts
    for use in USES:
        stated = {s.verdict for s in signals if s.use == use}
        assert (getattr(verdicts, use) == "disallow") == ("disallow" in stated)
        if not stated:
            assert getattr(verdicts, use) == "unknown"


@given(st.text(max_size=40), st.text(max_size=400))
def test_any_field_reads_without_error(name: str, value: str) -> None:
    """No header or meta raises."""
    for each in (name, "x-robots-tag", "tdm-reservation"):
        combine(header_signals([(each, value)], scope="page") + meta_signals([(each, value), ("robots", value)]))


def test_the_rank_keeps_the_stricter_row() -> None:
    """Disallow above conditional above the rest; training above mining above search; dictionary columns and plain ones alike."""
    rows = [
        ("unknown", "unknown", "unknown"),
        ("allow", "allow", "allow"),
        ("unknown", "unknown", "disallow"),
        ("unknown", "conditional", "unknown"),
        ("conditional", "disallow", "disallow"),
        ("disallow", "unknown", "unknown"),
    ]
    plain = pa.table({name: [row[i] for row in rows] for i, name in enumerate(RESTRICTION_COLUMNS)})
    typed = plain.cast(pa.schema([LINK_SCHEMA.field(name) for name in RESTRICTION_COLUMNS]))
    for table in (plain, typed, pa.concat_tables([typed.slice(0, 2), typed.slice(2)])):
        ranks = restriction_rank(table)
        assert ranks.dtype == np.int8
        assert ranks[0] == ranks[1] == 0
        assert (np.diff(ranks[1:]) > 0).all()
    assert len(restriction_rank(typed.slice(0, 0))) == 0
