"""The feed: a TUF repository of static files that says what is released and what is recalled, and the client that trusts only it."""

from linkwell.feed.client import FeedClient, TargetInfo
from linkwell.feed.keys import make_keys
from linkwell.feed.repository import (
    check_target_name,
    feed_state,
    has_feed,
    init_feed,
    publish_targets,
    published_targets,
    refresh_feed,
)
from linkwell.feed.signing import sign_document, verify_document

__all__ = [
    "FeedClient",
    "TargetInfo",
    "check_target_name",
    "feed_state",
    "has_feed",
    "init_feed",
    "make_keys",
    "publish_targets",
    "published_targets",
    "refresh_feed",
    "sign_document",
    "verify_document",
]
