"""What tests share: a fresh workspace, and the real input that is not part of the project."""

import os
from pathlib import Path

import pytest

from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, SerialEngine

_SHARED = Path(os.environ.get("LINKWELL_SHARED", Path(__file__).parents[2] / "shared"))


def _shared(folder: str) -> Path:
    path = _SHARED / folder
    if not path.is_dir():
        pytest.skip(f"needs the real input in {path} (set LINKWELL_SHARED), which is not part of the project")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real WATs, WARCs and pictures; the test skips where they are not there."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """Conformance vectors of the standards; the test skips where they are not there."""
    return _shared("vectors")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace for the dataset `birds`."""
    return Workspace.create(tmp_path / "workspace", "birds")


@pytest.fixture
def engine() -> Engine:
    """The engine that runs everything in this process."""
    return SerialEngine()
