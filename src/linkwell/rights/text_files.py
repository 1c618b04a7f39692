"""Two small text files: ai.txt (Spawning) and trust.txt (JournalList, 2024-04).

ai.txt has robots.txt's lines (`User-Agent: *`, `Disallow: *.jpg`, `Allow: *.txt`); a pattern that begins with `*.` is about the
extension, in any case, whatever the query. It is about text and data mining, so that both uses are stated. Other formats that call
themselves ai.txt exist: without an agent line and a rule, the file states nothing. A prohibition for an agent that is not asked
about is `conditional`.

trust.txt has `datatrainingallowed=no` or `yes` among other `name=value` lines.
"""

import re

from linkwell.rights.encoding import as_utf8
from linkwell.rights.patterns import matches, path_of
from linkwell.rights.policy import DEFAULT_POLICY, Policy
from linkwell.rights.robots import Group, Robots, Rule, parse_robots
from linkwell.rights.verdicts import MAX_EVIDENCE_CHARACTERS, Signal

_AGENT_WITH_SLASH = re.compile(rb"(?im)^([ \t]*user-agent[ \t]*:[ \t]*\*)/")
_MAX_BYTES = 1 << 19
_TRAINING = {"no": "disallow", "yes": "allow"}


class AiTxt:
    """An ai.txt."""

    def __init__(self, robots: Robots) -> None:
        self._robots = robots

    def signals(self, url: str, *, scope: str, policy: Policy = DEFAULT_POLICY) -> list[Signal]:
        """What the file states about a URL of its host."""
        path = path_of(url) or b"/"
        asked = policy.training_agents | {"*", "spawning"}
        stated: dict[Signal, None] = {}
        for group in self._robots.groups:
            rule = _decisive(group, path)
            if rule is None:
                continue
            verdict = "allow" if rule.allow else "disallow"
            if not asked.intersection(group.agents) and not asked.intersection(group.names):
                if rule.allow:
                    continue
                verdict = "conditional"
            evidence = self._robots.line(rule.line).strip()[:MAX_EVIDENCE_CHARACTERS]
            for use in ("tdm", "train_ai"):
                stated[Signal("ai.txt", scope, use, verdict, evidence)] = None
        return list(stated)


def _decisive(group: Group, path: bytes) -> Rule | None:
    """The longest rule that matches, Allow among equals."""
    name = path.partition(b"?")[0].lower()
    best: Rule | None = None
    for rule in group.rules:
        if best is not None and (len(rule.pattern), rule.allow) <= (len(best.pattern), best.allow):
            continue
        pattern = rule.pattern
        is_extension = pattern.startswith(b"*.") and b"*" not in pattern[1:]
        if name.endswith(pattern[1:].removesuffix(b"$").lower()) if is_extension else matches(pattern, path):
            best = rule
    return best


def parse_ai_txt(data: bytes) -> AiTxt | None:
    """Read an ai.txt; None where the file is none of this kind."""
    robots = parse_robots(_AGENT_WITH_SLASH.sub(rb"\1", as_utf8(data[:_MAX_BYTES])))
    return AiTxt(robots) if any((group.agents or group.names) and group.rules for group in robots.groups) else None


class TrustTxt:
    """A trust.txt: what its `datatrainingallowed` lines say."""

    def __init__(self, stated: list[tuple[str, str]]) -> None:
        self._stated = stated

    def signals(self, *, scope: str) -> list[Signal]:
        """What the file states about every URL of its host."""
        return [Signal("trust.txt", scope, "train_ai", verdict, line) for verdict, line in self._stated]


def parse_trust_txt(data: bytes) -> TrustTxt | None:
    """Read a trust.txt; None where nothing is said about training."""
    stated = []
    for line in as_utf8(data[:_MAX_BYTES]).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        if equals and key.strip().lower() == "datatrainingallowed":
            verdict = _TRAINING.get(value.strip().lower(), "unknown")
            stated.append((verdict, line.strip()[:MAX_EVIDENCE_CHARACTERS]))
    return TrustTxt(list(dict.fromkeys(stated))) if stated else None
