"""Restricted tables at rest: parquet with modular encryption under the workspace's master key.

Parquet modular encryption (Apache Parquet format, `Encryption.md`) with AES-GCM: every file has its own data key, wrapped
under the master key by AES-256-GCM. A file that was changed, or is read with another key, does not open.
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyarrow.parquet import encryption

from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.shards import atomic_path

_NONCE_BYTES = 12
_KEY_NAME = "master"
_ENCRYPTED_FOOTER_MAGIC = b"PARE"
"""First and last bytes of a parquet file whose footer is encrypted (`Encryption.md`, 5.1)."""


def wrap_key(data_key: bytes, master_key: bytes, about: str) -> bytes:
    """A data key under the master key, base64; it unwraps only for the same `about`."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(master_key).encrypt(nonce, data_key, about.encode()))


def unwrap_key(wrapped: bytes, master_key: bytes, about: str) -> bytes:
    """The data key of `wrap_key`.

    Raises:
        InvalidTag, ValueError: it was changed, or wrapped under another key or for something else.
    """
    sealed = base64.b64decode(wrapped)
    return AESGCM(master_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())


class _MasterKeyWrap(encryption.KmsClient):
    """Wraps the data key of one file under the master key."""

    def __init__(self, master_key: bytes) -> None:
        super().__init__()
        self._master_key = master_key

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:  # type: ignore[override] # the stubs say str
        return wrap_key(key_bytes, self._master_key, master_key_identifier)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:  # type: ignore[override] # same
        return unwrap_key(wrapped_key, self._master_key, master_key_identifier)


def _factory(master_key: bytes) -> encryption.CryptoFactory:
    return encryption.CryptoFactory(lambda _config: _MasterKeyWrap(master_key))


def write_sealed_file(path: Path, table: pa.Table, master_key: bytes) -> None:
    """Write an encrypted parquet file, mode 0600, at exactly `path` (not atomically: for a task's temporary output)."""
    configuration = encryption.EncryptionConfiguration(
        footer_key=_KEY_NAME,
        uniform_encryption=True,  # type: ignore[call-arg] # newer than the stubs
        plaintext_footer=False,
        data_key_length_bits=256,
    )
    properties = _factory(master_key).file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with pq.ParquetWriter(path, table.schema, compression="zstd", encryption_properties=properties) as writer:
        writer.write_table(table, row_group_size=100_000)


def write_sealed(path: Path, table: pa.Table, master_key: bytes) -> None:
    """Write an encrypted parquet file atomically, mode 0600.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    with atomic_path(path) as temporary:
        write_sealed_file(temporary, table, master_key)


def read_sealed(
    path: Path, master_key: bytes, columns: list[str] | None = None, batch_rows: int = 65_536
) -> Iterator[pa.Table]:
    """The rows of an encrypted parquet file, in tables of at most `batch_rows`.

    Raises:
        MissingError: there is no such file.
        DamagedFileError: it was changed, cut short, or written under another key.
    """
    if not path.is_file():
        raise MissingError("there is no such file", str(path))
    with path.open("rb") as file:
        sealed = file.read(4) == _ENCRYPTED_FOOTER_MAGIC
    if not sealed:
        # The reader takes a plain parquet file as well, key or no key: whoever can write here could plant rows.
        raise DamagedFileError(
            "this restricted file is not encrypted, so anybody may have written it", str(path), "Restore the file."
        )
    try:
        properties = _factory(master_key).file_decryption_properties(encryption.KmsConnectionConfig())
        with pq.ParquetFile(path, decryption_properties=properties) as parquet:
            for batch in parquet.iter_batches(batch_size=batch_rows, columns=columns):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError, InvalidTag, ValueError) as error:
        raise DamagedFileError(
            "this restricted file does not open: it was changed, cut short, or written under another key",
            str(path),
            "Restore the file or the master key it was written under.",
        ) from error
