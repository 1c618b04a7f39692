"""Fetching from exchanges that speak the documented protocols, on loopback. All entries are made up."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from tests.lists.documents import ncmec_deleted, ncmec_image, ncmec_page, stopncii_page, stopncii_record, threat
from tests.partner_server import partner_server, self_signed

from linkwell.base.errors import LinkwellError, MissingError, MissingKeyError, PartnerError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests
from linkwell.lists import FetchReport, fetch_list, import_list, load_matcher, show_lists
from linkwell.lists.storage import read_index, write_index

USER_AND_KEY = "canary-user:canary-password"


def _workspace(workspace: Workspace, kind: str, url: str, **more: object) -> Workspace:
    settings = {
        "kind": kind,
        "url": url,
        "credentials": "env:CANARY",
        "backoff_seconds": 0.01,
        "max_attempts": 3,
        **more,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (workspace.root / "linkwell.toml").write_text('dataset = "birds"\n[lists.exchanges.x]\n' + "\n".join(lines))
    return Workspace.open(workspace.root)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", USER_AND_KEY)


def _answers(*answers: bytes | int) -> Callable[[web.Request], object]:
    """A service that answers in turn: a page, or a status."""
    waiting = iter(answers)

    async def handler(_request: web.Request) -> web.StreamResponse:
        answer = next(waiting)
        if isinstance(answer, int):
            return web.Response(status=answer, headers={"Retry-After": "0"}, text=USER_AND_KEY)
        return web.Response(body=answer)

    return handler


def _fetch(
    workspace: Workspace, kind: str, *answers: bytes | int, again: bool = False, **more: object
) -> tuple[FetchReport, list[str]]:
    with partner_server(_answers(*answers)) as server:  # type: ignore[arg-type]
        opened = _workspace(workspace, kind, server.url, **more)
        report = fetch_list(opened, "x", again=again)
    return report, server.asked


def _image(identity: str, number: int) -> str:
    return ncmec_image(identity, f"<md5>{number:032x}</md5>")


def _has(workspace: Workspace, *numbers: int) -> list[bool]:
    matcher = load_matcher(workspace)
    return [bool(matcher.match_digests(Digests(1, n.to_bytes(16, "big"), bytes(20), bytes(32)))) for n in numbers]


NEXT = "/v2/entries?from=1970&amp;to=2026&amp;start=2001&amp;size=1000&amp;max=3000"


def test_ncmec_page_by_page(workspace: Workspace) -> None:
    """Pages are followed as they say, tombstones withdraw, and the next fetch asks from where this one ended."""
    report, asked = _fetch(
        workspace, "ncmec", ncmec_page([_image("a", 1), _image("b", 2)], NEXT), ncmec_page([ncmec_deleted("a")])
    )
    assert (report.pages, report.production, report.list.synthetic) == (2, False, True)
    assert _has(workspace, 1, 2) == [False, True]
    assert asked[0].startswith("/v2/entries?from=1970-01-01T00:00:00Z&to=20")
    assert asked[1] == "/v2/entries?from=1970&to=2026&start=2001&size=1000&max=3000"
    ended = datetime.fromisoformat(asked[0].partition("&to=")[2])
    _, asked = _fetch(workspace, "ncmec", ncmec_page([_image("c", 3)]))
    begun = datetime.fromisoformat(asked[0].partition("from=")[2].partition("&")[0])
    assert timedelta(0) < ended - begun <= timedelta(hours=1)
    assert abs(datetime.now(UTC) - ended) < timedelta(hours=1)
    assert _has(workspace, 2, 3) == [True, True]


@pytest.mark.parametrize("failure", [429, 503, 500])
def test_what_passes_is_waited_for(workspace: Workspace, failure: int) -> None:
    """A busy or broken service is asked again."""
    _, asked = _fetch(workspace, "ncmec", failure, failure, ncmec_page([_image("a", 1)]))
    assert len(asked) == 3
    assert _has(workspace, 1) == [True]


def test_a_fetch_that_is_cut_off_goes_on(workspace: Workspace) -> None:
    """What came before the failure is kept, and the next fetch begins with the page that failed."""
    with pytest.raises(PartnerError, match="it answered 503, 3 times over"):
        _fetch(workspace, "ncmec", ncmec_page([_image("a", 1)], NEXT), 503, 503, 503)
    assert _has(workspace, 1) == [True]
    _, asked = _fetch(workspace, "ncmec", ncmec_page([_image("b", 2)]))
    assert asked == ["/v2/entries?from=1970&to=2026&start=2001&size=1000&max=3000"]
    assert _has(workspace, 1, 2) == [True, True]


def test_an_address_of_a_page_that_is_too_old(workspace: Workspace) -> None:
    """The service no longer knows the page, or it is half a day old: the same range is asked anew."""
    with pytest.raises(PartnerError):
        _fetch(workspace, "ncmec", ncmec_page([_image("a", 1)], NEXT), 403)
    _, asked = _fetch(workspace, "ncmec", 404, ncmec_page([_image("a", 1), _image("b", 2)]))
    assert asked[0].startswith("/v2/entries?from=1970&to=2026")
    assert asked[1].startswith("/v2/entries?from=1970-01-01T00:00:00Z")
    with pytest.raises(PartnerError):
        _fetch(workspace, "ncmec", ncmec_page([_image("c", 3)], NEXT), 403)
    index = read_index(workspace)
    (record,) = index.lists
    old = msgspec.json.decode(record.checkpoint, type=dict[str, str]) | {"next_at": "1000"}
    write_index(
        workspace, index.with_list(msgspec.structs.replace(record, checkpoint=msgspec.json.encode(old).decode()))
    )
    _, asked = _fetch(workspace, "ncmec", ncmec_page([_image("d", 4)]))
    assert "start=2001" not in asked[0]
    assert _has(workspace, 1, 2, 3, 4) == [True] * 4


@pytest.mark.parametrize(
    "page",
    [
        b"<html>busy</html>",
        b"<queryResult><images>",
        b"",
        b"{}",
        ncmec_page([], "https://elsewhere.example/v2/entries"),
        ncmec_page([], "//elsewhere.example/v2/entries"),
        b'<!DOCTYPE q [<!ENTITY a "b">]><queryResult/>',
    ],
)
def test_a_page_that_is_none(workspace: Workspace, page: bytes) -> None:
    """An answer that is no page is asked for again, then given up; nothing outside the exchange's address is ever asked."""
    with pytest.raises(PartnerError, match="not of its protocol"):
        _fetch(workspace, "ncmec", page, page, page)
    assert show_lists(workspace) == []
    _fetch(workspace, "ncmec", page, ncmec_page([_image("a", 1)]))
    assert _has(workspace, 1) == [True]


