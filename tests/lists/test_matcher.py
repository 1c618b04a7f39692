"""Matching against hash lists: every kind, both ways, and what must not match. All entries are made up."""

import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkwell.base.errors import DamagedFileError, MissingError, MissingKeyError, SafetyError
from linkwell.base.ids import canonical_id, link_id, link_ids
from linkwell.base.workspace import Workspace
from linkwell.ledger import Digests, dihedral_hashes, exact_digests, ledger_table
from linkwell.lists import Match, Matcher, forget_list, import_list, load_matcher
from linkwell.lists.exact import ExactIndex, distinct
from linkwell.lists.matcher import LoadedList
from linkwell.lists.nearby import NearScan
from linkwell.lists.storage import PartValues, read_index, read_part

_WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def _import(workspace: Workspace, tmp_path: Path, lines: list[str], source: str = "hotline") -> None:
    path = tmp_path / f"{source}.txt"
    path.write_text("# synthetic\n" + "\n".join(lines) + "\n")
    import_list(workspace, path, source=source)


def _flipped(value: bytes, bits: int, seed: int = 1) -> bytes:
    number = int.from_bytes(value)
    for place in random.Random(seed).sample(range(len(value) * 8), bits):
        number ^= 1 << place
    return number.to_bytes(len(value))


def _with_pdq(pdq: bytes, quality: int) -> Digests:
    plain = exact_digests(b"other")
    return Digests(plain.byte_size, plain.md5, plain.sha1, plain.sha256, pdq, quality, 100, 100)


def test_no_list_is_empty(workspace: Workspace) -> None:
    """Without lists the matcher is empty and says so; callers stop on it."""
    matcher = load_matcher(workspace)
    assert matcher.empty
    assert matcher.lists == ()
    assert matcher.match_digests(exact_digests(b"x")) == []
    assert matcher.match_link(bytes(16), bytes(16)) == []
    assert matcher.match_ledger(ledger_table([(bytes(16), _WHEN, exact_digests(b"x"))])) == []


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_exact_digests_match(workspace: Workspace, tmp_path: Path, algorithm: str) -> None:
    """A listed digest of the bytes matches by its algorithm, and one bit more or less does not."""
    listed = exact_digests(b"listed")
    value: bytes = getattr(listed, algorithm)
    _import(workspace, tmp_path, [f"{algorithm} {value.hex()}", f"{algorithm} {_flipped(value, 9).hex()}"])
    matcher = load_matcher(workspace)
    assert not matcher.empty
    assert matcher.match_digests(listed) == [Match("hotline", algorithm)]
    assert matcher.match_digests(exact_digests(b"other")) == []
    for place in (0, 7, 8, len(value) - 1):
        near = bytearray(value)
        near[place] ^= 1
        digests = {"md5": bytes(16), "sha1": bytes(20), "sha256": bytes(32)} | {algorithm: bytes(near)}
        changed = Digests(1, digests["md5"], digests["sha1"], digests["sha256"])
        assert matcher.match_digests(changed) == []


def test_all_lists_are_named(workspace: Workspace, tmp_path: Path) -> None:
    """An entry on several lists, by several algorithms, matches once for each, in a fixed order."""
    listed = exact_digests(b"listed")
    _import(workspace, tmp_path, [f"md5 {listed.md5.hex()}"] * 3, "b-list")
    _import(workspace, tmp_path, [f"sha1 {listed.sha1.hex()}", f"md5 {listed.md5.hex()}"], "a-list")
    matcher = load_matcher(workspace)
    assert matcher.lists == ("a-list", "b-list")
    assert matcher.match_digests(listed) == [Match("a-list", "md5"), Match("a-list", "sha1"), Match("b-list", "md5")]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16, 17])
def test_equal_hashes_match_after_reloading(workspace: Workspace, tmp_path: Path, count: int) -> None:
    """A bank of n equal PDQ hashes, saved and loaded again, matches: python-threatexchange's index loses 1, 2, 4, 8 and 16."""
    pdq = random.Random(count).randbytes(32)
    _import(workspace, tmp_path, [f"pdq {pdq.hex()}"] * count)
    matcher = load_matcher(workspace)
    assert matcher.match_digests(_with_pdq(pdq, 100)) == [Match("hotline", "pdq")]
    assert matcher.match_digests(_with_pdq(_flipped(pdq, 31), 50)) == [Match("hotline", "pdq")]


