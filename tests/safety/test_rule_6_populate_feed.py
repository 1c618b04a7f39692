"""Ground rule 6, at populate: with a feed configured, a stale one stops the run before anything is fetched."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from linkwell.base.errors import MissingKeyError, StaleFeedError
from linkwell.base.workspace import Workspace
from linkwell.cli.populate import recalled_by_feed
from linkwell.feed import init_feed, make_keys, publish_targets, refresh_feed
from linkwell.recall.batch import LINKS_SCHEMA, batch_files


@pytest.fixture
def root(workspace: Workspace) -> Path:
    """A feed without a word about any dataset; its first root."""
    make_keys(workspace)
    path = init_feed(workspace)
    publish_targets(workspace, {"notes/birds.txt": b"nothing yet"})
    return path


def test_a_fresh_feed_without_recalls_leaves_out_nothing(workspace: Workspace, root: Path) -> None:
    """Signed, fresh, and silent: go on. No feed named: the same."""
    assert recalled_by_feed(workspace, str(workspace.feed), root, ()) == frozenset()
    assert recalled_by_feed(workspace, "", None, ()) == frozenset()


def test_what_a_feed_recalls_is_left_out_whatever_the_dataset_is_called(workspace: Workspace, root: Path) -> None:
    """A list imported under a name of one's own is kept clear of what its maker recalls."""
    gone = bytes(range(16))
    files = batch_files(
        dataset="others-birds",
        sequence=1,
        issued="2026-01-01",
        partition_sha256="00" * 32,
        releases=["v1-r1"],
        previous="",
        cells=[1],
        links=pa.table({"link_id": pa.array([gone], pa.binary(16))}, schema=LINKS_SCHEMA),
    )
    publish_targets(workspace, {f"recalls/others-birds/000001/{name}": data for name, data in files.items()})
    assert workspace.settings.dataset != "others-birds"
    assert recalled_by_feed(workspace, str(workspace.feed), root, ()) == {gone}


def test_a_stale_feed_stops_the_run(workspace: Workspace, root: Path) -> None:
    """Also when it was fresh at an earlier run."""
    recalled_by_feed(workspace, str(workspace.feed), root, ())
    refresh_feed(workspace, now=datetime.now(UTC) - timedelta(days=8))
    with pytest.raises(StaleFeedError):
        recalled_by_feed(workspace, str(workspace.feed), root, ())


def test_a_feed_is_not_trusted_on_first_sight(workspace: Workspace, root: Path) -> None:
    """Without a root file there is nothing to trust it by."""
    assert root.exists()
    with pytest.raises(MissingKeyError):
        recalled_by_feed(workspace, str(workspace.feed), None, ())
