"""From decisions to a signed feed of recalls, and the recalls as a client reads them."""

from linkwell.recall.batch import Batch, id_array
from linkwell.recall.client import Recalled, datasets_of, load_recalled
from linkwell.recall.create import (
    RecallInfo,
    RecallState,
    create_recall,
    list_recalls,
    read_state,
    recalled_cells,
    recalled_links,
    show_recall,
)
from linkwell.recall.publish import Published, RecallDetails, publish_recall, recall_details

__all__ = [
    "Batch",
    "Published",
    "RecallDetails",
    "RecallInfo",
    "RecallState",
    "Recalled",
    "create_recall",
    "datasets_of",
    "id_array",
    "list_recalls",
    "load_recalled",
    "publish_recall",
    "read_state",
    "recall_details",
    "recalled_cells",
    "recalled_links",
    "show_recall",
]
