"""A few trials of the campaign of faults, of which many are run by hand (`python -m tests.purge.campaign`)."""

import random
from pathlib import Path

import pytest
from tests.purge.campaign import FAULTS, trial

KINDS = ("ours in place", "files", "embeddings")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_fault_the_same_command_finishes(tmp_path: Path, kind: str, fault: str) -> None:
    """Nothing lost that should stay, nothing left that should go, verify passes, receipts are true."""
    trial(tmp_path, random.Random(f"{kind} {fault}"), kind=kind, fault=fault)
