"""A copy of every kind, made without Linkwell, with what it takes to purge it and to see which rows are left."""

import hashlib
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc
from tests.purge.conftest import CopyMaker, Row, write_tar

from linkwell.base.ids import laion_hash
from linkwell.purge import PurgeOptions, TableQuery

VECTOR_NUMBERS = 16


def vector(row: Row) -> np.ndarray:
    """An embedding that nothing else has."""
    seed = int.from_bytes(hashlib.sha256(row.url.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(VECTOR_NUMBERS).astype(np.float32)


def uid(row: Row) -> str:
    """A DataComp uid."""
    return hashlib.md5(row.url.encode()).hexdigest()


def table_of(rows: list[Row], *names: str) -> pa.Table:
    """Some columns of the rows, by the names other projects use."""
    every = {
        "url": [r.url for r in rows],
        "text": [r.text for r in rows],
        "caption": [r.text for r in rows],
        "uid": [uid(r) for r in rows],
        "hash": [laion_hash(r.url, r.text) for r in rows],
        "sha256": [r.sha256 for r in rows],
        "image_path": [f"{r.number:09d}" for r in rows],
        "key": [f"{r.number:09d}" for r in rows],
        "number": [r.number for r in rows],
        "link_id": pa.array([r.link_id for r in rows], pa.binary(16)),
        "cell": pa.array([r.cell for r in rows], pa.uint32()),
    }
    return pa.table({name: every[name] for name in names})


@dataclass(frozen=True)
class Made:
    """A copy: where, how it is purged, and which row numbers are left in it."""

    root: Path
    left: Callable[[], list[int]]
    options: PurgeOptions = field(default_factory=PurgeOptions)


def numbers_in(root: Path) -> Callable[[], list[int]]:
    """Row numbers in every parquet file of a copy, blanked ones left out."""
    return lambda: [
        n
        for path in sorted(root.rglob("*.parquet"))
        for n in pq.read_table(path)["number"].to_pylist()
        if n is not None
    ]


def webdataset(root: Path, rows: list[Row]) -> Made:
    """DataComp's resharding: keys `{uid}-{copy}`, stats with successes only, no parquet, a list of uids."""
    root.mkdir(parents=True)
    for shard in range(2):
        samples: list[tuple[str, dict[str, bytes]]] = []
        for row in rows[shard::2]:
            said = {
                "uid": uid(row),
                "url": row.url,
                "caption": row.text,
                "key": f"{row.number:09d}",
                "sha256": row.sha256,
            }
            parts = {"jpg": row.pixels, "json": json.dumps(said).encode(), "txt": row.text.encode()}
            samples.extend((f"{uid(row)}-{copy}", parts) for copy in range(1 + row.number % 2))
        write_tar(root / f"{shard:08d}.tar", samples)
        (root / f"{shard:08d}_stats.json").write_text(json.dumps({"successes": len(samples)}))

    def left() -> list[int]:
        found = set()
        for path in sorted(root.glob("*.tar")):
            with tarfile.open(path) as archive:
                listed = [archive.extractfile(m).read() for m in archive if m.name.endswith(".json")]  # type: ignore[union-attr] # files only
            stats = json.loads((root / f"{path.stem}_stats.json").read_text())
            assert stats["successes"] == len(listed)
            found |= {int(json.loads(data)["key"]) for data in listed}
        return sorted(found)

    return Made(root, left)


def files(root: Path, rows: list[Row]) -> Made:
    """img2dataset's `files`: folders with pictures, captions, JSON; parquet and stats beside them."""
    root.mkdir(parents=True)
    for shard in range(2):
        folder = root / f"{shard:05d}"
        folder.mkdir()
        mine = rows[shard::2]
        for row in mine:
            key = f"{row.number:09d}"
            (folder / f"{key}.jpg").write_bytes(row.pixels)
            (folder / f"{key}.txt").write_text(row.text)
            (folder / f"{key}.json").write_text(json.dumps({"url": row.url, "key": key, "sha256": row.sha256}))
        pq.write_table(table_of(mine, "url", "caption", "key", "number", "sha256"), root / f"{shard:05d}.parquet")
        (root / f"{shard:05d}_stats.json").write_text(json.dumps(CopyMaker.stats_of(mine)))

    def left() -> list[int]:
        pictures = sorted(int(p.stem) for p in root.rglob("*.jpg"))
        assert pictures == sorted(numbers_in(root)())
        assert len(list(root.rglob("*.txt"))) == len(pictures)
        return pictures

    return Made(root, left)


def loose(root: Path, rows: list[Row]) -> Made:
    """Pictures with their JSON and no table at all."""
    made = files(root, rows)
    for path in (*root.glob("*.parquet"), *root.glob("*_stats.json")):
        path.unlink()
    return Made(root, lambda: sorted(int(p.stem) for p in root.rglob("*.jpg")), made.options)


def img2dataset_parquet(root: Path, rows: list[Row]) -> Made:
    """img2dataset's `parquet`: the pictures in a column."""
    root.mkdir(parents=True)
    table = table_of(rows, "url", "caption", "key", "number", "sha256")
    table = table.append_column("jpg", pa.array([r.pixels for r in rows], pa.binary()))
    pq.write_table(table, root / "00000.parquet", row_group_size=20)
    (root / "00000_stats.json").write_text(json.dumps({"count": len(rows), "successes": len(rows)}))
    return Made(root, numbers_in(root))


def by_laion_hash(root: Path, rows: list[Row]) -> Made:
    """Scores by LAION's hash alone, told by an older list that the holder has."""
    root.mkdir(parents=True)
    pq.write_table(table_of(rows, "hash", "number"), root / "scores.parquet", row_group_size=20)
    pq.write_table(table_of(rows, "url", "text"), root.parent / "laion.parquet")
    return Made(root, numbers_in(root), PurgeOptions(aliases=(root.parent / "laion.parquet",)))


def by_uid(root: Path, rows: list[Row]) -> Made:
    """DataComp: a list with URLs, scores by uid, and a subset as pairs of numbers; the list tells of the others."""
    root.mkdir(parents=True)
    pq.write_table(table_of(rows, "url", "text", "uid", "number"), root / "list.parquet", row_group_size=20)
    pq.write_table(table_of(rows, "uid", "number"), root / "scores.parquet", row_group_size=20)
    halves = sorted(divmod(int(uid(row), 16), 2**64) for row in rows)
    np.save(root / "subset.npy", np.array(halves, dtype="u8,u8"))

    def left() -> list[int]:
        numbers = numbers_in(root)()
        assert numbers[: len(numbers) // 2] == numbers[len(numbers) // 2 :]
        kept = {uid(row): row.number for row in rows}
        subset = [kept[f"{int(high):016x}{int(low):016x}"] for high, low in np.load(root / "subset.npy")]
        assert sorted(subset) == sorted(numbers[len(numbers) // 2 :])
        return numbers[: len(numbers) // 2]

    return Made(root, left)


def by_digest(root: Path, rows: list[Row]) -> Made:
    """A table by the pictures' SHA-256 alone, told by an older list."""
    root.mkdir(parents=True)
    pq.write_table(table_of(rows, "sha256", "number"), root / "aesthetic.parquet")
    pq.write_table(table_of(rows, "url", "sha256"), root.parent / "downloaded.parquet")
    return Made(root, numbers_in(root), PurgeOptions(aliases=(root.parent / "downloaded.parquet",)))


def release(root: Path, rows: list[Row]) -> Made:
    """Parts of a release, with cell and link id."""
    root.mkdir(parents=True)
    for part in range(2):
        table = table_of(rows[part::2], "link_id", "url", "text", "cell", "number")
        pq.write_table(table, root / f"part-{part}.parquet", row_group_size=20)
    return Made(root, numbers_in(root))


def datasets(root: Path, rows: list[Row]) -> Made:
    """What `Dataset.save_to_disk` writes: Arrow streams, `state.json`, `dataset_info.json`, and a cache of row numbers."""
    folder = root / "train"
    folder.mkdir(parents=True)
    table = table_of(rows, "url", "text", "number")
    names = [f"data-{part:05d}-of-00002.arrow" for part in range(2)]
    for part, name in enumerate(names):
        mine = table.take(pa.array(range(part, len(rows), 2)))
        with ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(mine, max_chunksize=16)
    with ipc.new_stream(str(folder / "cache-0123456789abcdef.arrow"), pa.schema([("indices", pa.uint64())])) as writer:
        writer.write_table(pa.table({"indices": pa.array(range(len(rows)), pa.uint64())}))
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "05e3c92810a6353c"}
    (folder / "state.json").write_text(json.dumps(state))
    split = {"name": "train", "num_bytes": 1, "num_examples": len(rows), "dataset_name": "x"}
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}, "splits": {"train": split}}))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))

    def left() -> list[int]:
        found: list[Any] = []
        for name in names:
            with ipc.open_stream((folder / name).read_bytes()) as reader:
                found.extend(reader.read_all()["number"].to_pylist())
        info = json.loads((folder / "dataset_info.json").read_text())
        assert info["splits"]["train"]["num_examples"] == len(found)
        if len(found) < len(rows):
            assert not (folder / "cache-0123456789abcdef.arrow").exists()
            assert json.loads((folder / "state.json").read_text())["_fingerprint"] != "05e3c92810a6353c"
        return found

    return Made(root, left)


