"""Charts as SVG files of their own: bars with their numbers beside them, readable on light and dark ground, without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 720
_ROW = 24
_TOP = 46
_LABEL_WIDTH = 230
_VALUE_WIDTH = 110
_LABEL_CHARACTERS = 30
_COLOURS = {"main": "#3b6ea5", "good": "#3d8b5c", "stop": "#b5482f", "perhaps": "#c08a1e", "none": "#8a8f98"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.head{font-weight:600;font-size:15px}.ground{fill:#fff}.limit{stroke:#222}"
    "@media (prefers-color-scheme:dark){text{fill:#eee}.ground{fill:#16181c}.limit{stroke:#eee}}"
)


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, and its colour: main, good, stop, perhaps or none."""

    label: str
    value: float
    tone: str = "main"
    shown: str = ""
    """What stands beside it; by default the value."""


def bar_chart(title: str, bars: Sequence[Bar], *, limit: float | None = None, most: float | None = None) -> str:
    """Horizontal bars, one below the other.

    Args:
        title: stands above.
        bars: their values are zero or more.
        limit: where a line marks a bound.
        most: the value that fills the width; by default the largest.

    Returns:
        A whole SVG document.
    """
    largest = most or max([*(bar.value for bar in bars), limit or 0.0]) or 1.0
    room = _WIDTH - _LABEL_WIDTH - _VALUE_WIDTH
    height = _TOP + _ROW * max(len(bars), 1) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text class="head" x="12" y="26">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        y = _TOP + number * _ROW
        length = max(room * min(bar.value / largest, 1.0), 1.0 if bar.value else 0.0)
        label = bar.label if len(bar.label) <= _LABEL_CHARACTERS else bar.label[: _LABEL_CHARACTERS - 1] + "…"
        lines += [
            f'<text x="{_LABEL_WIDTH - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL_WIDTH}" y="{y + 1}" width="{length:.1f}" height="{_ROW - 8}" fill="{_COLOURS[bar.tone]}"/>',
            f'<text x="{_LABEL_WIDTH + length + 6:.1f}" y="{y + 13}">{escape(bar.shown or f"{bar.value:,.6g}")}</text>',
        ]
    if not bars:
        lines.append(f'<text x="12" y="{_TOP + 13}">nothing to show</text>')
    if limit is not None:
        x = _LABEL_WIDTH + room * min(limit / largest, 1.0)
        lines.append(
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 6}" stroke-dasharray="4 3"/>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"
