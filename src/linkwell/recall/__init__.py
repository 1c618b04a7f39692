"""From decisions to a signed feed of recalls, and the recalls as a client reads them."""

from linkwell.recall.batch import Batch, id_array
from linkwell.recall.chart import leak_chart
from linkwell.recall.client import Recalled, datasets_of, load_recalled
from linkwell.recall.create import RecallInfo, create_recall
from linkwell.recall.lineage import LINEAGE_KINDS, Derived, Lineage, recall_touches
from linkwell.recall.meter import AttackResult, LeakReport, Seen, measure
from linkwell.recall.plan import OutsideView, Override, measure_next, outside_view
from linkwell.recall.publish import Published, RecallDetails, publish_recall, recall_details
from linkwell.recall.records import record_id
from linkwell.recall.standing import RecallState, list_recalls, read_state, recalled_cells, recalled_links, show_recall
from linkwell.recall.urgent import Holder, add_holder, list_holders, remove_holder, write_urgent

__all__ = [
    "LINEAGE_KINDS",
    "AttackResult",
    "Batch",
    "Derived",
    "Holder",
    "LeakReport",
    "Lineage",
    "OutsideView",
    "Override",
    "Published",
    "RecallDetails",
    "RecallInfo",
    "RecallState",
    "Recalled",
    "Seen",
    "add_holder",
    "create_recall",
    "datasets_of",
    "id_array",
    "leak_chart",
    "list_holders",
    "list_recalls",
    "load_recalled",
    "measure",
    "measure_next",
    "outside_view",
    "publish_recall",
    "read_state",
    "recall_details",
    "recall_touches",
    "recalled_cells",
    "recalled_links",
    "record_id",
    "remove_holder",
    "show_recall",
    "write_urgent",
]
