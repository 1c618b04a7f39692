"""How a run is doing, for those who look on: a small file that is written every second, and lines for Prometheus. Counts only."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from linkwell.base.shards import TEMPORARY_SUFFIX

FILE = "status.json"
_GONE_AFTER_SECONDS = 15.0


class Status(msgspec.Struct, frozen=True):
    """The state of a run at one moment; times in seconds since 1970."""

    started_at: float
    at: float
    ended: bool
    shards: int
    """Shards of this run; those that were done before it are not among them."""
    shards_done: int
    shards_open: int
    links: int
    """Links with an outcome that is written."""
    success: int
    withheld: int
    failed: dict[str, int]
    """By class."""
    image_bytes: int
    requests: int
    """Under way, slow ones included."""
    slow: int
    """Of those, how many for longer than a moment."""
    waiting: int
    """Links and files that wait for their host."""
    hosts: int
    """Hosts that something waits for, or that are being asked."""
    hosts_resting: int
    """Of those, how many rest after trouble, or are given up."""

    @property
    def links_per_second(self) -> float:
        """Links with an outcome, for each second of the run."""
        return self.links / max(self.at - self.started_at, 1e-3)

    @property
    def running(self) -> bool:
        """Whether the run is alive: it has not ended, and wrote lately."""
        return not self.ended and time.time() - self.at < _GONE_AFTER_SECONDS

    @property
    def state(self) -> str:
        """How it stands, in words."""
        if self.running:
            return "running"
        return "finished" if self.ended and self.shards_done == self.shards else "stopped before its end"


def split_counts(tally: Mapping[str, int]) -> dict[str, int]:
    """The failures among the counts of a run, by class."""
    return {
        name.removeprefix("failed:"): number for name, number in sorted(tally.items()) if name.startswith("failed:")
    }


def write_status(folder: Path, status: Status) -> None:
    """Put the file in its place at once, without waiting for the disk: it is worth nothing tomorrow."""
    temporary = folder / f".{FILE}.{os.getpid()}{TEMPORARY_SUFFIX}"
    temporary.write_bytes(msgspec.json.encode(status))
    temporary.replace(folder / FILE)


def read_status(folder: Path) -> Status | None:
    """The last that was written; None where there is none."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


_GAUGES = {
    "shards": "Shards of this run.",
    "shards_done": "Shards that are done.",
    "shards_open": "Shards that are open.",
    "requests": "Requests under way.",
    "slow": "Requests under way for longer than a moment.",
    "waiting": "Links and files that wait for their host.",
    "hosts": "Hosts that are asked or waited for.",
    "hosts_resting": "Hosts that rest after trouble.",
}
_COUNTERS = {
    "links": "Links with an outcome.",
    "success": "Images kept.",
    "withheld": "Links left out.",
    "image_bytes": "Bytes of the images kept.",
}


def metrics(status: Status) -> str:
    """The status in Prometheus' text format 0.0.4."""
    lines = []
    for names, kind, suffix in ((_GAUGES, "gauge", ""), (_COUNTERS, "counter", "_total")):
        for name, meaning in names.items():
            full = f"linkwell_populate_{name}{suffix}"
            lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {getattr(status, name)}"]
    lines += [
        "# HELP linkwell_populate_failed_total Failures by class.",
        "# TYPE linkwell_populate_failed_total counter",
        *(f'linkwell_populate_failed_total{{class="{kind}"}} {number}' for kind, number in status.failed.items()),
    ]
    return "\n".join(lines) + "\n"