def embeddings(root: Path, rows: list[Row]) -> Made:
    """clip-retrieval's embeddings: arrays and metadata, row by row."""
    for folder in ("img_emb", "text_emb", "metadata"):
        (root / folder).mkdir(parents=True)
    for part in range(2):
        mine = rows[part::2]
        vectors = np.array([vector(row) for row in mine])
        np.save(root / "img_emb" / f"img_emb_{part}.npy", vectors)
        np.save(root / "text_emb" / f"text_emb_{part}.npy", vectors.astype(np.float16))
        pq.write_table(
            table_of(mine, "image_path", "caption", "url", "number"), root / "metadata" / f"metadata_{part}.parquet"
        )

    def left() -> list[int]:
        numbers: list[int] = []
        by_number = {row.number: row for row in rows}
        for part in range(2):
            found = pq.read_table(root / "metadata" / f"metadata_{part}.parquet")["number"].to_pylist()
            array = np.load(root / "img_emb" / f"img_emb_{part}.npy")
            assert len(array) == len(found) == len(np.load(root / "text_emb" / f"text_emb_{part}.npy"))
            for number, row in zip(found, array, strict=True):
                assert (row == (0 if number is None else vector(by_number[number]))).all()
            numbers.extend(n for n in found if n is not None)
        return numbers

    return Made(root, left)


