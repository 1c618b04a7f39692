"""From confirmed entries to what is like them; all of it made up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.audit.conftest import World, digests_of, url_of

from linkwell.audit import ExpandReport, expand
from linkwell.audit.expansion import _neighbours
from linkwell.base.errors import DamagedFileError, MissingError
from linkwell.base.ids import link_id
from linkwell.lists import Finding, read_findings


def _found(world: World) -> dict[bytes, str]:
    return {one.link_id: one.algorithm for one in read_findings(world.workspace) if one.finding_class == "proposed"}


def test_duplicates_and_look_alikes(world: World, near: Callable[[bytes, int], bytes]) -> None:
    """Of the ledger, what has the same bytes or a near hash is proposed; at 32 bits, of low quality or unrelated, it is not."""
    bad = digests_of("bad")
    assert bad.pdq is not None
    world.fetched(("bad", bad), ("copy", bad), ("other", digests_of("other")))
    world.fetched(
        ("near", replace(digests_of("near"), pdq=near(bad.pdq, 31))),
        ("far", replace(digests_of("far"), pdq=near(bad.pdq, 32))),
        ("flat", replace(digests_of("flat"), pdq=bad.pdq, pdq_quality=49)),
        ("broken", digests_of("broken", quality=None)),
        part="run-1",
    )
    report = expand(world.workspace, {link_id(url_of("bad")), b"unknown-to-us-16"}, "test")
    assert report == ExpandReport(2, 1, 0, {"duplicate": 1, "look-alike": 1})
    assert _found(world) == {link_id(url_of("copy")): "duplicate", link_id(url_of("near")): "look-alike"}
    assert expand(world.workspace, set(), "test").proposed == {}
    assert _found(world) == {}


def _embeddings(folder: Path, vectors: dict[str, list[float]], column: str = "url", number: int = 0) -> Path:
    (folder / "img_emb").mkdir(parents=True, exist_ok=True)
    (folder / "metadata").mkdir(exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{number}.npy", np.array(list(vectors.values()), np.float16))
    urls = [url_of(name) for name in vectors]
    values = urls if column == "url" else [link_id(url).hex() for url in urls]
    pq.write_table(pa.table({column: values}), folder / "metadata" / f"metadata_{number}.parquet")
    return folder


def test_neighbours_by_embedding(world: World, tmp_path: Path) -> None:
    """The nearest by cosine, whatever their length, over several files, by URL or id; never the entry itself."""
    folder = _embeddings(
        tmp_path / "e", {"bad": [1, 0, 0], "same": [3, 0.1, 0], "opposite": [-1, 0, 0], "zero": [0, 0, 0]}
    )
    _embeddings(folder, {"close": [1, 0.3, 0], "off": [0, 1, 0], "wide": [1, 1, 0]}, "link_id", 1)
    report = expand(world.workspace, {link_id(url_of("bad"))}, "test", embeddings=[folder], min_similarity=0.9)
    assert (report.with_embedding, report.proposed) == (1, {"neighbour": 2})
    assert set(_found(world)) == {link_id(url_of("same")), link_id(url_of("close"))}
    expand(world.workspace, {link_id(url_of("bad"))}, "test", embeddings=[folder], neighbours=1, min_similarity=-1)
    assert set(_found(world)) == {link_id(url_of("same"))}


def test_neighbours_are_those_of_a_plain_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block comes out what a whole matrix says."""
    monkeypatch.setattr("linkwell.audit.expansion._BLOCK_ROWS", 7)
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(60, 8)).astype(np.float16).astype(np.float32)
    names = [f"n{number}" for number in range(60)]
    folder = _embeddings(tmp_path / "e", dict(zip(names, vectors.tolist(), strict=True)))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = _neighbours(folder, units[:3], 4, -1.0)
    wanted = {names[place] for seed in units[:3] for place in np.argsort(-(units @ seed))[:5]}
    assert found == {link_id(url_of(name)) for name in wanted}


def test_embeddings_that_are_none(world: World, tmp_path: Path) -> None:
    """No folder, no table, other lengths and pickles are named for what they are; nothing is unpickled."""
    seeds = {link_id(url_of("bad"))}
    with pytest.raises(MissingError, match="no embeddings"):
        expand(world.workspace, seeds, "test", embeddings=[tmp_path])
    folder = _embeddings(tmp_path / "e", {"bad": [1.0], "other": [1.0]})
    np.save(folder / "img_emb" / "img_emb_0.npy", np.zeros((3, 1), np.float16))
    with pytest.raises(DamagedFileError, match="not as many rows"):
        expand(world.workspace, seeds, "test", embeddings=[folder])
    np.save(folder / "img_emb" / "img_emb_0.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match="do not read"):
        expand(world.workspace, seeds, "test", embeddings=[folder])
    (folder / "metadata" / "metadata_0.parquet").unlink()
    with pytest.raises(MissingError, match="no table"):
        expand(world.workspace, seeds, "test", embeddings=[folder])


def test_a_proposal_asks_for_review(world: World) -> None:
    """What is proposed opens a case of its own kind, never one that is taken for illegal at once."""
    from linkwell.cases import CaseBook  # noqa: PLC0415

    bad = digests_of("bad")
    world.fetched(("bad", bad), ("copy", bad))
    expand(world.workspace, {link_id(url_of("bad"))}, "test")
    book = CaseBook.open(world.workspace)
    book.open_from_findings(read_findings(world.workspace))
    (case,) = book.cases()
    assert (case.kind, case.state, case.entry_count) == ("perceptual", "open", 1)
    assert "copy" not in repr(Finding(link_id(url_of("copy")), "proposed", "expansion", "duplicate"))
