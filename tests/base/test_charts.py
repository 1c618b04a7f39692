"""Charts: well-formed, escaped, in proportion."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.charts import Bar, bar_chart

_SVG = "{http://www.w3.org/2000/svg}"
_LABELS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))


@given(_LABELS, st.lists(st.tuples(_LABELS, st.floats(0, 1e15))))
def test_it_is_well_formed_whatever_the_labels(title: str, bars: list[tuple[str, float]]) -> None:
    root = ET.fromstring(bar_chart(title, [Bar(label, value) for label, value in bars]))  # noqa: S314 - our own
    assert root.findtext(f"{_SVG}title") == title
    assert len(root.findall(f"{_SVG}rect")) == len(bars) + 1


def test_lengths_are_in_proportion_and_the_bound_is_drawn() -> None:
    root = ET.fromstring(bar_chart("precision", [Bar("a", 1.0), Bar("b", 0.25, "stop")], limit=0.5))  # noqa: S314 - our own
    long, short = root.findall(f"{_SVG}rect")[1:]
    assert float(short.attrib["width"]) * 4 == float(long.attrib["width"])
    line = root.find(f"{_SVG}line")
    assert line is not None
    assert float(line.attrib["x1"]) == float(long.attrib["x"]) + float(long.attrib["width"]) / 2


def test_a_logarithmic_scale_gives_each_decade_the_same_room() -> None:
    bars = [Bar("a", 1.0), Bar("b", 0.1), Bar("c", 0.001), Bar("d", 1e-9), Bar("e", 0.0)]
    chart = bar_chart("precision", bars, decades=3, most=1.0, limit=0.01, limit_name="bound 0.01")
    root = ET.fromstring(chart)  # noqa: S314 - our own
    whole, tenth, thousandth, less, nothing = (float(rect.attrib["width"]) for rect in root.findall(f"{_SVG}rect")[1:])
    assert abs(tenth - whole * 2 / 3) < 0.1
    assert thousandth == less == 1.0  # a line that can be seen, unlike none
    assert nothing == 0.0
    texts = [text.text for text in root.findall(f"{_SVG}text")]
    assert {"0.001", "0.01", "0.1", "1", "bound 0.01"} <= set(texts)
    bound, third = root.find(f"{_SVG}line[@class='limit']"), root.findall(f"{_SVG}line[@class='grid']")[1]
    assert bound is not None
    assert bound.attrib["x1"] == third.attrib["x1"]


def test_nothing_is_said_to_be_nothing() -> None:
    assert "nothing to show" in bar_chart("empty", [])
