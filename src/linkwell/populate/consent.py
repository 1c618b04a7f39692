"""What is said about the use of one image: by the page it was found on, its host's files, its response, and the file itself.

The statements of all these places are combined into one verdict for each use by `rights.combine`: any disallow wins. What the
list of links says (the page's verdict, at the time of the build) counts as one more statement.
"""

from collections.abc import Iterable, Mapping, Sequence

from linkwell.base.schema import USES
from linkwell.populate.failures import Failure
from linkwell.rights import (
    HEADER_NAMES,
    PARSER,
    Evidence,
    Policy,
    Signal,
    Verdicts,
    combine,
    header_signals,
    statement_words,
)

Said = tuple[str, Signal]
"""A signal and the URL it stood at."""

_BY_HEADER = "x-robots-tag"
_IN_FILE_BYTES = 4_096


class Consent:
    """What was said about one image so far.

    Args:
        stated: the verdict of the link for each use, as the list has it.
        respect: uses whose disallow is obeyed.
        policy: how statements are combined, and for which agents headers are read.
        agents: lower-case names of those agents, our own among them.
    """

    __slots__ = ("_agents", "_policy", "_respect", "_stated", "said", "verdicts")

    def __init__(
        self, stated: Mapping[str, str], respect: Sequence[str], policy: Policy, agents: Sequence[str]
    ) -> None:
        self._stated = stated
        self._respect = respect
        self._policy = policy
        self._agents = agents
        self.said: list[Said] = []
        self.verdicts = Verdicts(*(str(stated[use]) for use in USES))

    def refusal_of_list(self) -> Failure | None:
        """The refusal that stands in the list already."""
        for use in self._respect:
            if self._stated[use] == "disallow":
                return Failure("opted_out", f"not fetched: {use} is disallowed by what the page states")
        return None

    def hear(self, said: Iterable[Said]) -> None:
        """Add statements.

        Raises:
            Failure: one of the uses that are respected is disallowed now.
        """
        new = [each for each in said if each not in self.said]
        if not new:
            return
        self.said += new
        signals = [signal for _, signal in self.said]
        signals += [
            Signal("link", "image", use, verdict, "") for use, verdict in self._stated.items() if verdict != "unknown"
        ]
        self.verdicts = combine(signals, self._policy)
        for use in self._respect:
            if getattr(self.verdicts, use) == "disallow":
                raise self._refusal(use)

    def hear_headers(self, url: str, headers: Sequence[tuple[str, str]]) -> None:
        """Add what the headers of the image response say; see `hear`."""
        if any(name.lower() in HEADER_NAMES for name, _ in headers):
            self.hear((url, each) for each in header_signals(headers, scope="image", user_agents=self._agents))

    def evidence(self, seen_at: int) -> list[Evidence]:
        """One row for each statement heard; `seen_at` in seconds since 1970, UTC."""
        return [
            Evidence(
                url,
                signal.scope,
                signal.kind,
                signal.use,
                signal.verdict,
                signal.verdict == "unknown",
                signal.evidence.encode("utf-8", "replace")[:_IN_FILE_BYTES],
                seen_at,
                PARSER,
            )
            for url, signal in self.said
        ]

    def _refusal(self, use: str) -> Failure:
        signal = next((s for _, s in self.said if s.use == use and s.verdict == "disallow"), None)
        if signal is None:
            # A statement that does not read, which the policy counts as a reservation.
            signal = next((s for _, s in self.said if s.use == use), None)
        if signal is None or (signal.kind == _BY_HEADER and use == "train_ai"):
            return Failure("opted_out")
        return Failure("opted_out", f"not kept: {statement_words(signal.kind, use, 'disallow')}")
