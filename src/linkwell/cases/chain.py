"""The log's hash chain, and the small file beside it that remembers where it ends.

Each entry's hash is SHA-256 over a domain name and the entry's fields, each with its length before it, the hash of the entry
before among them. An edit, a removal, an insertion or a change of order in the middle breaks the chain. What is cut from the
end does not: so `log.head` holds the count and the hash of the end, under an HMAC made with the workspace's master key.

The head is written twice for each transaction: before it commits, with the end that is about to be (`next`), and after, with
the end that is. A kill in between leaves a log that ends at one or the other, and nothing else passes.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from linkwell.base.counts import plural
from linkwell.base.errors import SignatureError
from linkwell.base.shards import write_bytes

START_HASH = hashlib.sha256(b"linkwell:log:start:1\0").hexdigest()
"""What stands as the hash before the first entry."""

_ID_BYTES = 16
_RESTORE = "Restore cases.sqlite and log.head together from a backup, and find out who changed them."


class Entry(msgspec.Struct, frozen=True):
    """One entry of the log. `detail` is the canonical JSON of its detail; hashes are hex."""

    seq: int
    at: str
    who: str
    action: str
    case: int | None
    detail: str
    prev_hash: str
    hash: str


class End(msgspec.Struct, frozen=True):
    """Where a log ends: the number of entries and the hash of the last."""

    count: int = 0
    hash: str = START_HASH


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `log.head`."""

    end: End
    next: End | None
    mac: str
    format: str = "linkwell-log-head-1"


def canonical_detail(detail: Mapping[str, str | int]) -> str:
    """The JSON of a detail: keys sorted, no spaces, so that equal details are equal text."""
    return json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def entry_hash(entry: Entry) -> str:
    """The hash an entry must have."""
    digest = hashlib.sha256(b"linkwell:log:1\0")
    case = "" if entry.case is None else str(entry.case)
    for field in (str(entry.seq), entry.at, entry.who, entry.action, case, entry.detail, entry.prev_hash):
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()


def following(end: End, *, at: str, who: str, action: str, case: int | None, detail: Mapping[str, str | int]) -> Entry:
    """The entry that comes after `end`."""
    bare = Entry(end.count + 1, at, who, action, case, canonical_detail(detail), end.hash, "")
    return msgspec.structs.replace(bare, hash=entry_hash(bare))


def check_entry(entry: Entry, before: End) -> End:
    """The end of the log after `entry`.

    Raises:
        SignatureError: the entry does not follow `before`, or is not what was written.
    """
    where = f"log entry {before.count + 1}"
    if entry.seq != before.count + 1:
        raise SignatureError(f"the log jumps to entry {entry.seq}: entries were removed or moved", where, _RESTORE)
    if entry.prev_hash != before.hash:
        raise SignatureError("it does not follow the entry before it", where, _RESTORE)
    if entry.hash != entry_hash(entry):
        raise SignatureError("it is not what was written", where, _RESTORE)
    return End(entry.seq, entry.hash)


def write_head(path: Path, master_key: bytes, end: End, following_end: End | None = None) -> None:
    """Write `log.head` atomically, mode 0600."""
    head = Head(end, following_end, _mac(master_key, end, following_end))
    write_bytes(path, msgspec.json.encode(head) + b"\n", mode=0o600)


def read_head(path: Path, master_key: bytes) -> Head | None:
    """The content of `log.head`, or None where there is none.

    Raises:
        SignatureError: it does not read, or its HMAC does not hold.
    """
    try:
        head = msgspec.json.decode(path.read_bytes(), type=Head)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SignatureError("the log's head does not read", str(path), _RESTORE) from None
    if not hmac.compare_digest(head.mac, _mac(master_key, head.end, head.next)):
        raise SignatureError("the log's head was changed, or is of another workspace's key", str(path), _RESTORE)
    return head


def check_end(path: Path, head: Head | None, end: End) -> None:
    """That the log ends where its head says.

    Raises:
        SignatureError: entries were cut from its end, or added behind Linkwell's back, or the head is gone.
    """
    if head is None:
        if end != End():
            raise SignatureError(
                f"the log has {plural(end.count, 'entry', 'entries')}, and its head is gone", str(path), _RESTORE
            )
    elif end not in (head.end, head.next):
        raise SignatureError(
            f"the log has {plural(end.count, 'entry', 'entries')} and its head says {head.end.count}: its end was cut, added to or replaced",
            str(path),
            _RESTORE,
        )


def entries_code(master_key: bytes, ids: Iterable[tuple[bytes, bytes | None]]) -> str:
    """An HMAC over a case's link ids and canonical ids, in the order of the link ids: what the log keeps of them.

    Keyed, so that the log says nothing about an id to who has it without the master key.
    """
    code = hmac.new(hmac.digest(master_key, b"linkwell:log:entries:1", "sha256"), digestmod="sha256")
    for link, canonical in ids:
        code.update(link.ljust(_ID_BYTES, b"\0") + (canonical or b"").ljust(_ID_BYTES, b"\0"))
    return code.hexdigest()


def _mac(master_key: bytes, end: End, following_end: End | None) -> str:
    key = hmac.digest(master_key, b"linkwell:log:head:1", "sha256")
    return hmac.digest(key, msgspec.json.encode((end, following_end)), "sha256").hex()
