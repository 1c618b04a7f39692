"""A client of a feed, and the attacks it refuses; the attacker has real files."""

import hashlib
import json
import os
import resource
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.feed.conftest import LONG_AGO, World

from linkwell.base.errors import (
    AddressRefusedError,
    LinkwellError,
    MissingError,
    MissingKeyError,
    SignatureError,
    StaleFeedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from linkwell.base.workspace import Workspace
from linkwell.feed import FeedClient, init_feed, keys, make_keys, publish_targets, refresh_feed


def test_it_reads_what_was_published(world: World) -> None:
    """Targets are listed with their hashes, and read back byte for byte, from a folder and from a file:// URL."""
    client = world.client()
    client.refresh()
    assert {n: t.length for n, t in client.targets().items()} == {"a/one.json": 3, "two.bin": 10_240}
    assert client.read("a/one.json") == b"one"
    fetched = client.fetch("two.bin", world.folder / "out" / "two.bin")
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == client.targets()["two.bin"].sha256
    again = world.client("state2", world.feed.as_uri())
    again.refresh()
    assert again.read("a/one.json") == b"one"


def test_a_folder_may_be_named_in_any_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative, through the folder above, and through a link."""
    (world.folder / "elsewhere").mkdir()
    (world.folder / "link").symlink_to(world.feed)
    monkeypatch.chdir(world.folder / "elsewhere")
    around = os.path.relpath(world.feed)
    assert around.startswith("..")
    for number, feed in enumerate([around, "../link", str(world.folder / "link")]):
        client = world.client(f"any{number}", feed)
        client.refresh()
        assert client.read("a/one.json") == b"one"


def test_a_later_change_reaches_it(world: World) -> None:
    """What is changed and removed is seen after the next refresh, with the state of the last."""
    client = world.client()
    client.refresh()
    publish_targets(world.workspace, {"a/one.json": b"uno"}, remove=["two.bin"])
    client = FeedClient.open(str(world.feed), world.folder / "state")
    client.refresh()
    assert sorted(client.targets()) == ["a/one.json"]
    assert client.read("a/one.json") == b"uno"
    with pytest.raises(MissingError):
        client.read("two.bin")


@contextmanager
def no_file_grows_beyond(byte_count: int) -> Iterator[None]:
    """A real refused write: the system stops files of this process at so many bytes, as a quota or a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_clear_error_and_the_next_try_goes_on(world: World) -> None:
    """A client that cannot write its state, or what it reads, says so by name, and works once there is space."""
    client = world.client()
    with no_file_grows_beyond(100), pytest.raises(StorageError, match="cannot write"):
        client.refresh()
    client = world.client()
    client.refresh()
    with no_file_grows_beyond(100):
        with pytest.raises(StorageError, match="cannot write"):
            client.read("two.bin")
        with pytest.raises(StorageError, match="cannot write"):
            client.fetch("two.bin", world.folder / "out" / "two.bin")
    assert list((world.folder / "out").iterdir()) == []
    assert len(client.read("two.bin")) == 10_240


def test_it_starts_only_from_a_root_it_is_given(world: World, tmp_path: Path) -> None:
    """There is no trust on first use: without a root file or a state there is no client."""
    with pytest.raises(MissingKeyError, match="which keys"):
        FeedClient.open(str(world.feed), tmp_path / "new")
    with pytest.raises(MissingError):
        FeedClient.open(str(world.feed), tmp_path / "new", trusted_root=tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(SignatureError):
        FeedClient.open(str(world.feed), tmp_path / "new", trusted_root=tmp_path / "bad.json")
    with pytest.raises(MissingError):
        FeedClient.open(str(tmp_path / "nowhere"), tmp_path / "new", trusted_root=world.root)
    with pytest.raises(UsageError):
        FeedClient.open("ftp://feed.example/", tmp_path / "new", trusted_root=world.root)
    with pytest.raises(UsageError, match="refreshed"):
        world.client().targets()


# The attacker edits the feed


def refuses(world: World, error: type[LinkwellError], state: str = "state") -> LinkwellError:
    client = world.client(state)
    with pytest.raises(error) as caught:
        client.refresh()
    with pytest.raises(UsageError):
        client.targets()
    return caught.value


def test_an_edited_target_is_refused(world: World) -> None:
    """One changed byte of a target: it is not read, and nothing is left of the attempt."""
    path = world.target_file("two.bin")
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.write_bytes(data)
    client = world.client()
    client.refresh()
    with pytest.raises(SignatureError, match=r"two\.bin"):
        client.fetch("two.bin", world.folder / "out.bin")
    with pytest.raises(SignatureError):
        client.read("two.bin")
    assert not (world.folder / "out.bin").exists()
    assert client.read("a/one.json") == b"one"


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0" * 100_000, lambda _: b""])
def test_a_target_of_another_length_is_refused(world: World, change: Callable[[bytes], bytes]) -> None:
    """Cut short, longer, empty: refused."""
    path = world.target_file("two.bin")
    path.write_bytes(change(path.read_bytes()))
    client = world.client()
    client.refresh()
    with pytest.raises(SignatureError):
        client.read("two.bin")


METADATA = ["timestamp.json", "2.snapshot.json", "2.targets.json"]


@pytest.mark.parametrize("name", METADATA)
def test_edited_metadata_is_refused(world: World, name: str) -> None:
    """A field of signed metadata is changed, the signatures are kept."""
    path = world.metadata / name
    document = json.loads(path.read_bytes())
    document["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(document))
    refuses(world, SignatureError)


@pytest.mark.parametrize("name", METADATA)
def test_metadata_cut_short_is_refused(world: World, name: str) -> None:
    """Half a file is no file."""
    path = world.metadata / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refuses(world, SignatureError)


@pytest.mark.parametrize("name", METADATA)
def test_missing_metadata_is_an_error(world: World, name: str) -> None:
    """A file that is withheld stops the client too."""
    (world.metadata / name).unlink()
    refuses(world, MissingError)


def test_endless_metadata_is_refused(world: World) -> None:
    """A timestamp that does not end is cut off."""
    with (world.metadata / "timestamp.json").open("ab") as file:
        file.write(b" " * 100_000)
    assert "more bytes" in str(refuses(world, SignatureError))


def test_targets_signed_once_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the three targets keys is stolen, with the snapshot and timestamp keys: that is not enough."""
    real = keys.signers
    monkeypatch.setattr("linkwell.feed.keys.signers", lambda w, r, t, n: real(w, r, t, n)[:1])
    publish_targets(world.workspace, {"a/one.json": b"evil"})
    refuses(world, SignatureError)


def test_one_signature_twice_counts_once(world: World) -> None:
    """The same key's signature given twice is one signature."""
    path = world.metadata / "2.targets.json"
    document = json.loads(path.read_bytes())
    document["signatures"] = [document["signatures"][0]] * 2
    path.write_text(json.dumps(document))
    refuses(world, SignatureError)


def test_a_feed_of_other_keys_is_refused(world: World, tmp_path: Path) -> None:
    """A whole feed, well formed and signed by keys of the attacker's, does not pass with the owner's root."""
    other = Workspace.create(tmp_path / "other", "birds")
    make_keys(other)
    evil_root = init_feed(other)
    publish_targets(other, {"a/one.json": b"evil"})
    client = FeedClient.open(str(other.feed), tmp_path / "state", trusted_root=world.root)
    with pytest.raises(SignatureError):
        client.refresh()
    world.client("known").refresh()
    with pytest.raises(SignatureError, match="known by"):
        FeedClient.open(str(other.feed), tmp_path / "known", trusted_root=evil_root)
    known = FeedClient.open(str(other.feed), tmp_path / "known")
    with pytest.raises(SignatureError):
        known.refresh()


def test_an_older_feed_is_refused(world: World) -> None:
    """Rollback: the feed as it was, valid in itself, after the client has seen a newer one."""
    old = world.save("old")
    publish_targets(world.workspace, {"recalls/1": b"taken out"})
    world.client().refresh()
    client = world.client("state", str(old))
    with pytest.raises(StaleFeedError, match="older"):
        client.refresh()


def test_old_files_under_a_new_timestamp_are_refused(world: World) -> None:
    """Mix and match: old targets metadata under the name of the new one."""
    old = (world.metadata / "2.targets.json").read_bytes()
    publish_targets(world.workspace, {"recalls/1": b"taken out"})
    (world.metadata / "3.targets.json").write_bytes(old)
    refuses(world, SignatureError)


def test_an_expired_timestamp_is_refused(world: World) -> None:
    """Freeze: a feed that nobody signs any more, or that is kept from changing, is stale after its week."""
    refresh_feed(world.workspace, now=LONG_AGO)
    assert "expired" in str(refuses(world, StaleFeedError))
    refresh_feed(world.workspace)
    world.client().refresh()


def test_unlisted_files_are_held_to_hash_and_size(world: World) -> None:
    """A file that a target vouches for: its bytes pass, others do not, and more than were named are not read."""
    source = world.folder / "part"
    source.write_bytes(b"p" * 1000)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    publish_targets(world.workspace, {}, unlisted={"data/birds/part.parquet": source})
    client = world.client()
    client.refresh()
    to = world.folder / "got"
    assert client.fetch_unlisted("data/birds/part.parquet", sha256, 1000, to).read_bytes() == source.read_bytes()
    to.unlink()
    (world.feed / "data/birds/part.parquet").unlink()
    for content in (b"q" * 1000, b"p" * 999, b"p" * 1001, b""):
        (world.feed / "data/birds/part.parquet").write_bytes(content)
        with pytest.raises(SignatureError):
            client.fetch_unlisted("data/birds/part.parquet", sha256, 1000, to)
        assert not to.exists()
    with pytest.raises(MissingError):
        client.fetch_unlisted("data/birds/other.parquet", sha256, 1000, to)
    with pytest.raises(UsageError):
        client.fetch_unlisted("../keys/root-1.pem", sha256, 1000, to)


# Over HTTP


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Redirect(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/metadata/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_reads_over_http_where_the_address_is_allowed(world: World) -> None:
    """Any static server does; a loopback address needs to be allowed by name."""
    with served(partial(_Quiet, directory=str(world.feed))) as url:
        client = FeedClient.open(url, world.folder / "s", trusted_root=world.root, allow_net=["127.0.0.0/8"])
        client.refresh()
        assert client.read("a/one.json") == b"one"
        guarded = FeedClient.open(url, world.folder / "s2", trusted_root=world.root)
        with pytest.raises(AddressRefusedError, match="allow-net"):
            guarded.refresh()
        port = url.rpartition(":")[2]
        named = FeedClient.open(f"http://localhost:{port}", world.folder / "s3", trusted_root=world.root)
        with pytest.raises(AddressRefusedError):
            named.refresh()
    with pytest.raises(UnavailableError):
        client.refresh()


def test_no_redirect_is_followed(world: World) -> None:
    """A feed that sends its clients elsewhere is not followed there."""
    with served(_Redirect) as url:
        client = FeedClient.open(url, world.folder / "s", trusted_root=world.root, allow_net=["127.0.0.1"])
        with pytest.raises(UnavailableError, match="302"):
            client.refresh()


def test_networks_are_checked(world: World) -> None:
    """A network nobody can parse is wrong usage."""
    with pytest.raises(UsageError):
        FeedClient.open("http://feed.example", world.folder / "s", trusted_root=world.root, allow_net=["local"])


def test_a_state_that_was_edited_does_not_help_an_attacker(world: World) -> None:
    """The state's own metadata is checked like the feed's: a forged one is fetched anew."""
    world.client().refresh()
    state = world.folder / "state"
    forged = (state / "targets.json").read_bytes().replace(b"two.bin", b"six.bin")
    (state / "targets.json").write_bytes(forged)
    client = world.client()
    client.refresh()
    assert "two.bin" in client.targets()
    shutil.rmtree(state)
    with pytest.raises(MissingKeyError):
        FeedClient.open(str(world.feed), state)


def test_a_server_that_is_not_there_is_not_called_slow(world: World) -> None:
    """A refused connection is no long wait."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        feed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = FeedClient.open(feed, world.folder / "away", trusted_root=world.root, allow_net=["127.0.0.1/32"])
        with pytest.raises(UnavailableError, match="cannot be reached: no connection"):
            client.refresh()
