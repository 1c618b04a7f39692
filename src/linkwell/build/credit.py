"""Credit: who is to be named for links, as far as it was stated: page, site, name, licence and where the licence was stated.

The site is the registered domain (by the public suffix list) of the page; where the page is unknown, of the image, and `site_of`
says which. What was not stated is empty: a name is never made up from a domain.
"""

import csv
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import duckdb
import msgspec
import pyarrow as pa

from linkwell.base.errors import UsageError
from linkwell.base.shards import ParquetWriter, atomic_path, read_tables
from linkwell.base.sites import host_of, site_of

CREDIT_FORMATS = ("text", "csv", "json")
"""What `write_credit` writes."""

CREDIT_COLUMNS = ("url", "page_url", "site", "site_of", "credit", "license", "license_scope")
GROUP_COLUMNS = ("site", "credit", "license", "license_scope", "links", "example_page")

_READ = ["link_id", "url", "page_url", "credit", "license", "license_scope"]
_MEMORY_LIMIT = "400MB"

Row = Mapping[str, str | int]


class CreditReport(msgspec.Struct, frozen=True):
    """What was written: `entries` for `links`; of those, how many state a name and a licence; `missing` wanted ones are not there."""

    links: int
    entries: int
    named: int
    licensed: int
    missing: int


def write_credit(
    to: Path,
    *,
    links: Sequence[Path],
    output: str = "text",
    wanted: Collection[bytes] | None = None,
    withhold: Collection[bytes] = (),
    grouped: bool = False,
) -> CreditReport:
    """Write who is to be named for links, to one file, whole or not at all; memory does not grow with the links.

    Args:
        to: the file.
        links: shards of links.
        output: one of `CREDIT_FORMATS`.
        wanted: ids of the links it is about; None: all.
        withhold: ids that are treated as if they were not there.
        grouped: one entry for each site, name and licence, with the number of links, instead of one for each link.

    Raises:
        UsageError: there is no such format.
        DamagedFileError: a shard does not read.
        StorageError: the disk is full or not writable.
    """
    if output not in CREDIT_FORMATS:
        raise UsageError(f"there is no format {output!r}", advice=f"Formats: {', '.join(CREDIT_FORMATS)}.")
    counts = {"links": 0, "named": 0, "licensed": 0}
    entries = 0

    def counted(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal entries
        for row in rows:
            entries += 1
            yield row

    rows = _rows(links, wanted, frozenset(withhold), counts)
    with atomic_path(to) as temporary, tempfile.TemporaryDirectory(prefix="linkwell-credit-") as scratch:
        chosen = _grouped(rows, Path(scratch)) if grouped else rows
        with temporary.open("w", encoding="utf-8", newline="") as file:
            _WRITERS[output](file, counted(chosen), GROUP_COLUMNS if grouped else CREDIT_COLUMNS)
    missing = 0 if wanted is None else len(set(wanted)) - counts["links"]
    return CreditReport(counts["links"], entries, counts["named"], counts["licensed"], missing)


def _rows(
    links: Sequence[Path], wanted: Collection[bytes] | None, hidden: frozenset[bytes], counts: dict[str, int]
) -> Iterator[Row]:
    only = None if wanted is None else frozenset(wanted)
    for table in read_tables(links, _READ):
        for row in table.to_pylist():
            link_id = bytes(row["link_id"])
            if link_id in hidden or (only is not None and link_id not in only):
                continue
            page = row["page_url"] or ""
            counts["links"] += 1
            counts["named"] += bool(row["credit"])
            counts["licensed"] += bool(row["license"])
            yield {
                "url": row["url"],
                "page_url": page,
                "site": site_of(host_of(page or row["url"])),
                "site_of": "page" if page else "image",
                "credit": " ".join((row["credit"] or "").split()),
                "license": row["license"] or "",
                "license_scope": row["license_scope"] or "",
            }


def _grouped(rows: Iterator[Row], scratch: Path) -> Iterator[Row]:
    """Entries by site, name and licence, sorted; out of core, as there may be as many as there are sites."""
    schema = pa.schema([pa.field(name, pa.string()) for name in CREDIT_COLUMNS])
    path = scratch / "rows.parquet"
    with ParquetWriter(path, schema) as writer:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 10_000:  # noqa: PLR2004 - rows held at a time
                writer.write(pa.Table.from_pylist(list(map(dict, batch)), schema))
                batch = []
        writer.write(pa.Table.from_pylist(list(map(dict, batch)), schema))
    with duckdb.connect(
        config={"memory_limit": _MEMORY_LIMIT, "temp_directory": str(scratch), "threads": 1}
    ) as database:
        found = database.execute(
            "SELECT site, credit, license, license_scope, count(*) AS links, min(page_url) AS example_page "
            "FROM read_parquet($path) GROUP BY ALL ORDER BY ALL",
            {"path": str(path)},
        )
        while several := found.fetchmany(1_000):
            for values in several:
                yield dict(zip(GROUP_COLUMNS, values, strict=True))


def _write_text(file: TextIO, rows: Iterator[Row], columns: Sequence[str]) -> None:
    for row in rows:
        scope = f" (stated for the {row['license_scope']})" if row["license_scope"] else ""
        if "url" in columns:
            file.write(f"{row['url']}\n  page: {row['page_url'] or 'unknown'}\n")
        else:
            file.write(f"{row['site']}: {row['links']} links\n")
        if "url" in columns:
            file.write(f"  site: {row['site']}{'' if row['site_of'] == 'page' else ' (of the image)'}\n")
        file.write(f"  name: {row['credit'] or 'not stated'}\n  licence: {row['license'] or 'not stated'}{scope}\n\n")


def _write_csv(file: TextIO, rows: Iterator[Row], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_json(file: TextIO, rows: Iterator[Row], columns: Sequence[str]) -> None:
    del columns
    start = "[\n"
    for row in rows:
        file.write(start + msgspec.json.encode(dict(row)).decode())
        start = ",\n"
    file.write("\n]\n" if start == ",\n" else "[]\n")


_WRITERS: dict[str, Callable[[TextIO, Iterator[Row], Sequence[str]], None]] = {
    "text": _write_text,
    "csv": _write_csv,
    "json": _write_json,
}
