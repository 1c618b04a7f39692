"""The grammar of `X-Robots-Tag` and of robots metas, and what its directives mean for the uses Linkwell knows.

One value is a list, divided by commas, of directives, each optionally introduced by the name of the crawler it is meant for
(`googlebot: noindex, nofollow`); a name holds for the directives after it up to the next name. Names and directives are
case-insensitive, white space anywhere around them means nothing. Some directives carry a value after a colon
(`max-snippet: 20`, `unavailable_after: 25 Jun 2030 15:00:00 PST`): they are no names of crawlers, and the value may itself
hold colons and, in dates of the older forms, commas. Several field lines, or several metas, add up.

People also divide directives by semicolons or only by white space (`noai noimageai`, `max-snippet:20 noai`), which no specification
allows; what is known among such words is read as if commas stood between, because the meaning is plain and an opt-out must not be
lost.

What the directives come to:

===================  ==========  =====================================================================================
directive            use         verdict
===================  ==========  =====================================================================================
noai, noimageai      train_ai    disallow (DeviantArt 2022)
noml                 train_ai    disallow (noml.info)
disallowaitraining   train_ai    disallow (draft-canel-robots-ai-control-00); `allowaitraining`: allow
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
    "disallowaitraining": ("train_ai", "disallow"),
    "allowaitraining": ("train_ai", "allow"),
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
_REST_OF_DATE = re.compile(
    r"(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?\s+)?\d{1,4}(?![^\s:./+-]).*", re.DOTALL
)
"""Behind a comma inside a date: its month, day or year, and no name such as `360spider`."""
_DIVIDERS = re.compile(r"[,;]")
_MAX_VALUE_CHARACTERS = 65_536


def directives(value: str) -> Iterator[tuple[str | None, str]]:
    """The directives of one value, lower-case, each with the crawler it is for (lower-case) or None for all.

    Runs in time linear in the value, which is read up to 64 Ki characters; never raises.

    >>> list(directives("unavailable_after: 25 Jun 2030 15:00:00 PST, noai, googlebot: nofollow, noarchive"))
    [(None, 'unavailable_after'), (None, 'noai'), ('googlebot', 'nofollow'), ('googlebot', 'noarchive')]
    """
    agent: str | None = None
    dated = False
    for piece in _DIVIDERS.split(value[:_MAX_VALUE_CHARACTERS].lower()):
        item = piece.strip()
        # Dates have a comma after the weekday, or before the year: what follows it is no directive.
        continues_date, dated = dated, False
        if not item or (continues_date and _REST_OF_DATE.fullmatch(item)):
            dated = continues_date
            continue
        *names, last = (part.strip() for part in item.split(":"))
        words = last.split()
        for position, name in enumerate(names):
            *before, said = name.split() or [""]
            yield from ((agent, word) for word in before if word in _KNOWN)
            if said in _KNOWN or said in _VALUED:
                yield agent, said
                dated = said == "unavailable_after"
                argument = names[position + 1] if position + 1 < len(names) else last
                words = argument.split()[1:]
                break
            if not _KNOWN.isdisjoint(before):
                name = said  # noqa: PLW2901 - what stood before it was no part of the name
            agent = None if name in {"*", ""} else name.partition("/")[0].strip()
        yield from ((agent, word) for word in words if word in _KNOWN or word in _VALUED)


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
