"""Rule 6: a restricted file that somebody put there, unencrypted or from another place, stops whoever reads it."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkwell.base.errors import DamagedFileError, LinkwellError
from linkwell.base.workspace import Workspace
from linkwell.ledger import exact_digests, ledger_table, read_ledger, write_ledger_part
from linkwell.lists import Finding, import_list, load_matcher, read_findings, write_findings


def test_a_plain_ledger_part_is_not_read(workspace: Workspace) -> None:
    """Plain parquet of the right columns is refused: the reader would take it, and anybody could have written it."""
    table = ledger_table([(bytes(16), datetime.now(UTC), exact_digests(b"x"))])
    write_ledger_part(workspace.ledger / "r-0.parquet", table, workspace.master_key())
    assert sum(t.num_rows for t in read_ledger(workspace)) == 1
    pq.write_table(table, workspace.ledger / "r-1.parquet")
    with pytest.raises(DamagedFileError, match="not encrypted"):
        list(read_ledger(workspace))


def test_plain_findings_are_not_read(workspace: Workspace) -> None:
    """Nor are findings: a case about an entry of somebody's choice would take it down."""
    write_findings(workspace.findings / "a.parquet", [Finding(bytes(16), "exact", "a", "md5")], workspace.master_key())
    found = list(read_findings(workspace))
    assert len(found) == 1
    rows = [dict(zip(Finding._fields, finding, strict=True)) for finding in found]
    pq.write_table(pa.Table.from_pylist(rows), workspace.findings / "b.parquet")
    with pytest.raises(DamagedFileError, match="not encrypted"):
        list(read_findings(workspace))


def test_a_part_of_one_list_does_not_pass_for_another(workspace: Workspace, tmp_path: Path) -> None:
    """Both are encrypted under the same key and have as many rows: the index knows which is which."""
    for source, value in (("one", 1), ("two", 2)):
        listed = tmp_path / f"{source}.txt"
        listed.write_text(f"# synthetic\nmd5 {value:032x}\n")
        import_list(workspace, listed, source=source)
    assert load_matcher(workspace).lists == ("one", "two")
    first, second = (next(workspace.lists.glob(f"{source}-*.parquet")) for source in ("one", "two"))
    first.write_bytes(second.read_bytes())
    with pytest.raises(LinkwellError):
        load_matcher(workspace)
