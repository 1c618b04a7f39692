"""The grammar of X-Robots-Tag and robots metas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.rights import combine, header_signals, meta_signals
from linkwell.rights.robots_tag import directives


def train(value: str, *agents: str) -> str:
    return combine(header_signals([("X-Robots-Tag", value)], scope="page", user_agents=agents)).train_ai


def search(value: str, *agents: str) -> str:
    return combine(header_signals([("X-Robots-Tag", value)], scope="page", user_agents=agents)).search


@pytest.mark.parametrize("value", ["noai", "NoAI", "noimageai", "noml", "  noai  ", "nofollow,noai", ",,noai,"])
def test_a_word_against_training_disallows_it(value: str) -> None:
    """Each of the three words counts, in any case, anywhere in the list."""
    assert train(value) == "disallow"


@pytest.mark.parametrize("value", ["noai; noimageai", "noai noimageai", "nofollow noai"])
def test_words_divided_otherwise_are_read(value: str) -> None:
    """Semicolons and spaces between known words are no reason to lose an opt-out."""
    assert train(value) == "disallow"


@pytest.mark.parametrize(
    "value", ["", "nofollow", "noaix", "xnoai", "no-ai", "max-snippet:20", "unavailable_after: noai", ":", ",", "::"]
)
def test_other_values_say_nothing_about_training(value: str) -> None:
    """No verdict without a statement."""
    assert train(value) == "unknown"


def test_a_date_of_the_older_form_is_no_directive() -> None:
    """The comma after the weekday does not start a new item, and what follows the date is read."""
    value = "unavailable_after: Wednesday, 25-Jun-30 15:00:00 PST, noai"
    assert list(directives(value)) == [(None, "unavailable_after"), (None, "noai")]


def test_a_name_holds_until_the_next() -> None:
    """Directives after a crawler's name are for that crawler, until another is named."""
    value = "noindex, otherbot: noarchive, nofollow, *: noai"
    assert list(directives(value)) == [
        (None, "noindex"),
        ("otherbot", "noarchive"),
        ("otherbot", "nofollow"),
        (None, "noai"),
    ]


def test_a_word_for_another_crawler_is_conditional() -> None:
    """What is said to another crawler neither binds everybody nor is lost."""
    assert train("otherbot: noai") == "conditional"
    assert search("otherbot: noindex") == "conditional"
    assert search("otherbot: index") == "unknown"


def test_agents_asked_about_replace_the_default_set() -> None:
    """CCBot gathers for training and counts by default; where another agent is asked about, it is somebody else."""
    assert train("CCBot: noai") == "disallow"
    assert train("ccbot/2.0: noai") == "disallow"
    assert train("CCBot: noai", "img2dataset") == "conditional"
    assert train("Img2Dataset: noai", "IMG2DATASET") == "disallow"


@pytest.mark.parametrize(("value", "verdict"), [("noindex", "disallow"), ("none", "disallow"), ("noimageindex", "disallow"), ("all", "allow"), ("index, follow", "allow"), ("index, noindex", "disallow"), ("unavailable_after: 2030-06-25", "conditional"), ("nofollow", "unknown")])  # fmt: skip
def test_indexing_directives_give_the_verdict_for_search(value: str, verdict: str) -> None:
    """The table of the module, for search; and none of them touches training."""
    assert search(value) == verdict
    assert train(value) == "unknown"


def test_noarchive_is_a_condition() -> None:
    """Bing reads noarchive as no training, others as a matter of caches."""
    assert train("noarchive") == "conditional"


def test_metas_named_after_crawlers() -> None:
    """A meta named robots is for all; one named after another crawler is conditional; one named after a training agent counts."""
    assert combine(meta_signals([("ROBOTS", "NOAI")])).train_ai == "disallow"
    assert combine(meta_signals([("googlebot", "noai")])).train_ai == "conditional"
    assert combine(meta_signals([("GPTBot", "noai")])).train_ai == "disallow"
    assert combine(meta_signals([("description", "noai")])).train_ai == "unknown"


@given(st.text())
def test_any_text_reads_without_error(value: str) -> None:
    """The parser never raises, and yields only lower-case directives."""
    assert all(directive == directive.lower() for _agent, directive in directives(value))


@given(
    st.lists(
        st.sampled_from(["noai", "googlebot", "*", ":", ",", " ", "max-snippet", "unavailable_after", "1", ";", "wed"])
    )
)
def test_noai_alone_at_the_end_is_never_lost(parts: list[str]) -> None:
    """Whatever came before, `*: noai` after a comma disallows."""
    value = "".join(parts) + ", 2, *: noai"
    assert train(value) == "disallow"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", [":", "a:", ",", "noai,", "a:b,", " ", "unavailable_after:wed,", "noai;"])
def test_time_is_linear(piece: str) -> None:
    """A megabyte of anything reads well within the time limit, which anything slower than linear would not."""
    value = piece * (1_000_000 // len(piece))
    assert all(agent != "noai" for agent, _directive in directives(value))
