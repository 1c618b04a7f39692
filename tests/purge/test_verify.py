"""Receipts, and what `verify` notices."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.purge.conftest import make_rows, recalled_of
from tests.purge.copies import KINDS

from linkwell.base.errors import FormatError, MissingError, MissingKeyError, SignatureError, UsageError
from linkwell.engine import Engine
from linkwell.purge import apply, fingerprint, plan, read_receipt, receipts_in, verify
from linkwell.purge.receipt import encode_receipt, load_key, sign

Rows = Callable[..., list[Any]]


@pytest.fixture
def purged(maker: Any, rows_of: Rows, recalled: Any, engine: Engine) -> tuple[Path, Any, Any, list[Any]]:
    """A purged copy, what was recalled, the receipt, and all rows there were."""
    rows = rows_of(range(1, 5), 12)
    for shard in range(2):
        maker.shard(f"{shard:05d}", [r for r in rows if r.cell % 2 == shard], ours=True)
    maker.describe()
    gone = recalled([2], rows)
    return maker.root, gone, apply(maker.root, gone, engine=engine), rows


def test_every_edited_byte_of_the_copy_is_noticed(purged: Any) -> None:
    """One changed byte in any file, touched or not, shows; so do files that are gone or new."""
    root, gone, receipt, _rows = purged
    assert verify(root, gone, receipt).untouched
    for path in sorted(p for p in root.iterdir() if p.is_file()):
        old = path.read_bytes()
        for place in (0, len(old) // 2, len(old) - 1):
            data = bytearray(old)
            data[place] ^= 4
            path.write_bytes(data)
            try:
                assert path.name in verify(root, gone, receipt).edited
            except FormatError:
                assert path.name == "linkwell.copy"
        path.write_bytes(old)
    moved = (root / "00000.tar").rename(root / "00009.tar")
    report = verify(root, gone, receipt)
    assert (report.edited, report.added) == (("00000.tar",), ("00009.tar",))
    moved.rename(root / "00000.tar")
    assert verify(root, gone, receipt).untouched


def test_every_edited_byte_of_the_receipt_is_noticed(purged: Any) -> None:
    """A receipt with one changed byte, wherever it is, does not read."""
    root, _gone, receipt, _rows = purged
    (path,) = receipts_in(root / ".linkwell" / "receipts")
    data = path.read_bytes()
    assert read_receipt(path) == receipt
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises((SignatureError, FormatError)):
            read_receipt(path)
    path.write_bytes(data + b"\n")
    with pytest.raises(SignatureError):
        read_receipt(path)


def test_a_receipt_of_another_key_is_noticed_where_the_key_is_known(purged: Any) -> None:
    """Who edits a receipt and signs it anew cannot have the holder's fingerprint."""
    root, _gone, receipt, _rows = purged
    forged = sign(msgspec.structs.replace(receipt.statement, rows_removed=0), Ed25519PrivateKey.generate())
    path = root.parent / "forged.json"
    path.write_bytes(encode_receipt(forged))
    assert read_receipt(path) == forged
    with pytest.raises(SignatureError, match="another key"):
        read_receipt(path, receipt.fingerprint)
    assert fingerprint(receipt.public_key) == receipt.fingerprint


def test_a_receipt_of_another_feed_is_noticed(purged: Any) -> None:
    """A feed whose batches are not those the receipt names, or that has fewer, does not verify it."""
    root, gone, receipt, _rows = purged
    for other in (
        replace(gone, heads=("00" * 32,)),
        replace(gone, sequence=0, heads=()),
        replace(gone, dataset="fishes"),
    ):
        (root / "linkwell.copy").unlink(missing_ok=True)
        with pytest.raises(SignatureError):
            verify(root, other, receipt)


