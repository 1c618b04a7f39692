"""How the story is told: a title, one or two plain lines, and the command that does the same, as each step ends."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from linkwell.base.counts import counted as counts_as_said
from linkwell.demo.report import Step

Speak = Callable[[str, Literal["title", "text", "command"]], None]
"""Gets each line that is told, and what it is."""


@dataclass
class StepNotes:
    """What is to be said about the step that runs."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Add a line: what was done, or what it means."""
        self.lines.append(line)


class Teller:
    """Tells steps as they are done, and remembers them for the report."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self.steps: list[Step] = []

    @contextmanager
    def step(self, title: str, command: str) -> Iterator[StepNotes]:
        """Tell a step when the block ends."""
        notes = StepNotes()
        started = time.monotonic()
        yield notes
        step = Step(title, tuple(notes.lines), command, round(time.monotonic() - started, 2))
        self.steps.append(step)
        self._speak(f"{len(self.steps):>2}. {title}  ({step.seconds:.1f} s)", "title")
        for line in notes.lines:
            self._speak(f"    {line}", "text")
        self._speak(f"    $ {command}" + "\n", "command")


_REASONS = {
    # of a crawl
    "robots": "forbidden by robots.txt",
    "slow": "too slow",
    # of a build
    "no_text": "without text",
    "data_url": "inside the page",
    "no_src": "without address",
    "bad_url": "with an address no parser takes",
    # of a populate
    "opted_out": "opted out",
    "dns": "host not found",
    "timeout": "too slow",
    "refused_address": "address refused",
    "too_large": "too many bytes",
    "too_many_pixels": "too many pixels",
    "too_many_redirects": "redirects to itself",
    "not_an_image": "no image",
    "decode_error": "damaged image",
    "truncated_image": "image cut short",
    "not_in_archive": "not in the archive",
}


def reason_name(reason: str) -> str:
    """A reason or class as a person says it.

    >>> reason_name("http_404"), reason_name("dns")
    ('HTTP 404', 'host not found')
    """
    if reason.startswith("http_"):
        return f"HTTP {reason.removeprefix('http_')}"
    return _REASONS.get(reason, reason.replace("_", " "))


def counted(counts: Mapping[str, int]) -> str:
    """Counts as a phrase, most frequent first.

    >>> counted({"dns": 2, "timeout": 12})
    '12 too slow, 2 host not found'
    """
    return counts_as_said(counts, reason_name)
