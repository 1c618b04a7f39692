"""The receipt of a purge: what was done to which file, signed with the copy holder's key.

A receipt names files, counts and hashes; no sample, URL or text. Its bytes have one form only, so that any changed byte shows.
"""

import hashlib
import re
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from linkwell.base.errors import FormatError, MissingError, MissingKeyError, SignatureError
from linkwell.base.shards import write_bytes

RECEIPT_FORMAT = "linkwell-receipt-2"
_KNOWN_FORMATS = frozenset({"linkwell-receipt-1", RECEIPT_FORMAT})
KEY_FILE = "purge.key"
NOT_REACHED = "file-system snapshots, backups, version control, other copies, and disk blocks that were freed"
"""What no purge of a folder reaches; stands in every receipt."""

_CONTEXT = b"linkwell:receipt:1\0"
_NAME = re.compile(r"receipt-(\d{6})\.json")


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file of the copy, or a folder of loose files, whose name ends in `/`.

    Untouched ones have no rows removed and the same size before and after. A hash is there where the file was read whole.
    """

    name: str
    rows_removed: int = -1
    sha256_before: str = ""
    sha256_after: str = ""
    bytes_before: int = -1
    bytes_after: int = -1
    gone: bool = False
    """The file itself was removed."""

    @property
    def rewritten(self) -> bool:
        """Whether anything of it changed."""
        return (
            self.gone
            or self.rows_removed > 0
            or self.sha256_before != self.sha256_after
            or self.bytes_before != self.bytes_after
        )


class FeedFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which state of the feed was applied."""

    sequence: int
    batches_sha256: list[str]
    """SHA-256 of every batch.json, in order."""
    root_version: int = 0
    root_sha256: str = ""
    timestamp_version: int = 0
    timestamp_sha256: str = ""


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a receipt states."""

    format: str
    run: str
    dataset: str
    kind: str
    feed: FeedFacts
    complete: bool
    """Whether every file was dealt with; else `problems` says which were not."""
    files: list[FileRecord]
    problems: dict[str, str]
    rows_removed: int
    """Rows and samples, each file counted for itself."""
    leftovers_removed: int
    unidentified: int
    unreached: dict[str, int]
    not_reached: str
    tool: str
    started: str
    finished: str
    previous: str
    """SHA-256 of the receipt before, empty for the first."""
    hashed: Literal["", "all", "rewritten"] = ""
    """Which files were read whole and have a hash; receipts of the first format had all."""
    surroundings: list[str] = []
    """What was found around the copy that a purge of it does not reach."""


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed statement. `public_key` and `signature` are hex, Ed25519 (RFC 8032)."""

    statement: Statement
    public_key: str
    signature: str
    algorithm: Literal["ed25519"] = "ed25519"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, hex: what a holder tells others to know the key by."""
        return fingerprint(self.public_key)


def fingerprint(public_key: str) -> str:
    """SHA-256 of a public key given in hex."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def sign(statement: Statement, key: Ed25519PrivateKey) -> Receipt:
    """Sign a statement."""
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Receipt(statement, public.hex(), key.sign(_signed_bytes(statement)).hex())


def encode_receipt(receipt: Receipt) -> bytes:
    """The one form of a receipt's bytes."""
    return msgspec.json.format(msgspec.json.encode(receipt, order="sorted"), indent=1) + b"\n"


def read_receipt(path: Path, expected_fingerprint: str | None = None) -> Receipt:
    """Read a receipt and check its signature and its form.

    Args:
        path: the file.
        expected_fingerprint: of the key that must have signed it, where it is known.

    Raises:
        MissingError: there is no such file.
        FormatError: it is no receipt.
        SignatureError: it was changed after it was signed, or signed with another key.
    """
    where = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError("there is no such receipt", where, "Run linkwell purge apply first.") from None
    try:
        receipt = msgspec.json.decode(data, type=Receipt)
    except msgspec.DecodeError as error:
        raise SignatureError("this is no receipt, or it was changed after it was signed", where) from error
    if receipt.statement.format not in _KNOWN_FORMATS:
        raise FormatError("the format of this receipt is not known here", where, "Install a newer Linkwell.")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
        public.verify(bytes.fromhex(receipt.signature), _signed_bytes(receipt.statement))
        holds = encode_receipt(receipt) == data
    except (InvalidSignature, ValueError):
        holds = False
    if not holds:
        raise SignatureError("this receipt was changed after it was signed", where, "Do not rely on it.")
    if expected_fingerprint is not None and receipt.fingerprint != expected_fingerprint:
        raise SignatureError(
            "this receipt was signed with another key", where, f"Its key has the fingerprint {receipt.fingerprint}."
        )
    return receipt


def _signed_bytes(statement: Statement) -> bytes:
    return _CONTEXT + msgspec.json.encode(statement, order="sorted")


def load_key(path: Path, *, make: bool = False) -> Ed25519PrivateKey:
    """The holder's key, PEM (PKCS #8, no password).

    Args:
        path: the file.
        make: make a new key, mode 0600, where there is none.

    Raises:
        MissingKeyError: there is none.
        FormatError: it is not an Ed25519 key.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if not make:
            raise MissingKeyError("there is no such key", str(path), "Give the file of an Ed25519 key.") from None
        data = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_bytes(path, data, mode=0o600)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise FormatError("this is not an Ed25519 private key in PEM without a password", str(path))
    return key


def receipts_in(folder: Path) -> list[Path]:
    """The receipts of a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def store_receipt(folder: Path, receipt: Receipt) -> Path:
    """Write a receipt under the next number."""
    number = int(_NAME.fullmatch(known[-1].name)[1]) + 1 if (known := receipts_in(folder)) else 1  # type: ignore[index] # receipts_in matched it
    path = folder / f"receipt-{number:06d}.json"
    write_bytes(path, encode_receipt(receipt))
    return path
