"""How one host is treated: how many requests at once, how far apart, how long it is left alone when it is in trouble.

Everything here is a function of times and outcomes that the caller gives; nothing waits. Times are seconds of one monotonic clock.

- *Concurrency*: never more than the host's limit, which begins at the setting, is halved when the host says that it is too much or
  does not answer, and grows again by one with every ten good answers.
- *Pacing*: requests start at least an interval apart, so that no second sees more than allowed; a Crawl-delay in the host's robots.txt
  makes it longer, up to a cap.
- *Back-off*: after trouble the host rests, twice as long each time in a row, with jitter; a Retry-After takes its place.
- *Circuit breaker*: after five troubles in a row the circuit opens: the host rests long, then one request is a probe. When
  three probes in a row fail, or the host asks for more patience than there is, it is given up for a while: what is waiting for it fails
  at once as `host_down`, which passes.
"""

import random
from dataclasses import dataclass

TROUBLES_TO_OPEN = 5
"""Troubles in a row that open the circuit."""
OPENINGS_TO_GIVE_UP = 3
"""Openings in a row, each after a failed probe, at which a host is given up."""
DOWN_SECONDS = 600.0
"""How long a host that was given up is not asked again."""
_OPEN_OVER_BACKOFF = 20.0
_HELD_UP = 1.1
"""Requests start a tenth further apart than the rate says: one that is held up on its way, as the first is by its connection, must not
come to the server in the same second as the one that started a second later."""
_GOOD_TO_GROW = 10


@dataclass(frozen=True)
class HostLimits:
    """What every host is allowed at first; a rate of 0 is no limit."""

    concurrency: int
    per_second: float
    backoff_seconds: float
    max_patience_seconds: float

    @property
    def interval_seconds(self) -> float:
        """Between the starts of two requests."""
        return _HELD_UP / self.per_second if self.per_second else 0.0


class Host:
    """The state of one host; `active` requests are in flight."""

    __slots__ = (
        "_good",
        "_openings",
        "_ready_at",
        "_troubles",
        "active",
        "down_until",
        "interval",
        "large",
        "limit",
        "limits",
        "name",
        "slow",
    )

    def __init__(self, name: str, limits: HostLimits) -> None:
        self.name = name
        self.limits = limits
        self.limit = limits.concurrency
        self.interval = limits.interval_seconds
        self.active = 0
        self.slow = False
        """Whether its last answer was long in coming."""
        self.large = False
        """Whether its last answer was too large to be waited for."""
        self.down_until = 0.0
        self._ready_at = 0.0
        self._troubles = 0
        self._openings = 0
        self._good = 0

    @property
    def open(self) -> bool:
        """Whether the circuit is open: at most one probe at a time."""
        return self._openings > 0

    def room(self) -> bool:
        """Whether one more request may be in flight, as far as their number goes."""
        return self.active < (1 if self.open else self.limit)

    def ready_at(self) -> float:
        """When the next request may start, as far as time goes."""
        return self._ready_at

    def is_down(self, now: float) -> bool:
        """Whether the host was given up, for now."""
        return now < self.down_until

    def keeps_apart(self, seconds: float) -> None:
        """Make requests at least this far apart."""
        self.interval = max(self.interval, min(seconds, self.limits.max_patience_seconds))

    def started(self, now: float) -> None:
        """A request goes out."""
        self.active += 1
        self._ready_at = max(self._ready_at, now + self.interval)

    def went_well(self) -> None:
        """The host answered, whatever it said of the image."""
        self.active -= 1
        self._troubles = self._openings = 0
        self._good += 1
        if self._good >= _GOOD_TO_GROW and self.limit < self.limits.concurrency:
            self._good = 0
            self.limit += 1

    def went_wrong(self, now: float, retry_after_seconds: float | None = None) -> None:
        """The host gave no usable answer, or asked for a rest."""
        self.active -= 1
        self._good = 0
        self._troubles += 1
        self.limit = max(1, self.limit // 2)
        patience = self.limits.max_patience_seconds
        jitter = 0.5 + random.random()  # noqa: S311 - jitter
        if retry_after_seconds is not None and retry_after_seconds > patience:
            self.down_until = now + max(DOWN_SECONDS, retry_after_seconds)
            return
        if self._troubles >= TROUBLES_TO_OPEN or self.open:
            self._openings += 1
            if self._openings > OPENINGS_TO_GIVE_UP:
                self.down_until = now + DOWN_SECONDS
                self._openings = self._troubles = 0
                return
            rest = self.limits.backoff_seconds * _OPEN_OVER_BACKOFF * 2.0 ** (self._openings - 1)
        else:
            rest = self.limits.backoff_seconds * 2.0 ** (self._troubles - 1)
        rest = retry_after_seconds if retry_after_seconds is not None else rest * jitter
        self._ready_at = max(self._ready_at, now + min(rest, patience))

    def went_nowhere(self) -> None:
        """The request was given up for a reason that says nothing about the host."""
        self.active -= 1
