"""Host profile, version 2: the public order in which rows become cells, so that look-alike rows are neighbours.

Rows are ordered by their coarse safety bin (none first), then by the profile of their registered domain, then by domain (in the
order of a public hash), host and URL. The profile of a domain is taken over the rows of this release's input, from public columns alone:
  1. its mean safety bin, rounded (-1 where it has none);
  2. its most frequent language (the first in the alphabet among equals);
  3. the share of its rows whose verdict for `train_ai` is `disallow`, in quarters;
  4. its size: the power of two its row count reaches.
All but host and URL are one number of 64 bits, which is what rows are dealt and sorted by.

Two stages: *profile* reads each shard once and sums up its domains; *hosts* brings the sums of a domain together.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mmh3
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from linkwell.base.ids import LINK_ID_BYTES, binary_array, canonical_id
from linkwell.base.shards import ParquetWriter, read_tables, write_array
from linkwell.base.words import words_of
from linkwell.engine import BucketWriter, TaskContext, read_buckets
from linkwell.release.blinded import ID_ROWS_SCHEMA, blinded_ids, bucket_of, id_columns

HOST_PROFILE = "linkwell-host-profile-2"
"""Names the order above, in every manifest."""

KEYS, IDS, DOMAINS, SAMPLE, HOSTS = "keys.parquet", "ids.arrow", "domains.arrow", "sample.arrow", "hosts.npy"

KEY_SCHEMA: pa.Schema = pa.schema(
    [
        ("link_id", pa.binary(16)),
        ("canonical_id", pa.binary(16)),  # type: ignore[arg-type] # the stub of pa.binary says object
        ("domain", pa.uint64()),
        ("place", pa.string()),
        ("safety_bin", pa.int8()),
    ]
)
"""What later stages need of a row: `domain` is a hash, `place` host and URL, `safety_bin` -1 where there is none."""
SAMPLE_SCHEMA: pa.Schema = pa.schema([KEY_SCHEMA.field(name) for name in ("domain", "place", "safety_bin")])
DOMAIN_SCHEMA: pa.Schema = pa.schema(
    [
        ("domain", pa.uint64()),
        ("language", pa.uint16()),
        ("rows", pa.int64()),
        ("bins", pa.int64()),
        ("binned", pa.int64()),
        ("opted_out", pa.int64()),
    ]
)
"""Sums over the rows of one domain and language: rows, their safety bins, how many have one, how many say `disallow`."""
PROFILE_DTYPE = np.dtype([("domain", np.uint64), ("profile", np.uint32)])

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_UNUSUAL = frozenset("@:?#[]\\ ")
"""In an authority: user, port, IPv6, no path, or no URL."""
_READ = ["link_id", "url", "safety_bin", "train_ai", "language"]
_LANGUAGE_BITS, _OPTED_OUT_BITS, _SIZE_BITS, _UNSAFE_BITS, _BIN_BITS = 16, 3, 6, 4, 4
_PROFILE_BITS = _UNSAFE_BITS + _LANGUAGE_BITS + _OPTED_OUT_BITS + _SIZE_BITS
_DOMAIN_BITS = 64 - _BIN_BITS - _PROFILE_BITS
LOOK_BITS = _OPTED_OUT_BITS + _SIZE_BITS + _DOMAIN_BITS
"""Of an order key, what is above these bits says how a row looks at first: its bin, its domain's bin and language."""
LOOK_BIN_BITS = _UNSAFE_BITS + _LANGUAGE_BITS
"""Of a look, what is above these bits is the row's bin."""


class ProfileParams(msgspec.Struct, frozen=True):
    """Parameters of `profile_shard`."""

    shard: str
    first_row: int
    """Number of the shard's first row among the rows of all shards."""
    buckets: int
    sample_every: int
    """One row of so many is a sample, from which the ranges of the order are set."""
    blind_for: str = ""
    """The workspace under whose key link ids are dealt, to be joined; empty where there is nothing to join them with."""


class HostsParams(msgspec.Struct, frozen=True):
    """Parameters of `profile_hosts`."""

    domains: tuple[str, ...]
    bucket: int
    buckets: int


