"""Content-Usage with its labels of all drafts, Content-Signal, and both inside robots.txt."""

import pytest

from linkwell.rights import combine, header_signals, parse_robots
from linkwell.rights.aipref import content_signal, content_usage, usage_rule
from linkwell.rights.robots_signals import robots_signals

URL = "https://h.example/img/heron.jpg"


@pytest.mark.parametrize(
    ("value", "train_ai", "tdm", "search"),
    [
        ("train-ai=n", "disallow", "unknown", "unknown"),
        ("train-ai=y, search=n", "allow", "unknown", "disallow"),
        ("train-ai=n;x=1, unknown=y", "disallow", "unknown", "unknown"),
        ("train-ai=y, train-ai=n", "disallow", "unknown", "unknown"),
        ("train-ai=n, train-ai=y", "allow", "unknown", "unknown"),  # the last of two equal keys holds
        ("ai=n", "disallow", "unknown", "unknown"),
        ("genai=n", "disallow", "unknown", "unknown"),
        ("train-genai=y", "unknown", "unknown", "unknown"),
        ("train-genai=n;exceptions=cc-cr", "conditional", "unknown", "unknown"),
        ("train-genai=n;exceptions=cc-cr-op", "conditional", "unknown", "unknown"),
        ("tdm=n", "disallow", "disallow", "unknown"),
        ("tdm=y", "unknown", "allow", "unknown"),
        ("all=n", "disallow", "disallow", "disallow"),
        ("bots=n, search=y", "disallow", "disallow", "allow"),
        ("bots=y, train-ai=n", "disallow", "allow", "allow"),
        ("ai-output=n, inference=n, ai-use=n", "unknown", "unknown", "unknown"),
        ("", "unknown", "unknown", "unknown"),
    ],
)
def test_labels_of_every_draft(value: str, train_ai: str, tdm: str, search: str) -> None:
    """Each label means what the draft that had it says; a general one yields to a special one."""
    assert combine(header_signals([("Content-Usage", value)], scope="image")) == (train_ai, tdm, search)


@pytest.mark.parametrize(
    "value",
    ["Train-AI=n", "train-ai=n,", "train-ai", "train-ai=?0", 'train-ai="n"', "train-ai=no", "=n", "train-ai=(n)"],
)
def test_what_does_not_read_is_malformed(value: str) -> None:
    """A dictionary that fails to parse, or a value that is neither y nor n, is kept as `unknown`."""
    assert content_usage(value) == [("train_ai", "unknown")]


def test_field_lines_are_one_dictionary() -> None:
    """RFC 9651: lines are joined before they are parsed, so that a later line overrides and a broken one breaks all."""
    lines = [("Content-Usage", "train-ai=y"), ("content-usage", "train-ai=n")]
    assert combine(header_signals(lines, scope="image")).train_ai == "disallow"
    assert combine(header_signals([*lines, ("content-usage", "?")], scope="image")).train_ai == "unknown"


@pytest.mark.parametrize(
    ("value", "stated"),
    [
        ("search=yes, ai-input=no, ai-train=no", [("search", "allow"), ("train_ai", "disallow")]),
        ("ai-train=yes", [("train_ai", "allow")]),
        ("AI-Train = No", [("train_ai", "disallow")]),
        ("use=reference", []),
        ("ai-train=maybe", [("train_ai", "unknown")]),
        ("ai-input=no", []),
    ],
)
def test_content_signal(value: str, stated: list[tuple[str, str]]) -> None:
    """Yes and no; absence neither grants nor restricts; unknown signals are passed over."""
    assert content_signal(value) == stated


@pytest.mark.parametrize(
    ("text", "train_ai"),
    [
        ("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "disallow"),
        ("User-agent: *\nContent-Usage: /img/ train-ai=n", "disallow"),
        ("User-agent: *\nContent-Usage: /other/ train-ai=n", "unknown"),
        (
            "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /img/ train-ai=y",
            "allow",
        ),  # the longest path holds
        ("User-agent: *\nContent-Usage: /img/ train-ai=y\nContent-Usage: /img/ train-ai=n", "disallow"),
        ("User-agent: *\nContent-Usage: /*.jpg$ ai=n", "disallow"),
        ("User-agent: *\nContent-Usage: ai=n # not a comment on it", "disallow"),
        ("User-agent: *\nContent-Signal: ai-train=no", "disallow"),
        ("User-agent: GPTBot\nContent-Signal: ai-train=no\nAllow: /", "disallow"),
        ("User-agent: SomeOtherBot\nContent-Signal: ai-train=no\nAllow: /", "conditional"),
        ("User-agent: SomeOtherBot\nContent-Signal: ai-train=yes\nAllow: /", "unknown"),
        ("Content-Signal: ai-train=no\nUser-agent: *\nAllow: /", "disallow"),
        ("User-agent: *\nDisallowAITraining: /", "disallow"),
        ("User-agent: *\nDisallowAITraining: /private/", "unknown"),
        ("License: https://h.example/license.xml\nUser-agent: *\nAllow: /", "conditional"),
        ("License: /license.xml\nUser-agent: *\nAllow: /", "unknown"),  # must be absolute
        ("User-agent: GPTBot\nDisallow: /", "disallow"),
        ("User-agent: AI2Bot\nDisallow: /img", "disallow"),
        ("User-agent: img2dataset\nDisallow: /", "disallow"),
        ("User-agent: *\nDisallow: /\n\nUser-agent: GPTBot\nAllow: /", "disallow"),  # the others are still kept out
        ("User-agent: SomeOtherBot\nDisallow: /", "unknown"),
        ("User-agent: *\nAllow: /", "unknown"),  # access is no permission to train
        ("<html>", "unknown"),
    ],
)
def test_robots_txt_as_a_statement(text: str, train_ai: str) -> None:
    """Shut out any training agent of the policy, or say it by a preference: training is disallowed for that path."""
    assert combine(robots_signals(parse_robots(text.encode()), URL, scope="image")).train_ai == train_ai


def test_search_agents_are_asked_about_search() -> None:
    """Googlebot-Image shut out is a statement about search, and none about training."""
    robots = parse_robots(b"User-agent: Googlebot-Image\nDisallow: /img\n")
    assert combine(robots_signals(robots, URL, scope="image")) == ("unknown", "unknown", "disallow")


def test_the_path_of_a_usage_rule_ends_at_white_space() -> None:
    """First octet `/`: a path, up to the first space or tab."""
    assert usage_rule("/a/b\tai=n, search=y") == ("/a/b", "ai=n, search=y")
    assert usage_rule("ai=n") == ("", "ai=n")
    assert usage_rule("/a") == ("/a", "")
