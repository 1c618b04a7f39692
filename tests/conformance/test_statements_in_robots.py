"""robots.txt as a statement about uses, from RFC 9309, AIPREF's attachment, Content Signals and what came before."""

import pytest

from linkwell.rights import combine, parse_robots
from linkwell.rights.robots_signals import robots_signals

NO, YES, IF, NOTHING = "disallow", "allow", "conditional", "unknown"
URL = "https://h.example/img/heron.jpg?size=2"

ACCESS = [
    # RFC 9309, 2.2.2 and 2.2.3: agent, lines, path, allowed
    ("Disallow: /a", "/a", False),
    ("Disallow: /a", "/ab", False),
    ("Disallow: /a/", "/a", True),
    ("Disallow: /A", "/a", True),
    ("Disallow: a", "/a", True),  # a path begins with a slash
    ("Disallow: *a", "/bca", False),
    ("Disallow: /*?", "/a?b", False),
    ("Disallow: /*?", "/a", True),
    ("Disallow: /a?b=c", "/a?b=c&d", False),
    ("Disallow: /$", "/", False),
    ("Disallow: /$", "/a", True),
    ("Disallow: /*.jpg$", "/x/y.jpg", False),
    ("Disallow: /*.jpg$", "/x/y.jpg?z", True),
    ("Disallow: /a$b", "/a$b", False),
    ("Disallow: /a%24", "/a$", False),
    ("Disallow: /a**b", "/axb", False),
    ("Disallow: /a*", "/a", False),
    ("Disallow: /*/c", "/a/b/c", False),
    ("Disallow: /a%3cd.html", "/a%3Cd.html", False),
    ("Disallow: /a%2fb.html", "/a%2Fb.html", False),
    ("Disallow: /a%2fb.html", "/a/b.html", True),
    ("Disallow: /%7ejoe/", "/~joe/index.html", False),
    ("Disallow: /foo/bar/U+E38384", "/foo/bar/%E3%83%84", True),
    ("Disallow: /foo/bar/ツ", "/foo/bar/ツ", False),
    ("Disallow: /a\\b", "/a/b", True),
    ("Disallow: /a b", "/a%20b", False),
    ("Disallow: /\nAllow: /a", "/a", True),
    ("Disallow: /a/b\nAllow: /a/", "/a/b", False),
    ("Disallow: /a*c\nAllow: /ab", "/abc", False),
    ("Disallow: /*.html\nAllow: /page", "/page.html", False),  # the longest in octets, a star counts
    ("Disallow: /page\nAllow: /*.ph", "/page.php", True),
    ("Allow: /\nDisallow: /", "/a", True),
    ("Disallow:\nAllow: /a", "/b", True),
    ("Disallow: /a\x00b", "/a", True),
    ("Disallow /a", "/a", False),  # a missing colon is read as meant
    ("Dissallow: /a", "/a", False),
    ("Noindex: /a", "/a", True),
]


@pytest.mark.parametrize(("lines", "path", "allowed"), ACCESS)
def test_access(lines: str, path: str, *, allowed: bool) -> None:
    """Which paths a group keeps a crawler from."""
    robots = parse_robots(f"User-agent: a\n{lines}\n".encode())
    assert robots.decide("a", f"https://h.example{path}").allowed is allowed


GROUPS = [
    # 2.2.1: file, agent, whether it may fetch /x
    ("User-agent: a\nUser-agent: b\nDisallow: /x", "b", False),
    ("User-agent: a\n\n\nUser-agent: b\nDisallow: /x", "a", False),  # blank lines divide nothing
    ("User-agent: a\n# comment\nUser-agent: b\nDisallow: /x", "a", False),
    ("User-agent: a\nHost: h.example\nUser-agent: b\nDisallow: /x", "a", False),
    ("User-agent: a\nLicense: https://h.example/l.xml\nUser-agent: b\nDisallow: /x", "a", False),
    ("User-agent: a\nDisallow:\nUser-agent: b\nDisallow: /x", "a", True),
    ("User-agent: *\nUser-agent: a\nDisallow: /x", "c", False),
    ("User-agent: *\nDisallow: /x\nUser-agent: a\nCrawl-delay: 1", "a", True),
    ("User-agent: A\nDisallow: /x", "a", False),
    ("User-agent: a-b_c\nDisallow: /x", "a-b_c", False),
    ("User-agent: ab\nDisallow: /x", "a", True),
    ("User-agent: a/1.0 (+https://a.example)\nDisallow: /x", "a", False),
    ("User-agent:\nDisallow: /x", "a", True),
    ("User-agent: * \nDisallow: /x", "a", False),
    ("User-agent: *bot\nDisallow: /x", "abot", True),
    ("User-agent: a\nDisallow: /y\n\nUser-agent: *\nDisallow: /x", "a", True),
    ("\ufeffUser-agent: a\nDisallow: /x", "a", False),
]


