"""What hosts see of a run, proved from the server's own log."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import HURRIED, draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.populate import PopulateOptions, PopulateReport, populate


def _run(
    folder: Path, server: HostileServer, urls: Sequence[str], settings: str = "", **more: object
) -> tuple[PopulateReport, Mapping[str, object]]:
    """Populate; the report, and the failure of every URL."""
    text = HURRIED
    patient = "total_deadline_seconds = 30\nconnect_timeout_seconds = 20\n"  # whatever else the machine does meanwhile
    for line in (patient + settings).splitlines():
        name = line.partition(" =")[0]
        text = "".join(each + "\n" for each in text.splitlines() if not each.startswith(f"{name} =")) + line + "\n"
    workspace = Workspace.create(folder / "workspace", "birds", text)
    links = write_links(folder / "links.parquet", urls)
    options = PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",), **more)  # type: ignore[arg-type] # tests
    report = populate(workspace, folder / "copy", links=[links], engine=SerialEngine(), options=options)
    rows = [row for path in sorted((folder / "copy").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return report, {str(row["url"]): row["failure"] for row in rows}


@pytest.fixture
def gallery() -> dict[str, bytes]:
    """Forty pictures, all the same."""
    picture = draw(1)
    return {f"/{n}.jpg": picture for n in range(40)}


def test_no_host_sees_more_than_its_rate(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """Over all shards, robots.txt and redirects included, requests to a host come no closer than the rate says."""
    with HostileServer(gallery) as server:
        urls = [server.url(path, f"h{n % 4}.example") for n, path in enumerate(gallery)]
        urls += [server.url("/to-other-host", f"r{n}.example") for n in range(8)]
        server.pictures["/good.jpg"] = draw(2)
        settings = "shard_rows = 7\nper_host_per_second = 20\nper_host_concurrency = 3"
        report, _ = _run(tmp_path, server, urls, settings)
    assert report.success == len(urls)
    times = defaultdict(list)
    for when, host, _ in server.log:
        times[host].append(when)
    assert len(times["b.example"]) >= 9  # every redirect, and what stands before it
    for host, log in times.items():
        # Arrivals may bunch by what a busy machine delays, but not all of them.
        assert log[-1] - log[0] >= (len(log) - 1) / 20 - 0.25, host
    assert all(server.peak[host] <= 3 for host in times)


def test_robots_txt_is_asked_for_once_and_obeyed(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """One request for each origin, before any image; what it does not allow is never asked for."""
    with HostileServer(gallery) as server:
        server.files["b.example", "/robots.txt"] = ("200 OK", b"User-agent: *\nDisallow: /3\n")
        server.files["c.example", "/robots.txt"] = ("503 Service Unavailable", b"")
        urls = [server.url(path, host) for path in gallery for host in ("a.example", "b.example", "c.example")]
        _report, failures = _run(tmp_path, server, urls, "shard_rows = 20\nretries = 0")
    paths = defaultdict(list)
    for _, host, path in server.log:
        paths[host].append(path)
    assert all(log[0] == "/robots.txt" for log in paths.values())
    assert paths["a.example"].count("/robots.txt") == paths["b.example"].count("/robots.txt") == 1
    assert not [path for path in paths["b.example"] if path.startswith("/3")]
    assert set(paths["c.example"]) == {"/robots.txt"}
    for path in gallery:
        assert failures[server.url(path, "a.example")] is None
        assert failures[server.url(path, "b.example")] == ("robots_disallowed" if path.startswith("/3") else None)
        assert failures[server.url(path, "c.example")] in ("robots_unreachable", "host_down")


def test_the_robots_txt_behind_a_redirect_holds(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """RFC 9309, 2.3.1.2: the target's file is the host's, also where another host has it; and a redirected image keeps its host's rules."""
    with HostileServer(gallery | {"/good.jpg": draw(2)}) as server:
        server.files["b.example", "/robots.txt"] = ("200 OK", b"User-agent: *\nDisallow: /good\n")
        urls = [server.url("/to-other-host", "a.example"), server.url("/1.jpg", "b.example")]
        _report, failures = _run(tmp_path, server, urls)
    assert failures == {urls[0]: "robots_disallowed", urls[1]: None}
    assert ("b.example", "/good.jpg") not in [(host, path) for _, host, path in server.log]


def test_a_busy_host_gets_its_rest(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """After a 429 with Retry-After nothing is asked of that host until then; other hosts go on."""
    with HostileServer(gallery) as server:
        server.answers["/0.jpg"] = [("429 Too Many Requests", (("Retry-After", "1"),))]
        busy = [server.url(path, "a.example") for path in gallery]
        others = [server.url(path, "b.example") for path in gallery]
        report, _ = _run(tmp_path, server, busy + others, "per_host_concurrency = 1")
    assert report.success == len(busy) + len(others)
    log = [(when, path) for when, host, path in server.log if host == "a.example"]
    told = next(n for n, (_, path) in enumerate(log) if path == "/0.jpg")
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(log)]
    assert gaps[told] >= 0.99
    assert [path for _, path in log].count("/0.jpg") == 2
    resumed = log[told + 1][0]
    assert [when for when, host, _ in server.log if host == "b.example" and log[told][0] < when < resumed]


