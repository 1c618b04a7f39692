"""Header fields and metas, form by form, from the specifications: X-Robots-Tag, Content-Usage, Content-Signal, TDMRep."""

import pytest

from linkwell.rights import combine, header_signals, meta_signals, page_evidence

NO, YES, IF, NOTHING = "disallow", "allow", "conditional", "unknown"

X_ROBOTS_TAG = [
    # value, train_ai, search
    ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", NO, IF),
    ("unavailable_after: Wednesday, 25-Jun-30 15:00:00 PST, noai", NO, IF),  # RFC 850
    ("unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noai", NO, IF),  # RFC 9110, 5.6.7
    ("unavailable_after: Tue Jun 25 15:00:00 2030, noai", NO, IF),  # asctime
    ("unavailable_after: 2030-06-25T15:00:00+02:00, noai", NO, IF),  # ISO 8601
    ("unavailable_after: June 25, 2030, noai", NO, IF),
    ("unavailable_after: June 25, 2030 3:00:00 PM PST, noai", NO, IF),
    ("unavailable_after: Tuesday, June 25, 2030 15:00:00, noai", NO, IF),
    ("unavailable_after: 15:00:00 25 Jun 2030, noimageai", NO, IF),
    ("Unavailable_After:25 Jun 2030 15:00:00 PST,NOAI", NO, IF),
    ("unavailable_after: 25 Jun 2030 15:00:00 PST", NOTHING, IF),
    ("unavailable_after: Wed, 360spider: noai", IF, IF),  # a crawler, and no rest of a date
    ("max-snippet:20, noai", NO, NOTHING),
    ("max-snippet:-1, max-image-preview:large, max-video-preview:-1, noai", NO, NOTHING),
    ("max-image-preview:none", NOTHING, NOTHING),  # the value is no directive
    ("max-image-preview: none, none", NOTHING, NO),
    ("max-snippet:20 noai", NO, NOTHING),
    ("noai max-snippet:20", NO, NOTHING),
    ("noai; max-snippet:20", NO, NOTHING),
    ("max-snippet:20; noai", NO, NOTHING),
    ("noai;noimageai;noindex", NO, NO),
    ("noai,,noindex,", NO, NO),
    (" \t noai\t,\tnoindex ", NO, NO),
    ("NoAI, NoImageAI", NO, NOTHING),
    ("all", NOTHING, YES),
    ("all, noai", NO, YES),
    ("none", NOTHING, NO),
    ("none, noimageai", NO, NO),
    ("index, follow", NOTHING, YES),
    ("noindex, follow", NOTHING, NO),
    ("noimageindex", NOTHING, NO),
    ("noarchive", IF, NOTHING),
    ("nocache", IF, NOTHING),
    ("nosnippet, notranslate, nofollow, indexifembedded", NOTHING, NOTHING),
    ("noai-something, xnoai, noaix", NOTHING, NOTHING),
    ("DisallowAITraining", NO, NOTHING),
    ("AllowAITraining", YES, NOTHING),
    ("AllowAITraining, noai", NO, NOTHING),
    ("googlebot: noai", IF, NOTHING),
    ("googlebot: nofollow, noai", IF, NOTHING),  # a name holds until the next
    ("googlebot: nofollow, *: noai", NO, NOTHING),
    ("noai, googlebot: nofollow", NO, NOTHING),
    ("googlebot: nofollow, img2dataset: noai", NO, NOTHING),
    ("img2dataset : noai", NO, NOTHING),
    ("IMG2DATASET:NOAI", NO, NOTHING),
    ("GPTBot/1.2: noai", NO, NOTHING),
    ("*: noai", NO, NOTHING),
    ("* : noai", NO, NOTHING),
    (": noai", NO, NOTHING),
    ("otherbot: unavailable_after: 25 Jun 2030 15:00:00 PST, noai", IF, IF),
    ("gptbot: unavailable_after: 25 Jun 2030 15:00:00 PST, noai", NO, IF),
    ("otherbot: noindex, gptbot: noai, otherbot: nofollow", NO, IF),
    ("otherbot: index, allowaitraining", NOTHING, NOTHING),
    ("", NOTHING, NOTHING),
    (",", NOTHING, NOTHING),
    (":", NOTHING, NOTHING),
]