def beside(root: Path, rows: list[Row]) -> Made:
    """An array beside a table of the same name."""
    root.mkdir(parents=True)
    pq.write_table(table_of(rows, "url", "number"), root / "part.parquet")
    np.save(root / "part.npy", np.array([vector(row) for row in rows]))

    def left() -> list[int]:
        numbers = numbers_in(root)()
        assert len(np.load(root / "part.npy")) == len(numbers)
        return numbers

    return Made(root, left)


def sqlite_table(root: Path, rows: list[Row]) -> Made:
    """An SQLite file, in the journal mode that keeps a second file."""
    root.mkdir(parents=True)
    with closing(sqlite3.connect(root / "links.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE links (number INTEGER PRIMARY KEY, address TEXT, caption TEXT)")
        connection.executemany("INSERT INTO links VALUES (?, ?, ?)", [(r.number, r.url, r.text) for r in rows])
        connection.commit()
    query = TableQuery("links.sqlite", "SELECT number, address AS url FROM links", "DELETE FROM links WHERE number = ?")

    def left() -> list[int]:
        with closing(sqlite3.connect(f"{(root / 'links.sqlite').as_uri()}?mode=ro", uri=True)) as connection:
            return [number for (number,) in connection.execute("SELECT number FROM links ORDER BY number")]

    return Made(root, left, PurgeOptions(tables=(query,)))


def duckdb_table(root: Path, rows: list[Row]) -> Made:
    """A DuckDB file."""
    root.mkdir(parents=True)
    with closing(duckdb.connect(str(root / "links.duckdb"))) as connection:
        connection.execute("CREATE TABLE links (number INTEGER, url VARCHAR, caption VARCHAR)")
        connection.executemany("INSERT INTO links VALUES (?, ?, ?)", [(r.number, r.url, r.text) for r in rows])
    query = TableQuery("links.duckdb", "SELECT number, url FROM links", "DELETE FROM links WHERE number = ?")

    def left() -> list[int]:
        with closing(duckdb.connect(str(root / "links.duckdb"), read_only=True)) as connection:
            return [number for (number,) in connection.execute("SELECT number FROM links ORDER BY number").fetchall()]

    return Made(root, left, PurgeOptions(tables=(query,)))


KINDS: dict[str, Callable[[Path, list[Row]], Made]] = {
    "datacomp reshard": webdataset,
    "files": files,
    "loose files": loose,
    "img2dataset parquet": img2dataset_parquet,
    "by laion hash": by_laion_hash,
    "by uid": by_uid,
    "by digest": by_digest,
    "release": release,
    "datasets": datasets,
    "embeddings": embeddings,
    "array beside a table": beside,
    "sqlite": sqlite_table,
    "duckdb": duckdb_table,
}
"""Name → what makes a copy of it; indexes have their own tests, since FAISS is an extra."""
