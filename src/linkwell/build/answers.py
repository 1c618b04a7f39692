"""The answers about a shard's URLs applied to it: verdicts of its links, and URLs reserved that are no links; see `judging`.

A stated permission lifts an `unknown` only where nothing malformed stands on the page (see `rights.combine`).
"""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkwell.base.schema import LINK_SCHEMA, USES, VERDICTS
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.build.columns import RESERVED_SCHEMA
from linkwell.engine import TaskContext, read_bucket
from linkwell.rights import STRENGTH

IMAGE, PAGE = 0, 1
ANSWERED = pa.schema([("about", pa.string()), ("scope", pa.int8()), *((use, pa.int8()) for use in USES)])  # type: ignore[arg-type] # as above
"""The strength of what is stated for each use, as `rights.STRENGTH` has it; 0 where nothing is."""
_OF_STRENGTH = {strength: verdict for verdict, strength in STRENGTH.items()}
_MALFORMED, _DISALLOW = STRENGTH["unknown"], STRENGTH["disallow"]

Strengths = tuple[int, ...]


class ApplyParams(msgspec.Struct, frozen=True):
    """Parameters of `apply`: the answers of every bucket; `index` is the shard's place in them."""

    shard: str
    unlinked: str | None
    evidence: str | None
    answers: tuple[str, ...]
    index: int
    shards: int


def apply(context: TaskContext) -> None:
    """Rewrite one shard with the verdicts that the well-known files of its hosts come to; note what they reserve besides links."""
    params = context.params(ApplyParams)
    answers: dict[tuple[str, int], Strengths] = {}
    for path in params.answers:
        for batch in read_bucket(Path(path), params.index, params.shards):
            for about, scope, *strengths in zip(*(batch[name].to_pylist() for name in ANSWERED.names), strict=True):
                held = answers.get((about, scope))
                answers[about, scope] = tuple(map(max, held, strengths)) if held else tuple(strengths)
    malformed = _malformed_pages(params.evidence)
    with ParquetWriter(context.output("links.parquet"), LINK_SCHEMA) as writer:
        for table in read_tables([Path(params.shard)]):
            writer.write(_judged(table, answers, malformed, context) if answers else table)
            context.count("rows", table.num_rows)
    reserving = {
        page: strengths
        for (page, scope), strengths in answers.items()
        if scope == PAGE and _DISALLOW in strengths[: USES.index("search")]
    }
    if params.unlinked and reserving:
        with ParquetWriter(context.output("reserved.parquet"), RESERVED_SCHEMA, intermediate=True) as others:
            for table in read_tables([Path(params.unlinked)]):
                others.write(_reserved(table, reserving))


def _reserved(table: pa.Table, reserving: dict[str, Strengths]) -> pa.Table:
    """The rows of `RESERVED_SCHEMA` for a table in `UNLINKED_SCHEMA`."""
    pages = texts_of(table, "page_url")
    kept = pa.array([page in reserving for page in pages])
    of_rows = [reserving[page] for page in pages if page in reserving]
    columns = [
        pa.array([_OF_STRENGTH.get(each[n], "unknown") for each in of_rows], pa.string()) for n in range(len(USES))
    ]
    return pa.table([table.filter(kept)["link_id"], *columns], schema=RESERVED_SCHEMA)


def _malformed_pages(evidence: str | None) -> frozenset[tuple[str, str]]:
    """Pages and uses with a statement that does not read."""
    found: set[tuple[str, str]] = set()
    for table in read_tables([Path(evidence)], ["source_url", "use", "malformed"]) if evidence else ():
        broken = table.filter(pc.field("malformed"))
        found.update(zip(texts_of(broken, "source_url"), texts_of(broken, "use"), strict=True))
    return frozenset(found)


def _judged(
    table: pa.Table,
    answers: dict[tuple[str, int], Strengths],
    malformed: frozenset[tuple[str, str]],
    context: TaskContext,
) -> pa.Table:
    columns = {use: texts_of(table, use) for use in USES}
    changed = False
    nothing = (0,) * len(USES)
    for row, (url, page) in enumerate(zip(texts_of(table, "url"), texts_of(table, "page_url"), strict=True)):
        of_image, of_page = answers.get((url, IMAGE)), answers.get((page, PAGE))
        if of_image is None and of_page is None:
            continue
        context.count("rights_applied")
        for use, strength in zip(USES, map(max, of_image or nothing, of_page or nothing), strict=True):
            held = columns[use][row]
            # An `unknown` of the page is nothing stated, or something that does not read, which the evidence tells.
            before = STRENGTH[held] if held != "unknown" else _MALFORMED if (page, use) in malformed else 0
            if strength > before and _OF_STRENGTH[strength] != held:
                columns[use][row] = _OF_STRENGTH[strength]
                changed = True
    if not changed:
        return table
    for use in USES:
        codes = pa.array(np.array([VERDICTS.index(each) for each in columns[use]], np.int8), pa.int8())
        values = pa.DictionaryArray.from_arrays(codes, pa.array(VERDICTS, pa.string()))
        table = table.set_column(LINK_SCHEMA.get_field_index(use), LINK_SCHEMA.field(use), values)
    return table


def texts_of(table: pa.Table, name: str) -> list[str]:
    """A column of strings."""
    return [str(value) for value in table[name].to_pylist()]
