"""FAISS indexes, alone with their metadata and in clip-retrieval's folders: recalled vectors go, every other keeps its id."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.purge.copies import KINDS, vector
from tests.purge.test_kinds import scan

from linkwell.engine import Engine
from linkwell.purge import apply, plan, verify

faiss = pytest.importorskip("faiss", reason="FAISS is an extra")

Rows = Callable[..., list[Any]]
FACTORIES = ["Flat", "HNSW8", "IVF4,Flat", "PCA8,IVF4_HNSW4,SQ8", "IDMap,Flat", "SQ8", "IDMap,HNSW8"]


def make_index(factory: str, vectors: Any) -> Any:
    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    if factory.startswith("IDMap"):
        index.add_with_ids(vectors, np.arange(len(vectors)))
    else:
        index.add(vectors)
    return index


def best(index: Any, vectors: Any) -> list[int]:
    """The id of the nearest neighbour of each vector."""
    for inner in (index, getattr(index, "index", None)):
        if inner is not None and hasattr(faiss.downcast_index(inner), "nprobe"):
            faiss.downcast_index(inner).nprobe = 4
    return [int(i) for i in index.search(vectors, 1)[1][:, 0]]


@pytest.fixture
def indexed(tmp_path: Path, rows_of: Rows, recalled: Any) -> Callable[[str], Any]:
    """Makes a clip-retrieval folder with an index of a kind; returns its root, rows by id, and what is recalled."""

    def make(factory: str) -> Any:
        rows = rows_of(range(1, 9), 10, fail_every=10**9)
        made = KINDS["embeddings"](tmp_path / "copy", rows)
        ordered = [*rows[0::2], *rows[1::2]]  # ids count the rows of both files
        vectors = np.array([vector(row) for row in ordered])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        faiss.write_index(make_index(factory, vectors), str(made.root / "image.index"))
        return made, ordered, vectors, recalled([2], rows, links=[rows[0]])

    return make


@pytest.mark.parametrize("factory", FACTORIES)
def test_others_keep_their_ids(indexed: Any, engine: Engine, factory: str) -> None:
    """What was found by an id before is found by it after; what is recalled is found no more; metadata keep their rows."""
    made, ordered, vectors, gone = indexed(factory)
    before = best(faiss.read_index(str(made.root / "image.index")), vectors)
    stay = [i for i, row in enumerate(ordered) if row.cell != 2 and row.number != 1000]
    removed = [row for i, row in enumerate(ordered) if i not in stay]
    receipt = apply(made.root, gone, engine=engine)
    assert receipt.statement.complete, receipt.statement.problems
    index = faiss.read_index(str(made.root / "image.index"))
    after = best(index, vectors)
    assert not set(after) & (set(range(len(ordered))) - set(stay))
    exact = [i for i in stay if before[i] == i]
    assert len(exact) > len(stay) // 2
    assert [after[i] for i in exact if i in after] == [i for i in exact if i in after]
    assert sum(after[i] == i for i in exact) >= len(exact) - 2  # a graph may lose a way
    assert sorted(made.left()) == sorted(ordered[i].number for i in stay)
    metadata = [pq.read_table(p) for p in sorted((made.root / "metadata").glob("*.parquet"))]
    assert sum(table.num_rows for table in metadata) == len(ordered)
    assert scan(made.root, removed)[0] == 0
    assert verify(made.root, gone, receipt).clean
    assert not plan(made.root, gone).files


def test_an_older_index_put_back_is_noticed(indexed: Any, engine: Engine) -> None:
    """Rows blanked before must not be in the index: verify says so, and a thorough apply takes them out."""
    made, _ordered, _vectors, gone = indexed("IVF4,Flat")
    old = (made.root / "image.index").read_bytes()
    receipt = apply(made.root, gone, engine=engine)
    (made.root / "image.index").write_bytes(old)
    assert "image.index" in verify(made.root, gone, receipt).left


def test_an_index_that_does_not_read_is_a_problem(indexed: Any, engine: Engine) -> None:
    """The folder stays as it was, and nothing is called clean."""
    made, _ordered, _vectors, gone = indexed("Flat")
    (made.root / "image.index").write_bytes(b"IxFI" + bytes(100))
    before = sorted(made.left())
    receipt = apply(made.root, gone, engine=engine)
    assert not receipt.statement.complete
    assert sorted(made.left()) == before
