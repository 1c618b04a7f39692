"""From decisions to a signed feed of recalls, and the recalls as a client reads them."""

from linkwell.recall.batch import Batch, id_array
from linkwell.recall.client import Recalled, datasets_of, load_recalled
from linkwell.recall.create import (
    RecallInfo,
    create_recall,
    list_recalls,
    recalled_cells,
    recalled_links,
    show_recall,
)

__all__ = [
    "Batch",
    "RecallInfo",
    "Recalled",
    "create_recall",
    "datasets_of",
    "id_array",
    "list_recalls",
    "load_recalled",
    "recalled_cells",
    "recalled_links",
    "show_recall",
]
