"""Preferences about AI in header fields and in robots.txt: Content-Usage (AIPREF), Content-Signal, and what came before them.

Content-Usage is an RFC 9651 dictionary. Its labels changed from draft to draft and old files stay, so that all are read:

========================  ==========================================================================================
label                     uses (n: disallow, y: allow)
========================  ==========================================================================================
train-ai, ai              train_ai
train-genai, genai        train_ai, when n; a y speaks of a part of training only and gives nothing
tdm                       tdm; n also train_ai, as training is a form of mining
search                    search
bots, all                 all three: the general label, which one of those above overrides for its use
========================  ==========================================================================================

`exceptions=` (CC signals 0.1) makes an n `conditional`. A value that is no `y` or `n`, and a dictionary that does not parse (one
capital in a key is enough), are malformed: verdict `unknown`.

Content-Signal (Cloudflare): `ai-train` and `search`, each `yes` or `no`; `ai-input` is about none of our uses.
"""

from http_sfv.dictionary import Dictionary
from http_sfv.item import Item
from http_sfv.types import Token

_MAX_CHARACTERS = 4_096
"""Of one value; a longer one is no preference anybody wrote, and malformed."""

Stated = tuple[str, str]
"""A use and its verdict; `unknown` where the statement does not read."""

_GENERAL = ("bots", "all")
_PARTIAL = ("train-genai", "genai")
_LABELS = {
    "train_ai": ("train-ai", "ai", "tdm", *_GENERAL),
    "tdm": ("tdm", *_GENERAL),
    "search": ("search", *_GENERAL),
}
_KNOWN = frozenset(label for labels in _LABELS.values() for label in labels) | frozenset(_PARTIAL)
_SIGNALS = {"ai-train": "train_ai", "search": "search"}
_WORDS = {"yes": "allow", "y": "allow", "no": "disallow", "n": "disallow"}


def content_usage(value: str) -> list[Stated]:
    """What a Content-Usage dictionary states. Several field lines are one dictionary: join them with a comma first.

    >>> content_usage("train-ai=n, search=y")
    [('train_ai', 'disallow'), ('search', 'allow')]
    >>> content_usage("Train-AI=n")
    [('train_ai', 'unknown')]
    """
    if not value.strip():
        return []
    parsed = Dictionary()
    try:
        if len(value) > _MAX_CHARACTERS:
            return [("train_ai", "unknown")]
        parsed.parse(value.encode("ascii"))
    except (ValueError, RecursionError):
        return [("train_ai", "unknown")]
    read = {label: _preference(member) for label, member in parsed.items() if label in _KNOWN}
    stated: list[Stated] = []
    for use, labels in _LABELS.items():
        # That mining is allowed says nothing about training: then a more general label does.
        silent = "tdm" if use == "train_ai" and read.get("tdm") == "allow" else ""
        verdict = next((read[each] for each in labels if each in read and each != silent), None)
        part = next((read[each] for each in _PARTIAL if each in read), None) if use == "train_ai" else None
        if part == "allow":
            part = None
        stated += [(use, each) for each in (verdict, part) if each]
    return list(dict.fromkeys(stated))


def _preference(member: object) -> str:
    if not isinstance(member, Item) or not isinstance(member.value, Token):
        return "unknown"
    word = str(member.value)
    if word == "n":
        return "conditional" if "exceptions" in member.params else "disallow"
    return "allow" if word == "y" else "unknown"


def content_signal(value: str) -> list[Stated]:
    """What a Content-Signal states.

    >>> content_signal("search=yes, ai-input=no, ai-train=no")
    [('search', 'allow'), ('train_ai', 'disallow')]
    """
    stated = []
    for part in value[:_MAX_CHARACTERS].split(","):
        key, _, word = part.partition("=")
        use = _SIGNALS.get(key.strip().lower())
        if use is not None:
            stated.append((use, _WORDS.get(word.strip().lower(), "unknown")))
    return list(dict.fromkeys(stated))


def usage_rule(value: str) -> tuple[str, str]:
    """Path pattern (empty: every path) and dictionary of a Content-Usage rule of robots.txt.

    >>> usage_rule("/images/ train-ai=n")
    ('/images/', 'train-ai=n')
    """
    if not value.startswith("/"):
        return "", value
    path, *rest = value.split(None, 1)
    return path, rest[0] if rest else ""
