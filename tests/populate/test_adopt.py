"""A folder that img2dataset made: recognised, and entered in the ledger as far as its bytes are those that were served."""

import hashlib
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import draw, write_links

from linkwell.base.errors import DamagedFileError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.ledger import read_ledger
from linkwell.populate import TarWriter, adopt, populate


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """As img2dataset 1.47.0 leaves it: a finished shard of three links, one encoded again, one dead; and one that was not finished."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    served = [draw(0), draw(1)]
    rows: list[dict[str, str | None]] = [
        {
            "url": f"http://a.example/{n}.jpg",
            "key": f"{n:09d}",
            "status": "success",
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for n, data in enumerate(served)
    ]
    rows.append({"url": "http://a.example/2.jpg", "key": "000000002", "status": "failed_to_download", "sha256": None})
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    tar = TarWriter(folder / "00000.tar")
    for n, data in enumerate([served[0], draw(7)]):
        tar.add(f"{n:09d}.jpg", data)
        tar.add(f"{n:09d}.json", b"{}")
    tar.close()
    (folder / "00000_stats.json").write_text(json.dumps({"count": 3, "successes": 2}))
    (folder / "00001.tar").write_bytes(b"half")
    return folder


def test_what_is_as_served_enters_the_ledger(workspace: Workspace, made: Path) -> None:
    """Once, however often; what was encoded again is counted; the folder stays as it is."""
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    for _ in range(2):
        found = adopt(workspace, made)
        assert (found.shards, found.links, found.entered, found.encoded_again, found.failed) == (1, 3, 1, 1, 1)
        (row,) = [row for table in read_ledger(workspace) for row in table.to_pylist()]
        assert row["link_id"] == link_id("http://a.example/0.jpg")
        assert row["md5"] == hashlib.md5(draw(0)).digest()
        assert row["byte_size"] == len(draw(0))
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_populating_into_it_says_what_can_be_done(workspace: Workspace, made: Path, tmp_path: Path) -> None:
    """It is recognised, and nothing in it is touched."""
    links = write_links(tmp_path / "links.parquet", ["http://a.example/0.jpg"])
    with pytest.raises(UsageError) as caught:
        populate(workspace, made, links=[links], engine=SerialEngine())
    assert "--adopt" in str(caught.value.advice)


def test_other_folders_are_not_taken_for_it(workspace: Workspace, tmp_path: Path) -> None:
    """Empty, or without a finished shard."""
    (tmp_path / "none").mkdir()
    for folder in (tmp_path / "none", tmp_path / "gone"):
        with pytest.raises(UsageError, match="img2dataset"):
            adopt(workspace, folder)


def test_a_tar_that_is_cut_short_is_an_error(workspace: Workspace, made: Path) -> None:
    """A named one; nothing of it enters the ledger."""
    data = (made / "00000.tar").read_bytes()
    (made / "00000.tar").write_bytes(data[:700])
    with pytest.raises(DamagedFileError):
        adopt(workspace, made)
    assert not list(workspace.ledger.glob("*.parquet"))
    assert tarfile.BLOCKSIZE == 512
