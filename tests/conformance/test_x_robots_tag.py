"""Forms of X-Robots-Tag that other readers get wrong: the table of research/peers.md 4.1 and consent.md 2."""

import pytest

from linkwell.rights import combine, header_signals

AGENT = "img2dataset"


@pytest.mark.parametrize(
    ("lines", "train_ai", "search"),
    [
        # img2dataset 1.47 reads each of these as allowed.
        (["noai, googlebot: nofollow"], "disallow", "unknown"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "disallow", "conditional"),
        (["max-snippet:20, noimageai"], "disallow", "unknown"),
        (["img2dataset : noai"], "disallow", "unknown"),
        (["googlebot: nofollow, img2dataset: noai"], "disallow", "unknown"),
        (["*: noai"], "disallow", "unknown"),
        (["none"], "unknown", "disallow"),
        # datadiligence 0.1.7 gets these wrong.
        (["NoAI"], "disallow", "unknown"),
        (["noai", "index"], "disallow", "allow"),
        (["index", "noai"], "disallow", "allow"),
        (["otherbot: noai"], "conditional", "unknown"),
        (["otherbot: noindex"], "unknown", "conditional"),
        # Further forms of the grammar of Google and Bing.
        (["max-image-preview: large, noai"], "disallow", "unknown"),
        (["unavailable_after: Wednesday, 25-Jun-30 15:00:00 PST, noai"], "disallow", "conditional"),
        (["unavailable_after: 2030-06-25T15:00:00+00:00, noai"], "disallow", "conditional"),
        (["img2dataset: noai, noimageai"], "disallow", "unknown"),
        (["otherbot: noarchive, noindex", "noimageai"], "disallow", "conditional"),
        (["IMG2DATASET:NOAI"], "disallow", "unknown"),
        (["all"], "unknown", "allow"),
        (["nofollow, nosnippet"], "unknown", "unknown"),
        ([""], "unknown", "unknown"),
    ],
)
def test_forms_that_others_misread(lines: list[str], train_ai: str, search: str) -> None:
    """Each form means what its grammar says, for the agent img2dataset, whatever the case of the field's name."""
    for name in ("X-Robots-Tag", "x-robots-tag"):
        signals = header_signals([(name, line) for line in lines], scope="image", user_agents=[AGENT])
        verdicts = combine(signals)
        assert (verdicts.train_ai, verdicts.search) == (train_ai, search)
