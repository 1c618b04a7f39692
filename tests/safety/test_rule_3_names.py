"""Rule 3: a name with something invisible in it is no second person, neither for a decision nor for a withdrawal."""

from pathlib import Path

import pytest
from tests.recall.conftest import dataset, release

from linkwell.base.errors import TwoPersonError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.release import withdraw_release

__all__ = ["dataset", "release"]

SPELLINGS = [
    "ADA",
    "a d a",
    "ada\u00a0",
    "\uff41\uff44\uff41",
    "a\u2060da",
    "ada\ufe0f",
    "a\u034fda",
    "ada\u3164",
    "ada\u115f",
    "ada\u2800",
    "ada\U000e0101",
    "a\u180bda",
]


@pytest.mark.parametrize("who", SPELLINGS)
def test_another_spelling_does_not_approve(tmp_path: Path, who: str) -> None:
    """The decision stays open; a name that does not print is refused outright, which is as good."""
    book = CaseBook.open(Workspace.create(tmp_path / "w", "birds"))
    number = book.report(["https://a.example/photo.jpg"], kind="illegal", who=None)
    book.propose(number, "takedown", "ada")
    with pytest.raises((TwoPersonError, UsageError)):
        book.approve(number, who)
    assert book.case(number).state == "proposed"


def test_another_spelling_does_not_withdraw(dataset: Workspace) -> None:
    """The release stays published."""
    for second in SPELLINGS:
        with pytest.raises((TwoPersonError, UsageError)):
            withdraw_release(dataset, "v1", "a test", "ada", second)
    assert any((dataset.feed / "targets" / "releases" / "birds" / "v1").glob("*.manifest.json"))
