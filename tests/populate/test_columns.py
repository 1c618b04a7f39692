"""What the copy's table, and the workspace beside it, tell of each link."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import write_links
from tests.populate.hostile_server import HostileServer

from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.populate import PopulateOptions, populate


def test_what_became_of_each_link_is_told_in_columns(
    hurried: Workspace, tmp_path: Path, server: HostileServer, options: PopulateOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class, status and attempts stand in the copy; where a redirect led and when stand in the workspace alone."""
    urls = [server.url(path, "a.example") for path in ("/good.jpg", "/to-other-host", "/gone.jpg", "/loop")]
    links = write_links(tmp_path / "links.parquet", [*urls, "nonsense:"])
    populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    told = pq.read_table(tmp_path / "copy" / "00000.parquet", columns=["failure", "http_status", "attempts"])
    assert told.to_pylist() == [
        {"failure": None, "http_status": 200, "attempts": 1},
        {"failure": None, "http_status": 200, "attempts": 1},
        {"failure": "http_404", "http_status": 404, "attempts": 1},
        {"failure": "too_many_redirects", "http_status": 302, "attempts": 1},
        {"failure": "bad_url", "http_status": None, "attempts": 0},
    ]
    led_to = server.url("/good.jpg", "b.example")
    (kept,) = (hurried.root / "populate").rglob("*.fetches.parquet")
    fetches = pq.read_table(kept).to_pylist()
    assert [row["link_id"] for row in fetches] == [link_id(url) for url in [*urls, "nonsense:"]]
    assert [row["final_url"] for row in fetches][:3] == [None, led_to, None]
    assert all(row["fetched_at"] for row in fetches)
    monkeypatch.chdir(tmp_path)  # where docs/populating.md would have one read them
    query = (
        "SELECT url, final_url FROM 'copy/*.parquet' LEFT JOIN 'workspace/populate/*/*.fetches.parquet' USING (link_id)"
    )
    with duckdb.connect() as database:
        joined = dict(database.execute(query).fetchall())
    assert (joined[urls[0]], joined[urls[1]]) == (None, led_to)
    assert led_to.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "copy").iterdir())
