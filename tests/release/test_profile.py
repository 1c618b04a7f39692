"""What ordering knows of a row."""

from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.release.profile import _domain, _domain_hash, _host, _hosts, domain_hashes


@pytest.mark.parametrize(
    ("url", "host", "domain"),
    [
        ("http://a.b.example.co.uk/x", "a.b.example.co.uk", "example.co.uk"),
        ("https://User:pw@Example.COM:8080?q", "example.com", "example.com"),
        ("http://[::1]:80/x", "::1", "::1"),
        ("http://192.0.2.7/x", "192.0.2.7", "192.0.2.7"),
        ("http://host#x", "host", "host"),
    ],
)
def test_hosts_and_their_domains(url: str, host: str, domain: str) -> None:
    """The host without user and port, lower-case; the registered domain, or the host where there is none."""
    assert _host(url) == host
    assert _domain(host) == domain


@given(st.text(alphabet="abc.-:@/?#[]\\% é", max_size=30))
def test_the_quick_way_is_the_slow_way(rest: str) -> None:
    """Whatever follows http://, the host is the one urlsplit finds, or none where it finds none."""
    try:
        expected = urlsplit(f"http://{rest}").hostname or ""
    except ValueError:
        expected = ""
    assert _host(f"http://{rest}") == expected


urls = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "http:/", "http:", "ftp://", "//", "", "/"]),
    st.text(alphabet="abC.-:@/?#[]\\% éİ", max_size=12),
    st.sampled_from(["", "/", "/x", "/x/y//z", "?q=/"]),
)


@given(st.lists(urls, max_size=8), st.integers(0, 4))
def test_hosts_of_many_urls_are_those_of_each(some: list[str], cut: int) -> None:
    """Taken apart together, in whatever pieces they come, URLs have the hosts that they have one by one."""
    column = pa.chunked_array([some[:cut], some[cut:]], pa.string())
    hosts, place = _hosts(column)
    assert [hosts[each] for each in place.tolist()] == [_host(url) for url in some]
    assert domain_hashes(column).tolist() == [_domain_hash(_host(url)) for url in some]
