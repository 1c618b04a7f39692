"""The bound of a random sample: exact, never too low, and right as often as it says."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.audit.bound import tail, upper_count, upper_share
from linkwell.audit.residual import CONFIDENCE


def _exact_tail(found: int, sampled: int, share: Fraction) -> Fraction:
    return sum((comb(sampled, k) * share**k * (1 - share) ** (sampled - k) for k in range(found + 1)), Fraction(0))


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_the_tail_is_the_binomial_one(found: int, sampled: int, percent: int) -> None:
    """The sum of logarithms is what exact fractions say."""
    found = min(found, sampled)
    exact = float(_exact_tail(found, sampled, Fraction(percent, 100)))
    assert tail(found, sampled, percent / 100) == pytest.approx(exact, rel=1e-9, abs=1e-300)


@given(st.integers(1, 400), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
@settings(max_examples=100, deadline=None)
def test_the_bound_is_where_the_tail_meets_the_error(sampled: int, data: st.DataObject, confidence: float) -> None:
    """At the bound the chance of so few findings is what is left to error; a little below it is more, a little above less."""
    found = data.draw(st.integers(0, sampled))
    share = upper_share(found, sampled, confidence)
    assert found / sampled <= share <= 1
    if share < 1:
        assert tail(found, sampled, share) == pytest.approx(1 - confidence, rel=1e-6)
        assert tail(found, sampled, share * 0.999) > 1 - confidence > tail(found, sampled, min(1.0, share * 1.001))
    if found:
        assert upper_share(found - 1, sampled, confidence) < share or share == 1


def test_known_bounds() -> None:
    """Values of Clopper and Pearson's interval as tables have them (one-sided 95 % and 97.5 %)."""
    assert upper_share(0, 10) == pytest.approx(0.258866, abs=1e-6)
    assert upper_share(1, 10, 0.975) == pytest.approx(0.445016, abs=1e-6)
    assert upper_share(5, 10, 0.975) == pytest.approx(0.812914, abs=1e-6)
    assert upper_share(0, 3_000_000) == pytest.approx(9.98577e-7, rel=1e-5)
    assert upper_share(10, 10) == 1
    assert upper_count(2, 10, 10) == 2
    with pytest.raises(ValueError, match="no sample"):
        upper_share(3, 2)


@pytest.mark.parametrize("left", [0, 40, 380, 4_000])
def test_the_bound_holds_in_95_of_100(left: int) -> None:
    """Of 100 samples of a million links, at least 95 give the report's bound not below what is left (seeds are fixed)."""
    population, size, held = 1_000_000, 20_000, 0
    for seed in range(100):
        found = int(np.random.default_rng(seed).hypergeometric(left, population - left, size))
        held += upper_count(found, size, population, CONFIDENCE) >= left
    assert held >= 95
