"""The feed's signing keys: PEM files in `keys/`, one for each holder, mode 0600, each with its public half beside it.

Root and targets are signed by two of three keys, so that one stolen or lost key neither forges nor stops a feed; snapshot and
timestamp have one key each, as they are renewed by a machine (The Update Framework, specification 1.0.33, §2.1 and §6.1).
A private file may be moved to another machine or a safe; the public half stays, so that it is known which key is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from linkwell.base.errors import FormatError, MissingKeyError, UsageError
from linkwell.base.shards import storage_errors, write_bytes
from linkwell.base.workspace import Workspace


@dataclass(frozen=True)
class RoleKeys:
    """How many keys a role has, and how many of them must sign."""

    count: int
    threshold: int


ROLES: Mapping[str, RoleKeys] = {
    "root": RoleKeys(3, 2),
    "targets": RoleKeys(3, 2),
    "snapshot": RoleKeys(1, 1),
    "timestamp": RoleKeys(1, 1),
}
"""The roles of the feed, in the order in which they trust each other."""


def private_file(workspace: Workspace, role: str, number: int) -> Path:
    """Where the private half of a role's key number (from 1) is."""
    return workspace.keys / f"{role}-{number}.pem"


def public_file(workspace: Workspace, role: str, number: int) -> Path:
    """Where the public half of a role's key number (from 1) is."""
    return workspace.keys / f"{role}-{number}.pub.pem"


def next_file(workspace: Workspace, role: str, number: int) -> Path:
    """Where the private half of the key that is to follow a role's key number waits until the root names it."""
    return workspace.keys / f"{role}-{number}.next.pem"


def next_public_file(workspace: Workspace, role: str, number: int) -> Path:
    """Where the public half of the key that is to follow waits."""
    return workspace.keys / f"{role}-{number}.next.pub.pem"


def make_key(private: Path) -> Path:
    """Make one key in a place of its holder's own, with its public half beside it; a file that is there is never overwritten.

    Args:
        private: the file of the private half, `.pem`.

    Returns:
        The file of the public half, `….pub.pem`: what the keeper of the feed is given.

    Raises:
        UsageError: there is a file of that name, or the name does not end with `.pem`.
        StorageError: the folder cannot be written.
    """
    if private.suffix != ".pem" or private.name.endswith(".pub.pem"):
        raise UsageError("the file of a key ends with .pem", str(private), "Give such a name: targets-2.pem")
    public = private.with_name(f"{private.stem}.pub.pem")
    for path in (private, public):
        if path.exists():
            raise UsageError("there is a file of that name, and a key is never overwritten", str(path))
    signer = CryptoSigner.generate_ed25519()
    write_bytes(private, signer.private_bytes, mode=0o600)
    write_bytes(public, _public_pem(signer))
    return public


def read_public(path: Path) -> SSlibKey:
    """The public half of a key from its file.

    Raises:
        MissingKeyError: there is no such file.
        FormatError: it holds no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        raise MissingKeyError(
            "there is no such key file", str(path), "It is the public half that feed make-key left."
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("this is no public key", str(path), "Restore the file.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise FormatError("this is no Ed25519 key", str(path), "Restore the file.")
    return SSlibKey.from_crypto(key)


def prepare_successor(workspace: Workspace, role: str, number: int, public: Path | None = None) -> SSlibKey:
    """The key that is to follow a role's key number: the one that waits already, the holder's own, or one made now.

    Args:
        workspace: whose keys.
        role: one of `ROLES`.
        number: from 1.
        public: the public half of a key whose private half stays with its holder.

    Raises:
        UsageError: another successor waits already.
        FormatError: a file holds no Ed25519 key.
    """
    private, waiting = next_file(workspace, role, number), next_public_file(workspace, role, number)
    if public is not None:
        key = read_public(public)
        if waiting.exists() and read_public(waiting).keyid != key.keyid:
            raise UsageError(
                "another key waits to follow this one",
                str(waiting),
                "Remove that file and its .next.pem to choose anew.",
            )
        write_bytes(waiting, public.read_bytes())
        return key
    if not waiting.exists():
        if not private.exists():
            write_bytes(private, CryptoSigner.generate_ed25519().private_bytes, mode=0o600)
        write_bytes(waiting, _public_pem(load_private(private)))
    return read_public(waiting)


def settle_successors(workspace: Workspace, trusted: Mapping[str, object]) -> None:
    """Give successors that the root names the place of the keys they follow; the private halves of those are removed.

    Args:
        workspace: whose keys.
        trusted: ids of the keys that the root names.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storage_errors(workspace.keys):
        for role, wanted in ROLES.items():
            for number in range(1, wanted.count + 1):
                waiting = next_public_file(workspace, role, number)
                if not waiting.exists() or read_public(waiting).keyid not in trusted:
                    continue
                private = private_file(workspace, role, number)
                write_bytes(public_file(workspace, role, number), waiting.read_bytes())
                if next_file(workspace, role, number).exists():
                    next_file(workspace, role, number).replace(private)
                else:
                    private.unlink(missing_ok=True)
                waiting.unlink()


