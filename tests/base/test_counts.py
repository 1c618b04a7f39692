"""Numbers and their nouns, in every sentence for people."""

import ast
import re
from pathlib import Path

import pytest

from linkwell.base.counts import counted, plural

SOURCE = Path(__file__).parents[2] / "src" / "linkwell"
NOUNS = r" (links|cells|rows|files|parts|pages|archives|images|duplicates|shards|keys|entries|pictures|hosts|sites|samples|recalls)\b"


def test_a_number_agrees_with_its_noun() -> None:
    assert [plural(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert plural(1_000, "link") == "1,000 links"


def test_counts_come_most_frequent_first() -> None:
    assert counted({"b": 1, "a": 1, "c": 1200}) == "1,200 c, 1 a, 1 b"
    assert counted({}) == ""


@pytest.mark.parametrize("path", sorted((SOURCE / "cli").glob("*.py")), ids=lambda path: path.name)
def test_no_command_says_1_links(path: Path) -> None:
    """A count in a sentence of a command goes through `plural`, or stands apart from its noun."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, node.values[1:], strict=False):
                shows_count = isinstance(value, ast.FormattedValue) and isinstance(value.format_spec, ast.JoinedStr)
                text = after.value if isinstance(after, ast.Constant) and isinstance(after.value, str) else ""
                assert not (shows_count and re.match(NOUNS, text)), f"{path.name}:{node.lineno}: {text}"
