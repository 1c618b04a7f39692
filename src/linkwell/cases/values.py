"""What the case book hands out: counts, states and dates. A link id comes out of `entries` and `takedowns` alone."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Case:
    """One report, or one set of findings, and where it stands. No entry is named here."""

    number: int
    kind: str
    """A key of `KINDS`; `perceptual` is a look-alike of something listed, which a person has to decide about."""
    state: str
    covered: bool
    """Whether its takedowns leave with whole cells and without a reason."""
    source: str
    """The hash list the findings come from, or `report`."""
    opened_at: datetime
    due_at: datetime
    decided_at: datetime | None
    entry_count: int
    """Links found, or URLs reported; links that reported URLs turned out to mean come on top."""
    decision: str | None
    """What is proposed, or was decided last; None where nobody proposed yet."""
    proposed_by: str | None
    approved_by: str | None

    def overdue(self, now: datetime) -> bool:
        """Whether a decision should have been taken by `now`; a held case waits for counsel and has no clock."""
        return self.state in ("open", "proposed") and now > self.due_at


@dataclass(frozen=True)
class Takedown:
    """One link of an upheld case."""

    case: int
    link_id: bytes
    kind: str
    covered: bool
    reason: str
    """The public reason of an open removal; empty for a covered one."""


@dataclass(frozen=True)
class LogReport:
    """A log that holds: how long it is, and the hash of its last entry."""

    entries: int
    head: str
    cases: int
    anchors: int
    """How many of the heads that were asked about (those that releases name) are in the chain; all of them."""
