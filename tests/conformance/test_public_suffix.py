"""The public suffix list, as publicsuffixlist reads it, on the list's own tests."""

import re
from pathlib import Path

from publicsuffixlist import PublicSuffixList

_CHECK = re.compile(r"^checkPublicSuffix\((null|'([^']*)'), (null|'([^']*)')\);$", re.MULTILINE)


def test_registrable_domains(shared_vectors: Path) -> None:
    """The registrable part of every host of the list's tests, in Unicode and in Punycode."""
    text = (shared_vectors / "publicsuffix/test_psl.txt").read_text("utf-8")
    suffixes = PublicSuffixList()
    ran = 0
    for match in _CHECK.finditer(text):
        host, expected = match[2], match[4]
        if host is None or host.startswith("."):
            continue  # no host name at all
        assert suffixes.privatesuffix(host.lower()) == expected, host
        ran += 1
    assert ran > 65
