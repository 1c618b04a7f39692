"""What can be said of a release in numbers: counted by DuckDB over its parts, out of core, in the same order every time."""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from linkwell.base.schema import USES
from linkwell.base.shards import atomic_path
from linkwell.base.sites import site_of
from linkwell.release.manifest import Manifest

_MEMORY_LIMIT = "500MB"
_HOSTS_AT_ONCE = 50_000
_HOST = r"^https?://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/:?#]*)"
_SITES: pa.Schema = pa.schema([("site", pa.string()), ("links", pa.int64())])  # type: ignore[arg-type] # the stub says object

Counts = tuple[tuple[str, int], ...]
"""Name and links, the most links first, then by name."""


class ReleaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A release in numbers. Unit of every count: links."""

    manifest: Manifest
    byte_size: int
    """Of all parts."""
    sites: int
    """Registered domains that serve images."""
    top_sites: Counts
    """The fifty with the most links."""
    languages: Counts
    licences: Counts
    """By licence URL; the links that state none are left out."""
    verdicts: dict[str, Counts]
    """By use."""
    crawls: Counts
    first_seen: str
    """Date of the oldest capture, ISO 8601; empty where none is known."""
    last_seen: str


def gather_facts(manifest: Manifest, parts: Sequence[Path], sites_csv: Path) -> ReleaseFacts:
    """Count a release, and write its table of domains.

    Args:
        manifest: the release's.
        parts: its parquet files.
        sites_csv: where the table goes: domain, links, share of all; the most links first.

    Raises:
        StorageError: the table cannot be written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="linkwell-facts-") as scratch,
        duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "temp_directory": scratch, "threads": 1}) as database,
    ):
        database.execute("CREATE TABLE sites (site VARCHAR, links BIGINT)")
        if parts:
            database.read_parquet([str(path) for path in parts]).create_view("links")
            for sites in _sites(database):
                database.register("counted", sites)
                database.execute("INSERT INTO sites SELECT * FROM counted")
                database.unregister("counted")
        else:
            columns = ", ".join(f"NULL::VARCHAR AS {name}" for name in ("url", "language", "license", *USES, "crawl"))
            database.execute(f"CREATE TABLE links AS SELECT {columns}, NULL::TIMESTAMP AS seen_at WHERE false")
        database.execute(
            "CREATE TABLE ranked AS SELECT site, sum(links)::BIGINT AS links FROM sites GROUP BY site ORDER BY links DESC, site"
        )
        _write_sites(database, sites_csv, manifest.rows)
        seen = database.execute("SELECT min(seen_at)::DATE, max(seen_at)::DATE FROM links").fetchone() or (None, None)
        return ReleaseFacts(
            manifest=manifest,
            byte_size=sum(part.bytes for part in manifest.parts),
            sites=_number(database, "SELECT count(*) FROM ranked"),
            top_sites=_counts(database, "SELECT site, links FROM ranked ORDER BY links DESC, site LIMIT 50"),
            languages=_of(database, "language"),
            licences=_of(database, "license"),
            verdicts={use: _of(database, use) for use in USES},
            crawls=_of(database, "crawl"),
            first_seen=str(seen[0] or ""),
            last_seen=str(seen[1] or ""),
        )


def _sites(database: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    """The sites of all hosts, some at a time; a site comes as often as it has hosts."""
    counted = database.cursor()
    counted.execute(f"SELECT lower(regexp_extract(url, '{_HOST}', 1)), count(*) FROM links GROUP BY 1 ORDER BY 1")  # noqa: S608
    while several := counted.fetchmany(_HOSTS_AT_ONCE):
        yield pa.table([[site_of(str(host)) for host, _ in several], [links for _, links in several]], schema=_SITES)


def _write_sites(database: duckdb.DuckDBPyConnection, to: Path, rows: int) -> None:
    ranked = database.cursor()
    ranked.execute("SELECT site, links FROM ranked ORDER BY links DESC, site")
    with atomic_path(to) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("domain", "links", "share"))
        while several := ranked.fetchmany(_HOSTS_AT_ONCE):
            writer.writerows((site, links, f"{links / rows:.8f}") for site, links in several)


def _of(database: duckdb.DuckDBPyConnection, column: str) -> Counts:
    return _counts(
        database,
        f"SELECT {column}::VARCHAR, count(*) AS n FROM links WHERE {column} IS NOT NULL "  # noqa: S608 - names of our own
        "GROUP BY 1 ORDER BY n DESC, 1 LIMIT 1000",
    )


def _counts(database: duckdb.DuckDBPyConnection, query: str) -> Counts:
    return tuple((str(name), int(count)) for name, count in database.execute(query).fetchall())


def _number(database: duckdb.DuckDBPyConnection, query: str) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0
