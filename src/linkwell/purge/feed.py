"""The copy holder's side of a feed: trusted state beside the copy, and what a receipt says about it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from linkwell.base.errors import DamagedFileError
from linkwell.feed import FeedClient
from linkwell.purge.inventory import check_state_folder
from linkwell.purge.receipt import FeedFacts
from linkwell.recall import Recalled

_FEED_FOLDER = "feed"
_SHIPPED_ROOT = "root.json"


def open_feed(feed: str, state: Path, *, root: Path | None, allow_net: Sequence[str] = ()) -> FeedClient:
    """A client for a feed, refreshed.

    Args:
        feed: URL or folder.
        state: the holder's folder; the feed's trusted state is `feed` in it. A root file that came with the copy stands in
            it as `root.json`.
        root: the root file to start from; only needed the first time.
        allow_net: networks (CIDR) that may be reached although they are not of the public internet.

    Raises:
        UsageError: the state stands in the copy and is a symbolic link.
        MissingKeyError: first use, and no root file is known.
        StaleFeedError: the feed is expired or rolled back.
        SignatureError: it does not hold.
    """
    check_state_folder(state)
    folder = state / _FEED_FOLDER
    shipped = state / _SHIPPED_ROOT
    if root is None and not (folder / "root.json").exists() and shipped.is_file():
        root = shipped
    client = FeedClient.open(feed, folder, trusted_root=root, allow_net=allow_net)
    client.refresh()
    return client


def feed_facts(state: Path, recalled: Recalled) -> FeedFacts:
    """Which state of the feed was read, from the trusted state that `open_feed` left.

    Raises:
        DamagedFileError: the trusted state does not read.
    """
    versions = {}
    for role in ("root", "timestamp"):
        path = state / _FEED_FOLDER / f"{role}.json"
        try:
            data = path.read_bytes()
            versions[role] = (int(json.loads(data)["signed"]["version"]), hashlib.sha256(data).hexdigest())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedFileError("the feed's trusted state does not read", str(path)) from error
    return FeedFacts(recalled.sequence, list(recalled.heads), *versions["root"], *versions["timestamp"])