def test_stopncii_withdrawals_and_paging(workspace: Workspace) -> None:
    """Tokens are followed, the timestamp of the last page begins the next fetch, and both keys are sent."""
    one, two = "1" * 64, "2" * 64
    first = stopncii_page([stopncii_record(one), stopncii_record("canary")], "token-1")
    with partner_server(_answers(first, stopncii_page([stopncii_record(two)], None, 4_000))) as server:  # type: ignore[arg-type]
        report = fetch_list(_workspace(workspace, "stopncii", server.url), "x")
    assert [asked.partition("?")[2] for asked in server.asked] == [
        "startTimestamp=10&pageSize=800",
        "startTimestamp=10&pageSize=800&nextPageToken=token-1",
    ]
    assert server.headers[0]["Ocp-Apim-Subscription-Key"] == "canary-user"
    assert server.headers[0]["x-functions-key"] == "canary-password"
    assert report.list.rejected == ((2, "not the 64 hex digits of a pdq signal"),)
    report, asked = _fetch(workspace, "stopncii", stopncii_page([stopncii_record(one, "Withdrawn")], None, 5_000))
    assert asked[0].endswith("startTimestamp=4000&pageSize=800")
    assert (report.list.withdrawn, report.list.entries) == (1, {"pdq": 1})


def test_a_token_that_the_service_forgot(workspace: Workspace) -> None:
    """The fetch begins its range anew; records that come twice are there once."""
    page = stopncii_page([stopncii_record("1" * 64)], "token-1")
    with pytest.raises(PartnerError):
        _fetch(workspace, "stopncii", page, 401)
    report, asked = _fetch(workspace, "stopncii", 400, stopncii_page([stopncii_record("1" * 64)], None, 20))
    assert asked[0].endswith("nextPageToken=token-1")
    assert asked[1].endswith("pageSize=800")
    assert report.list.entries == {"pdq": 1}


def test_threat_updates_by_cursor(workspace: Workspace) -> None:
    """Only the cursor of the next address is taken: the token in it goes nowhere, and no other host is asked."""
    page = json.dumps(
        {
            "data": [threat(1, f"{1:032x}"), threat(2, f"{2:032x}")],
            "paging": {"cursors": {"after": "cursor-1"}, "next": "https://elsewhere.example/?access_token=stolen"},
        }
    ).encode()
    last = json.dumps({"data": [threat(1, "", deleted=True)]}).encode()
    report, asked = _fetch(workspace, "threatexchange", page, last, group="77")
    assert asked[1].endswith("&after=cursor-1")
    assert all(
        one.startswith("/77/threat_updates/?access_token=canary-user:canary-password&start_time=0&") for one in asked
    )
    assert _has(workspace, 1, 2) == [False, True]
    assert report.list.withdrawn == 1
    _, asked = _fetch(workspace, "threatexchange", json.dumps({"data": []}).encode(), group="77")
    assert "start_time=1700000002&" in asked[0]


