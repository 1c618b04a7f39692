"""Links in other projects' columns, so that their tools read ours.

After their columns come some of ours (`page_url`, `license` and the verdicts), which readers by name pass over: an opt-out must
not be lost on the way. Digests are in none of them, as those we have are restricted: DataComp's `sha256` is left out, LAION's
`hash` is MurmurHash3 of URL and text. LAION's `pwatermark` and `punsafe`, DataComp's score by ViT-L/14 and its face boxes are
there and null; `NSFW` is left out, as no classifier of ours says it.
"""

import hashlib
import hmac
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from linkwell.base.errors import UsageError
from linkwell.base.ids import LINK_ID_BYTES, binary_array, laion_hash
from linkwell.base.schema import LINK_SCHEMA, USES
from linkwell.base.sealed import read_sealed, write_sealed
from linkwell.base.shards import ParquetWriter, read_tables, storage_errors, write_bytes
from linkwell.base.workspace import Workspace
from linkwell.engine import Engine, Input, TaskContext, local_input, run_stage, task

EXPORT_FILE = "linkwell-export.json"
"""Written last, so that its presence says that the export is whole."""

_TASK = "linkwell.build.export:export_shard"
_WITHHELD = "withheld.parquet"


class ExportReport(msgspec.Struct, frozen=True):
    """What was written: `rows` in `files`, without `left_out` ones."""

    kind: str
    rows: int
    left_out: int
    files: int
    columns: tuple[str, ...]


class ExportParams(msgspec.Struct, frozen=True):
    """Parameters of `export_shard`. `withheld_tag` is a keyed hash that changes with what is left out."""

    shard: str
    kind: str
    final: str
    workspace: str
    withheld_tag: str


