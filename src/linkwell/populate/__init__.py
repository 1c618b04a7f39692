"""Links to images: fetched, checked, matched in memory, written in img2dataset's layout, and entered in the ledger."""

from linkwell.populate.adopt import AdoptReport, adopt
from linkwell.populate.failures import MESSAGES
from linkwell.populate.hosts import HostOutcomes, chart
from linkwell.populate.options import PopulateOptions
from linkwell.populate.populate import (
    COPY_FILE,
    CopyInfo,
    PopulateReport,
    populate,
    read_copy_info,
    run_folder,
)
from linkwell.populate.status import Status, read_status
from linkwell.populate.writer import COPY_SCHEMA, TarWriter

__all__ = [
    "COPY_FILE",
    "COPY_SCHEMA",
    "MESSAGES",
    "AdoptReport",
    "CopyInfo",
    "HostOutcomes",
    "PopulateOptions",
    "PopulateReport",
    "Status",
    "TarWriter",
    "adopt",
    "chart",
    "populate",
    "read_copy_info",
    "read_status",
    "run_folder",
]
