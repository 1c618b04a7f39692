"""A feed with two targets, and helpers that play its attacker with real files."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkwell.base.workspace import Workspace
from linkwell.feed import FeedClient, init_feed, make_keys, publish_targets

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


class World:
    """A workspace with a feed, and a client's state beside it."""

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        self.folder = folder
        self.workspace = workspace
        self.feed = workspace.feed
        self.metadata = workspace.feed / "metadata"
        make_keys(workspace)
        self.root = folder / "root.json"
        shutil.copy(init_feed(workspace), self.root)
        publish_targets(workspace, {"a/one.json": b"one", "two.bin": bytes(range(256)) * 40})

    def client(self, name: str = "state", feed: str | None = None) -> FeedClient:
        return FeedClient.open(feed or str(self.feed), self.folder / name, trusted_root=self.root)

    def save(self, name: str) -> Path:
        """Keep a copy of the whole feed, as an attacker would."""
        return Path(shutil.copytree(self.feed, self.folder / name))

    def target_file(self, name: str) -> Path:
        folder, _, base = name.rpartition("/")
        return next((self.feed / "targets" / folder).glob(f"*.{base}"))


@pytest.fixture
def world(tmp_path: Path, workspace: Workspace) -> World:
    return World(tmp_path, workspace)