def export_links(
    workspace: Workspace,
    to: Path,
    *,
    links: Sequence[Path],
    kind: str,
    engine: Engine,
    withhold: Collection[bytes] = (),
    source: str,
) -> ExportReport:
    """Write links as parquet files in another project's columns; the same call goes on where a killed one stopped.

    Args:
        workspace: where the work's marks are kept while it runs.
        to: a folder that is new, empty, or holds an earlier export, which is replaced.
        links: shards of links; one file is written for each.
        kind: one of `EXPORT_KINDS`.
        engine: what runs the tasks.
        withhold: ids of links to leave out; they are named nowhere.
        source: release or build, for the export's own file.

    Raises:
        UsageError: there is no such kind, or the folder holds something else.
        DamagedFileError: a shard does not read.
        StorageError: the disk is full or not writable.
    """
    if kind not in EXPORT_KINDS:
        raise UsageError(f"there is no kind of export {kind!r}", advice=f"Kinds: {', '.join(EXPORT_KINDS)}.")
    to = to.absolute()
    folder = workspace.root / "exports" / hashlib.sha256(str(to).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    if to.exists() and not folder.exists() and not (to / EXPORT_FILE).exists() and any(to.iterdir()):
        raise UsageError("the folder holds something else", str(to), "Name a new folder.")
    master_key = workspace.master_key()
    ids = sorted(set(withhold))
    with workspace.lock("export"):
        with storage_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            to.mkdir(parents=True, exist_ok=True)
            (to / EXPORT_FILE).unlink(missing_ok=True)
        write_sealed(folder / _WITHHELD, pa.table({"link_id": binary_array(ids, LINK_ID_BYTES)}), master_key)
        tag = hmac.new(master_key, b"linkwell:export:1\0" + b"".join(ids), hashlib.sha256).hexdigest()[:32]
        finals = [to / f"part-{index:05d}.parquet" for index in range(len(links))]
        inputs: list[Input] = [local_input(path) for path in links]
        tasks = [
            task("export", index, _TASK, ExportParams(each.path, kind, str(final), str(workspace.root), tag), (each,))
            for index, (each, final) in enumerate(zip(inputs, finals, strict=True))
        ]
        counts = run_stage(tasks, folder, engine, sweep_folders=(to,)).counts()
        for stale in set(to.glob("part-*.parquet")) - set(finals):
            stale.unlink(missing_ok=True)
        columns = tuple(_of_kind(kind, _no_links()).column_names)
        report = ExportReport(kind, counts["rows"], counts["left_out"], len(finals), columns)
        public = {
            "format": "linkwell-export-1",
            "kind": kind,
            "dataset": workspace.settings.dataset,
            "source": source,
            "rows": report.rows,
            "columns": columns,
        }
        write_bytes(to / EXPORT_FILE, msgspec.json.format(msgspec.json.encode(public), indent=1))
        shutil.rmtree(folder, ignore_errors=True)
    return report


def export_shard(context: TaskContext) -> None:
    """Write one shard in the other columns."""
    params = context.params(ExportParams)
    master_key = Workspace.open(Path(params.workspace)).master_key()
    hidden = {i for table in read_sealed(context.folder / _WITHHELD, master_key) for i in table["link_id"].to_pylist()}
    final = Path(params.final)
    with ParquetWriter(context.output(final.name, final), _of_kind(params.kind, _no_links()).schema) as writer:
        for table in read_tables([Path(params.shard)]):
            keep = np.array([link_id not in hidden for link_id in table["link_id"].to_pylist()], bool)
            kept = table if keep.all() else table.filter(pa.array(keep))
            writer.write(_of_kind(params.kind, kept))
            context.count("rows", kept.num_rows)
            context.count("left_out", table.num_rows - kept.num_rows)


def _no_links() -> pa.Table:

    return LINK_SCHEMA.empty_table()


def _of_kind(kind: str, links: pa.Table) -> pa.Table:
    columns = _COLUMNS[kind](links)
    for name in ("page_url", "license", *USES):
        columns[name] = links[name].cast(pa.string())
    return pa.table(columns)


def _laion(links: pa.Table) -> dict[str, Any]:
    rows = links.num_rows
    pairs = zip(links["url"].to_pylist(), links["text"].to_pylist(), strict=True)
    return {
        "URL": links["url"],
        "TEXT": links["text"],
        "WIDTH": links["width"],
        "HEIGHT": links["height"],
        "similarity": links["similarity"].cast(pa.float64()),
        "LANGUAGE": links["language"],
        "hash": pa.array([laion_hash(url, text) for url, text in pairs], pa.int64()),
        "pwatermark": pa.nulls(rows, pa.float32()),
        "punsafe": pa.nulls(rows, pa.float32()),
    }


def _datacomp(links: pa.Table) -> dict[str, Any]:
    rows = links.num_rows
    return {
        "uid": _hex_ids(links),
        "url": links["url"],
        "text": links["text"],
        "original_width": links["width"].cast(pa.int64()),
        "original_height": links["height"].cast(pa.int64()),
        "clip_b32_similarity_score": links["similarity"],
        "clip_l14_similarity_score": pa.nulls(rows, pa.float32()),
        "face_bboxes": pa.nulls(rows, pa.list_(pa.list_(pa.float64()))),
    }


def _img2dataset(links: pa.Table) -> dict[str, Any]:
    names = ("width", "height", "language", "similarity", "credit", "license_scope")
    return {
        "url": links["url"],
        "caption": links["text"],
        "link_id": _hex_ids(links),
        **{name: links[name] for name in names},
    }


def _hex_ids(links: pa.Table) -> "pa.Array[Any]":
    return pa.array([value.hex() for value in links["link_id"].to_pylist() if value is not None], pa.string())


_COLUMNS: dict[str, Callable[[pa.Table], dict[str, Any]]] = {
    "laion": _laion,
    "datacomp": _datacomp,
    "img2dataset": _img2dataset,
}
EXPORT_KINDS = tuple(_COLUMNS)
"""LAION's joined tables; DataComp's metadata; and a list that img2dataset reads with its default column names."""