def make_keys(workspace: Workspace) -> list[Path]:
    """Make the key files that are not there; keys that are there stay. A key whose public half is there is never made anew.

    Returns:
        The private files that were made.

    Raises:
        StorageError: the folder cannot be written.
    """
    made = []
    with storage_errors(workspace.keys):
        workspace.keys.mkdir(mode=0o700, exist_ok=True)
    with workspace.lock("feed"):
        for role, keys in ROLES.items():
            for number in range(1, keys.count + 1):
                private, public = private_file(workspace, role, number), public_file(workspace, role, number)
                if private.exists() and not public.exists():
                    write_bytes(public, _public_pem(load_private(private)))
                if public.exists():
                    continue
                signer = CryptoSigner.generate_ed25519()
                write_bytes(private, signer.private_bytes, mode=0o600)
                write_bytes(public, _public_pem(signer))
                made.append(private)
    return made


def public_keys(workspace: Workspace, role: str) -> list[SSlibKey]:
    """The public halves of a role's keys.

    Raises:
        MissingKeyError: one is not there.
        FormatError: one does not read.
    """
    found = []
    missing = []
    for number in range(1, ROLES[role].count + 1):
        path = public_file(workspace, role, number)
        if not path.exists():
            missing.append(path.name)
            continue
        found.append(read_public(path))
    if missing:
        raise MissingKeyError(
            f"the feed has no {', '.join(missing)}", str(workspace.keys), "Make the keys with: linkwell feed keys"
        )
    return found


def signers(workspace: Workspace, role: str, trusted: Mapping[str, object], threshold: int) -> list[CryptoSigner]:
    """As many signers for a role as it needs, from the private files that are there.

    Args:
        workspace: whose keys.
        role: one of `ROLES`.
        trusted: ids of the keys that count for the role; others that lie about are passed over.
        threshold: how many must sign.

    Raises:
        MissingKeyError: fewer are there; the message names those that are not.
        FormatError: a key file does not read.
    """
    found = signers_here(workspace, role, trusted)
    if len(found) < threshold:
        able = {signer.public_key.keyid for signer in found}
        missing = [
            f"{path.name} (the one there is of another feed)" if path.exists() else path.name
            for path in (private_file(workspace, role, number) for number in range(1, ROLES[role].count + 1))
            if not path.exists() or load_private(path).public_key.keyid not in able
        ]
        raise MissingKeyError(
            f"{threshold} of the {role} keys must sign, and only {len(found)} can: missing {', '.join(missing)}",
            str(workspace.keys),
            "Bring the missing key files back, or make a first set with: linkwell feed keys",
        )
    return found[:threshold]


def signers_here(workspace: Workspace, role: str, trusted: Mapping[str, object]) -> list[CryptoSigner]:
    """Signers for those of a role's keys that count and whose private files are here, successors that wait among them.

    Raises:
        UsageError: others can read a file.
        FormatError: a key file does not read.
    """
    numbers = range(1, ROLES[role].count + 1)
    paths = [file(workspace, role, number) for number in numbers for file in (private_file, next_file)]
    there = [load_private(path) for path in paths if path.exists()]
    return [signer for signer in there if signer.public_key.keyid in trusted]


def load_private(path: Path) -> CryptoSigner:
    """The private half of a key from its file.

    Raises:
        MissingKeyError: there is no such file.
        UsageError: others can read it.
        FormatError: it holds no Ed25519 private key.
    """
    if not path.exists():
        raise MissingKeyError("there is no such key file", str(path), "Bring it back from where it is kept.")
    if path.stat().st_mode & 0o077:
        raise UsageError("other people of this machine can read this key", str(path), f"chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FormatError("this is no private key", str(path), "Restore the file.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FormatError("this is no Ed25519 key", str(path), "Restore the file.")
    return CryptoSigner(key)


def _public_pem(signer: CryptoSigner) -> bytes:
    key = load_pem_private_key(signer.private_bytes, password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
