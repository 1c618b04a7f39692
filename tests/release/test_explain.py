"""How cells came out, told from the public columns."""

import json

from tests.release.conftest import SetBuild, some_urls
from tests.release.test_create import make, rows_of
from typer.testing import CliRunner

from linkwell.base.workspace import Workspace
from linkwell.cli import app
from linkwell.engine import Engine
from linkwell.release import explain_cells


def test_the_distribution_is_that_of_the_rows(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Sizes, domains and shards are counted as they are; rows of one cell share their safety bin for the most part."""
    set_build(some_urls(333))
    release = make(workspace, "v1", engine)
    cells = rows_of(release)
    sizes = sorted(list(cells.values()).count(cell) for cell in set(cells.values()))
    report = explain_cells(release)
    assert (report.cells, report.rows, report.shards) == (33, 333, len(release.parts))
    assert (report.rows_in_cell[0], report.rows_in_cell[-1]) == (sizes[0], sizes[-1])
    assert report.below_min == 0
    domains = [len({u.split("/")[2] for u, c in cells.items() if c == cell}) for cell in set(cells.values())]
    assert (report.domains_in_cell[0], report.domains_in_cell[-1]) == (min(domains), max(domains))
    assert report.same_bin[2] == 1.0
    assert max(report.cells_in_shard) <= 3
    shown = CliRunner().invoke(app, ["release", "explain-cells", "v1", "-w", str(workspace.root)])
    assert "33 cells of 333 rows" in shown.output
    told = CliRunner().invoke(app, ["release", "explain-cells", "v1", "--json", "-w", str(workspace.root)])
    assert json.loads(told.stdout)["rows_in_cell"] == list(report.rows_in_cell)


def test_an_empty_release_has_no_cells(workspace: Workspace, engine: Engine, set_build: SetBuild) -> None:
    """Zeros, and no error."""
    set_build([])
    assert explain_cells(make(workspace, "v1", engine)).rows_in_cell == (0.0,) * 5
