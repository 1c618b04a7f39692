"""What an authorised matcher would have to be told about links: their hash from the ledger, and their URL where that may be sent."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow.compute as pc

from linkwell.audit.checkers import Question
from linkwell.base.ids import LINK_ID_BYTES, binary_array
from linkwell.base.shards import read_tables
from linkwell.base.workspace import Workspace
from linkwell.ledger import read_ledger


def questions_about(
    workspace: Workspace, wanted: Collection[bytes], links: Sequence[Path], *, with_urls: bool
) -> list[Question]:
    """A question for each link.

    Args:
        workspace: whose ledger.
        wanted: link ids.
        links: shards in which their URLs are looked up.
        with_urls: whether URLs are looked up at all.

    Raises:
        DamagedFileError: a part of the ledger or a shard does not read.
    """
    ids = binary_array(sorted(wanted), LINK_ID_BYTES)
    hashes: dict[bytes, bytes] = {}
    for table in read_ledger(workspace, ["link_id", "pdq", "pdq_quality"]):
        for row in table.filter(pc.is_in(table["link_id"], value_set=ids)).to_pylist():
            if row["pdq"] is not None and (row["pdq_quality"] or 0) >= workspace.settings.lists.min_pdq_quality:
                hashes[row["link_id"]] = row["pdq"]
    urls: dict[bytes, str] = {}
    if with_urls:
        for table in read_tables(links, ["link_id", "url"]):
            for row in table.filter(pc.is_in(table["link_id"], value_set=ids)).to_pylist():
                urls[row["link_id"]] = row["url"]
    return [Question(link, hashes.get(link), urls.get(link)) for link in sorted(wanted)]