@pytest.mark.parametrize("bank_size", [1, 300])
def test_pdq_matches_to_31_bits(workspace: Workspace, tmp_path: Path, bank_size: int) -> None:
    """Every distance from 0 to 31 matches, 32 and more do not, wherever the bits are and whichever side is larger."""
    chance = random.Random(5)
    bank = [chance.randbytes(32) for _ in range(bank_size)]
    _import(workspace, tmp_path, [f"pdq {pdq.hex()}" for pdq in bank])
    matcher = load_matcher(workspace)
    rows: list[tuple[bytes, datetime, Digests]] = []
    expected = []
    for bits in range(45):
        for seed in range(4):
            pdq = _flipped(chance.choice(bank), bits, seed)
            if bits <= 31:
                expected.append((len(rows), Match("hotline", "pdq")))
                assert matcher.match_digests(_with_pdq(pdq, 100)) == [Match("hotline", "pdq")]
            else:
                assert matcher.match_digests(_with_pdq(pdq, 100)) == []
            rows.append((bytes(16), _WHEN, _with_pdq(pdq, 100)))
    assert matcher.match_ledger(ledger_table(rows)) == expected


def test_low_quality_is_not_matched(workspace: Workspace, tmp_path: Path) -> None:
    """Below quality 50 a PDQ hash matches nothing, not even itself; at 50 it does; without one nothing is compared."""
    pdq = random.Random(2).randbytes(32)
    _import(workspace, tmp_path, [f"pdq {pdq.hex()}"])
    matcher = load_matcher(workspace)
    qualities = [0, 49, 50, 100]
    assert [bool(matcher.match_digests(_with_pdq(pdq, quality))) for quality in qualities] == [False, False, True, True]
    rows = [(bytes(16), _WHEN, _with_pdq(pdq, quality)) for quality in qualities]
    rows.insert(0, (bytes(16), _WHEN, exact_digests(b"no picture")))
    found = matcher.match_ledger(ledger_table(rows))
    assert [row for row, _ in found] == [3, 4]
    assert matcher.match_ledger(ledger_table(rows[:1])) == []


def test_the_least_quality_is_a_setting(workspace: Workspace, tmp_path: Path) -> None:
    """With another least quality, hashes from that on are matched, and none below."""
    pdq = random.Random(2).randbytes(32)
    _import(workspace, tmp_path, [f"pdq {pdq.hex()}"])
    settings_file = workspace.root / "linkwell.toml"
    settings_file.write_text(settings_file.read_text() + "[lists]\nmin_pdq_quality = 80\n")
    matcher = load_matcher(Workspace.open(workspace.root))
    assert [bool(matcher.match_digests(_with_pdq(pdq, quality))) for quality in (79, 80)] == [False, True]
    rows = [(bytes(16), _WHEN, _with_pdq(pdq, quality)) for quality in (79, 80)]
    assert [row for row, _ in matcher.match_ledger(ledger_table(rows))] == [1]


def test_turned_pictures_match_when_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    """A listed picture turned or mirrored matches with the setting, and only with it; its neighbours do too."""
    pdq = random.Random(3).randbytes(32)
    _import(workspace, tmp_path, [f"pdq {pdq.hex()}"])
    turned = [one.tobytes() for one in dihedral_hashes(np.frombuffer(pdq, np.uint8)[None])[:, 0]]
    matcher = load_matcher(workspace)
    assert [bool(matcher.match_digests(_with_pdq(one, 100))) for one in turned] == [True] + [False] * 7
    settings_file = workspace.root / "linkwell.toml"
    settings_file.write_text(settings_file.read_text() + "[lists]\nturned_pictures = true\n")
    matcher = load_matcher(Workspace.open(workspace.root))
    for one in turned:
        assert matcher.match_digests(_with_pdq(_flipped(one, 31), 100)) == [Match("hotline", "pdq")]
        assert matcher.match_digests(_with_pdq(_flipped(one, 32), 100)) == []
    rows = [(bytes(16), _WHEN, _with_pdq(one, 100)) for one in turned]
    assert [row for row, _ in matcher.match_ledger(ledger_table(rows))] == list(range(8))


