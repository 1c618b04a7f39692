"""The log: what goes in, and how it ends."""

import sqlite3
import stat

import pytest

from linkwell.base.errors import SignatureError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.cases import CaseBook
from linkwell.cases.chain import START_HASH, End, Entry, check_entry, entry_hash, following


def test_the_head_moves_with_every_entry(book: CaseBook) -> None:
    """`log_head` is the hash of the last entry, and of a fixed start when there is none."""
    assert book.log_head() == START_HASH
    heads = []
    for number in range(3):
        book.log("release made", "ada", None, {"version": f"v{number}"})
        heads.append(book.log_head())
    assert len(set(heads)) == 3
    assert book.verify_log().head == heads[-1]


def test_known_entry_hash() -> None:
    """The encoding of an entry never changes: this hash was computed once, by hand, from its documentation."""
    entry = following(End(), at="2026-01-01T00:00:00Z", who="ada", action="note", case=None, detail={"b": 1, "a": "ü"})
    assert entry.detail == '{"a":"ü","b":1}'
    assert entry.hash == _by_hand(["1", "2026-01-01T00:00:00Z", "ada", "note", "", '{"a":"ü","b":1}', START_HASH])


def _by_hand(fields: list[str]) -> str:
    import hashlib  # noqa: PLC0415 - this function shares nothing with the code

    message = b"linkwell:log:1\x00"
    for field in fields:
        message += len(field.encode()).to_bytes(8, "big") + field.encode()
    return hashlib.sha256(message).hexdigest()


def test_fields_cannot_be_shifted() -> None:
    """Moving a character from one field to the next gives another hash."""
    one = Entry(1, "t", "ab", "c", None, "{}", START_HASH, "")
    other = Entry(1, "t", "a", "bc", None, "{}", START_HASH, "")
    assert entry_hash(one) != entry_hash(other)


def test_an_entry_follows_only_its_own_end() -> None:
    """An entry is refused after any end but the one it was made for."""
    first = following(End(), at="t", who="a", action="x", case=None, detail={})
    after = check_entry(first, End())
    second = following(after, at="t", who="a", action="x", case=None, detail={})
    assert check_entry(second, after) == End(2, second.hash)
    with pytest.raises(SignatureError):
        check_entry(second, End())


def test_files_are_private(book: CaseBook, workspace: Workspace) -> None:
    """Cases and the log's head can be read by their owner alone."""
    book.log("note", "ada", None, {})
    for path in (workspace.cases, workspace.root / "log.head"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        ("", {}),
        ("x" * 65, {}),
        ("case opened", {"kind": "illegal"}),
        ("decision approved", {}),
        ("note", {"where": "https://a.example/x.jpg"}),
        ("note", {"text": "x" * 1001}),
    ],
)
def test_what_the_log_does_not_take(book: CaseBook, action: str, detail: dict[str, str | int]) -> None:
    """No URL, nothing long, and nothing that looks like a decision gets into the log from outside; the error repeats none."""
    with pytest.raises(UsageError) as raised:
        book.log(action, "ada", None, detail)
    assert "a.example" not in str(raised.value)
    assert book.verify_log().entries == 0


def test_no_url_or_id_in_log_or_display(book: CaseBook, workspace: Workspace) -> None:
    """A whole case's life leaves no URL and no id in the log, nor in what a case shows."""
    url = "https://secret.example/photo.jpg"
    number = book.report([url], kind="illegal", who="desk")
    book.propose(number, "takedown", "ada")
    book.approve(number, "grace")
    ids = [book.takedowns()[0].link_id.hex()]
    with sqlite3.connect(workspace.cases) as connection:
        rows = connection.execute("SELECT * FROM log").fetchall()
    connection.close()
    shown = repr(rows) + repr(book.cases()) + (workspace.root / "log.head").read_text()
    assert len(rows) == 3
    assert not any(value in shown for value in ["secret", "photo", *ids])


def test_the_url_itself_is_not_stored(book: CaseBook, workspace: Workspace) -> None:
    """A reported URL is in no byte of the workspace: only its two ids are."""
    book.report(["https://secret.example/photo.jpg"], kind="illegal", who=None)
    for path in workspace.root.rglob("*"):
        assert path.is_dir() or b"secret.example" not in path.read_bytes()


def test_heads_that_were_published_must_be_there(book: CaseBook) -> None:
    """A head that a release names is looked for in the chain; one that is not there means that the log was replaced."""
    book.log("note", "ada", None, {})
    published = book.log_head()
    book.log("note", "ada", None, {})
    assert book.verify_log([published, START_HASH]).anchors == 1
    with pytest.raises(SignatureError, match="replaced"):
        book.verify_log([published, "0" * 64])
