"""Lists that change: what is withdrawn, replaced or expired matches no longer, and nothing else is touched. All made up."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lists.documents import ncmec_deleted, ncmec_image, ncmec_page, stopncii_page, stopncii_record

from linkwell.base.errors import DamagedFileError, MissingError, UsageError
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests
from linkwell.lists import ListNotes, import_list, load_matcher, loading, note_list, show_lists
from linkwell.lists.kinds import Row, Value
from linkwell.lists.storage import Part, read_index, read_part


def _file(tmp_path: Path, data: bytes | str) -> Path:
    path = tmp_path / "list"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def _md5s(workspace: Workspace, *numbers: int) -> list[bool]:
    matcher = load_matcher(workspace)
    return [bool(matcher.match_digests(Digests(1, n.to_bytes(16, "big"), bytes(20), bytes(32)))) for n in numbers]


def _image(identity: str, number: int) -> str:
    return ncmec_image(identity, f"<md5>{number:032x}</md5>")


def test_tombstones_and_replacements(workspace: Workspace, tmp_path: Path) -> None:
    """A record takes the place of the earlier one of its id, a tombstone takes it out, and files without a change stay."""
    import_list(
        workspace, _file(tmp_path, ncmec_page([_image("a", 1), _image("b", 2), _image("c", 3)])), source="ncmec"
    )
    page = ncmec_page([_image("a", 11), ncmec_deleted("b"), ncmec_deleted("never"), _image("d", 4)])
    report = import_list(workspace, _file(tmp_path, page), source="ncmec", update=True)
    assert _md5s(workspace, 1, 2, 3, 4, 11) == [False, False, True, True, True]
    assert (report.loaded, report.withdrawn, report.entries) == ({"md5": 2}, 2, {"md5": 3})
    before = {part.file for part in read_index(workspace).lists[0].parts}
    import_list(workspace, _file(tmp_path, ncmec_page([_image("e", 5)])), source="ncmec", update=True)
    assert before <= {part.file for part in read_index(workspace).lists[0].parts}


def test_withdrawn_hashes_stop_matching(workspace: Workspace, tmp_path: Path) -> None:
    """A StopNCII hash that is withdrawn matches no longer, in the same file or a later one, and may come back."""
    one, two = "1" * 64, "2" * 64

    def matched() -> list[bool]:
        matcher = load_matcher(workspace)
        found = []
        for text in (one, two):
            digests = Digests(1, bytes(16), bytes(20), bytes(32), bytes.fromhex(text), 100)
            found.append(bool(matcher.match_digests(digests)))
        return found

    both = [stopncii_record(one), stopncii_record(two), stopncii_record(one, "Withdrawn")]
    import_list(workspace, _file(tmp_path, stopncii_page(both)), source="s")
    assert matched() == [False, True]
    import_list(workspace, _file(tmp_path, stopncii_page([stopncii_record(two, "Deleted")])), source="s", update=True)
    assert load_matcher(workspace).empty
    import_list(workspace, _file(tmp_path, stopncii_page([stopncii_record(one)])), source="s", update=True)
    assert matched() == [True, False]


def test_an_update_of_bare_values_repeats_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """What is there already is not there twice afterwards; both ids of a URL go together."""
    text = f"md5 {1:032x}\nurl http://a.example/x#1\nurl http://a.example/x#2\n"
    import_list(workspace, _file(tmp_path, text), source="s")
    report = import_list(workspace, _file(tmp_path, text + f"md5 {2:032x}\n"), source="s", update=True)
    assert report.entries == {"md5": 2, "url": 2}
    assert _md5s(workspace, 1, 2) == [True, True]


def test_a_list_expires(workspace: Workspace, tmp_path: Path) -> None:
    """From its expiry on a list is not matched, though it is still there; to lift it brings the list back."""
    notes = ListNotes(terms="agreement 7", classification="A", expires=datetime.now(UTC) + timedelta(days=1))
    import_list(workspace, _file(tmp_path, f"md5 {1:032x}\n"), source="s", notes=notes)
    assert _md5s(workspace, 1) == [True]
    note_list(workspace, "s", ListNotes(expires=datetime.now(UTC) - timedelta(seconds=1)))
    assert load_matcher(workspace).empty
    (info,) = show_lists(workspace)
    assert (info.expired, info.counts, info.terms, info.classification) == (True, {"md5": 1}, "agreement 7", "A")
    note_list(workspace, "s", ListNotes(expires=datetime(2999, 1, 1, tzinfo=UTC)))
    assert _md5s(workspace, 1) == [True]


def test_an_entry_expires(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry with a date of its own stops matching on it, and the others go on."""
    with (workspace.root / "linkwell.toml").open("a") as file:
        file.write('[lists.mappings.x]\ncolumns = { md5 = "md5" }\nexpires_column = "until"\n')
    opened = Workspace.open(workspace.root)
    text = f"md5,until\n{1:032x},2030-01-01\n{2:032x},\n"
    import_list(opened, _file(tmp_path, text), source="s", list_format="x")
    assert _md5s(opened, 1, 2) == [True, True]
    (part,) = read_index(opened).lists[0].parts

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime(2030, 1, 2, tzinfo=UTC)

    monkeypatch.setattr("linkwell.lists.storage.datetime", Later)
    assert len(read_part(opened, part, opened.master_key()).values) == part.rows - 1
    assert _md5s(opened, 1, 2) == [False, True]