@pytest.mark.parametrize(("value", "train_ai", "search"), X_ROBOTS_TAG)
def test_x_robots_tag_and_robots_meta(value: str, train_ai: str, search: str) -> None:
    """One grammar for both places."""
    header = combine(header_signals([("X-Robots-Tag", value)], scope="page"))
    meta = combine(meta_signals([("robots", value)]))
    assert (header.train_ai, header.search) == (train_ai, search)
    assert meta == header


@pytest.mark.parametrize(
    ("values", "train_ai"),
    [
        (["noindex", "noai"], NO),
        (["noai", "noindex"], NO),
        (["googlebot: nofollow", "noai"], NO),  # a name does not reach into the next field line
        (["googlebot: noai", "nofollow"], IF),
        (["all", "noimageai"], NO),
        (["", "noai"], NO),
    ],
)
def test_several_lines_of_x_robots_tag_add_up(values: list[str], train_ai: str) -> None:
    """Each line is read by itself, and the strictest counts."""
    assert combine(header_signals([("x-robots-tag", value) for value in values], scope="page")).train_ai == train_ai


@pytest.mark.parametrize(
    ("name", "content", "train_ai"),
    [
        ("robots", "noai", NO),
        ("ROBOTS", "NOAI, NOIMAGEAI", NO),
        (" robots ", "noai", NO),
        ("gptbot", "noai", NO),
        ("CCBot", "noai", NO),
        ("CCBot", "nofollow", NOTHING),
        ("googlebot", "noai", IF),
        ("bingbot", "nocache", IF),
        ("robots", "DisallowAITraining", NO),
        ("keywords", "noai", NOTHING),
    ],
)
def test_metas_by_name(name: str, content: str, train_ai: str) -> None:
    """`robots` is for all; a training crawler's name counts in full, another crawler's as a condition."""
    assert combine(meta_signals([(name, content)])).train_ai == train_ai


