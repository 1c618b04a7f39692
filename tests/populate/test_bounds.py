"""What large and endless bodies may take: bounded however many there are, without a change to what comes out."""

import asyncio
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.populate.conftest import draw, write_links
from tests.populate.hostile_server import ADDRESS, HostileServer

from linkwell.base.memory_file import MemoryFile
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, LocalEngine, SerialEngine
from linkwell.ledger import read_ledger
from linkwell.lists import import_list
from linkwell.populate import PopulateOptions, PopulateReport, populate
from linkwell.populate.failures import Failure
from linkwell.populate.fetch import Fetcher, FetchLimits, Trace
from linkwell.populate.large import MAX_WAITING_ALONE
from linkwell.populate.manners import HostLimits
from linkwell.populate.schedule import Schedule
from linkwell.populate.transport import LARGE_BYTES, Body, Headers, Hop, Reception, Target
from linkwell.rights import load_policy

_LONGEST = 6_000_000
_BUDGET = 9_000_000
_ROOMY = f"""dataset = "birds"
[populate]
per_host_per_second = 0
max_image_bytes = {_LONGEST}
max_bodies_bytes = {_BUDGET}
"""


@pytest.fixture
def roomy(tmp_path: Path) -> Workspace:
    """A workspace that takes pictures of some megabytes, one and a half at once."""
    return Workspace.create(tmp_path / "workspace", "birds", _ROOMY)


def _noise(seed: int, form: str) -> bytes:
    """A picture that does not compress: 3 MB as PNG, 2 MB as JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (1_000, 1_000, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, quality=98)
    return out.getvalue()


@pytest.fixture(scope="module")
def large() -> Mapping[str, bytes]:
    """Large pictures by path, and a large file that is none."""
    made = {f"/{form}-{seed}": _noise(seed, form) for form in ("PNG", "JPEG") for seed in (1, 2)}
    made["/text"] = np.random.default_rng(1).bytes(1_000_000).hex().encode()
    assert all(LARGE_BYTES < len(data) <= _LONGEST for data in made.values())
    return made


class _Counted(MemoryFile):
    """An anonymous file that counts how much all of them hold."""

    live: ClassVar[dict[int, int]] = {}
    most = 0

    def write(self, piece: bytes) -> None:
        super().write(piece)
        self.live[id(self)] = len(self)
        _Counted.most = max(_Counted.most, sum(self.live.values()))

    def close(self) -> None:
        super().close()
        self.live.pop(id(self), None)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[_Counted]:
    """What anonymous files hold, from now on."""
    _Counted.live, _Counted.most = {}, 0
    monkeypatch.setattr("linkwell.populate.intake.MemoryFile", _Counted)
    return _Counted


def _populate(
    workspace: Workspace, to: Path, server: HostileServer, urls: list[str], engine: Engine, **more: object
) -> tuple[PopulateReport, list[dict[str, object]]]:
    links = write_links(to.with_suffix(".parquet"), urls)
    options = PopulateOptions(resolve=server.pins, allow_net=(f"{ADDRESS}/32",), **more)  # type: ignore[arg-type] # tests
    report = populate(workspace, to, links=[links], engine=engine, options=options)
    return report, pq.read_table(to / "00000.parquet").to_pylist()


@pytest.mark.skipif(not MemoryFile.available(), reason="the system has no anonymous files")
def test_any_number_of_endless_bodies_takes_no_more_than_the_budget(
    roomy: Workspace, tmp_path: Path, counted: type[_Counted], large: Mapping[str, bytes]
) -> None:
    """Few wait with what they came with, others are asked again, one grows to the cap; all are named after one attempt, and nothing is left."""
    hosts = 30
    pictures = {f"/{n}.jpg": draw(n) for n in range(30)} | {path: large[path] for path in ("/PNG-1", "/JPEG-1")}
    with HostileServer(pictures) as server:
        urls = [server.url("/endless", f"e{n}.example") for n in range(hosts)]
        urls += [server.url(path, f"g{n % 7}.example") for n, path in enumerate(pictures)]
        report, rows = _populate(roomy, tmp_path / "copy", server, urls, LocalEngine(1))
    assert report.failed == {"too_large": hosts}
    assert report.success == len(pictures)
    assert [(row["failure"], row["attempts"]) for row in rows[:hosts]] == [("too_large", 1)] * hosts
    piece = 600_000  # with which it outgrew its room
    assert _LONGEST - piece < counted.most <= _BUDGET + (MAX_WAITING_ALONE + 1) * piece
    assert not counted.live


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_large_picture_is_what_a_small_one_would_be(
    roomy: Workspace,
    tmp_path: Path,
    large: Mapping[str, bytes],
    original: bool,  # noqa: FBT001 - pytest's way
    coding: str,
) -> None:
    """The copy is the same, decoded here from memory or apart from a file; kept as it came, it has the bytes that were served."""
    import gzip  # noqa: PLC0415 - of this test alone

    served = {path: gzip.compress(data, 1) if coding else data for path, data in large.items()}
    with HostileServer(served) as server:
        if coding:
            server.headers = dict.fromkeys(served, (("Content-Encoding", coding),))
        urls = [server.url(path, f"h{n}.example") for n, path in enumerate(large)]
        here = _populate(roomy, tmp_path / "here", server, urls, SerialEngine(), keep_original=original)
        apart = _populate(roomy, tmp_path / "apart", server, urls, LocalEngine(1), keep_original=original)
        assert {server.requests[path] for path in large} == {2}
    assert here[1] == apart[1]
    assert (tmp_path / "here" / "00000.tar").read_bytes() == (tmp_path / "apart" / "00000.tar").read_bytes()
    by_path = dict(zip(large, apart[1], strict=True))
    assert {path: row["failure"] for path, row in by_path.items()} == dict.fromkeys(large) | {"/text": "not_an_image"}
    assert by_path["/text"]["http_status"] == 200
    assert all(
        row["sha256"] == hashlib.sha256(large[path]).hexdigest() for path, row in by_path.items() if path != "/text"
    )
    if original:
        tar = (tmp_path / "apart" / "00000.tar").read_bytes()
        assert all((data in tar) == (path != "/text") for path, data in large.items())


def test_large_pictures_that_say_how_long_they_are_are_asked_for_once(
    roomy: Workspace, tmp_path: Path, counted: type[_Counted], large: Mapping[str, bytes]
) -> None:
    """Many more at once than there is room for wait their turn: no host has a second request for it, and the budget holds."""
    paths = [f"/{n}.jpg" for n in range(48)]
    with HostileServer(dict.fromkeys(paths, large["/JPEG-1"])) as server:
        urls = [server.url(path, f"h{n % 24}.example") for n, path in enumerate(paths)]
        report, _ = _populate(roomy, tmp_path / "copy", server, urls, LocalEngine(1))
        assert {server.requests[path] for path in paths} == {1}
    assert report.success == len(paths)
    assert counted.most <= _BUDGET + 600_000
    assert not counted.live


def test_a_listed_file_is_found_however_large(roomy: Workspace, tmp_path: Path, large: Mapping[str, bytes]) -> None:
    """With lists loaded every body is read and hashed to its end, pictures and others; nothing of a match is kept."""
    listed = tmp_path / "list.txt"
    named = ("/PNG-2", "/text")
    listed.write_text("# synthetic\n" + "".join(f"sha1 {hashlib.sha1(large[path]).hexdigest()}\n" for path in named))
    import_list(roomy, listed, source="org-a")
    with HostileServer(dict(large)) as server:
        urls = [server.url(path, f"h{n}.example") for n, path in enumerate(large)]
        report, rows = _populate(roomy, tmp_path / "copy", server, urls, LocalEngine(1))
    assert (report.withheld, report.success, report.review) == (2, 3, True)
    assert not {row["url"] for row in rows} & {
        server.url(path, f"h{list(large).index(path)}.example") for path in named
    }
    sizes = {size for table in read_ledger(roomy) for size in table["byte_size"].to_pylist()}
    assert sizes == {len(data) for data in large.values()}


def test_a_file_that_is_no_picture_is_left_where_it_is(roomy: Workspace, tmp_path: Path) -> None:
    """Without lists an endless body that begins like no image is named by what came first, not read up to the cap."""
    with HostileServer() as server:
        urls = [server.url(path, f"{path[1:]}.example") for path in ("/endless-chunks", "/gzip-bomb")]
        _, rows = _populate(roomy, tmp_path / "copy", server, urls, LocalEngine(1))
    assert [(row["failure"], row["http_status"]) for row in rows] == [("not_an_image", 200)] * 2


_WAITING = 3


class _Slow:
    """A transport whose every body is large, of unknown length, and takes some time once it has room."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def get(self, target: Target, reception: Reception, *, last: bool = False) -> Hop:
        """Answer."""
        del last
        if not target.url.endswith(".jpg"):
            return Hop(404, [], None)
        await reception.enlarge(2 * LARGE_BYTES, None)
        await asyncio.sleep(self.seconds)
        return Hop(200, [], b"body")


