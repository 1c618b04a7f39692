"""The leak meter's report as a picture: one bar for each attack, on a logarithmic scale, and the bound."""

import math
from html import escape

from linkwell.recall.meter import LeakReport

_LEFT, _WIDTH, _ROW, _TOP = 190, 420, 24, 54
_FONT = 'font-family="sans-serif" font-size="12"'
_DECADES = 6
"""The scale goes from a millionth to 1."""


def leak_chart(report: LeakReport, bound: float) -> str:
    """An SVG document, for people; readable in black and white, with every number beside its bar.

    Args:
        report: from `measure`.
        bound: the precision that no attack may exceed.
    """
    height = _TOP + _ROW * len(report.attacks) + 40
    bottom = _TOP + _ROW * len(report.attacks)
    title = "What an attacker learns from this recall"
    guessed = f"Share of right ones among {report.hits:,} guesses"
    subtitle = f"{guessed}, of {report.removed:,} rows that leave in {report.cells:,} cells"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" {_FONT} role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="12" y="40" fill="#555555">{subtitle}</text>',
    ]
    for decade in range(_DECADES + 1):
        x = _place(10.0 ** (decade - _DECADES))
        lines.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#dddddd"/>')
        label = "1" if decade == _DECADES else f"{10.0 ** (decade - _DECADES):g}"
        lines.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555555">{label}</text>')
    for number, attack in enumerate(report.attacks):
        y = _TOP + _ROW * number
        colour = "#b3261e" if attack.precision > bound else "#3b6ea5"
        length = max(_place(attack.precision) - _LEFT, 0)
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(attack.name)}</text>')
        lines.append(f'<rect x="{_LEFT}" y="{y + 4}" width="{length:.1f}" height="{_ROW - 8}" fill="{colour}"/>')
        lines.append(f'<text x="{_LEFT + length + 6:.1f}" y="{y + 16}">{attack.precision:.4f}</text>')
    x = _place(bound)
    lines.append(
        f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#b3261e" stroke-width="2" stroke-dasharray="5 3"/>'
    )
    lines.append(f'<text x="{x:.1f}" y="{bottom + 32}" text-anchor="middle" fill="#b3261e">bound {bound:g}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _place(share: float) -> float:
    if share <= 0:
        return _LEFT
    return _LEFT + _WIDTH * min(max(1 + math.log10(share) / _DECADES, 0), 1)