def test_a_host_in_ruins_is_left_alone(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """A storm of 5xx opens the circuit: of forty links a handful is asked for, the others fail as `host_down`, and may pass."""
    with HostileServer({}) as server:
        urls = [server.url(f"/storm/{n}", "a.example") for n in range(40)]
        _report, failures = _run(tmp_path, server, urls, "retries = 0\nretry_backoff_seconds = 0.001")
    kinds = list(failures.values())
    assert kinds.count("http_500") + kinds.count("host_down") == 40
    assert kinds.count("host_down") > 20
    asked = [path for _, _, path in server.log if path.startswith("/storm")]
    assert len(asked) == kinds.count("http_500") <= 12


def test_slow_hosts_do_not_hold_up_the_others(tmp_path: Path, gallery: dict[str, bytes]) -> None:
    """More slow requests than there are places, and they answer only when all fast links have been asked for: nobody waits for them."""
    with HostileServer(dict(gallery)) as server:
        slow = [f"/slow-{n}.jpg" for n in range(8)]
        server.pictures.update(dict.fromkeys(slow, draw(3)))
        server.gates.update(dict.fromkeys(slow, lambda: all(server.requests[path] for path in gallery)))
        urls = [server.url(path, f"s{n}.example") for n, path in enumerate(slow)]
        urls += [server.url(path, f"h{n}.example") for n, path in enumerate(gallery)]
        settings = "shard_rows = 12\nconcurrency = 4\nretries = 0"
        report, _ = _run(tmp_path, server, urls, settings)
    assert report.success == len(urls)


@pytest.mark.parametrize(
    ("files", "respect", "failure"),
    [
        ({"/robots.txt": b"User-agent: GPTBot\nDisallow: /\n"}, ("train_ai",), "opted_out"),
        ({"/robots.txt": b"User-agent: GPTBot\nDisallow: /\n"}, (), None),
        ({"/.well-known/tdmrep.json": b'[{"location": "/", "tdm-reservation": 1}]'}, ("tdm",), "opted_out"),
        ({"/robots.txt": b"User-agent: *\nContent-Signal: ai-train=no\n"}, ("train_ai",), "opted_out"),
    ],
)
def test_what_host_files_say_is_obeyed(
    tmp_path: Path, files: dict[str, bytes], respect: tuple[str, ...], failure: str | None
) -> None:
    """A use that is respected and disallowed by the image's host keeps the image from being asked for at all."""
    with HostileServer({"/1.jpg": draw(1)}) as server:
        server.files.update({("a.example", path): ("200 OK", text) for path, text in files.items()})
        url = server.url("/1.jpg", "a.example")
        _report, failures = _run(tmp_path, server, [url], respect=respect)
    assert failures == {url: failure}
    assert server.requests["/1.jpg"] == (failure is None)


@pytest.mark.parametrize(
    ("header", "failure"),
    [
        (("X-Robots-Tag", "noimageai"), "opted_out"),
        (("TDM-Reservation", "1"), "opted_out"),
        (("Content-Usage", "train-ai=n"), "opted_out"),
        (("Content-Signal", "ai-train=no"), "opted_out"),
        (("X-Robots-Tag", "noindex"), None),
        (("Content-Usage", "train-ai=y"), None),
    ],
)
def test_what_the_response_says_is_obeyed_and_kept_as_evidence(
    tmp_path: Path, header: tuple[str, str], failure: str | None
) -> None:
    """Every header of the field; the statement stands in the run's evidence with its URL, and the verdict in the copy."""
    with HostileServer({"/1.jpg": draw(1)}, headers={"/1.jpg": (header,)}) as server:
        url = server.url("/1.jpg", "a.example")
        _report, failures = _run(tmp_path, server, [url])
    assert failures == {url: failure}
    (path,) = (tmp_path / "workspace" / "populate").glob("*/*.evidence.parquet")
    rows = pq.read_table(path).to_pylist()
    assert {row["source_url"] for row in rows} == {url}
    assert all(header[1].encode() in row["raw"] for row in rows)


def test_what_the_file_itself_says_is_obeyed(tmp_path: Path) -> None:
    """IPTC/PLUS Data Mining inside the file: it is fetched and hashed, but not kept."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        b'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/></rdf:RDF></x:xmpmeta>'
    )
    picture = draw(1)
    app1 = b"http://ns.adobe.com/xap/1.0/\0" + packet
    marked = picture[:2] + b"\xff\xe1" + (len(app1) + 2).to_bytes(2, "big") + app1 + picture[2:]
    with HostileServer({"/1.jpg": marked, "/2.jpg": picture}) as server:
        urls = [server.url("/1.jpg", "a.example"), server.url("/2.jpg", "a.example")]
        report, failures = _run(tmp_path, server, urls)
    assert failures == {urls[0]: "opted_out", urls[1]: None}
    rows = pq.read_table(tmp_path / "copy" / "00000.parquet").to_pylist()
    assert "IPTC/PLUS" in rows[0]["error_message"]
    assert (rows[0]["train_ai"], rows[1]["train_ai"]) == ("disallow", "unknown")
    assert report.success == 1
