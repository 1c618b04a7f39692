"""How one host is treated, as a function of times and answers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.populate.manners import DOWN_SECONDS, OPENINGS_TO_GIVE_UP, TROUBLES_TO_OPEN, Host, HostLimits

LIMITS = HostLimits(concurrency=4, per_second=10.0, backoff_seconds=0.5, max_patience_seconds=120.0)


@given(st.lists(st.tuples(st.sampled_from(["start", "well", "wrong", "nowhere"]), st.floats(0, 5)), max_size=200))
def test_a_host_never_has_more_than_its_limit(steps: list[tuple[str, float]]) -> None:
    """Whatever happens, as long as `room` and `ready_at` are heeded, number and distance of requests keep to the limits."""
    host, now, starts = Host("a.example", LIMITS), 0.0, list[float]()
    for what, passed in steps:
        now += passed
        if what == "start":
            if host.room() and host.ready_at() <= now and not host.is_down(now):
                host.started(now)
                starts.append(now)
        elif host.active:
            if what == "wrong":
                host.went_wrong(now)
            else:
                {"well": host.went_well, "nowhere": host.went_nowhere}[what]()
        assert 0 <= host.active <= LIMITS.concurrency
        assert 1 <= host.limit <= LIMITS.concurrency
    assert all(later - sooner >= 0.1 - 1e-9 for sooner, later in pairwise(starts))


def test_rests_grow_and_the_circuit_opens() -> None:
    """Each trouble in a row rests the host longer; after five the circuit is open, and one request at a time is a probe."""
    host, now, rests = Host("a.example", LIMITS), 1_000.0, list[float]()
    for _ in range(TROUBLES_TO_OPEN):
        assert not host.open
        host.started(now)
        host.went_wrong(now)
        rests.append(host.ready_at() - now)
        now = host.ready_at()
    assert host.open
    assert all(0.25 * 2**n <= rest <= 0.75 * 2**n for n, rest in enumerate(rests[:-1]))
    assert rests[-1] >= 5.0
    host.started(now)
    assert not host.room()
    host.went_well()
    assert not host.open
    assert host.room()


def test_a_host_that_stays_in_trouble_is_given_up_for_a_while() -> None:
    """After three probes in vain nothing is asked for ten minutes; then it begins anew."""
    host, now = Host("a.example", LIMITS), 1_000.0
    for _ in range(TROUBLES_TO_OPEN + OPENINGS_TO_GIVE_UP):
        assert not host.is_down(now)
        host.started(now)
        host.went_wrong(now)
        now = max(now, host.ready_at())
    assert host.is_down(now)
    assert not host.is_down(now + DOWN_SECONDS)
    assert not host.open


@pytest.mark.parametrize(("asked", "rest"), [(0.0, 0.11), (7.0, 7.0), (120.0, 120.0)])
def test_retry_after_is_kept(asked: float, rest: float) -> None:
    """What the host asks for takes the place of our own rest, to the second; pacing still holds."""
    host = Host("a.example", LIMITS)
    host.started(0.0)
    host.went_wrong(0.0, asked)
    assert host.ready_at() == pytest.approx(rest)


def test_a_host_that_wants_more_patience_than_there_is_is_left_alone() -> None:
    """Retry-After: an hour. It is not asked again for an hour."""
    host = Host("a.example", LIMITS)
    host.started(0.0)
    host.went_wrong(0.0, 3_600.0)
    assert host.is_down(3_599.0)
    assert not host.is_down(3_601.0)


def test_trouble_halves_what_a_host_gets_and_good_answers_give_it_back() -> None:
    """Four at once, then two, then one; ten good answers make it one more."""
    host = Host("a.example", LIMITS)
    for limit in (2, 1):
        host.started(0.0)
        host.went_wrong(0.0)
        assert host.limit == limit
    for _ in range(30):
        host.started(0.0)
        host.went_well()
    assert host.limit == 4


def test_a_crawl_delay_keeps_requests_apart_within_patience() -> None:
    """The longer of our pace and the host's, up to the patience there is."""
    host = Host("a.example", LIMITS)
    host.keeps_apart(0.01)
    assert host.interval == pytest.approx(0.11)
    host.keeps_apart(3.0)
    assert host.interval == 3.0
    host.keeps_apart(86_400.0)
    assert host.interval == LIMITS.max_patience_seconds


def test_one_held_up_on_its_way_does_not_make_a_second_see_one_more() -> None:
    """The first request waits for its connection: it may come to the server nearly a tenth of a second later than it started."""
    host = Host("a.example", LIMITS)
    starts, now = [], 0.0
    for _ in range(11):
        now = max(now, host.ready_at())
        starts.append(now)
        host.started(now)
    assert starts[10] - (starts[0] + 0.099) >= 1.0
