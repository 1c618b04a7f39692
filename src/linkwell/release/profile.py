"""Host profile, version 1: the public order in which rows become cells, so that look-alike rows are neighbours.

Rows are ordered by their coarse safety bin (none first), then by the profile of their registered domain, then by domain, host and
URL. The profile of a domain is taken over the rows of this release's input, from public columns alone:
  1. its mean safety bin, rounded (-1 where it has none);
  2. its most frequent language (the first in the alphabet among equals);
  3. the share of its rows whose verdict for `train_ai` is `disallow`, in quarters;
  4. its size: the power of two its row count reaches.

The work is DuckDB's, under a memory limit, over one small key file for each shard; spilled data is encrypted.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from linkwell.base.ids import LINK_ID_BYTES, binary_array, canonical_id
from linkwell.base.shards import ParquetWriter, read_tables
from linkwell.engine import TaskContext
from linkwell.release.members import id_words, is_member

HOST_PROFILE = "linkwell-host-profile-1"
"""Names the order above, in every manifest."""

MEMORY_LIMIT_MEGABYTES = 1_000
"""What DuckDB may use for ordering and matching; above it, it spills to the work folder."""

KEY_SCHEMA: pa.Schema = pa.schema(
    [
        ("row", pa.int64()),
        ("link_id", pa.binary(16)),
        ("canonical_id", pa.binary(16)),  # type: ignore[arg-type] # same
        ("domain", pa.string()),
        ("host", pa.string()),
        ("url", pa.string()),
        ("safety_bin", pa.int8()),
        ("opted_out", pa.bool_()),
        ("language", pa.string()),
    ]
)

_UNUSUAL = frozenset("@:?#[]\\ ")
"""In an authority: user, port, IPv6, no path, or no URL."""
_READ_ROWS = 1 << 18
_READ = ["link_id", "url", "safety_bin", "train_ai", "language"]


class ProfileParams(msgspec.Struct, frozen=True):
    """Parameters of `profile_shard`."""

    shard: str
    first_row: int
    """Number of the shard's first row among the rows of all shards."""


def profile_shard(context: TaskContext) -> None:
    """Write what ordering and matching need to know of every row of a shard."""
    params = context.params(ProfileParams)
    row = params.first_row
    with ParquetWriter(context.output("keys.parquet"), KEY_SCHEMA) as writer:
        for table in read_tables([Path(params.shard)], _READ):
            urls = [str(url) for url in table["url"].to_pylist()]
            links = [bytes(link) for link in table["link_id"].to_pylist() if link]
            hosts = [_host(url) for url in urls]
            canonical = [canonical_id(url) or link for url, link in zip(urls, links, strict=True)]
            verdict = table["train_ai"].cast(pa.string())
            columns = [
                pa.array(np.arange(row, row + len(urls))),
                table["link_id"],
                binary_array(canonical, LINK_ID_BYTES),
                pa.array([_domain(host) for host in hosts], pa.string()),
                pa.array(hosts, pa.string()),
                table["url"],
                table["safety_bin"],
                pc.equal(verdict, pa.scalar("disallow")),
                table["language"],
            ]
            writer.write(pa.table(columns, schema=KEY_SCHEMA))
            row += len(urls)
    context.count("rows", row - params.first_row)


