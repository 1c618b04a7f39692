"""What an audit finds, counts, and passes over."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audit.conftest import World, digests_of, url_of

from linkwell.audit import audit
from linkwell.base.ids import link_id
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, LocalEngine, SerialEngine
from linkwell.lists import Finding, read_findings


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_an_exact_digest(world: World, engine: Engine, algorithm: str) -> None:
    """A link whose image has a listed digest is an exact finding, without its URL being opened."""
    shards = world.shards(["bad", "good"])
    world.fetched(("bad", digests_of("bad")), ("good", digests_of("good")))
    world.listed([f"{algorithm} {getattr(digests_of('bad'), algorithm).hex()}"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert (report.checked, report.findings, report.unchecked) == (2, {"exact": 1}, {})
    assert list(read_findings(world.workspace)) == [Finding(link_id(url_of("bad")), "exact", "synthetic", algorithm)]


def test_duplicates_of_an_image(world: World, engine: Engine) -> None:
    """Every link under which the same bytes were fetched is found, in whatever shard and part it is."""
    shards = world.shards(["one", "other"], ["two"])
    same = digests_of("same")
    world.fetched(("one", same), part="run-0")
    world.fetched(("two", same), ("other", digests_of("other")), part="run-1")
    world.listed([f"sha256 {same.sha256.hex()}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    found = {finding.link_id for finding in read_findings(world.workspace)}
    assert found == {link_id(url_of("one")), link_id(url_of("two"))}


def test_a_listed_url_in_another_spelling(world: World, engine: Engine) -> None:
    """A listed URL is found by its canonical form too, ledger or not."""
    shards = world.shards(["bad", "good"])
    world.listed(["url HTTPS://A.EXAMPLE:443/x/../bad.jpg#top"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert (report.findings, report.unchecked) == ({"url": 1}, {"no_ledger_entry": 2})


@pytest.mark.parametrize(
    ("distance", "quality", "found"),
    [(0, 50, 1), (31, 50, 1), (32, 100, 0), (0, 49, 0), (0, None, 0)],
)
def test_a_look_alike(
    world: World,
    engine: Engine,
    near: Callable[[bytes, int], bytes],
    *,
    distance: int,
    quality: int | None,
    found: int,
) -> None:
    """PDQ within 31 bits at quality 50 or more is a perceptual finding; beyond, or of a flat picture, it is none."""
    listed = digests_of("bad").pdq
    assert listed is not None
    digests = digests_of("bad", quality=quality)
    shards = world.shards(["bad"])
    world.fetched(("bad", digests if digests.pdq is None else dataclasses.replace(digests, pdq=near(listed, distance))))
    world.listed([f"pdq {listed.hex()}"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert report.findings == ({"perceptual": found} if found else {})


def test_the_thing_itself_is_no_look_alike(world: World, engine: Engine) -> None:
    """Where one list has the digest and the look, there is one finding, and nothing to ask; another list is its own matter."""
    bad = digests_of("bad")
    assert bad.pdq is not None
    shards = world.shards(["bad"])
    world.fetched(("bad", bad))
    world.listed([f"md5 {bad.md5.hex()}", f"sha1 {bad.sha1.hex()}", f"pdq {bad.pdq.hex()}"], source="one")
    world.listed([f"pdq {bad.pdq.hex()}"], source="two")
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert report.findings == {"exact": 1, "perceptual": 1}
    assert sorted((f.source, f.finding_class) for f in read_findings(world.workspace)) == [
        ("one", "exact"),
        ("two", "perceptual"),
    ]


def test_what_could_not_be_compared(world: World, engine: Engine) -> None:
    """Links never fetched, not decoded or too flat are counted by that reason, each once; a later good fetch mends it."""
    shards = world.shards(["fine", "never", "broken", "flat", "mended"])
    world.fetched(
        ("fine", digests_of("fine")),
        ("broken", digests_of("broken", quality=None)),
        ("broken", digests_of("broken again", quality=None)),
        ("flat", digests_of("flat", quality=49)),
        ("mended", digests_of("mended", quality=None)),
    )
    world.fetched(("mended", digests_of("mended", quality=50)), ("flat", digests_of("x", quality=None)), part="run-1")
    world.listed([f"md5 {'0' * 32}"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert report.checked == 5
    assert report.unchecked == {"no_ledger_entry": 1, "undecodable": 1, "low_pdq_quality": 1}


def test_a_digest_from_an_earlier_fetch(world: World, engine: Engine) -> None:
    """What a link served once counts, also when it serves something else later."""
    shards = world.shards(["link"])
    world.fetched(("link", digests_of("first")), part="run-0")
    world.fetched(("link", digests_of("second")), part="run-1")
    world.listed([f"md5 {digests_of('first').md5.hex()}"])
    assert audit(world.workspace, links=shards, label="test", engine=engine).findings == {"exact": 1}


def test_ledger_rows_of_other_links(world: World, engine: Engine) -> None:
    """A listed digest of an image whose link is not among those audited is no finding of this audit."""
    shards = world.shards(["here"])
    world.fetched(("elsewhere", digests_of("bad")), ("here", digests_of("good")))
    world.listed([f"md5 {digests_of('bad').md5.hex()}"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert (report.checked, report.findings) == (1, {})
    assert list(read_findings(world.workspace)) == []


def test_a_link_in_two_shards_counts_once(world: World, engine: Engine) -> None:
    """`checked` counts distinct links."""
    shards = world.shards(["one", "two"], ["two", "three"])
    world.listed([f"url {url_of('two')}"])
    report = audit(world.workspace, links=shards, label="test", engine=engine)
    assert (report.checked, report.findings) == (3, {"url": 1})


def test_empty_shards(world: World, engine: Engine) -> None:
    """A shard without rows is audited like any other."""
    shards = world.shards([], ["one"])
    world.listed([f"md5 {'0' * 32}"])
    assert audit(world.workspace, links=shards, label="test", engine=engine).checked == 1


def test_findings_of_an_earlier_audit_go(world: World, engine: Engine) -> None:
    """The same label found again replaces what it found before; findings of other labels stay."""
    shards = world.shards(["bad", "worse"])
    world.listed([f"url {url_of('bad')}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    audit(world.workspace, links=shards, label="test-00000", engine=engine)
    world.listed([f"md5 {'0' * 32}"])
    audit(world.workspace, links=shards, label="test", engine=engine)
    assert [path.name for path in world.workspace.findings.glob("*.parquet")] == ["audit-test-00000-00000.parquet"]


def test_engines_agree(world: World) -> None:
    """Processes find what one process finds."""
    names = [f"n{i}" for i in range(60)]
    shards = world.shards(names[::2], names[1::2])
    world.fetched(*((name, digests_of(name)) for name in names[:40]))
    world.listed([f"md5 {digests_of(name).md5.hex()}" for name in names[30:50]])
    one = audit(world.workspace, links=shards, label="one", engine=SerialEngine(), bucket_rows=10)
    two = audit(world.workspace, links=shards, label="two", engine=LocalEngine(2), bucket_rows=10)
    assert one.findings == two.findings == {"exact": 10}
    assert one.unchecked == two.unchecked == {"no_ledger_entry": 20}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    links=st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=3),
    fetched=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.sampled_from([None, 10, 90])), max_size=30),
    listed=st.sets(st.integers(0, 6), min_size=1, max_size=3),
    bucket_rows=st.sampled_from([1, 3, 1000]),
)
def test_any_world(
    links: list[list[int]], fetched: list[tuple[int, int, int | None]], listed: set[int], bucket_rows: int
) -> None:
    """However links, ledger and lists fall, the counts and findings are those of a plain comparison in memory."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Workspace.create(Path(folder) / "workspace", "birds"), Path(folder))
        shards = world.shards(*[[f"n{n}" for n in group] for group in links])
        for part in range(2):
            rows = [(f"n{n}", digests_of(f"image{image}", quality=quality)) for n, image, quality in fetched[part::2]]
            if rows:
                world.fetched(*rows, part=f"run-{part}")
        world.listed([f"sha1 {digests_of(f'image{image}').sha1.hex()}" for image in listed])
        report = audit(world.workspace, links=shards, label="test", engine=SerialEngine(), bucket_rows=bucket_rows)
        found = {finding.link_id for finding in read_findings(world.workspace)}
    audited = {n for group in links for n in group}
    qualities = {n: [q for m, _, q in fetched if m == n] for n in audited}
    bad = {n for n, image, _ in fetched if n in audited and image in listed}
    expected = {
        "no_ledger_entry": sum(not known for known in qualities.values()),
        "undecodable": sum(bool(known) and all(q is None for q in known) for known in qualities.values()),
        "low_pdq_quality": sum(any(q == 10 for q in known) and 90 not in known for known in qualities.values()),
    }
    assert report.checked == len(audited)
    assert report.unchecked == {reason: n for reason, n in expected.items() if n}
    assert found == {link_id(url_of(f"n{n}")) for n in bad}
    assert report.findings == ({"exact": len(bad)} if bad else {})
