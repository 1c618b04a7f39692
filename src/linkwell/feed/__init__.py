"""The feed: a TUF repository of static files that says what is released and what is recalled, and the client that trusts only it."""

from linkwell.feed.client import FeedClient, TargetInfo
from linkwell.feed.keys import make_key, make_keys
from linkwell.feed.metadata import has_feed
from linkwell.feed.repository import (
    check_target_name,
    feed_state,
    init_feed,
    publish_targets,
    published_targets,
    refresh_feed,
)
from linkwell.feed.rotation import Rotation, SignedDocument, rotate_keys, sign_pending
from linkwell.feed.signing import sign_document, verify_document

__all__ = [
    "FeedClient",
    "Rotation",
    "SignedDocument",
    "TargetInfo",
    "check_target_name",
    "feed_state",
    "has_feed",
    "init_feed",
    "make_key",
    "make_keys",
    "publish_targets",
    "published_targets",
    "refresh_feed",
    "rotate_keys",
    "sign_document",
    "sign_pending",
    "verify_document",
]