def _host(url: str) -> str:
    """The host of an absolute URL; by hand, because urlsplit takes ten times as long on what nearly all URLs look like."""
    scheme, slashes, rest = url.partition("://")
    if scheme in ("http", "https") and slashes:
        authority = rest.partition("/")[0]
        if _UNUSUAL.isdisjoint(authority):
            return authority.lower()
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@lru_cache(1 << 16)
def _domain(host: str) -> str:
    """The registered domain of a host; an address is its own."""
    if ":" in host or host.rpartition(".")[2].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KeyTables:
    """The key files of a build's shards, and the links of the partition, as DuckDB sees them. Make it with `key_tables`."""

    connection: duckdb.DuckDBPyConnection
    rows: int
    """Rows of the build. Links of the partition that are not in the build are numbered from here."""

    def order(self) -> Int64s:
        """All rows of the build in public order."""
        query = """
            with spoken as (select domain, language, count(*) as n from keys group by all),
            domains as (
                select domain, coalesce(round(avg(safety_bin)), -1) as unsafe,
                    floor(4 * avg(opted_out::int)) as opted_out, floor(log2(count(*))) as size
                from keys group by domain),
            languages as (
                select domain, language from spoken
                qualify row_number() over (partition by domain order by n desc, language) = 1)
            select row from keys join domains using (domain) join languages using (domain)
            order by coalesce(keys.safety_bin, -1), domains.unsafe, languages.language, domains.opted_out, domains.size,
                domain, host, url, row
        """
        return self._column(query, "row")

    def inherited(self) -> tuple[Int64s, Int64s]:
        """Rows of the build whose link has a cell, and the cell."""
        table = self._table("select row, cell from keys join old using (link_id)")
        return _numbers(table, "row"), _numbers(table, "cell")

    def old_nodes(self) -> Int64s:
        """Numbers of the links of the partition that are not in the build."""
        return self._column("select node from nodes where old", "node")

    def ties(self, contents: Iterable[pa.Table]) -> tuple[Int64s, Int64s]:
        """Pairs of links that must stay together: of one canonical URL, or of one content.

        Args:
            contents: tables `link_id`, `content`: the same bytes for the same content.
        """
        self.connection.execute("create or replace table contents (link_id blob, content blob)")
        for table in contents:
            self.connection.register("arriving", table)
            self.connection.execute(
                "insert into contents select link_id, content from arriving semi join nodes using (link_id)"
            )
            self.connection.unregister("arriving")
        query = """
            with keyed as (
                select node, canonical_id as key from nodes union all
                select node, content as key from nodes join contents using (link_id)),
            shared as (select key, min(node) as first from keyed group by key having count(distinct node) > 1)
            select distinct node, first from keyed join shared using (key) where node <> first order by node, first
        """
        table = self._table(query)
        return _numbers(table, "node"), _numbers(table, "first")

    def matching(self, column: str, ids: npt.NDArray[np.void]) -> Int64s:
        """Rows of the build whose `link_id` or `canonical_id` is among `ids` (as from `member_words`); nothing is stored."""
        found = []
        query = f"select row, {column} as id from keys"  # noqa: S608 - a column's name of ours
        for table in self._tables(query):
            words = id_words(table["id"])
            found.append(_numbers(table, "row")[is_member(words, ids)])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def canonical_ids(self) -> Iterator[pa.Table]:
        """`row`, `link_id` and `canonical_id` of all rows of the build, by row."""
        return self._tables("select row, link_id, canonical_id from keys order by row")

    def _column(self, query: str, name: str) -> Int64s:
        pieces = [_numbers(table, name) for table in self._tables(query)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)

    def _table(self, query: str) -> pa.Table:
        table: pa.Table = self.connection.sql(query).to_arrow_table()
        return table

    def _tables(self, query: str) -> Iterator[pa.Table]:
        reader = self.connection.sql(query).to_arrow_reader(_READ_ROWS)
        for batch in reader:
            yield pa.Table.from_batches([batch])


@contextmanager
def key_tables(key_files: list[Path], rows: int, old_links: Iterable[pa.Table], work: Path) -> Iterator[KeyTables]:
    """Open the key files and the links of the partition (`PARTITION_SCHEMA`) for ordering and matching."""
    connection = duckdb.connect()
    try:
        for setting in (
            "temp_file_encryption=true",
            "enable_progress_bar=false",
            "preserve_insertion_order=false",
            f"memory_limit='{MEMORY_LIMIT_MEGABYTES}MB'",
            f"temp_directory='{str(work).replace(chr(39), chr(39) * 2)}'",
        ):
            connection.execute(f"set {setting}")
        connection.execute("create table old (link_id blob, canonical_id blob, cell uinteger)")
        for table in old_links:
            connection.register("arriving", table)
            connection.execute("insert into old select link_id, canonical_id, cell from arriving")
            connection.unregister("arriving")
        if key_files:
            connection.read_parquet([str(path) for path in key_files]).create_view("keys")
        else:
            connection.register("keys", KEY_SCHEMA.empty_table())
        connection.execute(
            f"""
            create table nodes as
            select row as node, link_id, canonical_id, false as old from keys union all
            select {rows} + row_number() over (order by link_id) - 1, link_id, canonical_id, true
            from old anti join keys using (link_id)
            """  # noqa: S608 - a number of ours
        )
        yield KeyTables(connection, rows)
    finally:
        connection.close()


def _numbers(table: pa.Table, name: str) -> Int64s:
    return table[name].to_numpy().astype(np.int64)
