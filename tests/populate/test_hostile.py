"""What the worst of the web does to populate: every outcome has a name, nothing hangs."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.populate.conftest import HURRIED, draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.populate import PopulateOptions, populate

EXPECTED = {
    "/good.jpg": None,
    "/gzipped": None,
    "/lying-type": None,
    "/later": None,
    "/flaky": None,
    "/to-other-host": None,
    "/missing.jpg": "http_404",
    "/endless": "too_large",
    "/endless-chunks": "not_an_image",
    "/declared-large": "too_large",
    "/gzip-bomb": "not_an_image",
    "/gzip-bomb-jpeg": "too_large",
    "/slow-loris": "timeout",
    "/slow-body": "timeout",
    "/too-short": "truncated",
    "/reset": "truncated",
    "/hang-up": "disconnected",
    "/long-header": "header_too_large",
    "/many-headers": "header_too_large",
    "/not-http": "bad_http",
    "/strange-coding": "bad_encoding",
    "/html": "not_an_image",
    "/much-later": "http_429",
    "/storm": "http_500",
    "/opted-out": "opted_out",
    "/reserved": "opted_out",
    "/loop": "too_many_redirects",
    "/to-loopback": "refused_address",
    "/to-metadata": "refused_address",
    "/to-number": "refused_address",
    "/to-mapped": "refused_address",
    "/to-file": "redirect_refused",
    "/to-nonsense": "redirect_refused",
}
ELSEWHERE = {
    "http://127.0.0.1/a.jpg": "refused_address",
    "http://0x7f.1/a.jpg": "refused_address",
    "http://[::1]/a.jpg": "refused_address",
    f"http://{ADDRESS}:9/a.jpg": "connect",
    "ftp://a.example/a.jpg": "bad_url",
    "http://[oops/a.jpg": "bad_url",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str | None]:
    """The failure class of every path and URL, from one run over all of them."""
    folder = tmp_path_factory.mktemp("hostile")
    workspace = Workspace.create(folder / "workspace", "birds", HURRIED)
    with HostileServer({"/good.jpg": draw(1)}) as server:
        names = {server.url(path, f"h{n}.example"): path for n, path in enumerate(EXPECTED)}
        names |= {url: url for url in ELSEWHERE}
        names[f"https://tls.example:{server.port}/good.jpg"] = "tls"
        links = write_links(folder / "links.parquet", list(names))
        options = PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",))
        report = populate(workspace, folder / "copy", links=[links], engine=SerialEngine(), options=options)
        assert report.seconds < 60
        assert server.requests["/storm"] == 2  # tried again once
        assert server.requests["/much-later"] == 1  # nobody waits an hour
        assert server.requests["/missing.jpg"] == 1  # a 404 does not pass
        assert server.requests["/loop"] == 6
        assert all("User-Agent: linkwell/" in head for head in server.heads)
    table = pq.read_table(folder / "copy" / "00000.parquet")
    found = {names[str(row["url"])]: row["failure"] for row in table.to_pylist()}
    assert report.success == sum(1 for kind in found.values() if kind is None)
    assert report.success + sum(report.failed.values()) == len(names)
    return found


@pytest.mark.parametrize(("path", "kind"), [*EXPECTED.items(), *ELSEWHERE.items(), ("tls", "tls")])
def test_every_outcome_has_its_name(outcomes: Mapping[str, str | None], path: str, kind: str | None) -> None:
    """Each misbehaviour ends as the class that says what it was."""
    assert outcomes[path] == kind


def test_a_host_sees_no_more_than_its_share(tmp_path: Path) -> None:
    """However many links a host has, the number of requests at once stays within the limit, and reaches it."""
    hurried = Workspace.create(tmp_path / "w", "birds", 'dataset = "birds"\n[populate]\nper_host_per_second = 0\n')
    pictures = {f"/{n}.jpg": draw(1) for n in range(24)}
    with HostileServer(pictures, delay_seconds=0.02) as server:
        urls = [server.url(path, host) for path in pictures for host in ("a.example", "b.example")]
        links = write_links(tmp_path / "links.parquet", urls)
        report = populate(
            hurried,
            tmp_path / "copy",
            links=[links],
            engine=SerialEngine(),
            options=PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",)),
        )
        assert report.success == 48
        assert server.peak["a.example"] == hurried.settings.populate.per_host_concurrency
        assert server.peak["b.example"] == hurried.settings.populate.per_host_concurrency