CONTENT_USAGE = [
    # value, train_ai, tdm, search
    ("train-ai=n", NO, NOTHING, NOTHING),
    ("train-ai=y", YES, NOTHING, NOTHING),
    (" train-ai=n ", NO, NOTHING, NOTHING),
    ("train-ai=n,search=y", NO, NOTHING, YES),
    ("train-ai=n \t,\t search=n", NO, NOTHING, NO),
    ('train-ai=n;a;b=1;c="x, y", search=y', NO, NOTHING, YES),
    ("other=1.5, list=(a b), bytes=:AAEC:, date=@1, flag, train-ai=n", NO, NOTHING, NOTHING),
    ("*x=1, x.y_z-1*=2, train-ai=n", NO, NOTHING, NOTHING),
    ("train-ai=y, train-ai=n", NO, NOTHING, NOTHING),
    ("train-ai=n, train-ai=y", YES, NOTHING, NOTHING),
    ("train-ai=N", NOTHING, NOTHING, NOTHING),
    ("train-ai=no", NOTHING, NOTHING, NOTHING),
    ("train-ai", NOTHING, NOTHING, NOTHING),
    ("train-ai=n;", NOTHING, NOTHING, NOTHING),
    ("train-ai = n", NOTHING, NOTHING, NOTHING),
    ("train-ai=n search=y", NOTHING, NOTHING, NOTHING),
    ("train-ai=n, Search=y", NOTHING, NOTHING, NOTHING),
    ("train-ai=n, search=\u0443", NOTHING, NOTHING, NOTHING),
    # vocab-01
    ("tdm=n", NO, NO, NOTHING),
    ("tdm=y, ai=n", NO, YES, NOTHING),
    ("tdm=n, ai=y", YES, NO, NOTHING),
    ("ai=n", NO, NOTHING, NOTHING),
    ("ai=y, genai=n", NO, NOTHING, NOTHING),
    ("genai=y", NOTHING, NOTHING, NOTHING),
    ("inference=n", NOTHING, NOTHING, NOTHING),
    # vocab-02
    ("all=n", NO, NO, NO),
    ("all=y, train-ai=n", NO, YES, YES),
    ("ai-use=n", NOTHING, NOTHING, NOTHING),
    # vocab-03 and -04
    ("bots=n", NO, NO, NO),
    ("bots=n, search=y", NO, NO, YES),
    ("bots=n, train-ai=y", YES, NO, NO),
    ("bots=n, train-genai=y", NO, NO, NO),
    ("bots=n, tdm=y", NO, YES, NO),
    ("ai-output=n", NOTHING, NOTHING, NOTHING),
    # CC signals 0.1
    ("train-genai=n;exceptions=cc-cr", IF, NOTHING, NOTHING),
    ("train-genai=n;exceptions=cc-cr-dc, search=n", IF, NOTHING, NO),
    ("train-genai=n;exceptions=cc-cr-ec, train-ai=n", NO, NOTHING, NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("value", "train_ai", "tdm", "search"), CONTENT_USAGE)
def test_content_usage(value: str, train_ai: str, tdm: str, search: str) -> None:
    """RFC 9651 dictionaries, with the labels of every draft of the vocabulary."""
    assert combine(header_signals([("Content-Usage", value)], scope="image")) == (train_ai, tdm, search)


CONTENT_SIGNAL = [
    ("search=yes, ai-input=no, ai-train=no", NO, YES),
    ("search=yes,ai-train=no,use=reference", NO, YES),
    ("ai-train=yes", YES, NOTHING),
    ("search=no", NOTHING, NO),
    ("ai-input=no", NOTHING, NOTHING),
    (" AI-TRAIN = NO ", NO, NOTHING),
    ("ai-train=no, ai-train=yes", NO, NOTHING),
    ("ai-train=maybe", NOTHING, NOTHING),
    ("ai-train", NOTHING, NOTHING),
    ("ai-training=no", NOTHING, NOTHING),
    ("", NOTHING, NOTHING),
]


@pytest.mark.parametrize(("value", "train_ai", "search"), CONTENT_SIGNAL)
def test_content_signal(value: str, train_ai: str, search: str) -> None:
    """Yes and no of the two signals that are about our uses; an absent one neither grants nor restricts."""
    verdicts = combine(header_signals([("Content-Signal", value)], scope="image"))
    assert (verdicts.train_ai, verdicts.search) == (train_ai, search)


@pytest.mark.parametrize(
    ("headers", "metas", "train_ai", "tdm"),
    [
        ([("tdm-reservation", "1")], [], NO, NO),
        ([("TDM-Reservation", "0")], [], NOTHING, YES),
        ([("tdm-reservation", "1"), ("tdm-policy", "https://h.example/policy.json")], [], NO, NO),
        ([("tdm-policy", "https://h.example/policy.json")], [], NOTHING, NOTHING),  # a policy alone reserves nothing
        ([("tdm-reservation", "2")], [], NOTHING, NOTHING),
        ([("tdm-reservation", "01")], [], NOTHING, NOTHING),
        ([("tdm-reservation", "0")], [("tdm-reservation", "1")], NO, NO),
        ([], [("TDM-RESERVATION", " 1 ")], NO, NO),
        ([("tdm-reservation", "0"), ("tdm-reservation", "1")], [], NO, NO),
    ],
)
def test_tdm_reservation(headers: list[tuple[str, str]], metas: list[tuple[str, str]], train_ai: str, tdm: str) -> None:
    """TDMRep, 5 and 6: 1 reserves, 0 does not, anything else is an error; absence resets nothing."""
    verdicts = combine(header_signals(headers, scope="page") + meta_signals(metas))
    assert (verdicts.train_ai, verdicts.tdm) == (train_ai, tdm)


def test_the_policy_of_a_reservation_is_kept_as_evidence() -> None:
    """TDMRep, 5.3: where terms are to be had stands beside the reservation, from header and meta."""
    rows = page_evidence(
        "https://h.example/p",
        [("tdm-reservation", "1"), ("TDM-Policy", "https://h.example/policy.json")],
        [("tdm-policy", "/meta-policy.json")],
    )
    assert [(row.kind, row.use, row.verdict, row.malformed) for row in rows][-2:] == [
        ("tdm-policy", "license", "stated", False)
    ] * 2
    assert [row.raw for row in rows][-2:] == [
        b"TDM-Policy: https://h.example/policy.json",
        b"tdm-policy: /meta-policy.json",
    ]
