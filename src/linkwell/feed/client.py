"""A client of a feed: trusts what the root it was given leads to, and nothing else.

The workflow is python-tuf's `ngclient`. The state folder keeps the newest metadata ever seen, so that an older feed is noticed
even after a restart. There is no trust on first use: a client that has no state needs a root file that came by a way its owner
trusts (given with `--root`, or shipped with a copy).
"""

import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
    SlowRetrievalError,
)
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from linkwell.base.errors import (
    LinkwellError,
    MissingError,
    MissingKeyError,
    SignatureError,
    StaleFeedError,
    UnavailableError,
    UsageError,
)
from linkwell.base.settings import DEFAULT_USER_AGENT
from linkwell.base.shards import atomic_path, storage_errors
from linkwell.base.workspace import folder_lock
from linkwell.feed.fetchers import FolderFetcher, HttpFetcher
from linkwell.feed.repository import check_target_name

MAX_TARGETS_METADATA_BYTES = 50_000_000
"""The list of targets may have this size: about 200,000 targets."""

CLOCK_SLACK_SECONDS = 3_600.0
"""How far a clock may have been set back without more being made of it."""

_FORBIDDEN, _NOT_FOUND = 403, 404
_LOCK = "feed-client"


@dataclass(frozen=True)
class TargetInfo:
    """A file of the feed, as its signed metadata has it."""

    name: str
    length: int
    """In bytes."""
    sha256: str
    """Hex."""


class FeedClient:
    """Reads one feed; make it with `open`. Nothing is read from the feed before `refresh`."""

    def __init__(
        self, feed: str, base_url: str, fetcher: FetcherInterface, state: Path, bootstrap: bytes | None
    ) -> None:
        self.feed = feed
        self._base_url = base_url
        self._fetcher = fetcher
        self._state = state
        self._bootstrap = bootstrap
        self._updater: Updater | None = None
        self._targets: dict[str, TargetInfo] = {}

    @classmethod
    def open(
        cls,
        feed: str,
        state: Path,
        *,
        trusted_root: Path | None = None,
        allow_net: Sequence[str] = (),
        user_agent: str = DEFAULT_USER_AGENT,
    ) -> "FeedClient":
        """A client for the feed at a folder, `file://`, `http://` or `https://` URL.

        Args:
            feed: where the feed is; the folder that holds `metadata/`.
            state: a folder of the client's own, where it remembers what it has seen.
            trusted_root: the root file it starts from; may be left out once `state` has one.
            allow_net: networks (CIDR) that may be reached although they are not of the public internet.
            user_agent: what it calls itself.

        Raises:
            UsageError: the feed is of no kind known here.
            MissingError: there is no such folder or root file.
            MissingKeyError: no root is given and the state has none.
            SignatureError: the root given is none, or the state is of another feed.
        """
        base_url, fetcher = _reach(feed, allow_net, user_agent)
        bootstrap = None
        if trusted_root is not None:
            try:
                bootstrap = trusted_root.read_bytes()
            except FileNotFoundError:
                raise MissingError("there is no such root file", str(trusted_root)) from None
            _check_state(state, bootstrap, trusted_root)
        elif not (state / "root.json").exists():
            raise MissingKeyError(
                "nothing says which keys this feed is signed with",
                feed,
                "Give the root file you got from the feed's owner: --root 1.root.json",
            )
        return cls(feed, base_url, fetcher, state, bootstrap)

    def refresh(self) -> None:
        """Get the newest metadata and check it all; afterwards the other methods answer from it.

        Raises:
            StaleFeedError: the feed is expired, frozen or rolled back.
            SignatureError: it is unsigned, edited, cut short or signed with other keys.
            StorageError: the state cannot be written.
            UnavailableError: it cannot be reached.
        """
        self._updater, self._targets = None, {}
        with storage_errors(self._state):
            self._state.mkdir(parents=True, exist_ok=True)
        _check_clock(self._state)
        with folder_lock(self._state, _LOCK), storage_errors(self._state), _translated(self.feed):
            updater = Updater(
                str(self._state),
                self._base_url + "metadata/",
                None,
                self._base_url + "targets/",
                self._fetcher,
                UpdaterConfig(targets_max_length=MAX_TARGETS_METADATA_BYTES),
                bootstrap=self._bootstrap,
            )
            updater.refresh()
            targets = Metadata[Targets].from_file(str(self._state / "targets.json")).signed
        self._targets = {name: _info(target) for name, target in sorted(targets.targets.items())}
        self._updater = updater

    def targets(self) -> dict[str, TargetInfo]:
        """What the feed lists, by name.

        Raises:
            UsageError: `refresh` has not been called.
        """
        self._fresh()
        return dict(self._targets)

    def expires(self) -> float:
        """When what was read becomes stale, seconds since the epoch: the earliest expiry of the feed's metadata.

        Raises:
            UsageError: `refresh` has not been called.
        """
        self._fresh()
        return min(
            Metadata.from_file(str(self._state / f"{role}.json")).signed.expires.timestamp()
            for role in ("root", "timestamp", "snapshot", "targets")
        )

    def read(self, name: str) -> bytes:
        """The bytes of a target, checked.

        Raises:
            MissingError: the feed does not list it.
            SignatureError: the bytes are not those that were signed for.
            UnavailableError: it cannot be reached.
        """
        with tempfile.TemporaryDirectory() as folder:
            return self._download(name, Path(folder) / "target").read_bytes()

    def fetch(self, name: str, to: Path) -> Path:
        """Write a target to a file, checked; a file that has those bytes already is left.

        Raises:
            MissingError: the feed does not list it.
            SignatureError: the bytes are not those that were signed for.
            UnavailableError: it cannot be reached.
        """
        info = self.targets().get(name)
        if info is not None and _is_file(to, info.sha256, info.length):
            return to
        with atomic_path(to) as temporary:
            self._download(name, temporary)
        return to

    def fetch_unlisted(self, path: str, sha256: str, size: int, to: Path) -> Path:
        """Write a file of the feed that a target vouches for by hash and size; one that is there already is left.

        Args:
            path: relative to the feed, `data/birds/….parquet`.
            sha256: hex.
            size: in bytes; one byte more stops the download.
            to: where it goes.

        Raises:
            SignatureError: the bytes are others.
            UnavailableError: it cannot be reached.
        """
        check_target_name(path)
        if _is_file(to, sha256, size):
            return to
        digest = hashlib.sha256()
        received = 0
        where = f"{self.feed}: {path}"
        with atomic_path(to) as temporary, _translated(where), temporary.open("wb") as file:
            for piece in self._fetcher.fetch(self._base_url + path):
                received += len(piece)
                if received > size:
                    raise DownloadLengthMismatchError(path)
                digest.update(piece)
                file.write(piece)
            if received != size or digest.hexdigest() != sha256:
                raise SignatureError("the bytes are not those that were signed for", where, _RETRY)
        return to

    def _download(self, name: str, to: Path) -> Path:
        updater = self._fresh()
        where = f"{self.feed}: {name}"
        with storage_errors(to), _translated(where):
            info = updater.get_targetinfo(name)
            if info is None:
                raise MissingError("the feed does not list this file", where)
            return Path(updater.download_target(info, str(to)))

    def _fresh(self) -> Updater:
        if self._updater is None:
            raise UsageError("the feed was not refreshed before it was read", self.feed)
        return self._updater


