"""Ground rule 6: fail closed. A list that does not open, or an index that misses its canaries, stops the step."""

from pathlib import Path

import pytest

from linkwell.base.errors import DamagedFileError, MissingError, SafetyError
from linkwell.base.workspace import Workspace
from linkwell.ledger import exact_digests
from linkwell.lists import import_list, load_matcher
from linkwell.lists.columns import Rows
from linkwell.lists.exact import ExactIndex, Hits


@pytest.fixture
def listed(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with two synthetic lists."""
    for source in ("hotline", "other"):
        path = tmp_path / f"{source}.txt"
        path.write_text(f"# synthetic\nmd5 {exact_digests(source.encode()).md5.hex()}\n")
        import_list(workspace, path, source=source)
    return workspace


def test_an_index_that_misses_its_canaries_stops(listed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that loses a single entry is not used: loading stops with an error that says so."""
    assert load_matcher(listed).match_digests(exact_digests(b"hotline"))
    mark = ExactIndex.mark

    def lossy(index: ExactIndex, queries: Rows, hits: Hits, reported: int = 0) -> None:
        mark(index, queries, hits, reported)
        hits[:, -1] = False

    monkeypatch.setattr(ExactIndex, "mark", lossy)
    with pytest.raises(SafetyError, match="misses entries"):
        load_matcher(listed)


def test_one_damaged_list_stops_all(listed: Workspace) -> None:
    """No list is left out in silence: with one edited byte in one of them, nothing loads."""
    part = next(listed.lists.glob("other-*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    with pytest.raises(DamagedFileError, match=part.name):
        load_matcher(listed)


def test_a_missing_list_stops_all(listed: Workspace) -> None:
    """A part that was deleted is missed; deleting the index does not make the lists vanish either."""
    part = next(listed.lists.glob("other-*.parquet"))
    data = part.read_bytes()
    part.unlink()
    with pytest.raises(MissingError, match=part.name):
        load_matcher(listed)
    part.write_bytes(data)
    (listed.lists / "index.parquet").unlink()
    with pytest.raises(DamagedFileError, match="index"):
        load_matcher(listed)
