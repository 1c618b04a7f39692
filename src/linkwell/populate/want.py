"""What one row of a shard wants: its image, looked at on the way in, and what became of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from linkwell.base.errors import SafetyError, UnavailableError
from linkwell.base.ids import canonical_id, link_id
from linkwell.base.memory_file import MemoryFile
from linkwell.ledger import Digests
from linkwell.lists import Match
from linkwell.pictures import Box, sniff
from linkwell.populate.consent import Consent, Said
from linkwell.populate.examine import Examined, examine, examine_apart
from linkwell.populate.failures import Failure
from linkwell.populate.fetch import Trace
from linkwell.populate.transport import LARGE_BYTES, Body, Headers
from linkwell.rights import HEADER_NAMES, Signal, embedded_signals

if TYPE_CHECKING:
    from linkwell.populate.runtime import Runtime


@dataclass(slots=True)
class Outcome:
    """What became of one link. With `withheld`, nothing of it is written to the copy."""

    withheld: bool = False
    failure: Failure | None = None
    examined: Examined | None = None
    consent: Consent | None = None
    trace: Trace | None = None
    seen_at: int = field(default_factory=lambda: int(time.time()))
    """Seconds since 1970, UTC."""
    as_before: bool = False
    """Row and image are taken from an earlier run's."""


class Keeper(Protocol):
    """Whoever takes the outcome of a row: a shard."""

    runtime: "Runtime"

    def consent(self, row: int) -> Consent:
        """What the link itself says."""
        ...

    def boxes(self, row: int) -> Sequence[Box]:
        """What is to be blurred."""
        ...

    def holds_what_was_expected(self, row: int, digests: Digests) -> bool:
        """Whether an image is the one whose digest was given; true where none was."""
        ...

    def find(self, row: int, match: Match) -> None:
        """Record a match."""
        ...

    def settle(self, row: int, outcome: Outcome) -> None:
        """Take the outcome."""
        ...


class RowWant:
    """The `fetch.Want` of one row."""

    __slots__ = ("_consent", "_keeper", "_row", "_runtime")

    def __init__(self, keeper: Keeper, row: int) -> None:
        self._keeper = keeper
        self._row = row
        self._runtime = keeper.runtime
        self._consent: Consent | None = None

    def check_hop(self, url: str) -> bool:
        """Stop at a redirect to a link that is left out or listed."""
        identity = link_id(url)
        matches: list[Match] = []
        if not self._runtime.matcher.empty:
            matches = list(self._runtime.matcher.match_link(identity, canonical_id(url)))
            for match in matches:
                self._keeper.find(self._row, match)
        if identity in self._runtime.withheld or matches:
            self._keeper.settle(self._row, Outcome(withheld=True))
            return False
        return True

    def consider(self, statements: Sequence[Said]) -> None:
        """Hear what the host's files say."""
        self._heard().hear(statements)

    def admit(self, url: str, headers: Headers) -> None:
        """Read the statements of the image response; refuse the body where they disallow what is respected."""
        if any(name.lower() in HEADER_NAMES for name, _ in headers):
            self._heard().hear_headers(url, headers)

    def wants_rest(self, head: bytes) -> bool:
        """Leave what is no image where it is, unless a list may name it: what came of it has the same outcome as the whole."""
        return not self._runtime.matcher.empty or sniff(head) is not None

    async def received(self, body: Body, trace: Trace) -> None:
        """Digest, match, decode, and read what the file itself says."""
        try:
            outcome = await self._examined(body, trace)
        except Failure as failure:
            outcome = Outcome(failure=failure.without_frames())
        except (SafetyError, UnavailableError):
            raise
        except Exception as error:  # noqa: BLE001 - one odd link must not stop millions; it is counted, and its text never shown
            outcome = Outcome(failure=Failure("unexpected", f"unexpected {type(error).__name__}"))
        outcome.trace, outcome.consent = trace, self._consent
        self._keeper.settle(self._row, outcome)

    def failed(self, failure: Failure, trace: Trace) -> None:
        """There is no image."""
        self._keeper.settle(self._row, Outcome(failure=failure, trace=trace, consent=self._consent))

    async def _examined(self, body: Body, trace: Trace) -> Outcome:
        examined = await self._look_at(body)
        if examined.matches:
            for match in examined.matches:
                self._keeper.find(self._row, match)
            return Outcome(withheld=True, examined=examined)
        failure = examined.failure
        if failure is None and not self._keeper.holds_what_was_expected(self._row, examined.digests):
            failure = Failure("hash_mismatch")
        if failure is None:
            original = examined.image if self._runtime.kept.keep_original else None
            signals = await _stated_in(original or body)
            if signals:
                try:
                    self._heard().hear((trace.url, each) for each in signals)
                except Failure as refusal:
                    failure = refusal.without_frames()
        return Outcome(failure=failure, examined=examined)

    async def _look_at(self, body: Body) -> Examined:
        runtime = self._runtime
        boxes = self._keeper.boxes(self._row)
        if runtime.pictures is not None:
            return await examine_apart(runtime.pictures, body, runtime.kept, runtime.matcher, boxes)
        if isinstance(body, bytes) and len(body) <= LARGE_BYTES:
            return examine(body, runtime.kept, runtime.matcher, boxes)

        def look() -> Examined:
            return examine(_whole(body), runtime.kept, runtime.matcher, boxes)

        return await asyncio.get_running_loop().run_in_executor(None, look)

    def _heard(self) -> Consent:
        if self._consent is None:
            self._consent = self._keeper.consent(self._row)
        return self._consent


async def _stated_in(body: Body) -> list[Signal]:
    """The signals in an image file; a large one is read beside the loop."""
    if isinstance(body, bytes) and len(body) <= LARGE_BYTES:
        return embedded_signals(body)
    return await asyncio.get_running_loop().run_in_executor(None, lambda: embedded_signals(_whole(body)))


def _whole(body: Body) -> bytes:
    return body.read() if isinstance(body, MemoryFile) else body