def test_urls_match_by_both_ids(workspace: Workspace, tmp_path: Path) -> None:
    """A listed URL matches the link as stored and any spelling with the same canonical form; other URLs do not."""
    _import(workspace, tmp_path, ["url http://Pictures.example:80/a/../b.jpg#top", "url http://pictures.example/c.jpg"])
    matcher = load_matcher(workspace)
    match = Match("hotline", "url")
    exact, other_spelling = "http://Pictures.example:80/a/../b.jpg#top", "http://pictures.example/b.jpg"
    assert matcher.match_link(link_id(exact), None) == [match]
    assert matcher.match_link(link_id(other_spelling), canonical_id(other_spelling)) == [match]
    assert matcher.match_link(link_id("http://x.example/"), canonical_id("http://x.example/")) == []
    urls = [exact, "http://pictures.example/B.jpg", other_spelling, "http://[", "http://pictures.example/c.jpg"]
    table = pa.table({"link_id": link_ids(urls), "url": urls})
    assert matcher.match_links(table) == [(0, match), (2, match), (4, match)]
    assert matcher.match_links(table.slice(2, 2)) == [(0, match)]
    assert matcher.match_links(table.slice(0, 0)) == []


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_exact_index_equals_a_set(data: st.DataObject) -> None:
    """The search answers as a plain set does, with values that share their first eight bytes and several owners."""
    value = st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, 3)).map(
        lambda pair: pair[0].to_bytes(8) + pair[1].to_bytes(8)
    )
    entries = data.draw(st.lists(st.tuples(value, st.integers(0, 2)), min_size=1, max_size=40))
    queries = data.draw(st.lists(value, min_size=1, max_size=20))
    values = np.frombuffer(b"".join(entry[0] for entry in entries), np.uint8).reshape(-1, 16)
    owners = np.array([entry[1] for entry in entries], np.uint16)
    values, owners = distinct(values, owners)
    assert len(values) == len(set(entries))
    hits = np.zeros((3, len(queries)), np.bool_)
    ExactIndex.build(values, owners).mark(np.frombuffer(b"".join(queries), np.uint8).reshape(-1, 16), hits)
    expected = {(owner, row) for row, query in enumerate(queries) for owner in range(3) if (query, owner) in entries}
    assert {(int(owner), int(row)) for owner, row in np.argwhere(hits)} == expected


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_near_index_equals_counting(entry_count: int, query_count: int, seed: int) -> None:
    """The search for near hashes answers as counting all bits of all pairs does."""
    chance = random.Random(seed)
    centre = chance.randbytes(32)
    bank = [_flipped(centre, chance.randint(0, 60), chance.random().__hash__()) for _ in range(entry_count)]
    queries = [_flipped(centre, chance.randint(0, 60), chance.random().__hash__()) for _ in range(query_count)]
    hits = np.zeros((entry_count, query_count), np.bool_)
    index = NearScan(np.frombuffer(b"".join(bank), np.uint8).reshape(-1, 32), np.arange(entry_count, dtype=np.uint16))
    index.mark(np.frombuffer(b"".join(queries), np.uint8).reshape(-1, 32), hits)
    for entry, value in enumerate(bank):
        for row, query in enumerate(queries):
            distance = (int.from_bytes(value) ^ int.from_bytes(query)).bit_count()
            assert hits[entry, row] == (distance <= 31)


def test_ledger_in_pieces_matches_as_one(workspace: Workspace, tmp_path: Path) -> None:
    """Slices and chunked tables give the same rows as one table; columns that are not there are not asked for."""
    digests = [exact_digests(b"%d" % number) for number in range(100)]
    _import(workspace, tmp_path, [f"md5 {digests[n].md5.hex()}" for n in (3, 40, 99)])
    matcher = load_matcher(workspace)
    table = ledger_table([(number.to_bytes(16), _WHEN, one) for number, one in enumerate(digests)])
    match = Match("hotline", "md5")
    assert matcher.match_ledger(table) == [(3, match), (40, match), (99, match)]
    assert matcher.match_ledger(table.slice(35, 10)) == [(5, match)]
    assert matcher.match_ledger(pa.concat_tables([table.slice(0, 7), table.slice(7)])) == matcher.match_ledger(table)
    assert matcher.match_ledger(table.select(["link_id", "sha1"])) == []


def test_canaries_are_found_and_never_reported(workspace: Workspace, tmp_path: Path) -> None:
    """The entries the matcher tests itself with match for nobody else."""
    _import(workspace, tmp_path, [f"md5 {bytes(16).hex()}", f"pdq {(b'ab' * 16).hex()}", "url http://a.example/"])
    matcher = load_matcher(workspace)
    checked = 0
    for part in read_index(workspace).lists[0].parts:
        values = read_part(workspace, part, workspace.master_key())
        for canary in values.values[values.canary]:
            value = canary.tobytes()
            checked += 1
            assert matcher.match_link(value[:16], value[:16]) == []
            if part.kind == "md5":
                assert matcher.match_digests(Digests(1, value, bytes(20), bytes(32))) == []
            if part.kind == "pdq":
                assert matcher.match_digests(_with_pdq(value, 100)) == []
    assert checked == 8


