"""Ids of links, against the values other projects publish."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.ids import canonical_id, canonical_url, cc2dataset_uid, laion_hash, link_id, link_ids

_VINTAGE = (
    "http://1.bp.blogspot.com/-4nSga1sbduI/UDT3Q1H9dzI/AAAAAAAABWE/O7_lyFGjmU0/s1600/"
    "Vintage+Wedding+Table+Decorations+Pictures.jpg"
)


def test_a_link_id_is_the_domain_separated_hash_of_the_stored_url() -> None:
    """The id can be computed with nothing but SHA-256."""
    url = "http://example.com/é.jpg"
    assert link_id(url) == hashlib.sha256(b"linkwell:link:1\0" + url.encode()).digest()[:16]


@given(st.lists(st.text()))
def test_many_ids_at_once_are_the_ids_one_by_one(urls: list[str]) -> None:
    """The column of ids holds the same ids, lone surrogates included."""
    assert link_ids(urls).to_pylist() == [link_id(url) for url in urls]


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("HTTP://Example.COM:80/a/../b.jpg#top", "http://example.com/b.jpg"),
        ("https://example.com:443", "https://example.com/"),
        (" http://example.com/a b ", "http://example.com/a%20b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.com/?", "http://example.com/?"),
    ],
)
def test_what_people_type_meets_in_one_canonical_id(typed: str, canonical: str) -> None:
    """Spellings that the URL standard reads alike share the lossy key."""
    assert canonical_url(typed) == canonical
    assert canonical_id(typed) == canonical_id(canonical)


@pytest.mark.parametrize("url", ["", "a.jpg", "ftp://example.com/a", "http://", "http://[::1", "javascript:alert(1)"])
def test_what_is_no_web_address_has_no_canonical_id(url: str) -> None:
    """No id is better than a wrong one."""
    assert canonical_id(url) is None


@pytest.mark.parametrize(
    ("url", "text", "expected"),
    [
        ("http://example.com/a.jpg", "a cat", -5279530632928501463),
        ("http://example.com/é.jpg", "公共の場所", -4326225964327662964),
        (_VINTAGE, "Cake Table Decoration Ideas", 4623837408423549118),
        (None, None, 0),
        ("ab", "c", -5434086359492102041),
        ("a", "bc", -5434086359492102041),
    ],
)
def test_laions_hash_is_reproduced(url: str | None, text: str | None, expected: int) -> None:
    """The joining of url and text without a separator, collisions included, is LAION's own."""
    assert laion_hash(url, text) == expected


def test_cc2datasets_uid_is_reproduced() -> None:
    """MD5 of alt then url."""
    assert cc2dataset_uid("http://example.com/a.jpg", "a cat") == "c719678dec8a0295aca4a54ece7242c0"
