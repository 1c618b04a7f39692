"""Keeping a copy in step with its feed: look, and purge when there is something new."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linkwell.base.errors import LinkwellError
from linkwell.engine import Engine
from linkwell.purge.apply import RECEIPTS_FOLDER, PurgeOptions, apply
from linkwell.purge.feed import feed_facts, open_feed
from linkwell.purge.inventory import JOURNAL_FILE, dataset_of
from linkwell.purge.receipt import Receipt, read_receipt, receipts_in
from linkwell.recall import Recalled, load_recalled


@dataclass(frozen=True)
class FeedAddress:
    """Where a copy's feed is, and how it is trusted; see `open_feed`."""

    url: str
    root: Path | None = None
    dataset: str | None = None
    allow_net: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pass:
    """What one look at the feed came to."""

    sequence: int
    """Number of the newest recall."""
    receipt: Receipt | None
    """Of the purge that was needed; None where the copy was in step."""


def watch_once(
    copy: Path,
    feed: FeedAddress,
    *,
    state: Path,
    engine: Engine,
    key: Path | None = None,
    options: PurgeOptions | None = None,
) -> Pass:
    """Read the feed, and purge the copy where its newest receipt does not cover what the feed says.

    Raises:
        StaleFeedError: the feed is expired, frozen or rolled back.
        SignatureError: it does not hold, or the receipt is about another feed.
        UnavailableError: it cannot be reached: the next look may.
    """
    client = open_feed(feed.url, state, root=feed.root, allow_net=feed.allow_net)
    recalled = load_recalled(client, feed.dataset or dataset_of(copy))
    if in_step(copy, recalled, receipts_in(state / RECEIPTS_FOLDER)):
        return Pass(recalled.sequence, None)
    receipt = apply(
        copy, recalled, engine=engine, key=key, state=state, feed=feed_facts(state, recalled), options=options
    )
    return Pass(recalled.sequence, receipt)


def in_step(copy: Path, recalled: Recalled, receipts: Sequence[Path]) -> bool:
    """Whether the newest receipt says that all of the feed was applied and nothing failed. A receipt that does not read says nothing."""
    if not receipts or (copy / JOURNAL_FILE).exists():
        return False
    try:
        stated = read_receipt(receipts[-1]).statement
    except LinkwellError:
        return False
    same = stated.dataset == recalled.dataset and stated.feed.batches_sha256 == list(recalled.heads)
    return same and stated.complete
