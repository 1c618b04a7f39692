"""Ground rule 6, fail closed: a feed that is stale, unsigned or rolled back stops the step."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkwell.base.errors import (
    AddressRefusedError,
    MissingKeyError,
    SafetyError,
    SignatureError,
    StaleFeedError,
    UsageError,
)
from linkwell.base.workspace import Workspace
from linkwell.feed import FeedClient, init_feed, make_keys, publish_targets, refresh_feed
from linkwell.feed.fetchers import check_address


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


def test_a_clock_that_was_set_back_stops(workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands before the last reading an expired feed would look fresh: nothing is read by it."""
    follow(workspace, root)
    now = time.time()
    monkeypatch.setattr("linkwell.feed.client.time.time", lambda: now - 600)
    follow(workspace, None)
    monkeypatch.setattr("linkwell.feed.client.time.time", lambda: now - 86_400)
    with pytest.raises(StaleFeedError, match="clock"):
        follow(workspace, None)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "100.64.0.1",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "fd00::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378::",
        "ff02::1",
    ],
)
def test_a_feed_is_not_fetched_from_a_private_address(address: str) -> None:
    """In whatever spelling, and through whatever gateway or tunnel it would be reached."""
    with pytest.raises(AddressRefusedError):
        check_address(address, ())
    check_address("93.184.216.34", ())
    check_address("64:ff9b::5db8:d822", ())