def _loaded(kind: str = "md5", canaries: int = 2) -> LoadedList:
    values = np.frombuffer(random.Random(0).randbytes(32 * 5), np.uint8).reshape(5, 32)
    width = {"md5": 16, "pdq": 32}[kind]
    flags = np.arange(5) < canaries
    return LoadedList("hotline", {kind: [PartValues(np.ascontiguousarray(values[:, :width]), flags)]})


def test_a_list_without_canaries_is_not_used() -> None:
    """An index that cannot test itself is not trusted."""
    assert not Matcher.of([_loaded()]).empty
    with pytest.raises(SafetyError, match="misses"):
        Matcher.of([_loaded(canaries=0)])


@pytest.mark.parametrize("kind", ["md5", "pdq"])
def test_an_index_that_misses_is_not_used(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An index that answers nothing, or for PDQ one bit too narrow or too wide, stops before it is used."""
    index = {"md5": ExactIndex, "pdq": NearScan}[kind]
    with monkeypatch.context() as patch:
        patch.setattr(index, "mark", lambda *_arguments, **_more: None)
        with pytest.raises(SafetyError, match=kind):
            Matcher.of([_loaded(kind)])
    if kind == "pdq":
        for distance in (30, 32):
            with monkeypatch.context() as patch:
                patch.setattr("linkwell.lists.nearby.MATCHED_DISTANCE", distance)
                with pytest.raises(SafetyError, match=kind):
                    Matcher.of([_loaded(kind)])
    assert not Matcher.of([_loaded(kind)]).empty


@pytest.mark.parametrize(
    "damage", ["edited", "cut", "gone", "older part", "other list's part", "index edited", "index gone"]
)
def test_a_list_that_does_not_open_stops_every_load(workspace: Workspace, tmp_path: Path, damage: str) -> None:
    """Damage to one list stops matching as a whole, rather than matching without it; forgetting it lets the others load."""
    _import(workspace, tmp_path, [f"md5 {bytes(16).hex()}"], "good")
    _import(workspace, tmp_path, [f"md5 {bytes(16).hex()}"], "bad")
    bad = next(workspace.lists.glob("bad-*.parquet"))
    data = bad.read_bytes()
    if damage == "older part":
        _import(workspace, tmp_path, [f"md5 {bytes(15).hex()}01"], "bad")
        bad = next(workspace.lists.glob("bad-*.parquet"))
        bad.write_bytes(data)
    elif damage == "other list's part":
        bad.write_bytes(next(workspace.lists.glob("good-*.parquet")).read_bytes())
    elif damage == "edited":
        bad.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "cut":
        bad.write_bytes(data[:-10])
    elif damage == "gone":
        bad.unlink()
    elif damage == "index edited":
        index = workspace.lists / "index.parquet"
        whole = index.read_bytes()
        index.write_bytes(whole[: len(whole) // 2] + b"\0" + whole[len(whole) // 2 + 1 :])
    else:
        (workspace.lists / "index.parquet").unlink()
    with pytest.raises((DamagedFileError, MissingError)):
        load_matcher(workspace)
    if not damage.startswith("index"):
        forget_list(workspace, "bad")
        assert load_matcher(workspace).lists == ("good",)


def test_wrong_or_missing_key_stops(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are not read with another master key, nor without one, and the error names the key or the file."""
    _import(workspace, tmp_path, [f"md5 {bytes(16).hex()}"])
    monkeypatch.setenv("LINKWELL_MASTER_KEY", "ab" * 32)
    with pytest.raises(DamagedFileError, match=r"index\.parquet"):
        load_matcher(workspace)
    monkeypatch.delenv("LINKWELL_MASTER_KEY")
    (workspace.keys / "master.key").unlink()
    with pytest.raises(MissingKeyError, match=r"master\.key"):
        load_matcher(workspace)


def test_an_import_beside_a_load_is_waited_out(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts replaced between reading the index and reading them are read from the new index, not taken for damage."""
    _import(workspace, tmp_path, [f"md5 {bytes(16).hex()}"])
    stale = read_index(workspace)
    _import(workspace, tmp_path, [f"md5 {(b'x' * 16).hex()}"])
    answers = iter([stale])
    monkeypatch.setattr("linkwell.lists.matcher.read_index", lambda where: next(answers, None) or read_index(where))
    assert load_matcher(workspace).match_digests(Digests(1, b"x" * 16, bytes(20), bytes(32))) == [
        Match("hotline", "md5")
    ]
