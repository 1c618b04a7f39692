"""Ids of links, and the ids other projects give the same link.

`link_id` is the identity: one URL, one id, for ever. `canonical_id` is a second, lossy key for matching what people type and
what partners list. Foreign ids are computed on demand and never stored as identity.
"""

import hashlib
from collections.abc import Iterable, Sequence

import can_ada
import mmh3
import pyarrow as pa

LINK_ID_BYTES = 16

_PREFIX = b"linkwell:link:1\0"
_link = hashlib.sha256(_PREFIX)
_canonical = hashlib.sha256(b"linkwell:canonical:1\0")


def link_id(url: str) -> bytes:
    """The 16-byte id of a URL exactly as stored.

    >>> link_id("http://example.com/a.jpg").hex()
    '3b43e03dd322bbd48d2430992179b2b7'
    """
    digest = _link.copy()
    digest.update(url.encode("utf-8", "surrogatepass"))
    return digest.digest()[:LINK_ID_BYTES]


def link_ids(urls: Iterable[str]) -> pa.FixedSizeBinaryArray:
    """The ids of many URLs, as an Arrow array of `fixed_size_binary(16)`."""
    # As `link_id`, at once: a copy of a digest costs more than hashing the prefix again.
    sha256 = hashlib.sha256
    digests = [sha256(_PREFIX + url.encode("utf-8", "surrogatepass")).digest()[:LINK_ID_BYTES] for url in urls]
    return binary_array(digests, LINK_ID_BYTES)


def binary_array(values: Sequence[bytes], width: int) -> pa.FixedSizeBinaryArray:
    """An Arrow array of `fixed_size_binary(width)` without nulls; `values` must all have that width."""
    array = pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(b"".join(values))])
    assert isinstance(array, pa.FixedSizeBinaryArray)  # noqa: S101 - narrows the stub's type
    return array


def canonical_url(url: str) -> str | None:
    """The WHATWG serialisation of an http(s) URL without its fragment, or None where no parser accepts it.

    >>> canonical_url("HTTP://Example.COM:80/a/../b.jpg#top")
    'http://example.com/b.jpg'
    """
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return None
    if parsed.protocol not in ("http:", "https:"):
        return None
    parsed.hash = ""
    return parsed.href


def canonical_id(url: str) -> bytes | None:
    """The 16-byte lossy key of a URL, or None where no parser accepts it."""
    canonical = canonical_url(url)
    if canonical is None:
        return None
    digest = _canonical.copy()
    digest.update(canonical.encode())
    return digest.digest()[:LINK_ID_BYTES]


def laion_hash(url: str | None, text: str | None) -> int:
    """LAION's `hash`: the first half of MurmurHash3 x64-128 of url+text, seed 0, signed.

    >>> laion_hash("http://example.com/a.jpg", "a cat")
    -5279530632928501463
    """
    first: int = mmh3.hash64(((url or "") + (text or "")).encode("utf-8", "surrogatepass"))[0]
    return first


def cc2dataset_uid(url: str, text: str) -> str:
    """cc2dataset's `uid`: MD5 of alt+url in hex.

    >>> cc2dataset_uid("http://example.com/a.jpg", "a cat")
    'c719678dec8a0295aca4a54ece7242c0'
    """
    return hashlib.md5((text + url).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
