"""The grammar of `X-Robots-Tag` and of robots metas, and what its directives mean for the uses Linkwell knows.

One value is a list, divided by commas, of directives, each optionally introduced by the name of the crawler it is meant for
(`googlebot: noindex, nofollow`); a name holds for the directives after it up to the next name. Names and directives are
case-insensitive, white space anywhere around them means nothing. Some directives carry a value after a colon
(`max-snippet: 20`, `unavailable_after: 25 Jun 2030 15:00:00 PST`): they are no names of crawlers, and the value may itself
hold colons and, in dates of the older forms, commas. Several field lines, or several metas, add up.

People also divide directives by semicolons or only by white space (`noai noimageai`), which no specification allows; what is
known among such words is read as if commas stood between, because the meaning is plain and an opt-out must not be lost.

What the directives come to:

===================  ==========  =====================================================================================
directive            use         verdict
===================  ==========  =====================================================================================
noai, noimageai      train_ai    disallow (DeviantArt 2022)
noml                 train_ai    disallow (noml.info)
noarchive, nocache   train_ai    conditional: Bing reads them as no, or limited, training; others as a matter of caches
noindex, none        search      disallow (`none` is `noindex, nofollow`)
noimageindex         search      disallow: the images of the page are not to be indexed, and only images are links here
unavailable_after    search      conditional: allowed up to a date
index, all           search      allow
===================  ==========  =====================================================================================

Every other directive (nofollow, nosnippet, max-image-preview, …) says nothing about these uses.

A directive for a named crawler counts in full where that crawler is one of those asked about, by default the agents that
gather data for training (`TRAINING_AGENTS`) or `*`. Said to any other crawler it is still a statement of the same owner about
the same use, so a prohibition gives `conditional`, never `disallow`, and a permission gives nothing.
"""

import re
from collections.abc import Collection, Iterator

from linkwell.rights.policy import DEFAULT_POLICY

TRAINING_AGENTS = DEFAULT_POLICY.training_agents
"""Agents that gather data for training, lower-case, of the default policy."""

_MEANING = {
    "noai": ("train_ai", "disallow"),
    "noimageai": ("train_ai", "disallow"),
    "noml": ("train_ai", "disallow"),
    "noarchive": ("train_ai", "conditional"),
    "nocache": ("train_ai", "conditional"),
    "noindex": ("search", "disallow"),
    "none": ("search", "disallow"),
    "noimageindex": ("search", "disallow"),
    "unavailable_after": ("search", "conditional"),
    "index": ("search", "allow"),
    "all": ("search", "allow"),
}
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_KNOWN = frozenset(_MEANING) | {
    "follow",
    "nofollow",
    "nosnippet",
    "notranslate",
    "noodp",
    "noydir",
    "nopagereadaloud",
    "indexifembedded",
    "nositelinkssearchbox",
}
_WEEKDAY = re.compile(r"(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?", re.IGNORECASE)
_MAX_VALUE_CHARACTERS = 65_536


def directives(value: str) -> Iterator[tuple[str | None, str]]:
    """The directives of one value, lower-case, each with the crawler it is for (lower-case) or None for all.

    Runs in time linear in the value, which is read up to 64 Ki characters; never raises.

    >>> list(directives("unavailable_after: 25 Jun 2030 15:00:00 PST, noai, googlebot: nofollow, noarchive"))
    [(None, 'unavailable_after'), (None, 'noai'), ('googlebot', 'nofollow'), ('googlebot', 'noarchive')]
    """
    agent: str | None = None
    dated = False
    for piece in value[:_MAX_VALUE_CHARACTERS].lower().split(","):
        item = piece.strip()
        # A date in one of the older forms has a comma after the weekday: its second half is no directive.
        continues_date, dated = dated, False
        if not item or (continues_date and item[0].isdigit()):
            continue
        *names, last = (part.strip() for part in item.split(":"))
        directive, argument = last, ""
        for position, name in enumerate(names):
            if name in _KNOWN or name in _VALUED:
                directive, argument = name, names[position + 1] if position + 1 < len(names) else last
                break
            agent = None if name in {"*", ""} else name.partition("/")[0]
        dated = directive == "unavailable_after" and _WEEKDAY.fullmatch(argument) is not None
        if directive in _KNOWN or directive in _VALUED:
            yield agent, directive
        else:
            for word in directive.replace(";", " ").split():
                if word in _KNOWN:
                    yield agent, word


def statements(value: str, agents: Collection[str], agent: str | None = None) -> Iterator[tuple[str, str]]:
    """What one value states: pairs of use and verdict.

    Args:
        value: the header's or meta's content.
        agents: lower-case names of the crawlers asked about; empty means `TRAINING_AGENTS`.
        agent: the crawler the whole value is for, where its place says so (`<meta name="googlebot">`); None for all.
    """
    asked = agents or TRAINING_AGENTS
    for named, directive in directives(value):
        meaning = _MEANING.get(directive)
        if meaning is None:
            continue
        use, verdict = meaning
        meant_for = named or agent
        if meant_for is None or meant_for in asked:
            yield use, verdict
        elif verdict != "allow":
            yield use, "conditional"
