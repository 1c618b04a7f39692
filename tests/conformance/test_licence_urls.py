"""Creative Commons addresses in all the spellings that pages have."""

import pytest

from linkwell.rights import licence_of

CC = "https://creativecommons.org/"

SPELLINGS = [
    ("https://creativecommons.org/licenses/by/4.0/", "licenses/by/4.0/"),
    ("http://creativecommons.org/licenses/by/4.0", "licenses/by/4.0/"),
    ("HTTP://WWW.CreativeCommons.ORG/Licenses/BY/4.0/", "licenses/by/4.0/"),
    ("https://creativecommons.org:443/licenses/by/4.0/", "licenses/by/4.0/"),
    ("http://creativecommons.org:80/licenses/by/4.0/", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/deed.de", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/deed.zh-hant", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/deed", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/legalcode", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/legalcode.txt", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/legalcode.fr#s2", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/rdf", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/4.0/?ref=chooser-v1", "licenses/by/4.0/"),
    ("https://creativecommons.org//licenses//by/4.0/", "licenses/by/4.0/"),
    ("https://creativecommons.org/licenses/by/3.0/us/", "licenses/by/3.0/us/"),
    ("https://creativecommons.org/licenses/by/3.0/de/deed.en", "licenses/by/3.0/de/"),
    ("https://creativecommons.org/licenses/by-sa/3.0/igo/", "licenses/by-sa/3.0/igo/"),
    ("https://creativecommons.org/licenses/by-nc-sa/2.0/uk/", "licenses/by-nc-sa/2.0/uk/"),
    ("https://creativecommons.org/licenses/by/2.5/scotland/", "licenses/by/2.5/scotland/"),
    ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "licenses/by-nd-nc/1.0/"),
    ("https://creativecommons.org/licenses/sampling+/1.0/", "licenses/sampling+/1.0/"),
    ("https://creativecommons.org/licenses/devnations/2.0/", "licenses/devnations/2.0/"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "publicdomain/zero/1.0/"),
    ("http://creativecommons.org/publicdomain/zero/1.0/deed.nl", "publicdomain/zero/1.0/"),
    ("https://creativecommons.org/publicdomain/zero/1.0/legalcode", "publicdomain/zero/1.0/"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "publicdomain/mark/1.0/"),
    ("https://creativecommons.org/licenses/publicdomain/", "licenses/publicdomain/"),
]


@pytest.mark.parametrize(("url", "canonical"), SPELLINGS)
def test_spellings(url: str, canonical: str) -> None:
    """Scheme, case, `www.`, the scheme's own port, deed, legal code, language and query are folded."""
    assert licence_of([url]) == CC + canonical


@pytest.mark.parametrize(
    "url",
    [
        "https://creativecommons.org/",
        "https://creativecommons.org/licenses/",
        "https://creativecommons.org/licenses/by/",
        "https://creativecommons.org/licenses/by/5.0/",
        "https://creativecommons.org/licenses/by/4.0/de/",  # 4.0 has no ports
        "https://creativecommons.org/licenses/by/3.0/xx/",
        "https://creativecommons.org/licenses/by/4.0/chooser",
        "https://creativecommons.org/licenses/sa/4.0/",
        "https://creativecommons.org/licenses/by-nc-nd-sa/4.0/",
        "https://creativecommons.org/publicdomain/zero/2.0/",
        "https://creativecommons.org.evil.example/licenses/by/4.0/",
        "https://evil.example/creativecommons.org/licenses/by/4.0/",
        "https://evil.example/?https://creativecommons.org/licenses/by/4.0/",
        "https://notcreativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org@evil.example/licenses/by/4.0/",
        "https://i.creativecommons.org/l/by/4.0/88x31.png",
        "https://creativecommons.org:8443/licenses/by/4.0/",
        "ftp://creativecommons.org/licenses/by/4.0/",
    ],
)
def test_what_is_no_licence_of_creative_commons(url: str) -> None:
    """It stays the URL that was stated, and is never turned into a licence that nobody stated."""
    assert licence_of([url]) == (url if url.startswith("https") else None)


def test_disagreement_gives_none() -> None:
    """Two licences that differ, be it by version or port, are none; one in two spellings is one."""
    by4, by3, deed = f"{CC}licenses/by/4.0/", f"{CC}licenses/by/3.0/", f"{CC}licenses/by/4.0/deed.fr"
    assert licence_of([by4, by3]) is None
    assert licence_of([by3, f"{CC}licenses/by/3.0/de/"]) is None
    assert licence_of([by4, deed]) == by4
    assert licence_of(["https://h.example/terms", by4]) == by4