def profile_shard(context: TaskContext) -> None:
    """Write what ordering and matching need to know of every row of a shard, and the sums over its domains."""
    params = context.params(ProfileParams)
    row = params.first_row
    sums: list[pa.Table] = []
    samples: list[pa.Table] = []
    ids = BucketWriter(context.output(IDS), ID_ROWS_SCHEMA, params.buckets) if params.blind_for else None
    with ParquetWriter(context.output(KEYS), KEY_SCHEMA, intermediate=True) as writer:
        for table in read_tables([Path(params.shard)], _READ):
            keys = _keys(table)
            writer.write(keys)
            sums.append(_sums(table, keys["domain"].combine_chunks()))
            rows = np.arange(row, row + table.num_rows)
            samples.append(keys.select(SAMPLE_SCHEMA.names).take(np.flatnonzero(rows % params.sample_every == 0)))
            if ids is not None:
                words = blinded_ids(words_of(keys["link_id"]), params.blind_for)
                ids.deal([*id_columns(words), pa.array(rows)], bucket_of(words, params.buckets))
            row += table.num_rows
    if ids is not None:
        ids.close()
    merged = _merge_sums(sums)
    domain = merged["domain"].to_numpy()
    with BucketWriter(context.output(DOMAINS), DOMAIN_SCHEMA, params.buckets) as dealt:
        dealt.deal(merged.columns, _domain_bucket(domain, params.buckets))
    with pa.OSFile(str(context.output(SAMPLE)), "wb") as sink, pa.ipc.new_file(sink, SAMPLE_SCHEMA) as sampled:
        for sample in samples:
            sampled.write_table(sample)
    context.count("rows", row - params.first_row)


def profile_hosts(context: TaskContext) -> None:
    """Write the profiles of the domains of one bucket, by domain."""
    params = context.params(HostsParams)
    sums = _merge_sums([read_buckets(params.domains, params.bucket, params.buckets, DOMAIN_SCHEMA)])
    columns = {name: sums[name].to_numpy() for name in DOMAIN_SCHEMA.names}
    # By domain, the most frequent language first, among equals the first in the alphabet.
    order = np.lexsort((columns["language"], -columns["rows"], columns["domain"]))
    columns = {name: values[order] for name, values in columns.items()}
    domain = columns["domain"]
    first = np.flatnonzero(np.append(True, domain[1:] != domain[:-1])) if len(domain) else np.zeros(0, np.int64)
    total = {
        name: np.add.reduceat(columns[name], first) if len(first) else columns[name]
        for name in ("rows", "bins", "binned", "opted_out")
    }
    profiles = np.zeros(len(first), PROFILE_DTYPE)
    profiles["domain"] = domain[first]
    mean = total["bins"] / np.maximum(total["binned"], 1)
    unsafe = np.where(total["binned"] > 0, np.floor(mean + 0.5), -1).astype(np.int64) + 1
    quarters = 4 * total["opted_out"] // np.maximum(total["rows"], 1)
    size = np.frexp(total["rows"].astype(np.float64))[1]
    packed = unsafe << _LANGUAGE_BITS | columns["language"][first].astype(np.int64)
    packed = packed << _OPTED_OUT_BITS | quarters
    profiles["profile"] = (packed << _SIZE_BITS | size).astype(np.uint32)
    with context.output(HOSTS).open("wb") as file:
        write_array(file, profiles)


def order_keys(safety_bin: npt.NDArray[np.int8], domain: UInt64s, profiles: npt.NDArray[np.void]) -> UInt64s:
    """The number that rows are ordered by, before host and URL.

    Args:
        safety_bin: of each row, -1 where it has none.
        domain: the hash of each row's domain.
        profiles: `PROFILE_DTYPE`, by domain; has every domain.
    """
    unique, places = np.unique(domain, return_inverse=True)
    found = profiles["profile"][np.searchsorted(profiles["domain"], unique)][places].astype(np.uint64)
    key = (safety_bin.astype(np.int64) + 1).astype(np.uint64) << np.uint64(_PROFILE_BITS) | found
    return key << np.uint64(_DOMAIN_BITS) | domain >> np.uint64(64 - _DOMAIN_BITS)


def join_profiles(paths: list[Path], path: Path) -> None:
    """Write the profiles of all buckets as one file, by domain; buckets are ranges, so nothing is sorted."""
    pieces = [np.load(each, mmap_mode="r") for each in paths]
    whole = np.lib.format.open_memmap(path, "w+", PROFILE_DTYPE, (sum(map(len, pieces)),))
    start = 0
    for piece in pieces:
        whole[start : start + len(piece)] = piece
        start += len(piece)
    whole.flush()


def read_samples(paths: list[Path]) -> Iterator[pa.Table]:
    """The samples of all shards: `SAMPLE_SCHEMA`."""
    for path in paths:
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
            yield reader.read_all()


