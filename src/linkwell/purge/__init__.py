"""Take what is recalled out of a copy, verifiably: plan, apply, verify, receipt."""

from linkwell.purge.apply import RECEIPTS_FOLDER, apply
from linkwell.purge.feed import feed_facts, open_feed
from linkwell.purge.inventory import STATE_FOLDER, dataset_of
from linkwell.purge.plan import FilePlan, Plan, plan
from linkwell.purge.receipt import FeedFacts, Receipt, fingerprint, read_receipt, receipts_in
from linkwell.purge.verify import VerifyReport, verify

__all__ = [
    "RECEIPTS_FOLDER",
    "STATE_FOLDER",
    "FeedFacts",
    "FilePlan",
    "Plan",
    "Receipt",
    "VerifyReport",
    "apply",
    "dataset_of",
    "feed_facts",
    "fingerprint",
    "open_feed",
    "plan",
    "read_receipt",
    "receipts_in",
    "verify",
]
