"""What a robots.txt says about the uses of one URL: by whom it shuts out, and by the preferences it carries.

- Any training agent of the policy that may not fetch the path: training is disallowed. Any search agent: search is. That an agent
  may fetch a path gives nothing: access is no permission to train.
- Content-Usage: in each group that holds for an agent asked about, the rules with the longest path that matches; rules of equal
  length add up (AIPREF vocabulary 7.1), and only for paths that may be crawled, which changes nothing where any disallow wins.
- Content-Signal has no paths. Whether it holds for its group or the whole file is disputed: what is said to an agent asked about,
  or before every group, counts in full, what is said to another crawler gives `conditional` where it prohibits.
- DisallowAITraining (draft-canel-robots-ai-control): the paths it names.
- License (RSL): training is `conditional`, as terms are stated and not read here.
"""

from collections.abc import Collection, Iterator

from linkwell.rights.aipref import content_signal, content_usage, usage_rule
from linkwell.rights.policy import DEFAULT_POLICY, Policy
from linkwell.rights.robots import Group, Record, Robots, decide, matches, normal_pattern, path_of
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

_AGENT_USES = ("train_ai", "search")


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
        held = {id(group) for distinct in self._shut_out for _agent, groups in distinct for group in groups}
        talking = [group for group in robots.groups if group.records]
        self._mine = [group for group in talking if id(group) in held]
        self._others = [group for group in talking if id(group) not in held]

    def signals(self, url: str, *, scope: str) -> list[Signal]:
        """The signals about one URL of the host.

        Args:
            url: of the image (`scope` image), or of the page it stands on (`scope` page).
            scope: what the URL is of.
        """
        path = path_of(url) or b"/"
        found: dict[Signal, None] = {}
        for use, distinct in zip(_AGENT_USES, self._shut_out, strict=True):
            for agent, groups in distinct:
                decision = decide(groups, path)
                if decision.rule is not None and not decision.allowed:
                    line = self._robots.line(decision.rule.line).strip()
                    found[_signal("robots.txt", scope, use, "disallow", f"User-agent: {agent}: {line}")] = None
                    break
        for group in self._mine:
            found.update(dict.fromkeys(_preferences(group, path, scope)))
        for record in self._robots.records:
            found.update(dict.fromkeys(_record(record, path, scope)))
        for group in self._others:
            for signal in _preferences(group, path, scope):
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


def _preferences(group: Group, path: bytes, scope: str) -> Iterator[Signal]:
    longest = -1
    usage: list[tuple[Record, str]] = []
    for record in group.records:
        if record.key == "content-usage":
            pattern, dictionary = usage_rule(record.value)
            normal = normal_pattern(pattern.encode("utf-8", "surrogateescape")) if pattern else b""
            if len(normal) >= longest and matches(normal, path):
                usage = [*usage, (record, dictionary)] if len(normal) == longest else [(record, dictionary)]
                longest = len(normal)
        else:
            yield from _record(record, path, scope)
    for record, dictionary in usage:
        for use, verdict in content_usage(dictionary):
            yield _signal("content-usage-robots", scope, use, verdict, f"Content-Usage: {record.value}")


def _record(record: Record, path: bytes, scope: str) -> Iterator[Signal]:
    evidence = f"{record.key}: {record.value}"
    if record.key == "content-signal":
        for use, verdict in content_signal(record.value):
            yield _signal("content-signal-robots", scope, use, verdict, evidence)
    elif record.key == "disallowaitraining":
        if record.value and matches(normal_pattern(record.value.encode("utf-8", "surrogateescape")), path):
            yield _signal("disallow-ai-training", scope, "train_ai", "disallow", evidence)
    elif record.key == "license" and record.value.lower().startswith(("http://", "https://")):
        yield _signal("rsl-pointer", scope, "train_ai", "conditional", evidence)


def _signal(kind: str, scope: str, use: str, verdict: str, evidence: str) -> Signal:
    return Signal(kind, scope, use, verdict, evidence[:MAX_EVIDENCE_CHARACTERS])
