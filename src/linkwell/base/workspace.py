"""Where things are: one folder that holds a dataset's builds, ledger, lists, cases, releases and feed.

linkwell.toml      settings
builds/            stages of builds and their links
ledger/            restricted, encrypted: digests of every image ever fetched
lists/             restricted, encrypted: hash lists
findings/          restricted, encrypted: what audits and populates found
cases.sqlite       restricted: cases, quarantine, log
releases/          manifests and parts, recall batches not yet published
feed/              public: static files, to be served as they are
keys/              secret, mode 0700
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from linkwell.base.credentials import read_credential
from linkwell.base.errors import BusyError, FormatError, MissingError, MissingKeyError, UsageError
from linkwell.base.settings import Settings, parse_settings, read_settings
from linkwell.base.shards import storage_errors, write_bytes

SETTINGS_FILE = "linkwell.toml"
MASTER_KEY_VARIABLE = "LINKWELL_MASTER_KEY"
_MASTER_KEY_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_name(name: str, what: str) -> str:
    """A name that is safe in paths and URLs: lower-case letters, digits, dot, dash, underscore; at most 64.

    Raises:
        UsageError: it is not.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"{name!r} is no name for a {what}", advice="Use lower-case letters, digits, '.', '-' and '_', at most 64."
        )
    return name


@dataclass(frozen=True)
class Workspace:
    """A folder with a `linkwell.toml`; make one with `create`, find one with `open`."""

    root: Path

    @classmethod
    def create(cls, root: Path, dataset: str = "links", settings_text: str | None = None) -> "Workspace":
        """Make a workspace: settings, folders, a fresh master key. An existing one with the same dataset is left as it is.

        Args:
            root: the folder; made where it is not there.
            dataset: the name of the dataset.
            settings_text: the whole of `linkwell.toml`; by default only the dataset's name.

        Raises:
            UsageError: the name is not usable, or the folder is a workspace of another dataset.
            StorageError: the folder cannot be written.
        """
        check_name(dataset, "dataset")
        if (root / SETTINGS_FILE).exists():
            workspace = cls.open(root)
            if workspace.settings.dataset != dataset:
                raise UsageError(f"this is the workspace of {workspace.settings.dataset!r}", str(root))
            return workspace
        workspace = cls(root.absolute())
        with storage_errors(root):
            for folder, mode in _FOLDERS.items():
                (root / folder).mkdir(mode=mode, parents=True, exist_ok=True)
        text = (settings_text or f'dataset = "{dataset}"\n').encode()
        elsewhere = MASTER_KEY_VARIABLE in os.environ or parse_settings(text, SETTINGS_FILE).keys.master
        if not workspace._master_key_file.exists() and not elsewhere:
            write_bytes(workspace._master_key_file, secrets.token_hex(_MASTER_KEY_BYTES).encode() + b"\n", mode=0o600)
        write_bytes(root / SETTINGS_FILE, text)
        return workspace

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """Open the workspace at `root`.

        Raises:
            MissingError: there is none.
            FormatError: its settings do not read.
        """
        if not (root / SETTINGS_FILE).is_file():
            raise MissingError(
                "this folder is no workspace", str(root), "Make one with: linkwell init DIR, or name one with -w DIR."
            )
        workspace = cls(root.absolute())
        _ = workspace.settings
        return workspace

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        return read_settings(self.root / SETTINGS_FILE)

    @property
    def builds(self) -> Path:
        """Folder of the builds."""
        return self.root / "builds"

    @property
    def ledger(self) -> Path:
        """Folder of the ledger's encrypted parts."""
        return self.root / "ledger"

    @property
    def lists(self) -> Path:
        """Folder of the encrypted hash lists."""
        return self.root / "lists"

    @property
    def findings(self) -> Path:
        """Folder of the encrypted findings."""
        return self.root / "findings"

    @property
    def cases(self) -> Path:
        """The SQLite file of cases, quarantine and log."""
        return self.root / "cases.sqlite"

    @property
    def releases(self) -> Path:
        """Folder of releases."""
        return self.root / "releases"

    @property
    def recalls(self) -> Path:
        """Folder of recall batches, published or not."""
        return self.root / "recalls"

    @property
    def feed(self) -> Path:
        """Folder of the public feed."""
        return self.root / "feed"

    @property
    def keys(self) -> Path:
        """Folder of secret keys."""
        return self.root / "keys"

    @property
    def _master_key_file(self) -> Path:
        return self.keys / "master.key"

    def master_key(self) -> bytes:
        """The 32-byte key that ledger, lists and findings are encrypted under.

        From the environment (`LINKWELL_MASTER_KEY`, 64 hex digits), else from where the settings say (`keys.master`), else from
        `keys/master.key`.

        Raises:
            MissingKeyError: there is none.
            FormatError: it is not 64 hex digits.
            SafetyError: others can read the file that the settings name.
        """
        text = os.environ.get(MASTER_KEY_VARIABLE)
        source = MASTER_KEY_VARIABLE
        if text is None and self.settings.keys.master:
            source = "keys.master"
            text = _named_key(self.settings.keys.master, self.root)
        elif text is None:
            source = str(self._master_key_file)
            try:
                text = self._master_key_file.read_text("ascii", errors="replace")
            except FileNotFoundError:
                raise MissingKeyError(
                    "the key of the ledger and the lists is not there",
                    source,
                    f"Restore the file, or give the key as {MASTER_KEY_VARIABLE}. Without it they cannot be read.",
                ) from None
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            key = b""
        if len(key) != _MASTER_KEY_BYTES:
            raise FormatError("the key is not 64 hex digits", source)
        return key

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a named lock of this workspace for the block; the system frees it when the process dies.

        Raises:
            BusyError: another process holds it.
        """
        with folder_lock(self.root / ".locks", name):
            yield


@lru_cache(maxsize=16)
def _named_key(reference: str, root: Path) -> str:
    """The key that settings name, asked for once in a process: a command may ask a person."""
    return read_credential(reference, "keys.master", root)


@contextmanager
def folder_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold `folder/name.lock` for the block; the system frees it when the process dies.

    Raises:
        BusyError: another process holds it.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                "another linkwell is at work here", str(folder / name), "Wait for it to finish, or stop it."
            ) from None
        yield
    finally:
        os.close(descriptor)


_FOLDERS = {
    "builds": 0o755,
    "ledger": 0o700,
    "lists": 0o700,
    "findings": 0o700,
    "releases": 0o755,
    "recalls": 0o700,
    "feed": 0o755,
    "keys": 0o700,
}
