"""Releases: immutable versions of a dataset, cut into cells, signed, and reissued without what was taken down."""

from linkwell.release.create import create_release
from linkwell.release.explain import QUANTILES, CellsReport, explain_cells
from linkwell.release.get import GetReport, get_release
from linkwell.release.manifest import Manifest, Part
from linkwell.release.partition import Leaving, Partition
from linkwell.release.profile import domain_hashes
from linkwell.release.publish import (
    manifest_target,
    publish_release,
    withdraw_all,
    withdraw_release,
    withdrawn_target,
)
from linkwell.release.reconcile import REMOVED_CLASSES, Reconciliation
from linkwell.release.reissue import reissue
from linkwell.release.store import (
    Release,
    ReleaseInfo,
    cells_of,
    current_release,
    list_releases,
    open_release,
    signed_documents,
)
from linkwell.release.verify import VerifyReport, verify_release

__all__ = [
    "QUANTILES",
    "REMOVED_CLASSES",
    "CellsReport",
    "GetReport",
    "Leaving",
    "Manifest",
    "Part",
    "Partition",
    "Reconciliation",
    "Release",
    "ReleaseInfo",
    "VerifyReport",
    "cells_of",
    "create_release",
    "current_release",
    "domain_hashes",
    "explain_cells",
    "get_release",
    "list_releases",
    "manifest_target",
    "open_release",
    "publish_release",
    "reissue",
    "signed_documents",
    "verify_release",
    "withdraw_all",
    "withdraw_release",
    "withdrawn_target",
]
