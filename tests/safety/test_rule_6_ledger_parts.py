"""Rule 6: a part of the ledger that is gone stops audits and releases; a ledger with a hole never looks like one without."""

from pathlib import Path

import pytest
from tests.e2e.archive import Site, write_warc
from tests.populate.conftest import write_links

from linkwell.audit import audit
from linkwell.base.errors import DamagedFileError
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.ledger import exact_digests, read_ledger
from linkwell.lists import import_list
from linkwell.populate import PopulateOptions, populate

SETTINGS = 'dataset = "birds"\n[populate]\nshard_rows = 2\n'


@pytest.fixture
def links(tmp_path: Path) -> list[Path]:
    """A workspace in `tmp_path/w` whose ledger has two parts of two pictures, with a list that names the third."""
    workspace = Workspace.create(tmp_path / "w", "birds", SETTINGS)
    site = Site("a.example")
    pictures = [site.picture(f"p{n}", seed=n) for n in range(4)]
    archive = write_warc(tmp_path / "a.warc.gz", site.responses)
    listed = tmp_path / "list.txt"
    listed.write_text(f"# synthetic\nmd5 {exact_digests(pictures[2][1]).md5.hex()}\n")
    found = [write_links(tmp_path / "links.parquet", [url for url, _ in pictures])]
    options = PopulateOptions(from_archive=(str(archive),))
    populate(workspace, tmp_path / "copy", links=found, engine=SerialEngine(), options=options)
    import_list(workspace, listed, source="org")
    return found


def test_a_part_that_is_gone_stops(tmp_path: Path, links: list[Path]) -> None:
    """Whole, the ledger finds the listed picture; with either part gone, emptied or exchanged, nothing passes for clean."""
    workspace = Workspace.open(tmp_path / "w")
    engine = SerialEngine()
    assert audit(workspace, links=links, label="whole", engine=engine).findings == {"exact": 1}
    parts = {path: path.read_bytes() for path in workspace.ledger.glob("*.parquet")}
    assert len(parts) == 2
    for path, data in parts.items():
        other = next(other for name, other in parts.items() if name != path)
        for wrong in (None, other if len(other) != len(data) else None):
            path.unlink()
            if wrong is not None:
                path.write_bytes(wrong)
            with pytest.raises(DamagedFileError):
                audit(workspace, links=links, label="part", engine=engine)
            with pytest.raises(DamagedFileError):
                list(read_ledger(workspace, ["link_id"]))
            path.write_bytes(data)
    assert audit(workspace, links=links, label="again", engine=engine).findings == {"exact": 1}


def test_a_workspace_that_was_moved_is_whole(tmp_path: Path, links: list[Path]) -> None:
    """Nor does a copy that went its own way matter: parts are looked for in the workspace."""
    (tmp_path / "w").rename(tmp_path / "elsewhere")
    for path in (tmp_path / "copy").iterdir():
        path.unlink()
    workspace = Workspace.open(tmp_path / "elsewhere")
    assert audit(workspace, links=links, label="moved", engine=SerialEngine()).findings == {"exact": 1}