def test_half_a_list_takes_no_whole_ones_place(workspace: Workspace, tmp_path: Path) -> None:
    """A document that breaks off does not replace a list; it may update it, or be a first one."""
    whole = ncmec_page([_image("a", 1), _image("b", 2)])
    half = whole[: whole.index(b"<id>b")]
    assert import_list(workspace, _file(tmp_path, half), source="s").loaded == {"md5": 1}
    import_list(workspace, _file(tmp_path, whole), source="s")
    with pytest.raises(DamagedFileError, match="breaks off"):
        import_list(workspace, _file(tmp_path, half), source="s")
    assert _md5s(workspace, 1, 2) == [True, True]
    assert import_list(workspace, _file(tmp_path, half), source="s", update=True).rejected_count == 1
    assert _md5s(workspace, 1, 2) == [True, True]


def test_an_update_needs_its_list_and_its_form(workspace: Workspace, tmp_path: Path) -> None:
    """There must be a list, of the same form: a withdrawal in another could miss its entry."""
    path = _file(tmp_path, f"md5 {1:032x}\n")
    with pytest.raises(MissingError, match="no list"):
        import_list(workspace, path, source="s", update=True)
    import_list(workspace, path, source="s")
    with pytest.raises(UsageError, match="of the form signals"):
        import_list(workspace, _file(tmp_path, ncmec_page([_image("a", 1)])), source="s", update=True)


_row = st.builds(
    lambda number, record, withdrawn: Row(
        1, (Value("md5", number.to_bytes(16, "big")),), record.to_bytes(16, "big"), withdrawn
    ),
    st.integers(0, 5),
    st.integers(0, 4),
    st.booleans(),
)


@given(st.lists(st.lists(_row, max_size=8), min_size=1, max_size=4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_last_word_on_a_record_holds(
    tmp_path_factory: pytest.TempPathFactory, updates: list[list[Row]], chunk: int
) -> None:
    """However changes are cut into updates and chunks, what is left is what a dictionary of records would hold."""
    workspace = Workspace.create(tmp_path_factory.mktemp("w"))
    model: dict[bytes, bytes] = {}
    parts: list[Part] = []
    changed = loading._CHANGED_RECORDS
    loading._CHANGED_RECORDS = chunk
    try:
        for number, rows in enumerate(updates):
            one = loading.Loading(workspace, f"s-{number}", parts)
            one.add(rows)
            one.flush()
            parts = one.parts
            for row in rows:
                assert row.record is not None
                model.pop(row.record, None)
                if not row.withdrawn:
                    model[row.record] = row.parsed[0].data  # type: ignore[union-attr]
    finally:
        loading._CHANGED_RECORDS = changed
    found = []
    for part in parts:
        values = read_part(workspace, part, workspace.master_key())
        found += [bytes(value) for value in values.values[~values.canary]]
    assert sorted(found) == sorted(model.values())


def test_no_id_of_a_supplier_is_stored(workspace: Workspace, tmp_path: Path) -> None:
    """Records are named by a hash of the supplier's id: neither index nor part holds the id itself."""
    import_list(workspace, _file(tmp_path, ncmec_page([_image("supplier-id-77", 1)])), source="s")
    index = read_index(workspace)
    assert "supplier-id-77" not in json.dumps([str(record) for record in index.lists])
