"""Asking again for what failed for a passing reason, and checking what comes against given digests."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer
from tests.populate.test_copy import _files

from linkwell.base.errors import FormatError
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.ledger import read_ledger
from linkwell.lists import import_list, read_findings
from linkwell.populate import PopulateOptions, PopulateReport, populate
from linkwell.populate.failures import MESSAGES, passes


def _run(
    workspace: Workspace, to: Path, links: Path, options: PopulateOptions, *, retry: bool = False
) -> PopulateReport:
    return populate(workspace, to, links=[links], engine=SerialEngine(), options=options, retry_failed=retry)


def _failures(to: Path) -> Mapping[str, str | None]:
    rows = [row for path in sorted(to.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {str(row["url"]).rpartition("/")[2]: row["failure"] for row in rows}


@pytest.mark.parametrize("output", ["webdataset", "files", "parquet"])
def test_only_passing_failures_are_asked_for_again(tmp_path: Path, output: str) -> None:
    """The copy after the retry is byte for byte the one of a server that was well from the start; nothing else was asked for."""
    text = 'dataset = "birds"\n[populate]\nshard_rows = 6\nretries = 0\nper_host_per_second = 0\nretry_backoff_seconds = 0.01\n'
    workspace = Workspace.create(tmp_path / "workspace", "birds", text)
    with HostileServer({f"/{n}.jpg": draw(n) for n in range(12)}) as server:
        options = PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",), output=output)
        listed = tmp_path / "list.txt"
        listed.write_text(f"# synthetic\nsha1 {hashlib.sha1(server.pictures['/5.jpg']).hexdigest()}\n")
        import_list(workspace, listed, source="org-a")
        links = write_links(tmp_path / "links.parquet", [server.url(f"/{n}.jpg", f"h{n}.example") for n in range(13)])
        _run(workspace, tmp_path / "well", links, options)
        for n in (1, 2, 8):
            server.answers[f"/{n}.jpg"] = [("503 Service Unavailable", ())]
        first = _run(workspace, tmp_path / "copy", links, options)
        assert first.failed == {"http_404": 1, "http_503": 3}
        ids = {value for table in read_ledger(workspace, ["link_id"]) for value in table["link_id"].to_pylist()}
        server.requests.clear()
        again = _run(workspace, tmp_path / "copy", links, options, retry=True)
        asked = {path for path in server.requests if path.endswith(".jpg")}
        assert asked == {"/1.jpg", "/2.jpg", "/8.jpg"}
        assert (again.success, again.failed, again.withheld) == (11, {"http_404": 1}, 1)
        server.requests.clear()
        assert _run(workspace, tmp_path / "copy", links, options).success == 11
        assert not server.requests
    folders = {name: tmp_path / name for name in ("copy", "well")}
    if output == "files":
        loose = {name: {p.relative_to(f): p.read_bytes() for p in f.glob("*/*")} for name, f in folders.items()}
        assert loose["copy"] == loose["well"]
        assert len(loose["copy"]) == 33
    else:
        assert _files(folders["copy"]) == _files(folders["well"])
    assert ids <= {value for table in read_ledger(workspace, ["link_id"]) for value in table["link_id"].to_pylist()}
    (matched,) = {finding.link_id for finding in read_findings(workspace)}
    assert matched == link_id(server.url("/5.jpg", "h5.example"))


def test_every_class_says_whether_it_may_pass() -> None:
    """What a dead link or a refusal said will be said again; what a busy or broken host said may not."""
    assert {kind for kind in MESSAGES if passes(kind)} >= {"timeout", "connect", "host_down", "robots_unreachable"}
    assert not {"robots_disallowed", "opted_out", "dns", "hash_mismatch", "bad_url"} & {
        k for k in MESSAGES if passes(k)
    }
    assert passes("http_503")
    assert passes("http_429")
    assert not passes("http_404")


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_an_image_that_is_not_the_one_expected_is_not_kept(
    hurried: Workspace, tmp_path: Path, options: PopulateOptions, server: HostileServer, algorithm: str
) -> None:
    """Its status is its own; what has no digest given is kept as ever."""
    server.pictures.update({f"/{n}.jpg": draw(n) for n in range(3)})
    urls = [server.url(f"/{n}.jpg") for n in range(3)]
    digests = [hashlib.new(algorithm, draw(n)).hexdigest() for n in (0, 7)]
    table = tmp_path / "expected.parquet"
    pq.write_table(pa.table({"url": [*urls[:2], None], algorithm: [*digests, "x"]}), table)
    checked = PopulateOptions(resolve=options.resolve, allow_net=options.allow_net, verify_hash=table)
    links = write_links(tmp_path / "links.parquet", urls)
    report = _run(hurried, tmp_path / "copy", links, checked)
    assert (report.success, report.failed) == (2, {"hash_mismatch": 1})
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["success", "failed_to_verify", "success"]
    assert rows[1]["error_message"] == "hash mismatch"


@pytest.mark.parametrize(
    "columns", [{"url": ["a"]}, {"sha256": ["00"]}, {"url": ["a"], "sha256": ["zz"]}, {"url": ["a"], "md5": ["00"]}]
)
def test_a_table_of_digests_that_does_not_read_is_refused(
    hurried: Workspace, tmp_path: Path, options: PopulateOptions, columns: dict[str, list[str]]
) -> None:
    """Before anything is fetched."""
    table = tmp_path / "expected.parquet"
    pq.write_table(pa.table(columns), table)
    checked = PopulateOptions(resolve=options.resolve, allow_net=options.allow_net, verify_hash=table)
    with pytest.raises(FormatError):
        _run(hurried, tmp_path / "copy", write_links(tmp_path / "links.parquet", ["http://a.example/"]), checked)
    assert not (tmp_path / "copy").exists()
