"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere. Always on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY_SECONDS = 10.0


class Meter:
    """Counts units of work done and shows them: `advance` after each piece; `note` is the last thing worth saying."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self.note = ""
        self.started = time.monotonic()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Say that `count` more units are done."""
        self.done += count
        if note is not None:
            self.note = note

    def rate(self) -> float:
        """Units a second so far."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def line(self) -> str:
        """The state in one plain line."""
        of = f"/{self.total}" if self.total is not None else ""
        left = ""
        if self.total and 0 < self.done < self.total:
            left = f", {(self.total - self.done) / self.rate():.0f} s left"
        note = f" · {self.note}" if self.note else ""
        return f"{self.label}: {self.done}{of} {self.unit}, {self.rate():.1f}/s{left}{note}"


class _LineMeter(Meter):
    """Prints a line every few seconds of work, and none for work that is quick."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        super().__init__(label, total, unit)
        self._last = self.started

    def advance(self, count: int = 1, note: str | None = None) -> None:
        super().advance(count, note)
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_SECONDS:
            self._last = now
            sys.stderr.write(self.line() + "\n")


class _BarMeter(Meter):
    """Draws a bar on a terminal."""

    def __init__(self, label: str, total: int | None, unit: str, bar: "Progress") -> None:
        super().__init__(label, total, unit)
        self._bar = bar
        self._task = bar.add_task(label, total=total, rate="", note="")

    def advance(self, count: int = 1, note: str | None = None) -> None:
        super().advance(count, note)
        self._bar.update(self._task, advance=count, rate=f"{self.rate():.1f} {self.unit}/s", note=self.note)


@contextmanager
def meter(label: str, total: int | None = None, unit: str = "items") -> Iterator[Meter]:
    """Show the progress of the block: a bar on a terminal that goes when done, lines otherwise."""
    if not sys.stderr.isatty():
        yield _LineMeter(label, total, unit)
        return
    from rich.console import Console  # noqa: PLC0415 - who has no terminal does without its 8 MB
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _BarMeter(label, total, unit, bar)