@pytest.mark.parametrize(("text", "agent", "allowed"), GROUPS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_groups(text: str, agent: str, encoding: str, end: str, *, allowed: bool) -> None:
    """Which group holds; whatever the ends of lines, and also where an editor saved UTF-16."""
    robots = parse_robots(text.replace("\n", end).encode(encoding))
    assert robots.decide(agent, "https://h.example/x").allowed is allowed


PREFERENCES = [
    # file, train_ai, search
    ("User-agent: *\nAllow: /\nContent-Usage: train-ai=n", NO, NOTHING),
    ("User-agent: *\nContent-Usage: /img/ train-ai=n\nContent-Usage: train-ai=y", NO, NOTHING),
    ("User-agent: *\nContent-Usage: /img/ train-ai=y\nContent-Usage: train-ai=n", YES, NOTHING),
    ("User-agent: *\nContent-Usage: /img/\ttrain-ai=n", NO, NOTHING),
    ("User-agent: *\nContent-Usage:/*.jpg train-ai=n", NO, NOTHING),
    ("User-agent: *\nContent-Usage: /*.jpg$ train-ai=n", NOTHING, NOTHING),
    ("User-agent: *\nContent-Usage: /img/ train-ai=n # why", NO, NOTHING),
    ("User-agent: *\nContent-Usage: /img/", NOTHING, NOTHING),
    ("User-agent: *\nContent-Usage: img/ train-ai=n", NOTHING, NOTHING),
    ("User-agent: *\ncontent-usage : search=n, train-ai=y", YES, NO),
    ("User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: train-ai=n", NO, NOTHING),  # equal paths add up
    ("User-agent: *\nContent-Usage: ai=n\nDisallowAITraining: /", NO, NOTHING),
    # groups for one agent are one group: the longest path is looked for in both
    (
        ("User-agent: GPTBot\nContent-Usage: train-ai=n\n\nUser-agent: GPTBot\nContent-Usage: /img/ train-ai=y"
        "\n\nUser-agent: *\nDisallow:"),
        YES,
        NOTHING,
    ),
    # a group that names the agent takes the place of *, for that agent; the others of the policy are still under *
    ("User-agent: *\nContent-Usage: train-ai=n\n\nUser-agent: GPTBot\nContent-Usage: train-ai=y", NO, NOTHING),
    ("User-agent: OtherBot\nContent-Usage: train-ai=n\nUser-agent: *\nDisallow:", IF, NOTHING),
    ("Content-Usage: train-ai=n\nUser-agent: *\nDisallow:", NOTHING, NOTHING),
    ("User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /", NO, YES),
    ("User-agent: *\nContent-signal:ai-train=no,search=no", NO, NO),
    ("User-agent: *\nContent-Signal: /img/ ai-train=no", NO, NOTHING),
    ("User-agent: *\nContent-Signal: /text/ ai-train=no", NOTHING, NOTHING),
    ("User-agent: *\nContent-Signal: ai-train=no\nContent-Signal: ai-train=yes", NO, NOTHING),
    ("Content-Signal: ai-train=no", NO, NOTHING),
    ("User-agent: GPTBot\nContent-Signal: ai-train=no", NO, NOTHING),
    ("User-agent: OtherBot\nContent-Signal: ai-train=no", IF, NOTHING),
    ("User-agent: *\nDisallowAITraining: /img/", NO, NOTHING),
    ("User-agent: *\nDisallowAITraining: /\nAllowAITraining: /img/", YES, NOTHING),
    ("User-agent: *\nAllowAITraining: /\nDisallowAITraining: /*.jpg", NO, NOTHING),
    ("User-agent: *\nAllowAITraining: /img/\nDisallowAITraining: /img/", NO, NOTHING),
    ("User-agent: *\nDisallowAITraining:", NOTHING, NOTHING),
    ("License: https://h.example/l.xml", IF, NOTHING),
    ("User-agent: *\nDisallow:\nLicense: HTTPS://cdn.example/l.xml", IF, NOTHING),
    ("License: l.xml", NOTHING, NOTHING),
    ("User-agent: *\nDisallow: /img/", NO, NO),
    ("User-agent: *\nDisallow: /\nUser-agent: Googlebot\nUser-agent: Googlebot-Image\nUser-agent: bingbot\nAllow: /", NO, NOTHING),
    ("User-agent: Google-Extended\nDisallow: /", NO, NOTHING),
    ("User-agent: google-extended\nUser-agent: ccbot\nDisallow: *.jpg", NO, NOTHING),
    ("User-agent: Googlebot-Image\nDisallow: /", NOTHING, NO),
    ("User-agent: bingbot\nDisallow: /text", NOTHING, NOTHING),
    ("User-agent: omgilibot\nDisallow: /*size=", NO, NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("text", "train_ai", "search"), PREFERENCES)
def test_preferences(text: str, train_ai: str, search: str) -> None:
    """What a file says about training on one picture and showing it in search."""
    verdicts = combine(robots_signals(parse_robots(text.encode()), URL, scope="image"))
    assert (verdicts.train_ai, verdicts.search) == (train_ai, search)


def test_a_preference_outside_of_every_group_is_flagged() -> None:
    """It holds for nobody by the draft, and is kept where it can be seen."""
    robots = parse_robots(b"Content-Usage: train-ai=n\nUser-agent: *\nDisallow:\n")
    (signal,) = robots_signals(robots, URL, scope="page")
    assert (signal.kind, signal.verdict) == ("content-usage-robots", "unknown")
