"""From header fields and metas to signals.

`tdm-reservation` (TDMRep, W3C CG 2024): `1` reserves text and data mining, of which training is one form, so both uses are
disallowed; `0` allows mining and says nothing about training. Anything else is a protocol error: the statement is kept as a
malformed one, verdict `unknown`. Where header and meta differ, the reservation wins: TDMRep lets the meta override the header,
but one appropriate reservation suffices (CDSM directive, article 4(3)), and that reading is the safe one.
"""

from collections.abc import Iterable, Sequence

from linkwell.rights.robots_tag import TRAINING_AGENTS, statements
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

HEADER_NAMES = frozenset({"x-robots-tag", "tdm-reservation"})
"""Lower-case names of the header fields that `header_signals` reads: a caller in a hurry may leave out all others."""

META_NAMES = TRAINING_AGENTS | {
    "robots",
    "tdm-reservation",
    "googlebot",
    "googlebot-image",
    "googlebot-news",
    "bingbot",
    "msnbot",
    "slurp",
    "duckduckbot",
    "baiduspider",
    "yandex",
}
"""Lower-case names of the metas that `meta_signals` reads, besides those of the agents it is asked about."""


def header_signals(headers: Iterable[tuple[str, str]], *, scope: str, user_agents: Sequence[str] = ()) -> list[Signal]:
    """The signals in the header fields of one HTTP response.

    Args:
        headers: names and values, one pair for each field line, in any case and order.
        scope: `page` or `image`: what the response was for.
        user_agents: names of the crawlers whose treatment decides; by default `TRAINING_AGENTS`.
    """
    signals: list[Signal] = []
    agents = _folded(user_agents)
    for name, value in headers:
        folded = name.strip().lower()
        if folded == "x-robots-tag":
            _add_robots(signals, "x-robots-tag", scope, value, agents=agents, agent=None)
        elif folded == "tdm-reservation":
            _add_reservation(signals, "tdm-reservation-header", scope, value)
    return signals


def meta_signals(
    metas: Iterable[tuple[str, str]], *, scope: str = "page", user_agents: Sequence[str] = ()
) -> list[Signal]:
    """The signals in the metas of one HTML page.

    Args:
        metas: name and content of each.
        scope: `page`, as a page's meta does not cover the image file itself.
        user_agents: names of the crawlers whose treatment decides; by default `TRAINING_AGENTS`.
    """
    signals: list[Signal] = []
    agents = _folded(user_agents)
    for name, content in metas:
        folded = name.strip().lower()
        if folded == "robots":
            _add_robots(signals, "robots-meta", scope, content, agents=agents, agent=None)
        elif folded == "tdm-reservation":
            _add_reservation(signals, "tdm-reservation-meta", scope, content)
        elif folded in META_NAMES or folded in agents:
            _add_robots(signals, "robots-meta", scope, content, agents=agents, agent=folded)
    return signals


def _folded(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in names)


def _add_robots(
    signals: list[Signal], kind: str, scope: str, value: str, *, agents: frozenset[str], agent: str | None
) -> None:
    evidence = value[:MAX_EVIDENCE_CHARACTERS]
    for use, verdict in dict.fromkeys(statements(value, agents, agent)):
        signals.append(Signal(kind, scope, use, verdict, evidence))


def _add_reservation(signals: list[Signal], kind: str, scope: str, value: str) -> None:
    evidence = value[:MAX_EVIDENCE_CHARACTERS]
    # Field lines joined by a proxy stand in one value, divided by commas.
    for stated in dict.fromkeys(part.strip() for part in value[:MAX_EVIDENCE_CHARACTERS].split(",")):
        if stated == "1":
            signals.append(Signal(kind, scope, "tdm", "disallow", evidence))
            signals.append(Signal(kind, scope, "train_ai", "disallow", evidence))
        elif stated == "0":
            signals.append(Signal(kind, scope, "tdm", "allow", evidence))
        else:
            signals.append(Signal(kind, scope, "tdm", "unknown", evidence))
            signals.append(Signal(kind, scope, "train_ai", "unknown", evidence))
