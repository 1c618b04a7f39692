"""Take what is recalled out of a copy, verifiably: plan, apply, verify, receipt."""

from linkwell.purge.apply import RECEIPTS_FOLDER, PurgeOptions, apply
from linkwell.purge.database import read_tables
from linkwell.purge.feed import feed_facts, open_feed
from linkwell.purge.inventory import STATE_FOLDER, dataset_of
from linkwell.purge.loading import Guard, guard, guard_of
from linkwell.purge.plan import FilePlan, Plan, plan
from linkwell.purge.receipt import FeedFacts, Receipt, fingerprint, read_receipt, receipts_in
from linkwell.purge.unit import TableQuery
from linkwell.purge.verify import VerifyReport, verify
from linkwell.purge.watch import FeedAddress, Pass, watch_once

__all__ = [
    "RECEIPTS_FOLDER",
    "STATE_FOLDER",
    "FeedAddress",
    "FeedFacts",
    "FilePlan",
    "Guard",
    "Pass",
    "Plan",
    "PurgeOptions",
    "Receipt",
    "TableQuery",
    "VerifyReport",
    "apply",
    "dataset_of",
    "feed_facts",
    "fingerprint",
    "guard",
    "guard_of",
    "open_feed",
    "plan",
    "read_receipt",
    "read_tables",
    "receipts_in",
    "verify",
    "watch_once",
]
