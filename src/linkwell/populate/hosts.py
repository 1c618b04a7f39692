"""What became of the links of each host, over all shards; and a chart of it in plain characters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

SHOWN = 20
"""Hosts that are told."""
_KEPT_HOSTS = 100_000
_WIDTH = 30
_HOST_WIDTH = 32
_SUCCESS = "success"


@dataclass(frozen=True)
class HostOutcomes:
    """The links of one host by outcome: `success`, or the class of the failure."""

    host: str
    outcomes: dict[str, int]

    @property
    def links(self) -> int:
        """All of them."""
        return sum(self.outcomes.values())


def largest_hosts(files: Iterable[Path], shown: int = SHOWN) -> tuple[HostOutcomes, ...]:
    """The hosts with the most links, most first.

    Args:
        files: one for each shard, JSON: host to outcome to number.
        shown: how many.

    Memory is bounded: of very many hosts those with few links so far are forgotten on the way, which may count a host short.
    """
    total: dict[str, Counter[str]] = {}
    for path in files:
        for host, outcomes in msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]]).items():
            total.setdefault(host, Counter()).update(outcomes)
        if len(total) > 2 * _KEPT_HOSTS:
            total = dict(_most(total, _KEPT_HOSTS))
    return tuple(HostOutcomes(host, dict(sorted(outcomes.items()))) for host, outcomes in _most(total, shown))


def _most(total: dict[str, Counter[str]], number: int) -> list[tuple[str, Counter[str]]]:
    return sorted(total.items(), key=lambda item: (-item[1].total(), item[0]))[:number]


def chart(hosts: Sequence[HostOutcomes]) -> list[str]:
    r"""One line for each host: a bar, `#` for images and `.` for failures, and what failed most.

    >>> print("\n".join(chart([HostOutcomes("a.example", {"success": 3, "http_404": 1})])))
    a.example                        ######################........ 3 of 4, http_404 1
    """
    longest = max((each.links for each in hosts), default=1)
    lines = []
    for each in hosts:
        good = each.outcomes.get(_SUCCESS, 0)
        width = max(1, round(_WIDTH * each.links / longest))
        full = round(width * good / each.links) if each.links else 0
        failed = sorted(((n, kind) for kind, n in each.outcomes.items() if kind != _SUCCESS), reverse=True)[:3]
        name = each.host if len(each.host) <= _HOST_WIDTH else each.host[: _HOST_WIDTH - 1] + "…"
        told = "".join(f", {kind} {number:,}" for number, kind in failed)
        lines.append(f"{name:{_HOST_WIDTH}} {'#' * full}{'.' * (width - full)} {good:,} of {each.links:,}{told}")
    return lines
