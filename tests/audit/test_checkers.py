"""Asking authorised matchers, on loopback: what goes out, what comes back, what is kept. All of it made up."""

import base64
import json
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from tests.audit.conftest import World, digests_of, url_of
from tests.partner_server import PartnerServer, partner_server

from linkwell.audit import CheckReport, Question, check_links, find_checker, questions_about, read_verdicts
from linkwell.audit.checkers import verdicts_path
from linkwell.base.errors import MissingError, PartnerError, SafetyError, UsageError
from linkwell.base.ids import link_id
from linkwell.base.partner import Access
from linkwell.base.workspace import Workspace

PDQ_1, PDQ_2 = b"\1" * 32, b"\2" * 32
ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16
ASKED = [Question(ONE, PDQ_1, None), Question(TWO, PDQ_2, None), Question(THREE, None, "https://a.example/canary.jpg")]


def _workspace(workspace: Workspace, kind: str, url: str, **more: object) -> Workspace:
    settings = {
        "kind": kind,
        "url": url,
        "enabled": True,
        "credentials": "env:CANARY",
        "requests_per_minute": 100_000,
        **more,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (workspace.root / "linkwell.toml").write_text('dataset = "birds"\n[audit.checkers.x]\n' + "\n".join(lines))
    return Workspace.open(workspace.root)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "user:canary-password")
    monkeypatch.setattr("linkwell.audit.checkers.Access", partial(Access, backoff_seconds=0.01))


async def _shield(request: web.Request) -> web.StreamResponse:
    if request.path == "/v1/pdq/":
        hashes = (await request.json())["hashes"]
        known = {"classification": "csam", "match_type": "near", "near_match_details": {"sha256_hex": "00"}}
        none = {"classification": "no-known-match", "match_type": None, "near_match_details": None}
        first = base64.b64encode(PDQ_1).decode()
        return web.json_response({"scanned_hashes": {text: known if text == first else none for text in hashes}})
    assert request.path == "/v1/url/"
    return web.json_response({"size_bytes": 1, "sha1_base32": "x", "sha256_hex": "y", "classification": "csam"})


async def _hma(request: web.Request) -> web.StreamResponse:
    assert request.path == "/m/lookup"
    if "url" in request.query:
        return web.json_response({"pdq": [], "video_md5": ["BANK"]})
    assert request.query["signal_type"] == "pdq"
    return web.json_response(["BANK"] if request.query["signal"] == PDQ_1.hex() else [])


def _check(workspace: Workspace, kind: str, handler: object, **more: object) -> tuple[CheckReport, PartnerServer]:
    with partner_server(handler) as server:  # type: ignore[arg-type]
        report = check_links(_workspace(workspace, kind, server.url, **more), "x", ASKED, "test")
    return report, server


@pytest.mark.parametrize(("kind", "handler"), [("shield", _shield), ("hma", _hma)])
def test_hashes_go_out_and_verdicts_come_back(workspace: Workspace, kind: str, handler: object) -> None:
    """Hashes alone are sent; a link without one is not asked about; the verdicts are kept, encrypted, and nothing beside them."""
    report, server = _check(workspace, kind, handler)
    assert (report.asked, report.not_asked, report.verdicts) == (2, 1, {"pdq known": 1, "pdq unknown": 1})
    assert not report.production
    assert "canary.jpg" not in str(server.asked) + str(server.bodies)
    assert {one.link_id: one.verdict for one in read_verdicts(workspace, "test", "x")} == {ONE: "known", TWO: "unknown"}
    path = verdicts_path(workspace, "test", "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes()[:4] == b"PARE"
    assert "known" not in path.read_bytes().decode("latin-1")


@pytest.mark.parametrize(("kind", "handler"), [("shield", _shield), ("hma", _hma)])
def test_urls_go_out_where_that_is_allowed(workspace: Workspace, kind: str, handler: object) -> None:
    """With `send_urls` a link without a hash is asked about by its URL."""
    report, server = _check(workspace, kind, handler, send_urls=True, production=True)
    assert report.verdicts == {"pdq known": 1, "pdq unknown": 1, "url known": 1}
    assert report.production
    assert "canary.jpg" in str(server.asked) + str(server.bodies)


def test_credentials_of_each_kind(workspace: Workspace) -> None:
    """Basic for Shield, bearer for HMA, nothing where an HMA server wants nothing."""
    _, server = _check(workspace, "shield", _shield)
    assert server.headers[0]["Authorization"].startswith("Basic ")
    _, server = _check(workspace, "hma", _hma)
    assert server.headers[0]["Authorization"] == "Bearer user:canary-password"
    _, server = _check(workspace, "hma", _hma, credentials="")
    assert "Authorization" not in server.headers[0]


def test_nobody_is_asked_by_default(workspace: Workspace) -> None:
    """A checker that is not there, or not switched on, is not asked."""
    with pytest.raises(MissingError, match="there is none"):
        find_checker(workspace, "x")
    with pytest.raises(SafetyError, match="switched off"):
        check_links(_workspace(workspace, "shield", "https://shield.example", enabled=False), "x", ASKED, "test")
    with pytest.raises(UsageError, match="not https"):
        check_links(_workspace(workspace, "shield", "http://shield.example"), "x", ASKED, "test")


def _always(answer: object) -> Callable[[web.Request], object]:
    async def handler(_request: web.Request) -> web.StreamResponse:
        if isinstance(answer, int):
            return web.Response(status=answer, text="canary-answer", headers={"Retry-After": "0"})
        return web.json_response(answer)

    return handler


@pytest.mark.parametrize("kind", ["shield", "hma"])
@pytest.mark.parametrize("answer", [400, 500, {"unexpected": 1}, "text", [1, 2]])
def test_an_answer_that_is_none_is_no_verdict(workspace: Workspace, kind: str, answer: object) -> None:
    """It is told as failed: never as known, never as unknown."""
    report, _ = _check(workspace, kind, _always(answer), send_urls=True)
    assert set(report.verdicts) == {"pdq failed", "url failed"}


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_stops(workspace: Workspace, status: int) -> None:
    """Whoever is refused stops asking, and the refusal is not quoted."""
    with pytest.raises(PartnerError, match=f"it answered {status}") as caught:
        _check(workspace, "shield", _always(status))
    assert "canary" not in str(caught.value)


def test_the_rate_is_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two requests lies what the rate asks."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("linkwell.base.partner.asyncio.sleep", sleep)
    _check(workspace, "hma", _hma, requests_per_minute=30)
    assert 2 in [round(seconds) for seconds in waited]


def test_questions_come_from_the_ledger(world: World, tmp_path: Path) -> None:
    """A hash of good quality, the URL only where it is wanted; a question shows nothing of it."""
    shards = world.shards(["one", "two", "three"])
    world.fetched(("one", digests_of("one")), ("two", digests_of("two", quality=20)))
    wanted = {link_id(url_of(name)) for name in ("one", "two")}
    by_link = {one.link_id: one for one in questions_about(world.workspace, wanted, shards, with_urls=False)}
    assert by_link[link_id(url_of("one"))].pdq == digests_of("one").pdq
    assert by_link[link_id(url_of("two"))] == (link_id(url_of("two")), None, None)
    with_urls = questions_about(world.workspace, wanted, shards, with_urls=True)
    assert {one.url for one in with_urls} == {url_of("one"), url_of("two")}
    assert "example" not in repr(with_urls)
