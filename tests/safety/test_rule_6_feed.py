"""Ground rule 6, fail closed: a feed that is stale, unsigned or rolled back stops the step."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkwell.base.errors import MissingKeyError, SafetyError, SignatureError, StaleFeedError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.feed import FeedClient, init_feed, make_keys, publish_targets, refresh_feed


@pytest.fixture
def root(workspace: Workspace) -> Path:
    """A feed with one target; its first root."""
    make_keys(workspace)
    path = init_feed(workspace)
    publish_targets(workspace, {"recalls/birds/000001/batch.json": b"{}"})
    return path


def follow(workspace: Workspace, root: Path | None, feed: Path | None = None) -> FeedClient:
    client = FeedClient.open(str(feed or workspace.feed), workspace.root / "state", trusted_root=root)
    client.refresh()
    return client


def test_a_stale_feed_stops(workspace: Workspace, root: Path) -> None:
    """A feed nobody has signed for longer than its timestamp holds is not read, though every signature in it is right."""
    follow(workspace, root)
    refresh_feed(workspace, now=datetime.now(UTC) - timedelta(days=8))
    with pytest.raises(StaleFeedError) as caught:
        follow(workspace, root)
    assert isinstance(caught.value, SafetyError)


def test_a_rolled_back_feed_stops(workspace: Workspace, root: Path) -> None:
    """An older feed, from before a recall, is not read once the newer one was seen: not even by a new process."""
    old = shutil.copytree(workspace.feed, workspace.root / "old")
    publish_targets(workspace, {"recalls/birds/000002/batch.json": b"{}"})
    follow(workspace, root)
    with pytest.raises(StaleFeedError):
        follow(workspace, None, old)


def test_an_unsigned_feed_stops(workspace: Workspace, root: Path) -> None:
    """Metadata without signatures is not read, whoever serves it."""
    path = workspace.feed / "metadata" / "timestamp.json"
    document = json.loads(path.read_bytes())
    document["signatures"] = []
    path.write_text(json.dumps(document))
    with pytest.raises(SignatureError):
        follow(workspace, root)


def test_a_feed_is_not_trusted_because_it_is_there(workspace: Workspace, root: Path) -> None:
    """Without a root file from elsewhere nothing is read, and what was not refreshed is not answered from."""
    with pytest.raises(MissingKeyError):
        FeedClient.open(str(workspace.feed), workspace.root / "fresh")
    client = FeedClient.open(str(workspace.feed), workspace.root / "fresh", trusted_root=root)
    with pytest.raises(UsageError):
        client.targets()
