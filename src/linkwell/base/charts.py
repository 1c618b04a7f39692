"""Charts as SVG files of their own: bars with their numbers beside them, readable on light and dark ground, without scripts."""

import math
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
    "text{font:13px system-ui,sans-serif;fill:#222}.head{font-weight:600;font-size:15px}.soft{fill:#666}.ground{fill:#fff}"
    ".limit{stroke:#222}.grid{stroke:#ddd}.value{paint-order:stroke;stroke:#fff;stroke-width:4px}"
    "@media (prefers-color-scheme:dark){text{fill:#eee}.soft{fill:#aaa}.ground{fill:#16181c}.limit{stroke:#eee}"
    ".grid{stroke:#33363c}.value{stroke:#16181c}}"
)


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, and its colour: main, good, stop, perhaps or none."""

    label: str
    value: float
    tone: str = "main"
    shown: str = ""
    """What stands beside it; by default the value."""


def bar_chart(
    title: str,
    bars: Sequence[Bar],
    *,
    subtitle: str = "",
    limit: float | None = None,
    limit_name: str = "",
    most: float | None = None,
    decades: int = 0,
) -> str:
    """Horizontal bars, one below the other.

    Args:
        title: stands above.
        bars: their values are zero or more.
        subtitle: stands below the title.
        limit: where a line marks a bound.
        limit_name: stands below that line.
        most: the value that fills the width; by default the largest.
        decades: the scale is logarithmic, from so many powers of ten below `most`; 0 is linear, from zero.

    Returns:
        A whole SVG document.
    """
    largest = most or max([*(bar.value for bar in bars), limit or 0.0]) or 1.0
    top = _TOP + (20 if subtitle else 0)
    bottom = top + _ROW * max(len(bars), 1)
    height = bottom + 12 + (20 if decades else 0) + (20 if limit_name else 0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text class="head" x="12" y="26">{escape(title)}</text>',
    ]
    if subtitle:
        lines.append(f'<text class="soft" x="12" y="46">{escape(subtitle)}</text>')
    for power in range(decades + 1 if decades else 0):
        value = largest * 10.0 ** (power - decades)
        x = _LABEL_WIDTH + _length(value, largest, decades)
        lines += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{bottom}"/>',
            f'<text class="soft" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>',
        ]
    if limit is not None:  # below the numbers, which may lie on it
        x = _LABEL_WIDTH + _length(limit, largest, decades)
        end = height - 6 - (20 if limit_name else 0)
        lines.append(
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{end}" stroke-dasharray="4 3"/>'
        )
        if limit_name:
            lines.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{escape(limit_name)}</text>')
    for number, bar in enumerate(bars):
        y = top + number * _ROW
        length = max(_length(bar.value, largest, decades), 1.0 if bar.value else 0.0)
        label = bar.label if len(bar.label) <= _LABEL_CHARACTERS else bar.label[: _LABEL_CHARACTERS - 1] + "…"
        shown = escape(bar.shown or f"{bar.value:,.6g}")
        lines += [
            f'<text x="{_LABEL_WIDTH - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL_WIDTH}" y="{y + 1}" width="{length:.1f}" height="{_ROW - 8}" fill="{_COLOURS[bar.tone]}"/>',
            f'<text class="value" x="{_LABEL_WIDTH + length + 6:.1f}" y="{y + 13}">{shown}</text>',
        ]
    if not bars:
        lines.append(f'<text x="12" y="{top + 13}">nothing to show</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _length(value: float, largest: float, decades: int) -> float:
    """How long the bar of a value is."""
    share = min(value / largest, 1.0)
    if decades:
        share = max(1 + math.log10(share) / decades, 0.0) if share > 0 else 0.0
    return (_WIDTH - _LABEL_WIDTH - _VALUE_WIDTH) * share
