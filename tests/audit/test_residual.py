"""What an audit says of itself: means, lists, overlaps, what may be left; and nothing of any entry."""

import csv
import dataclasses
import random
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.audit.conftest import World, digests_of, url_of

from linkwell.audit import audit, draw_sample, enter_sample, report_lines, residual_risk, write_report_page
from linkwell.audit.chance import model, pair_distances
from linkwell.base.errors import MissingError, UsageError
from linkwell.base.ids import link_id
from linkwell.engine import Engine


@pytest.fixture
def audited(world: World, engine: Engine) -> tuple[World, list[Path]]:
    """Forty links, of which two lists name some."""
    names = [f"n{number}" for number in range(40)]
    shards = world.shards(names[:20], names[20:])
    images = [(name, digests_of(name)) for name in names[:34]]
    images[3] = (names[3], digests_of(names[3], quality=None))
    images[4] = (names[4], digests_of(names[4], quality=10))
    world.fetched(*images)
    world.listed([f"md5 {digests_of('n0').md5.hex()}", f"url {url_of('n39')}"], source="list-a")
    world.listed([f"md5 {digests_of('n0').md5.hex()}", f"pdq {digests_of('n7').pdq.hex()}"], source="list-b")  # type: ignore[union-attr]
    audit(world.workspace, links=shards, label="test", engine=engine)
    return world, shards


def test_what_was_compared_by_which_means(audited: tuple[World, list[Path]], tmp_path: Path) -> None:
    """Each means reaches what it can: all URLs, what was fetched, what decodes; a means no list has an entry for reached none."""
    world, _ = audited
    copy = tmp_path / "copy"
    copy.mkdir()
    pq.write_table(pa.table({"failure": ["http_404", None, "dns", "dns"]}), copy / "0.parquet")
    risk = residual_risk(world.workspace, "test", [copy])
    assert risk.means == {"url": 40, "md5": 34, "sha1": 0, "sha256": 0, "pdq": 32}
    assert risk.unchecked == {"no_ledger_entry": 6, "undecodable": 1, "low_pdq_quality": 1}
    assert risk.failures == {"dns": 2, "http_404": 1}
    assert [(one.source, one.synthetic, one.entries, one.findings) for one in risk.lists] == [
        ("list-a", True, {"md5": 1, "url": 1}, {"exact": 1, "url": 1}),
        ("list-b", True, {"md5": 1, "pdq": 1}, {"exact": 1, "perceptual": 1}),
    ]
    assert risk.overlaps == [("list-a", "list-b", 1)]
    assert risk.several == {1: 2, 2: 1}
    assert risk.bound is None
    assert risk.chance.hashes == 32


def test_a_sample_bounds_what_is_left(audited: tuple[World, list[Path]], tmp_path: Path) -> None:
    """Links without a finding are drawn, each once, into a file for one's own eyes; the result becomes a bound."""
    world, shards = audited
    to = tmp_path / "sample.csv"
    sample = draw_sample(world.workspace, shards, "test", 30, to)
    assert (sample.population, sample.drawn) == (37, 30)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    with to.open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["link_id"] for row in rows}) == 30
    assert all(link_id(row["url"]).hex() == row["link_id"] for row in rows)
    assert not {url_of("n0"), url_of("n7"), url_of("n39")} & {row["url"] for row in rows}
    with pytest.raises(UsageError, match="do not fit"):
        enter_sample(world.workspace, "test", found=20, unverified=11, who="ada")
    enter_sample(world.workspace, "test", found=0, unverified=10, who="ada")
    bound = residual_risk(world.workspace, "test").bound
    assert bound is not None
    assert (bound.verified, bound.found, bound.count, bound.worst_count) == (20, 0, 8, 21)
    assert draw_sample(world.workspace, shards, "test", 100, to).drawn == 37


def test_a_sample_is_of_what_was_audited(audited: tuple[World, list[Path]], tmp_path: Path, engine: Engine) -> None:
    """Other links than those audited are not sampled, and the bound of other links is not told."""
    world, shards = audited
    draw_sample(world.workspace, shards, "test", 5, tmp_path / "s.csv")
    enter_sample(world.workspace, "test", found=0, unverified=0, who="ada")
    with pytest.raises(MissingError, match="not audited"):
        draw_sample(world.workspace, shards[:1], "test", 5, tmp_path / "s.csv")
    audit(world.workspace, links=shards[:1], label="test", engine=engine)
    assert residual_risk(world.workspace, "test").bound is None
    with pytest.raises(MissingError, match="no sample"):
        enter_sample(world.workspace, "other", found=0, unverified=0, who="ada")


def test_the_sample_is_even(world: World, engine: Engine, tmp_path: Path) -> None:
    """Every link is drawn about as often as any other."""
    names = [f"n{number}" for number in range(30)]
    shards = world.shards(names)
    world.listed(["md5 " + "0" * 32])
    audit(world.workspace, links=shards, label="test", engine=engine)
    counts = dict.fromkeys(map(url_of, names), 0)
    for _ in range(80):
        draw_sample(world.workspace, shards, "test", 10, tmp_path / "s.csv")
        with (tmp_path / "s.csv").open() as file:
            for row in csv.DictReader(file):
                counts[row["url"]] += 1
    expected = 80 * 10 / 30
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 66  # 29 degrees of freedom: above this once in ten thousand runs


def test_the_report_holds_counts_alone(audited: tuple[World, list[Path]], tmp_path: Path) -> None:
    """No URL, id or hash of anything is in its sentences, its page or its values."""
    world, shards = audited
    draw_sample(world.workspace, shards, "test", 5, tmp_path / "s.csv")
    enter_sample(world.workspace, "test", found=1, unverified=1, who="ada")
    risk = residual_risk(world.workspace, "test")
    page = tmp_path / "report.html"
    write_report_page(risk, page)
    text = page.read_text() + "\n".join(report_lines(risk)) + str(dataclasses.asdict(risk))
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    for number in range(40):
        digests = digests_of(f"n{number}")
        for value in (link_id(url_of(f"n{number}")), digests.md5, digests.sha1, digests.sha256, digests.pdq):
            assert value is not None
            assert value.hex()[:12] not in text
        assert url_of(f"n{number}") not in text
    assert "a.example" not in text
    assert "<svg" in text
    assert "99% confidence" in text
    assert "src=" not in page.read_text()


def test_the_model_of_chance_matches_coins() -> None:
    """From coins that hang together in fours, it takes their number for what it is, and foretells how often they come near."""
    generator = np.random.default_rng(1)
    coins = generator.integers(0, 2, (3_000, 16), dtype=np.uint8).repeat(16, axis=1)
    distances = pair_distances(np.packbits(coins, axis=1))
    seen, chance = model(float(distances.mean()), float(distances.std()))
    assert seen == pytest.approx(16, rel=0.02)
    assert chance == pytest.approx(float((distances <= 31).mean()), rel=0.3)


def test_distances_of_pairs() -> None:
    """All pairs, each once, in bits."""
    numbers = [random.Random(n).getrandbits(256) for n in range(12)]
    hashes = np.frombuffer(b"".join(n.to_bytes(32, "big") for n in numbers), np.uint8).reshape(12, 32)
    wanted = [(a ^ b).bit_count() for i, a in enumerate(numbers) for b in numbers[i + 1 :]]
    assert pair_distances(hashes).tolist() == wanted
