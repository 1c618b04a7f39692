"""What a robots.txt says about the uses of one URL: by whom it shuts out, and by the preferences it carries.

- Any training agent of the policy that may not fetch the path: training is disallowed. Any search agent: search is. That an agent
  may fetch a path gives nothing: access is no permission to train.
- Content-Usage: among the groups that hold for an agent asked about, taken together (RFC 9309, 2.2.1), the rules with the longest
  path that matches; rules of equal length add up (AIPREF vocabulary 7.1). That they hold only for paths that may be crawled changes
  nothing where any disallow wins. One before every group belongs to none and is malformed.
- Content-Signal has no paths; one that names a path all the same is held to it. Whether it holds for its group or the whole file is
  disputed: what is said to an agent asked about, or before every group, counts in full, what is said to another crawler gives
  `conditional` where it prohibits.
- DisallowAITraining and AllowAITraining (draft-canel-robots-ai-control-00): the longest path that matches; of two equal ones the
  prohibition.
- License (RSL): training is `conditional`, as terms are stated and not read here.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from linkwell.rights.aipref import content_signal, content_usage, usage_rule
from linkwell.rights.patterns import PatternTable, matches, normal_pattern, path_of
from linkwell.rights.policy import DEFAULT_POLICY, Policy
from linkwell.rights.robots import Group, Record, Robots, Rule, decision_of
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

_AGENT_USES = ("train_ai", "search")
_MAX_POINTERS = 16
"""Kept of one file: nobody has more licences."""
_AI_TRAINING = {"disallowaitraining": "disallow", "allowaitraining": "allow"}


class RobotsStatements:
    """What one robots.txt says under one policy; what does not depend on the URL is worked out once.

    Args:
        robots: the file of the URLs' host.
        policy: which agents are asked about.
    """

    def __init__(self, robots: Robots, policy: Policy = DEFAULT_POLICY) -> None:
        self._robots = robots
        asked = (policy.training_agents, policy.search_agents)
        self._shut_out = [_distinct(robots, agents) for agents in asked]
        asked_groups = {tuple(map(id, groups)): groups for distinct in self._shut_out for _agent, groups in distinct}
        held = {id(group) for groups in asked_groups.values() for group in groups}
        self._mine = _preferences(asked_groups.values())
        self._others = _preferences([group] for group in robots.groups if id(group) not in held)
        self._before = _Preferences(robots.records, in_group=False)

    def signals(self, url: str, *, scope: str) -> list[Signal]:
        """The signals about one URL of the host.

        Args:
            url: of the image (`scope` image), or of the page it stands on (`scope` page).
            scope: what the URL is of.
        """
        path = path_of(url) or b"/"
        found: dict[Signal, None] = {}
        decisive: dict[int, Rule | None] = {}
        for use, distinct in zip(_AGENT_USES, self._shut_out, strict=True):
            for agent, groups in distinct:
                for group in groups:
                    if id(group) not in decisive:
                        decisive[id(group)] = group.decisive(path)
                decision = decision_of(decisive[id(group)] for group in groups)
                if decision.rule is not None and not decision.allowed and path != b"/robots.txt":
                    line = self._robots.line(decision.rule.line).strip()
                    found[_signal("robots.txt", scope, use, "disallow", f"User-agent: {agent}: {line}")] = None
                    break
        for preferences in (*self._mine, self._before):
            found.update(dict.fromkeys(preferences.signals(path, scope)))
        for preferences in self._others:
            for signal in preferences.signals(path, scope):
                if signal.verdict not in ("allow", "unknown"):
                    found[_signal(signal.kind, scope, signal.use, "conditional", signal.evidence)] = None
        return list(found)


def robots_signals(robots: Robots, url: str, *, scope: str, policy: Policy = DEFAULT_POLICY) -> list[Signal]:
    """The signals of one robots.txt about one URL of its host; for many URLs keep a `RobotsStatements`."""
    return RobotsStatements(robots, policy).signals(url, scope=scope)


def _distinct(robots: Robots, agents: Collection[str]) -> list[tuple[str, list[Group]]]:
    """For each set of groups that holds for any of the agents, the first of them by name (`*` where none is named) and the groups."""
    found: dict[tuple[int, ...], tuple[str, list[Group]]] = {}
    for agent in sorted(agents):
        groups = robots.groups_of(agent, by_name=True)
        key = tuple(id(group) for group in groups)
        if groups and key not in found:
            named = agent in groups[0].names or agent in groups[0].agents
            found[key] = (agent if named else "*", groups)
    return list(found.values())


_Stated = tuple[str, str, str, str]
"""Kind, use, verdict and evidence."""


class _Preferences:
    """The records of some groups that state a preference, ready to be asked about path after path."""

    def __init__(self, records: Iterable[Record], *, in_group: bool = True) -> None:
        # Of the same thing said twice for one path the first is kept: a file repeats itself a hundred thousand times if it likes.
        usage: dict[bytes, dict[tuple[str, str], _Stated]] = {}
        training: dict[bytes, dict[tuple[str, str], _Stated]] = {}
        on_paths: dict[tuple[bytes, str, str], _Stated] = {}
        self._always: dict[_Stated, None] = {}
        for record in records:
            evidence = f"{record.key}: {record.value}"
            if record.key == "content-usage":
                pattern, stated = _on_path(record.value, "content-usage-robots", content_usage)
                if in_group:
                    for each in stated:
                        usage.setdefault(pattern, {}).setdefault(each[1:3], each)
                elif not self._always:
                    self._always["content-usage-robots", "train_ai", "unknown", f"{evidence} (in no group)"] = None
            elif record.key == "content-signal":
                pattern, stated = _on_path(record.value, "content-signal-robots", content_signal)
                for each in stated:
                    on_paths.setdefault((pattern, *each[1:3]), each)
            elif record.key in _AI_TRAINING and record.value:
                pattern = normal_pattern(record.value.encode("utf-8", "surrogateescape"))
                verdict = _AI_TRAINING[record.key]
                training.setdefault(pattern, {}).setdefault(
                    ("train_ai", verdict), ("disallow-ai-training", "train_ai", verdict, evidence)
                )
            elif record.key == "license" and _is_absolute(record.value) and len(self._always) < _MAX_POINTERS:
                self._always["rsl-pointer", "train_ai", "conditional", evidence] = None
        self._on_paths = [(pattern, stated) for (pattern, _use, _verdict), stated in on_paths.items()]
        self._longest = [
            PatternTable(((-len(pattern),), pattern, list(stated.values())) for pattern, stated in stated_on.items())
            for stated_on in (usage, training)
            if stated_on
        ]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._longest or self._always or self._on_paths)

    def signals(self, path: bytes, scope: str) -> Iterator[Signal]:
        """What is stated about a path in normal form."""
        for pattern, stated in self._on_paths:
            if matches(pattern, path):
                yield _signal(stated[0], scope, *stated[1:])
        for table in self._longest:
            for several in table.firsts(path):
                yield from (_signal(kind, scope, *rest) for kind, *rest in several)
        yield from (_signal(kind, scope, *rest) for kind, *rest in self._always)


def license_pointers(robots: Robots) -> list[str]:
    """The addresses of RSL terms that a file names, wherever it names them."""
    records = [record for group in robots.groups for record in group.records]
    named = [each.value for each in (*robots.records, *records) if each.key == "license" and _is_absolute(each.value)]
    return list(dict.fromkeys(named))[:_MAX_POINTERS]


def _is_absolute(target: str) -> bool:
    """Whether the target of a License record is a whole address, as RSL wants it."""
    return target.lower().startswith(("http://", "https://"))


def _preferences(several: Iterable[Sequence[Group]]) -> list[_Preferences]:
    read = [_Preferences([record for group in groups for record in group.records]) for groups in several]
    return [each for each in read if each]


def _on_path(value: str, kind: str, read: Callable[[str], list[tuple[str, str]]]) -> tuple[bytes, list[_Stated]]:
    """The normal form of the path that a record begins with, empty where it names none, and what is stated for it."""
    path, rest = usage_rule(value)
    evidence = f"{kind.removesuffix('-robots')}: {value}"
    stated = [(kind, use, verdict, evidence) for use, verdict in read(rest)]
    return normal_pattern(path.encode("utf-8", "surrogateescape")) if path else b"", stated


def _signal(kind: str, scope: str, use: str, verdict: str, evidence: str) -> Signal:
    return Signal(kind, scope, use, verdict, evidence[:MAX_EVIDENCE_CHARACTERS])