def test_newer_recalls_show_until_they_are_applied(purged: Any, recalled: Any, engine: Engine) -> None:
    """After the feed moved on, plan and verify say what is left; a second purge gives a receipt that follows the first."""
    root, gone, receipt, rows = purged
    more = replace(recalled([2, 3], rows, sequence=2))
    assert more.heads[:1] == gone.heads
    report = verify(root, more, receipt)
    assert report.newer_recalls == 1
    assert not report.clean
    assert plan(root, more).something_to_do
    second = apply(root, more, engine=engine)
    assert verify(root, more, second).clean
    assert second.statement.previous
    assert len(receipts_in(root / ".linkwell" / "receipts")) == 2


def test_a_new_file_that_cannot_be_looked_into_is_noticed(purged: Any) -> None:
    """Files of unknown kinds are counted, kind by kind: one more than the receipt has is told, as many as it has are not."""
    root, gone, receipt, _rows = purged
    assert verify(root, gone, receipt).unknown == {}
    (root / "more.h5").write_bytes(b"who knows")
    report = verify(root, gone, receipt)
    assert report.unknown == {".h5 files": 1}
    assert report.untouched
    known = msgspec.structs.replace(receipt.statement, unreached={".h5 files": 1})
    assert verify(root, gone, msgspec.structs.replace(receipt, statement=known)).unknown == {}


def test_the_holders_own_folder_is_no_part_of_the_copy(
    maker: Any, rows_of: Rows, recalled: Any, engine: Engine
) -> None:
    """Wherever it is: a new receipt is no new file of the copy."""
    rows = rows_of(range(1, 3), 10)
    maker.shard("00000", rows, ours=True)
    gone, state = recalled([2], rows), maker.root / "sub" / "state"
    receipt = apply(maker.root, gone, engine=engine, state=state)
    report = verify(maker.root, gone, receipt, state=state)
    assert (report.unknown, report.unreached) == ({}, {})
    assert plan(maker.root, gone, state=state).unreached == {}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_database_whose_tables_are_not_named_is_wrong_usage(tmp_path: Path, kind: str, engine: Engine) -> None:
    """Without the tables a purged database would look like one that is gone; the message says how to name them."""
    rows = make_rows([1, 2], 10, fail_every=10**9)
    made = KINDS[kind](tmp_path / "copy", rows)
    gone = recalled_of([2], rows)
    receipt = apply(made.root, gone, engine=engine, options=made.options)
    assert verify(made.root, gone, receipt, tables=made.options.tables).untouched
    with pytest.raises(UsageError, match="--tables"):
        verify(made.root, gone, receipt)
    with pytest.raises(UsageError, match="--tables"):  # nor does the next purge pass it over
        apply(made.root, gone, engine=engine)


def test_the_receipt_counts_what_went(purged: Any) -> None:
    """Rows per file, hashes before and after, what is never reached, and the tool stand in it."""
    _root, _gone, receipt, rows = purged
    stated = receipt.statement
    gone = [r for r in rows if r.cell == 2]
    removed = {f.name: f.rows_removed for f in stated.files if f.rows_removed}
    assert removed == {"00000.parquet": len(gone), "00000.tar": sum(r.status == "success" for r in gone)}
    assert stated.rows_removed == sum(removed.values())
    assert {f.name for f in stated.files if f.sha256_before != f.sha256_after} == {*removed, "00000_stats.json"}
    assert "snapshots" in stated.not_reached
    assert stated.tool.startswith("linkwell ")


def test_the_key_is_made_once_and_private(purged: Any, tmp_path: Path) -> None:
    """The holder's key has mode 0600; a key that is named must be there and be one."""
    root, *_ = purged
    path = root / ".linkwell" / "purge.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path).private_bytes_raw() == load_key(path, make=True).private_bytes_raw()
    with pytest.raises(MissingKeyError):
        load_key(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("hello")
    with pytest.raises(FormatError):
        load_key(tmp_path / "bad.pem")
    with pytest.raises(MissingError):
        read_receipt(tmp_path / "none.json")