def test_a_list_left_alone_too_long(workspace: Workspace) -> None:
    """ThreatExchange forgets deletions: an old list is fetched anew, and the old one stays until all is here."""
    _fetch(workspace, "threatexchange", json.dumps({"data": [threat(1, f"{1:032x}")]}).encode(), group="7")
    index = read_index(workspace)
    (record,) = index.lists
    old = msgspec.json.decode(record.checkpoint, type=dict[str, str]) | {"at": "2020-01-01T00:00:00+00:00"}
    write_index(
        workspace, index.with_list(msgspec.structs.replace(record, checkpoint=msgspec.json.encode(old).decode()))
    )
    with pytest.raises(UsageError, match="--again"):
        _fetch(workspace, "threatexchange", group="7")
    page = json.dumps({"data": [threat(2, f"{2:032x}")], "paging": {"cursors": {"after": "c"}, "next": "x"}}).encode()
    with pytest.raises(PartnerError):
        _fetch(workspace, "threatexchange", page, 403, group="7", again=True)
    assert _has(workspace, 1, 2) == [True, False]
    _fetch(workspace, "threatexchange", page, json.dumps({"data": []}).encode(), group="7", again=True)
    assert _has(workspace, 1, 2) == [False, True]


def test_nothing_is_fetched_over_plain_http_or_with_open_credentials(workspace: Workspace, tmp_path: Path) -> None:
    """Http is for this machine; a file of credentials is for its owner; a missing secret is named by its setting and its place."""
    with pytest.raises(UsageError, match="not https"):
        fetch_list(_workspace(workspace, "ncmec", "http://hash.example"), "x")
    path = tmp_path / "secret"
    path.write_text(USER_AND_KEY)
    path.chmod(0o644)
    with pytest.raises(LinkwellError, match="others than its owner"):
        fetch_list(_workspace(workspace, "ncmec", "https://hash.example", credentials=f"file:{path}"), "x")
    with pytest.raises(MissingKeyError):
        fetch_list(_workspace(workspace, "ncmec", "https://hash.example", credentials="command:false"), "x")
    with pytest.raises(MissingError, match="known: x"):
        fetch_list(_workspace(workspace, "ncmec", "https://hash.example"), "y")
    with partner_server(_answers(ncmec_page([_image("a", 1)]))) as server:  # type: ignore[arg-type]
        fetch_list(_workspace(workspace, "ncmec", server.url, credentials="command:echo a:b"), "x")
    assert server.headers[0]["Authorization"] == "Basic YTpi"


def test_tls_is_checked(workspace: Workspace, tmp_path: Path) -> None:
    """A certificate nobody vouches for is refused before anything is sent; one that is trusted by name is taken."""
    certificate = self_signed(tmp_path)
    with partner_server(_answers(ncmec_page([_image("a", 1)])), certificate) as server:  # type: ignore[arg-type]
        with pytest.raises(PartnerError, match="certificate"):
            fetch_list(_workspace(workspace, "ncmec", server.url), "x")
        assert server.asked == []
        fetch_list(_workspace(workspace, "ncmec", server.url, ca_file=str(certificate)), "x")
    assert _has(workspace, 1) == [True]


def test_redirects_are_not_followed(workspace: Workspace) -> None:
    """Credentials go to the address of the settings and nowhere else."""
    with pytest.raises(PartnerError, match="it answered 302"):
        _fetch(workspace, "ncmec", 302)


def test_no_error_tells_what_was_sent_or_answered(workspace: Workspace) -> None:
    """Neither credentials nor the body of a refusal are in an error, nor in what caused it."""
    for status in (400, 401, 403, 404, 500):
        with pytest.raises(PartnerError) as caught:
            _fetch(workspace, "threatexchange", status, status, status, group="7")
        assert "canary" not in str(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)


def test_a_list_of_a_file_is_not_an_exchanges(workspace: Workspace, tmp_path: Path) -> None:
    """A fetch does not write over a list that was imported by hand."""
    path = tmp_path / "list"
    path.write_text(f"md5 {1:032x}\n")
    import_list(workspace, path, source="x")
    with pytest.raises(UsageError, match="does not come from here"):
        _fetch(workspace, "ncmec")
    assert _has(workspace, 1) == [True]