_RETRY = "Try again; if it stays so, the server or the way to it changes the feed: tell its owner."


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn what TUF raises inside the block into our errors: stale, forged, or not to be had."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise StaleFeedError(
            "the feed is expired: nobody has signed it lately, or an old one is being served",
            where,
            "Ask its owner to run linkwell feed refresh; check this machine's clock.",
        ) from error
    except BadVersionNumberError as error:
        raise StaleFeedError("the feed is older than one seen before (rolled back)", where, _RETRY) from error
    except RepositoryError as error:
        raise SignatureError(f"the feed does not hold: {error}", where, _RETRY) from error
    except DownloadLengthMismatchError as error:
        raise SignatureError("the feed sends more bytes than were signed for", where, _RETRY) from error
    except DownloadHTTPError as error:
        if error.status_code in {_FORBIDDEN, _NOT_FOUND}:
            raise MissingError("the feed does not have this file", where, _RETRY) from error
        raise UnavailableError(f"the feed answers with HTTP status {error.status_code}", where, "Try later.") from error
    except SlowRetrievalError as error:
        raise UnavailableError("the feed is too slow", where, "Try later.") from error
    except DownloadError as error:
        if isinstance(error.__cause__, LinkwellError):
            raise error.__cause__ from error
        raise UnavailableError(
            f"the feed cannot be reached: {error.__cause__ or error}", where, "Try later."
        ) from error


def _reach(feed: str, allow_net: Sequence[str], user_agent: str) -> tuple[str, FetcherInterface]:
    """The base URL of a feed, with a slash at its end, and what fetches from it."""
    parts = urlsplit(feed)
    if parts.scheme in ("http", "https"):
        return feed.rstrip("/") + "/", HttpFetcher(user_agent, allow_net)
    if "://" in feed and parts.scheme != "file":
        raise UsageError(
            f"a feed cannot be read from {parts.scheme}://", feed, "Give a folder, file://, http:// or https://."
        )
    folder = Path(unquote(parts.path) if parts.scheme == "file" else feed).resolve()
    if not (folder / "metadata").is_dir():
        raise MissingError("there is no feed here", feed, "Give the folder that holds the feed's metadata/.")
    return folder.as_uri() + "/", FolderFetcher(folder)


def _check_state(state: Path, root: bytes, root_path: Path) -> None:
    """Refuse a state that was made from another root of the same version: it remembers another feed."""
    try:
        version = Metadata.from_bytes(root).signed.version
    except RepositoryError as error:
        raise SignatureError("this is no root file", str(root_path), "Get it again from the feed's owner.") from error
    known = state / "root_history" / f"{version}.root.json"
    if known.exists() and known.read_bytes() != root:
        raise SignatureError(
            "this root is not the one the feed was known by until now",
            str(root_path),
            f"If the feed was really made anew, choose another state folder than {state}.",
        )


def _check_clock(state: Path) -> None:
    """Refuse to judge how old a feed is by a clock that stands before the moment the state was written.

    Raises:
        StaleFeedError: it does. An expired feed would look fresh.
    """
    try:
        seen = (state / "timestamp.json").stat().st_mtime
    except FileNotFoundError:
        return
    if time.time() < seen - CLOCK_SLACK_SECONDS:
        raise StaleFeedError(
            "this machine's clock stands before the last time the feed was read, so it cannot tell whether the feed is expired",
            str(state),
            "Set the clock right. If it was wrong before, choose another state folder and give --root.",
        )


def _info(target: TargetFile) -> TargetInfo:
    return TargetInfo(target.path, target.length, target.hashes["sha256"])


def _is_file(path: Path, sha256: str, size: int) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
