"""Those who look on: the status file, Prometheus, the chart at the end."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer
from typer.testing import CliRunner

from linkwell.base.errors import UsageError
from linkwell.base.workspace import Workspace
from linkwell.cli import app
from linkwell.engine import SerialEngine
from linkwell.populate import HostOutcomes, PopulateOptions, chart, populate, read_status, run_folder
from linkwell.populate.hosts import largest_hosts
from linkwell.populate.watching import parse_address


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def gallery() -> Iterator[HostileServer]:
    """Ten pictures, the last of which waits until somebody has looked on."""
    with HostileServer({f"/{n}.jpg": draw(n) for n in range(10)}) as server:
        yield server


def test_prometheus_and_status_tell_a_run_as_it_goes(
    hurried: Workspace, tmp_path: Path, gallery: HostileServer, port: int
) -> None:
    """While a request hangs, both say that nine images are kept and one is awaited; afterwards the file says that it has ended."""
    looked = threading.Event()
    gallery.gates["/9.jpg"] = looked.is_set
    urls = [gallery.url(f"/{n}.jpg", f"h{n}.example") for n in range(10)]
    links = write_links(tmp_path / "links.parquet", [*urls, gallery.url("/10.jpg", "h1.example")])
    text = (hurried.root / "linkwell.toml").read_text().replace("total_deadline_seconds = 1.5", "")
    (hurried.root / "linkwell.toml").write_text(text)
    workspace = Workspace.open(hurried.root)
    copy = tmp_path / "copy"
    found: dict[str, str] = {}

    def look() -> None:
        try:
            for _ in range(600):
                status = read_status(run_folder(workspace, copy))
                if status is not None and status.success == 9 and status.running:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                        found["metrics"] = answer.read().decode()
                        found["type"] = answer.headers["Content-Type"]
                    return
                looked.wait(0.05)
        finally:
            looked.set()

    watcher = threading.Thread(target=look)
    watcher.start()
    options = PopulateOptions(resolve=gallery.pins, allow_net=(f"{ADDRESS}/32",))
    report = populate(workspace, copy, links=[links], engine=SerialEngine(), options=options, metrics=str(port))
    watcher.join()
    lines = found["metrics"].splitlines()
    assert found["type"].startswith("text/plain; version=0.0.4")
    assert "linkwell_populate_success_total 9" in lines
    assert "linkwell_populate_requests 1" in lines
    assert "linkwell_populate_shards_open 1" in lines
    status = read_status(run_folder(workspace, copy))
    assert status is not None
    assert (status.ended, status.success, status.failed, status.shards_done) == (True, 10, {"http_404": 1}, 1)
    assert report.hosts[0] == HostOutcomes("h1.example", {"http_404": 1, "success": 1})
    command = ["-w", str(workspace.root), "populate"]
    shown = CliRunner().invoke(app, [*command, str(copy), "--status", "--json"])
    assert CliRunner().invoke(app, [*command, "status", str(copy), "--json"]).stdout == shown.stdout
    assert shown.exit_code == 0
    assert (json.loads(shown.stdout)["state"], json.loads(shown.stdout)["success"]) == ("finished", 10)


def test_a_run_that_was_stopped_is_not_finished(
    hurried: Workspace,
    tmp_path: Path,
    gallery: HostileServer,
    options: PopulateOptions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After Ctrl-C the status says so at once: no shard is done, and none is counted as done."""
    asked: list[int] = []

    def interrupt(*_: object) -> bool:
        asked.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("linkwell.populate.shard.Shard.finish", interrupt)
    links = write_links(tmp_path / "links.parquet", [gallery.url("/1.jpg")])
    with pytest.raises(KeyboardInterrupt):
        populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options)
    status = read_status(run_folder(hurried, tmp_path / "copy"))
    assert asked
    assert status is not None
    assert (status.state, status.shards_done) == ("stopped before its end", 0)


@pytest.mark.parametrize("text", ["", "x", "70000", "127.0.0.1:", "-1"])
def test_a_port_that_does_not_read_is_refused(text: str) -> None:
    """By name, with an example."""
    with pytest.raises(UsageError, match="port"):
        parse_address(text)


def test_prometheus_is_answered_on_loopback_unless_told() -> None:
    """Counts of a run are nobody else's business."""
    assert parse_address("9100") == ("127.0.0.1", 9100)
    assert parse_address("192.0.2.1:9100") == ("192.0.2.1", 9100)
    assert parse_address("[::1]:9100") == ("::1", 9100)


def test_a_port_in_use_is_a_clear_error(
    hurried: Workspace, tmp_path: Path, gallery: HostileServer, options: PopulateOptions
) -> None:
    """Before anything is fetched."""
    links = write_links(tmp_path / "links.parquet", [gallery.url("/1.jpg")])
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        where = f"{ADDRESS}:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match="listen"):
            populate(hurried, tmp_path / "copy", links=[links], engine=SerialEngine(), options=options, metrics=where)
    assert not gallery.requests


def test_the_largest_hosts_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all shards, most links first, in bounded memory."""
    monkeypatch.setattr("linkwell.populate.hosts._KEPT_HOSTS", 5)
    for shard in range(20):
        hosts = {f"h{shard}-{n}.example": {"success": 1} for n in range(4)} | {
            "large.example": {"success": 5, "http_404": 5}
        }
        (tmp_path / f"{shard}.json").write_text(json.dumps(hosts))
    found = largest_hosts(sorted(tmp_path.glob("*.json")), 2)
    assert found[0] == HostOutcomes("large.example", {"http_404": 100, "success": 100})
    assert len(found) == 2
    line, other = chart(found)
    assert line.startswith("large.example")
    assert line.endswith("100 of 200, http_404 100")
    assert line.count("#") == line.split()[1].count(".") == 15
    assert other.count("#") == 1
