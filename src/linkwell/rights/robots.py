"""robots.txt as RFC 9309 has it, read from bytes: groups, rules and every other record, none of which is thrown away.

Choices where the RFC leaves one, or where files in the wild do:

- A record is a key, a colon and a value. A missing colon, and the misspellings that Google's parser knows, are read as meant: an
  opt-out must not be lost to a typing error. A truncated byte order mark is passed over.
- A user-agent line ends a list of such lines only where a *rule* came between; Allow, Disallow and Content-Usage (AIPREF) are
  rules, everything else is not and interferes with nothing (RFC 9309, 2.2.4).
- The RFC's names of crawlers have letters, `-` and `_` only, and `User-agent: AB42bot` is read by it, as by Google, as `AB`. But
  crawlers called `img2dataset` and `AI2Bot` exist: asked by name, a whole name with its digits is found too.
- A file in UTF-16 with a byte order mark is read as such, for the same reason.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from linkwell.rights.encoding import as_utf8
from linkwell.rights.patterns import PatternTable, normal_pattern, path_of

MAX_ROBOTS_BYTES = 1 << 20
"""Read of one file; the RFC asks for 500 KiB at least. A line that is cut there is not read."""

_EOL = re.compile(rb"\r\n?|\n")
_SPACE = b" \t\v\f"
_MAX_LINE_BYTES = 16_384
_DISALLOW = frozenset({b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"})
_AGENT = frozenset({b"user-agent", b"useragent", b"user agent"})
_TOKEN = re.compile(rb"[A-Za-z_-]*")
_NAME = re.compile(rb"[A-Za-z0-9_.-]*")


class Rule(NamedTuple):
    """An Allow or Disallow: the pattern in normal form, and the line it stands on, from 1."""

    allow: bool
    pattern: bytes
    line: int


class Record(NamedTuple):
    """Any other record: key in lower case, value without comment; `line` from 1."""

    key: str
    value: str
    line: int


class Group:
    """What is said to one list of agents.

    `agents` are the RFC's tokens in lower case, `*` for all that are not named elsewhere; `names` the whole names, digits included.
    """

    __slots__ = ("_table", "agents", "names", "records", "rules")

    def __init__(self) -> None:
        self.agents: list[str] = []
        self.names: list[str] = []
        self.rules: list[Rule] = []
        self.records: list[Record] = []
        self._table: PatternTable[Rule] | None = None

    def decisive(self, path: bytes) -> Rule | None:
        """The longest rule that matches a path in normal form, Allow among equals. Ask once all rules are there."""
        if self._table is None:
            self._table = PatternTable(
                ((-len(rule.pattern), not rule.allow), rule.pattern, rule) for rule in self.rules
            )
        return self._table.first(path)

    def name(self, value: bytes) -> None:
        """Add the agent that a user-agent line names, if it names one."""
        if value[:1] == b"*" and (len(value) == 1 or value[1:2] in b" \t"):
            self.agents.append("*")
        for pattern, into in ((_TOKEN, self.agents), (_NAME, self.names)):
            if (match := pattern.match(value)) and match[0]:
                into.append(match[0].decode("ascii").lower())


class Decision(NamedTuple):
    """Whether a path may be fetched, and the rule that says so; None where none matches."""

    allowed: bool
    rule: Rule | None


class Robots:
    """One robots.txt: `groups` in the order of the file, `records` that stand before all groups, and `lines` of the file."""

    def __init__(self, groups: list[Group], records: list[Record], lines: list[bytes]) -> None:
        self.groups = groups
        self.records = records
        self.lines = lines
        self._of_agent: dict[str, list[Group]] = {}
        self._of_name: dict[str, list[Group]] = {}
        for group in groups:
            for agent in dict.fromkeys(group.agents):
                self._of_agent.setdefault(agent, []).append(group)
            for name in dict.fromkeys(group.names):
                self._of_name.setdefault(name, []).append(group)

    def groups_of(self, agent: str, *, by_name: bool = False) -> list[Group]:
        """The groups that hold for an agent, together: those that name it, else those for `*`.

        Args:
            agent: a product token, in any case.
            by_name: whether a whole name with digits is looked for first, beyond what the RFC says.
        """
        agent = agent.lower()
        named = self._of_name.get(agent) if by_name else None
        return named or self._of_agent.get(agent) or self._of_agent.get("*", [])

    def decide(self, agent: str, url: str, *, by_name: bool = False) -> Decision:
        """What the file says to an agent about a URL; one that does not parse is taken for the root of the site."""
        return decide(self.groups_of(agent, by_name=by_name), path_of(url) or b"/")

    def line(self, number: int) -> str:
        """A line of the file as it stands."""
        return self.lines[number - 1].decode("utf-8", "replace") if 0 < number <= len(self.lines) else ""


def parse_robots(data: bytes) -> Robots:
    """Read a robots.txt; anything at all reads as one. Time is linear in the bytes."""
    cut = len(data) > MAX_ROBOTS_BYTES
    data = as_utf8(data[:MAX_ROBOTS_BYTES])
    for mark in (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"):
        if data.startswith(mark):
            data = data[len(mark) :]
            break
    lines = _EOL.split(data)
    if cut:
        lines.pop()
    groups: list[Group] = []
    before: list[Record] = []
    has_rules = True
    for number, raw in enumerate(lines, 1):
        split = _split(raw)
        if split is None:
            continue
        key, value = split
        if key in _AGENT:
            if has_rules:
                groups.append(Group())
                has_rules = False
            groups[-1].name(value)
        elif key == b"allow" or key in _DISALLOW:
            has_rules = True
            if value and groups:
                groups[-1].rules.append(_rule(key == b"allow", value, number))
        else:
            has_rules = has_rules or key == b"content-usage"
            record = Record(key.decode("utf-8", "replace"), value.decode("utf-8", "replace"), number)
            (groups[-1].records if groups else before).append(record)
    return Robots(groups, before, lines)


def _rule(allow: bool, value: bytes, line: int) -> Rule:  # noqa: FBT001 - which of the two rules it is
    return Rule(allow, normal_pattern(value), line)


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    """Key (lower case) and value of a line, or None where it is neither record nor meant as one."""
    line = raw[:_MAX_LINE_BYTES].partition(b"#")[0].strip(_SPACE + b"\0")
    if not line:
        return None
    key, colon, value = line.partition(b":")
    if not colon:
        # `Disallow /x`: exactly two words, as Google reads it.
        words = line.split()
        if len(words) != 2:  # noqa: PLR2004 - a key and a value
            return None
        key, value = words
    return key.strip(_SPACE).lower(), value.strip(_SPACE)


def decide(groups: Iterable[Group], path: bytes) -> Decision:
    """The longest matching rule of these groups decides, Allow among equals; `/robots.txt` itself is always allowed."""
    if path == b"/robots.txt":
        return Decision(allowed=True, rule=None)
    return decision_of(group.decisive(path) for group in groups)


def decision_of(rules: Iterable[Rule | None]) -> Decision:
    """What matching rules come to that were each the decisive one of a group."""
    best = max(
        (rule for rule in rules if rule is not None), key=lambda rule: (len(rule.pattern), rule.allow), default=None
    )
    return Decision(best is None or best.allow, best)