class _Counting:
    """A want that counts."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.enough = asyncio.Event()

    def check_hop(self, url: str) -> bool:
        """Follow."""
        del url
        return True

    def consider(self, statements: object) -> None:
        """Nothing."""

    def admit(self, url: str, headers: Headers) -> None:
        """Nothing."""

    def wants_rest(self, head: bytes) -> bool:
        """All."""
        del head
        return True

    async def received(self, body: Body, trace: Trace) -> None:
        """One more."""
        del body, trace
        self._count("received")

    def failed(self, failure: Failure, trace: Trace) -> None:
        """One less."""
        del trace
        self._count(failure.kind)

    def _count(self, outcome: str) -> None:
        self.outcomes.append(outcome)
        if len(self.outcomes) == _WAITING:
            self.enough.set()


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, {"received"}), (9.0, {"timeout"})])
def test_waiting_for_room_is_not_the_hosts_time(roomy: Workspace, seconds: float, expected: set[str]) -> None:
    """A body that waits its turn has its whole deadline after it; where the turn does not come, the outcome is named all the same."""
    deadline = 1.4

    async def run() -> list[str]:
        schedule = Schedule(HostLimits(4, 0, 0.1, 1.0), places=8, max_open=32, max_held_bytes=1)
        limits = FetchLimits(deadline, _LONGEST, 0, 0, 0.1, _LONGEST, 0.1)
        fetcher = Fetcher(
            _Slow(seconds), schedule, limits, user_agent="t/1", policy=load_policy(roomy), ask_tdmrep=False
        )
        want = _Counting()
        for n in range(_WAITING):
            fetcher.fetch(Target(f"http://h{n}.example/{n}.jpg", f"h{n}.example"), want)
        async with asyncio.timeout(30):
            await want.enough.wait()
        await schedule.close()
        return want.outcomes

    assert set(asyncio.run(run())) == expected
