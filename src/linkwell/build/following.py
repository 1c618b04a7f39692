"""What well-known files lead to on other hosts: the targets of redirects, and the RSL terms that a robots.txt names.

A task of its own looks all of them up at once, hop by hop, in a join out of core: only the few responses that lead elsewhere are held.
What is found is written as captures of the host that was asked, so that whoever reads a host's captures needs no other host's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from linkwell.base.shards import read_tables
from linkwell.build.evidence import kept_beside
from linkwell.build.wellknown import CAPTURES_OUTPUT, CaptureWriter, captures_in
from linkwell.engine import TaskContext
from linkwell.rights import MAX_REDIRECTS, Capture, redirect_target, targets

TARGETS_SCHEMA: pa.Schema = pa.schema(
    [("host", pa.string()), ("url", pa.string()), ("kind", pa.string()), ("target", pa.string())]
)
"""A response that leads elsewhere: the host it stands for, its URL, what is looked for, and where."""

_MEMORY_LIMIT = "400MB"
_CHOOSE = """
CREATE OR REPLACE TEMP TABLE best AS
SELECT DISTINCT h.host, h.url, h.kind, h.target, c.warc, c."offset"
FROM held h JOIN read_parquet($captures) c ON c.url = h.target
QUALIFY row_number() OVER (
    PARTITION BY h.host, h.url, h.kind, h.target
    ORDER BY c.status <> 200, c.seen_at DESC NULLS LAST, c.warc, c."offset"
) = 1
"""
_READ = """
SELECT b.host, b.url, b.kind, c.url, c.kind, c.status, c.location, c.body, c.seen_at, c.warc, c."offset"
FROM best b JOIN read_parquet($captures) c ON c.url = b.target AND c.warc = b.warc AND c."offset" = b."offset"
ORDER BY b.host, b.url, b.kind, b.target
"""


class FollowParams(msgspec.Struct, frozen=True):
    """Parameters of `follow`: files in `TARGETS_SCHEMA`, and the captures that may answer."""

    targets: tuple[str, ...]
    captures: tuple[str, ...]


def target_rows(table: pa.Table | pa.RecordBatch) -> Iterator[dict[str, str]]:
    """Rows of `TARGETS_SCHEMA` for captures."""
    for host, capture in captures_in(table):
        redirects = 300 <= capture.status < 400  # noqa: PLR2004 - of HTTP
        for target in targets(capture):
            if redirects:
                yield {"host": host, "url": capture.url, "kind": capture.kind, "target": target}
            else:
                yield {"host": host, "url": target, "kind": "rsl", "target": target}


def follow(context: TaskContext) -> None:
    """Write the responses that the targets lead to, each as a capture of the host that was asked; five redirects at most."""
    params = context.params(FollowParams)
    pending = [table for path in params.targets for table in read_tables([Path(path)])]
    writer = CaptureWriter(kept_beside(context, CAPTURES_OUTPUT))
    with (
        tempfile.TemporaryDirectory(prefix="linkwell-follow-") as scratch,
        duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "temp_directory": scratch, "threads": 1}) as database,
    ):
        held = pa.concat_tables(pending) if pending else TARGETS_SCHEMA.empty_table()
        for _ in range(MAX_REDIRECTS):
            if not held.num_rows:
                break
            following: list[dict[str, str]] = []
            for host, url, kind, capture in _answers(database, held, params.captures):
                if 300 <= capture.status < 400:  # noqa: PLR2004 - redirects
                    target = redirect_target(capture.url, capture.location)
                    if target:
                        following.append({"host": host, "url": url, "kind": kind, "target": target})
                else:
                    writer.add(msgspec.structs.replace(capture, url=url, kind=kind), host)
                    context.count("followed")
            held = pa.Table.from_pylist(following, TARGETS_SCHEMA)
    writer.close()


def _answers(
    database: duckdb.DuckDBPyConnection, held: pa.Table, captures: tuple[str, ...]
) -> Iterator[tuple[str, str, str, Capture]]:
    """For each thing looked for, the best response at its target: a good one before another, then the latest."""
    database.register("held", held)
    database.execute(_CHOOSE, {"captures": list(captures)})
    found = database.execute(_READ, {"captures": list(captures)})
    while several := found.fetchmany(100):
        for values in several:
            host, url, kind = values[:3]
            answer: list[Any] = list(values[3:])
            yield host, url, kind, Capture(*answer)
