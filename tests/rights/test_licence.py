"""Licence links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.rights import licence_of

BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.mark.parametrize(
    "url",
    [
        BY,
        "http://creativecommons.org/licenses/by/4.0",
        "HTTPS://WWW.CreativeCommons.org/licenses/BY/4.0/",
        "https://creativecommons.org/licenses/by/4.0/deed.de",
        "https://creativecommons.org/licenses/by/4.0/legalcode?x=1#y",
    ],
)
def test_one_form_for_every_spelling(url: str) -> None:
    """Scheme, www, case, deed and legal-code pages do not make another licence."""
    assert licence_of([url]) == BY


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        (
            "http://creativecommons.org/licenses/by-nc-nd/3.0/de/",
            "https://creativecommons.org/licenses/by-nc-nd/3.0/de/",
        ),
        ("https://creativecommons.org/licenses/by/3.0/igo/", "https://creativecommons.org/licenses/by/3.0/igo/"),
        (
            "https://creativecommons.org/publicdomain/zero/1.0/deed.fr",
            "https://creativecommons.org/publicdomain/zero/1.0/",
        ),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("http://creativecommons.org/licenses/publicdomain/", "https://creativecommons.org/licenses/publicdomain/"),
        (
            "http://creativecommons.org/licenses/nc-sampling+/1.0/",
            "https://creativecommons.org/licenses/nc-sampling+/1.0/",
        ),
    ],
)
def test_jurisdictions_and_public_domain(url: str, canonical: str) -> None:
    """Ported licences keep their jurisdiction; the public-domain tools are recognised."""
    assert licence_of([url]) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org.example/licenses/by/4.0/",
        "https://creativecommons.org/licenses/",
        "https://creativecommons.org/licenses/buy/4.0/",
        "https://example.org/terms",
    ],
)
def test_other_licences_stay_as_they_are(url: str) -> None:
    """A link that says it is the licence but names no known one is kept as the URL it is, never taken for one it resembles."""
    assert licence_of([url]) == url


def test_creative_commons_goes_before_others_and_disagreement_gives_none() -> None:
    """Two different Creative Commons licences on one page do not say which holds for a picture."""
    other = "https://creativecommons.org/licenses/by-sa/4.0/"
    assert licence_of(["https://example.org/terms", BY, BY + "deed.en"]) == BY
    assert licence_of([BY, other]) is None
    assert licence_of([]) is None
    assert licence_of(["mailto:a@example.org", "", "javascript:x"]) is None


@given(st.lists(st.text(max_size=80)))
def test_any_links_read_without_error(links: list[str]) -> None:
    """Whatever stands in href, the answer is an http(s) URL or none."""
    found = licence_of(links + [f"https://creativecommons.org/licenses/{link}" for link in links])
    assert found is None or found.lower().startswith(("http://", "https://"))
