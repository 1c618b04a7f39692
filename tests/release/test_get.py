"""Getting a release: from the feed alone, checked, resumable, and brought to a new revision."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.release.conftest import SetBuild, some_urls

from linkwell.base.errors import (
    AddressRefusedError,
    LinkwellError,
    MissingError,
    MissingKeyError,
    SafetyError,
    SignatureError,
    UsageError,
)
from linkwell.base.workspace import Workspace
from linkwell.engine import SerialEngine
from linkwell.release import create_release, get_release, open_release, publish_release, withdraw_release


@pytest.fixture
def root(workspace: Workspace, set_build: SetBuild, tmp_path: Path) -> Path:
    """A feed with one release of several parts; the root file that came by another way."""
    set_build(some_urls(300))
    create_release(workspace, "v1", engine=SerialEngine(), without_audit="a test", who="ada")
    publish_release(workspace, "v1", "ada")
    return Path(shutil.copy(workspace.feed / "metadata" / "1.root.json", tmp_path / "root.json"))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "parts").iterdir()}


def test_every_part_comes_and_nothing_twice(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    report = get_release(str(workspace.feed), tmp_path / "got", trusted_root=root)
    release = open_release(workspace, "v1")
    assert _files(tmp_path / "got") == {path.name: path.read_bytes() for path in release.parts}
    assert (tmp_path / "got" / "manifest.json").read_bytes() == (release.folder / "manifest.json").read_bytes()
    assert (report.fetched, report.rows, report.parts) == (len(release.parts), release.rows, len(release.parts))
    again = get_release(str(workspace.feed), tmp_path / "got")
    assert (again.fetched, again.fetched_bytes, again.removed) == (0, 0, 0)


def test_what_is_missing_or_damaged_is_fetched_again(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    get_release(str(workspace.feed), tmp_path / "got", trusted_root=root)
    whole = _files(tmp_path / "got")
    first, second, *_ = sorted((tmp_path / "got" / "parts").iterdir())
    first.unlink()
    second.write_bytes(b"x" * second.stat().st_size)
    assert get_release(str(workspace.feed), tmp_path / "got").fetched == 2
    assert _files(tmp_path / "got") == whole


def test_a_changed_part_is_refused_and_not_kept(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    part = min((workspace.feed / "data" / "birds").iterdir())
    data = part.read_bytes()
    part.unlink()
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SignatureError):
        get_release(str(workspace.feed), tmp_path / "got", trusted_root=root)
    assert part.name not in _files(tmp_path / "got")
    assert not (tmp_path / "got" / "manifest.json").exists()
    part.write_bytes(data)
    get_release(str(workspace.feed), tmp_path / "got")
    assert part.name in _files(tmp_path / "got")


def test_parts_of_an_earlier_revision_go(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    get_release(str(workspace.feed), tmp_path / "got", trusted_root=root)
    (tmp_path / "got" / "parts" / f"{'0' * 64}.parquet").write_bytes(b"of revision 0")
    assert get_release(str(workspace.feed), tmp_path / "got").removed == 1


def test_a_withdrawn_release_is_not_to_be_had(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    withdraw_release(workspace, "v1", "under review", "ada", "ben")
    with pytest.raises(SafetyError, match="withdrawn"):
        get_release(str(workspace.feed), tmp_path / "got", version="v1", trusted_root=root)
    with pytest.raises(MissingError, match="no release") as raised:
        get_release(str(workspace.feed), tmp_path / "got", trusted_root=root)
    assert "Withdrawn: v1" in str(raised.value)
    with pytest.raises(MissingError, match="It has: ") as raised:
        get_release(str(workspace.feed), tmp_path / "got", dataset="bees", trusted_root=root)
    assert workspace.settings.dataset in str(raised.value)


def test_what_cannot_be_is_said(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError, match="keys"):
        get_release(str(workspace.feed), tmp_path / "got")
    with pytest.raises(MissingError, match="v2"):
        get_release(str(workspace.feed), tmp_path / "got", version="v2", trusted_root=root)
    with pytest.raises(MissingError):
        get_release(str(workspace.feed), tmp_path / "got", dataset="cats", trusted_root=root)
    with pytest.raises(UsageError, match="out of range"):
        get_release(str(workspace.feed), tmp_path / "got", trusted_root=root, connections=0)


@pytest.fixture
def served(workspace: Workspace) -> Iterator[tuple[str, list[str], list[int]]]:
    """The feed over HTTP; what was asked for; and how many answers of parts are still cut short."""
    asked: list[str] = []
    cut: list[int] = [0]

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            if "/data/" in self.path and cut[0]:
                cut[0] -= 1
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"PAR1")
                self.close_connection = True
                return
            super().do_GET()

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(workspace.feed))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, cut
    server.shutdown()
    server.server_close()
    thread.join()


def test_over_http_a_run_that_was_cut_off_goes_on(
    served: tuple[str, list[str], list[int]], root: Path, tmp_path: Path
) -> None:
    url, asked, cut = served
    with pytest.raises(AddressRefusedError):
        get_release(url, tmp_path / "got", trusted_root=root)
    cut[0] = 1
    with pytest.raises(LinkwellError):
        get_release(url, tmp_path / "got", trusted_root=root, allow_net=["127.0.0.0/8"], connections=3)
    here = set(_files(tmp_path / "got"))
    asked.clear()
    report = get_release(url, tmp_path / "got", allow_net=["127.0.0.0/8"], connections=3)
    fetched = [path for path in asked if "/data/" in path]
    assert len(fetched) == len(set(fetched)) == report.fetched == report.parts - len(here)
    assert len(_files(tmp_path / "got")) == report.parts
