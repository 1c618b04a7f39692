"""From header fields and metas to signals.

`tdm-reservation` is TDMRep (see `tdmrep`). Where header and meta differ, the reservation wins: TDMRep lets the meta override the header,
but one appropriate reservation suffices (CDSM directive, article 4(3)), and that reading is the safe one. A `tdm-policy`, the address of
the terms, reserves nothing by itself: it is kept as evidence (`evidence.page_evidence`).
"""

from collections.abc import Iterable, Sequence

from linkwell.rights.aipref import content_signal, content_usage
from linkwell.rights.robots_tag import TRAINING_AGENTS, statements
from linkwell.rights.rsl import MEDIA_TYPE, pointer_signal, rsl_links
from linkwell.rights.tdmrep import reservation_uses
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

HEADER_NAMES = frozenset({"x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "content-signal", "link"})
"""Lower-case names of the header fields that `header_signals` reads: a caller in a hurry may leave out all others."""

RSL_LINK = f"link:{MEDIA_TYPE}"
"""The name under which a reader of pages hands over the target of a `<link rel=license type=application/rsl+xml>` as if it were a meta."""

_CRAWLERS = TRAINING_AGENTS | {
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
META_NAMES = _CRAWLERS | {"robots", "tdm-reservation", "tdm-policy", RSL_LINK}
"""Lower-case names of the metas that `meta_signals` reads, besides those of the agents it is asked about."""


def header_signals(headers: Iterable[tuple[str, str]], *, scope: str, user_agents: Sequence[str] = ()) -> list[Signal]:
    """The signals in the header fields of one HTTP response.

    Args:
        headers: names and values, one pair for each field line, in any case and order.
        scope: `page` or `image`: what the response was for.
        user_agents: names of the crawlers whose treatment decides; by default `TRAINING_AGENTS`.
    """
    signals: list[Signal] = []
    usage: list[str] = []
    agents = _folded(user_agents)
    for name, value in headers:
        folded = name.strip().lower()
        if folded == "x-robots-tag":
            _add_robots(signals, "x-robots-tag", scope, value, agents=agents, agent=None)
        elif folded == "tdm-reservation":
            _add_reservation(signals, "tdm-reservation-header", scope, value)
        elif folded == "content-usage":
            usage.append(value)
        elif folded == "content-signal":
            _add_stated(signals, "content-signal-header", scope, content_signal(value), value)
        elif folded == "link" and (targets := rsl_links(value)):
            signals += [pointer_signal(target, scope=scope) for target in targets]
    if usage:
        # Several field lines are one dictionary (RFC 9651, 4.2).
        joined = ", ".join(usage)
        _add_stated(signals, "content-usage-header", scope, content_usage(joined), joined)
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
        elif folded == RSL_LINK:
            signals.append(pointer_signal(content, scope=scope))
        elif folded in _CRAWLERS or folded in agents:
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
        signals.extend(Signal(kind, scope, use, verdict, evidence) for use, verdict in reservation_uses(stated))


def _add_stated(signals: list[Signal], kind: str, scope: str, stated: Iterable[tuple[str, str]], value: str) -> None:
    evidence = value[:MAX_EVIDENCE_CHARACTERS]
    signals.extend(Signal(kind, scope, use, verdict, evidence) for use, verdict in stated)