def domain_hashes(urls: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> UInt64s:
    """64 bits of the name of each URL's registered domain: the same in every release, and in no secret."""
    hosts, place = _hosts(urls)
    return _hashes(hosts)[place]


def _keys(table: pa.Table) -> pa.Table:
    urls = [str(url) for url in table["url"].to_pylist()]
    links = [bytes(link) for link in table["link_id"].to_pylist() if link]
    hosts, place = _hosts(table["url"])
    named: Any = pa.array(hosts, pa.string())
    canonical = [canonical_id(url) or link for url, link in zip(urls, links, strict=True)]
    columns = [
        table["link_id"],
        binary_array(canonical, LINK_ID_BYTES),
        pa.array(_hashes(hosts)[place]),
        pc.binary_join_element_wise(named.take(pa.array(place)), table["url"].cast(pa.string()).combine_chunks(), "\0"),
        _bins(table, -1),
    ]
    return pa.table(columns, schema=KEY_SCHEMA)


def _bins(table: pa.Table, nothing: int) -> "pa.ChunkedArray[pa.Scalar[pa.DataType]]":
    """The safety bins, with `nothing` where there is none."""
    filled: pa.ChunkedArray[pa.Scalar[pa.DataType]] = pc.fill_null(table["safety_bin"], nothing)  # type: ignore[arg-type] # the stubs do not know a plain number
    return filled


def _sums(table: pa.Table, domain: "pa.Array[pa.Scalar[pa.DataType]]") -> pa.Table:
    verdict = table["train_ai"].cast(pa.string())
    language = table["language"].combine_chunks().dictionary_encode()
    codes = np.array([_language_code(name) for name in language.dictionary.to_pylist()], np.uint16)
    columns = [
        domain,
        pa.array(codes[language.indices.to_numpy()] if len(codes) else np.zeros(table.num_rows, np.uint16)),
        pa.array(np.ones(table.num_rows, np.int64)),
        _bins(table, 0).cast(pa.int64()),
        table["safety_bin"].is_valid().cast(pa.int64()),
        pc.equal(verdict, pa.scalar("disallow")).fill_null(False).cast(pa.int64()),  # noqa: FBT003
    ]
    return _merge_sums([pa.table(columns, schema=DOMAIN_SCHEMA)])


def _merge_sums(tables: list[pa.Table]) -> pa.Table:
    names = DOMAIN_SCHEMA.names[2:]
    whole = pa.concat_tables([DOMAIN_SCHEMA.empty_table(), *tables])
    grouped = whole.group_by(["domain", "language"], use_threads=False).aggregate([(name, "sum") for name in names])
    columns = [grouped["domain"], grouped["language"], *(grouped[f"{name}_sum"] for name in names)]
    return pa.table(columns, schema=DOMAIN_SCHEMA)


def _domain_bucket(domain: UInt64s, buckets: int) -> Int64s:
    """Buckets are ranges of the hash, so that what comes of them in order is in order."""
    return ((domain >> np.uint64(32)) * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)


def _language_code(name: object) -> int:
    """The first two letters of a language, as a number in the order of the alphabet."""
    return int.from_bytes(str(name or "").encode("ascii", "replace")[:2].ljust(2, b"\0"), "big")


def _hosts(urls: "pa.ChunkedArray[pa.Scalar[pa.DataType]]") -> tuple[list[str], Int64s]:
    """The hosts that some URLs have, and which of them each URL has: what `_host` says, asked once for a host."""
    whole: Any = urls.cast(pa.string()).combine_chunks()
    pieces: Any = pc.split_pattern(whole, "/", max_splits=3)
    third: Any = pc.list_slice(pieces, 2, 3, return_fixed_size_list=True)
    encoded: Any = pc.dictionary_encode(pc.fill_null(third.flatten(), ""))
    authorities = [str(name) for name in encoded.dictionary.to_pylist()]
    place = np.asarray(encoded.indices).astype(np.int64)
    usual = np.array([_UNUSUAL.isdisjoint(name) for name in authorities], bool)[place]
    is_http: Any = pc.or_(pc.starts_with(whole, "http://"), pc.starts_with(whole, "https://"))
    others = np.flatnonzero(~(usual & np.asarray(pc.fill_null(is_http, False))))  # noqa: FBT003
    hosts = [name.lower() for name in authorities]
    place[others] = len(hosts) + np.arange(len(others))
    hosts += [_host(str(url)) for url in whole.take(pa.array(others)).to_pylist()]
    return hosts, place


def _hashes(hosts: list[str]) -> UInt64s:
    return np.fromiter((_domain_hash(host) for host in hosts), np.uint64, len(hosts))


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
def _domain_hash(host: str) -> int:
    """64 bits of a domain's name. Two domains of one hash would share a profile, which harms nobody."""
    first: int = mmh3.hash64(_domain(host).encode("utf-8", "surrogatepass"), signed=False)[0]
    return first


@lru_cache(1 << 16)
def _domain(host: str) -> str:
    """The registered domain of a host; an address is its own."""
    if ":" in host or host.rpartition(".")[2].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
