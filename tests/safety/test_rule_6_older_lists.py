"""Rule 6: hash lists that were put back to an earlier day, or taken away, stop audits and releases."""

import shutil
from pathlib import Path

import pytest
from tests.release.conftest import SETTINGS, SetBuild, set_build, some_urls
from tests.release.test_create import make
from typer.testing import CliRunner

from linkwell.base.errors import LinkwellError, SafetyError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cli import app
from linkwell.engine import Engine
from linkwell.feed import init_feed, make_keys

__all__ = ["set_build"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with keys and a feed."""
    made = Workspace.create(tmp_path / "workspace", "birds", SETTINGS)
    make_keys(made)
    init_feed(made)
    return made


def _import(workspace: Workspace, folder: Path, number: int) -> None:
    listed = folder / f"list-{number}.txt"
    listed.write_text("# synthetic\n" + "".join(f"md5 {n:032x}\n" for n in range(1, number + 1)))
    result = CliRunner().invoke(app, ["lists", "import", str(listed), "--source", "org", "-w", str(workspace.root)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("older", [True, False])
def test_older_lists_stop(
    workspace: Workspace, tmp_path: Path, engine: Engine, set_build: SetBuild, *, older: bool
) -> None:
    """A whole folder of an earlier day opens and passes its self-test; the log knows that there was a newer one."""
    set_build(some_urls(40))
    _import(workspace, tmp_path, 1)
    shutil.copytree(workspace.lists, tmp_path / "kept")
    _import(workspace, tmp_path, 2)
    book = CaseBook.open(workspace)
    book.check_lists(workspace)
    make(workspace, "v1", engine)
    shutil.rmtree(workspace.lists)
    if older:
        shutil.copytree(tmp_path / "kept", workspace.lists)
    else:
        workspace.lists.mkdir(mode=0o700)
    with pytest.raises(SafetyError):
        book.check_lists(workspace)
    with pytest.raises(LinkwellError, match="older"):
        make(workspace, "v2", engine)
    assert isinstance(CliRunner().invoke(app, ["audit", "-w", str(workspace.root)]).exception, SafetyError)
    _import(workspace, tmp_path, 2)
    if not older:
        _import(workspace, tmp_path, 2)
    book.check_lists(workspace)
