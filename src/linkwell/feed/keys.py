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
                    write_bytes(public, _public_pem(_load_private(private)))
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
        try:
            key = load_pem_public_key(path.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise FormatError("this is no public key", str(path), "Restore the file.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise FormatError("this is no Ed25519 key", str(path), "Restore the file.")
        found.append(SSlibKey.from_crypto(key))
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
    found = []
    missing = []
    for number in range(1, ROLES[role].count + 1):
        path = private_file(workspace, role, number)
        if not path.exists():
            missing.append(path.name)
            continue
        signer = _load_private(path)
        if signer.public_key.keyid in trusted:
            found.append(signer)
        else:
            missing.append(f"{path.name} (the one there is of another feed)")
    if len(found) < threshold:
        raise MissingKeyError(
            f"{threshold} of the {role} keys must sign, and only {len(found)} can: missing {', '.join(missing)}",
            str(workspace.keys),
            "Bring the missing key files back, or make a first set with: linkwell feed keys",
        )
    return found[:threshold]


def _load_private(path: Path) -> CryptoSigner:
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
