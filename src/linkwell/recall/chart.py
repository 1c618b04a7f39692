"""The leak meter's report as a picture: one bar for each attack, on a logarithmic scale, and the bound."""

from linkwell.base.charts import Bar, bar_chart
from linkwell.base.counts import plural
from linkwell.recall.meter import LeakReport

_DECADES = 6
"""The scale goes from a millionth to 1."""


def leak_chart(report: LeakReport, bound: float) -> str:
    """An SVG document, for people; readable in black and white, with every number beside its bar.

    Args:
        report: from `measure`.
        bound: the precision that no attack may exceed.
    """
    removed = f"{plural(report.removed, 'row')} in {plural(report.cells, 'cell')}"
    guesses = plural(report.hits, "guess", "guesses")
    return bar_chart(
        "What an attacker learns from this recall",
        [
            Bar(each.name, each.precision, "stop" if each.precision > bound else "main", f"{each.precision:.3g}")
            for each in report.attacks
        ],
        subtitle=f"The share of {guesses} that would be right, where {removed} leave",
        limit=bound,
        limit_name=f"bound {bound:g}",
        most=1.0,
        decades=_DECADES,
    )
