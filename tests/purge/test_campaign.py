"""A few trials of the campaign of faults, of which many are run by hand (`python -m tests.purge.campaign`)."""

import random
from pathlib import Path

import pytest
from tests.purge.campaign import EVERY, FAULTS, trial
from tests.purge.conftest import make_rows, recalled_of

from linkwell.engine import SerialEngine
from linkwell.purge import apply
from linkwell.purge.note import Note, write_note

KINDS = ("ours in place", "files", "embeddings")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_fault_the_same_command_finishes(tmp_path: Path, kind: str, fault: str) -> None:
    """Nothing lost that should stay, nothing left that should go, verify passes, receipts are true."""
    trial(tmp_path, random.Random(f"{kind} {fault}"), kind=kind, fault=fault)


def test_killed_between_a_change_in_place_and_its_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rerun finds nothing to change, counts what went, and leaves no note behind (found by the campaign)."""
    rows = make_rows([1, 2], 10, fail_every=10**9)
    made = EVERY["sqlite"](tmp_path / "copy", rows)
    gone = recalled_of([2], rows)
    real = write_note

    def killed(path: Path, note: Note) -> None:
        if not note.changing:
            raise KeyboardInterrupt
        real(path, note)

    with monkeypatch.context() as patch:
        patch.setattr("linkwell.purge.rewrite.write_note", killed)
        with pytest.raises(KeyboardInterrupt):
            apply(made.root, gone, engine=SerialEngine(), options=made.options)
    receipt = apply(made.root, gone, engine=SerialEngine(), options=made.options)
    assert receipt.statement.rows_removed == 10
    left = {p.name for p in (made.root / ".linkwell").iterdir()}
    assert left - {"seen.json"} == {"purge.key", "purge.lock", "receipts"}
