"""What a site's own files say before any image of it is asked for: robots.txt and tdmrep.json, read once for each origin.

An origin is scheme, host and port. robots.txt is RFC 9309: a success is read, 4xx means that there is none, 5xx and no answer at all
mean that nothing may be fetched; a copy is kept for a day at most, a failure for a minute. 429 says that the host is busy, not that
it has no such file. Access is a matter of manners and decided for our own agent alone; what the files say about uses is consent, and
is read for all agents of the policy (`rights.HostFiles`).
"""

import re
from collections import OrderedDict
from dataclasses import dataclass

from linkwell.populate.failures import Failure
from linkwell.rights import Capture, HostFiles, Policy, Robots, Signal, parse_robots

ROBOTS_PATH = "/robots.txt"
TDMREP_PATH = "/.well-known/tdmrep.json"
KINDS = {ROBOTS_PATH: "robots.txt", TDMREP_PATH: "tdmrep.json"}
KEPT_SECONDS = 86_400.0
FAILURE_KEPT_SECONDS = 60.0
MAX_WEIGHT = 24_000_000
"""About the bytes of memory that rules may take; the ones not used for longest are forgotten, and asked for again when needed."""

_OWN_CLASS = frozenset({"dns", "dns_unanswered", "connect", "tls", "refused_address", "host_down"})
"""Failures of robots.txt that are those of the image as well."""
_UNAVAILABLE = frozenset({"too_many_redirects", "redirect_refused", "not_in_archive"})
_BUSY = 429
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_PARSED_OVER_BYTES = 12
_EMPTY_WEIGHT = 1_000
_HTML = re.compile(rb"\s*<(!doctype|html|head|body|!--|script|meta|div)", re.IGNORECASE)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL in WHATWG form."""
    return url[: url.index("/", url.index("://") + 3)]


def product_token(user_agent: str) -> str:
    """The name by which robots.txt may call us (RFC 9309, 2.2.1), lower-case.

    >>> product_token("linkwell/0.1 (+https://linkwell.example/bot)")
    'linkwell'
    >>> product_token("Mozilla/5.0 (compatible; birdbot/2.0; +https://bird.example)")
    'birdbot'
    """
    found = re.search(r"compatible;\s*([A-Za-z0-9_.-]+)", user_agent)
    token = found[1] if found else re.split(r"[/\s]", user_agent.strip(), maxsplit=1)[0]
    return token.lower()


@dataclass(frozen=True)
class FileAnswer:
    """What came of asking for one file: its body for a success, else why not."""

    status: int = 0
    body: bytes = b""
    failure: Failure | None = None

    @property
    def unreachable(self) -> Failure | None:
        """The failure that forbids everything, where this is an answer for robots.txt that does."""
        if self.failure is not None and self.failure.kind not in _UNAVAILABLE:
            if self.failure.kind in _OWN_CLASS:
                return self.failure
            return Failure("robots_unreachable", f"robots.txt cannot be read ({self.failure.message}): a refusal")
        if self.status >= _SERVER_ERROR or self.status == _BUSY:
            return Failure("robots_unreachable", f"robots.txt cannot be read (HTTP {self.status}): a refusal")
        return None


class OriginRules:
    """What holds for the URLs of one origin.

    Args:
        origin: which.
        agent: our product token.
        policy: whose agents are asked about.
        robots: the answer for robots.txt.
        tdmrep: the answer for tdmrep.json; None where it was not asked for.
        now: seconds of the clock that `expires` is told by.
    """

    def __init__(
        self, origin: str, agent: str, policy: Policy, *, robots: FileAnswer, tdmrep: FileAnswer | None, now: float
    ) -> None:
        self.failure = robots.unreachable
        self.expires = now + (FAILURE_KEPT_SECONDS if self.failure else KEPT_SECONDS)
        self._agent = agent
        self._robots = read_robots(robots)
        captures = [
            Capture(origin + path, KINDS[path], answer.status, None, answer.body)
            for path, answer in ((ROBOTS_PATH, robots), (TDMREP_PATH, tdmrep))
            if answer is not None and answer.body
        ]
        self._files = HostFiles(captures, policy) if captures and self.failure is None else None
        self.weight = _EMPTY_WEIGHT + _PARSED_OVER_BYTES * sum(len(each.body) for each in captures)

    def refusal(self, url: str) -> Failure | None:
        """Why a URL must not be fetched, or None where it may."""
        if self.failure is not None:
            return self.failure
        if self._robots is None or self._robots.decide(self._agent, url, by_name=True).allowed:
            return None
        return Failure("robots_disallowed")

    def statements(self, url: str) -> list[tuple[str, Signal]]:
        """The signals about a URL, each with the URL of the file that it stood in."""
        if self._files is None:
            return []
        return [(capture.url, signal) for capture, signal in self._files.statements(url, scope="image")]

    def crawl_delay_seconds(self) -> float:
        """The Crawl-delay for us: no part of RFC 9309, but asked for often and easily given; 0 where there is none."""
        delay = 0.0
        for group in self._robots.groups_of(self._agent, by_name=True) if self._robots is not None else ():
            for record in group.records:
                if record.key == "crawl-delay" and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", record.value):
                    delay = max(delay, float(record.value))
        return delay


def read_robots(answer: FileAnswer) -> Robots | None:
    """The rules of an answer for robots.txt; None where it has none, or is a page of HTML in disguise."""
    if (
        answer.failure is not None
        or answer.status >= _CLIENT_ERROR
        or _HTML.match(answer.body[:1_000].removeprefix(b"\xef\xbb\xbf"))
    ):
        return None
    return parse_robots(answer.body) if answer.body else None


class OriginBook:
    """The rules of origins, the least used forgotten where they take too much memory."""

    def __init__(self, max_weight: int = MAX_WEIGHT) -> None:
        self._rules: OrderedDict[str, OriginRules] = OrderedDict()
        self._max_weight = max_weight
        self._weight = 0

    def get(self, origin: str, now: float) -> OriginRules | None:
        """The rules of an origin, where they are known and not too old."""
        rules = self._rules.get(origin)
        if rules is None or rules.expires <= now:
            return None
        self._rules.move_to_end(origin)
        return rules

    def put(self, origin: str, rules: OriginRules) -> None:
        """Keep the rules of an origin."""
        old = self._rules.pop(origin, None)
        self._weight += rules.weight - (old.weight if old is not None else 0)
        self._rules[origin] = rules
        while self._weight > self._max_weight and len(self._rules) > 1:
            _, forgotten = self._rules.popitem(last=False)
            self._weight -= forgotten.weight
