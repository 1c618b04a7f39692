"""Statements in words that a person understands."""

KINDS = {
    "x-robots-tag": "the server's X-Robots-Tag header",
    "robots-meta": "a robots meta of the page",
    "robots.txt": "robots.txt, by keeping a crawler out,",
    "tdm-reservation-header": "the server's tdm-reservation header (TDMRep)",
    "tdm-reservation-meta": "a tdm-reservation meta of the page (TDMRep)",
    "tdm-reservation-xmp": "a tdm:reservation inside the image file (TDMRep)",
    "tdm-policy": "the page's TDMRep policy",
    "tdmrep.json": "the host's tdmrep.json (TDMRep)",
    "content-usage-header": "the server's Content-Usage header (AIPREF)",
    "content-usage-robots": "Content-Usage in robots.txt (AIPREF)",
    "content-signal-header": "the server's Content-Signal header",
    "content-signal-robots": "Content-Signal in robots.txt",
    "disallow-ai-training": "DisallowAITraining in robots.txt",
    "rsl-pointer": "a link to licence terms (RSL), which were not read",
    "rsl": "the host's licence terms (RSL)",
    "ai.txt": "the host's ai.txt",
    "trust.txt": "the host's trust.txt",
    "iptc-data-mining": "IPTC/PLUS Data Mining inside the image file",
    "c2pa": "a C2PA or CAWG manifest inside the image file",
    "license": "a statement of the licence",
}
"""Every kind of signal there is, as it is told to people."""

_USES = {
    "train_ai": "training AI on it",
    "tdm": "text and data mining",
    "search": "showing it in search",
    "license": "the licence",
}
_SAID = {
    "allow": "allows {use}",
    "disallow": "does not allow {use}",
    "conditional": "sets conditions for {use}, or speaks of it to some crawlers only",
    "unknown": "says something about {use} that does not read",
    "stated": "names the terms",
    "disagreeing": "names terms, and others are named too",
}
_VERDICTS = {
    "allow": "{use} is allowed.",
    "disallow": "{use} is not allowed.",
    "conditional": "{use} depends on conditions, or on who asks.",
    "unknown": "nothing that could be read allows or forbids {use}.",
}


def statement_words(kind: str, use: str, verdict: str) -> str:
    """One statement as a sentence without a full stop.

    >>> statement_words("ai.txt", "train_ai", "disallow")
    "the host's ai.txt does not allow training AI on it"
    """
    if kind == "license":
        return "a licence was named" + (", and another one too" if verdict == "disagreeing" else "")
    said = _SAID.get(verdict, verdict).format(use=_USES.get(use, use))
    return f"{KINDS.get(kind, kind)} {said}"


def verdict_words(use: str, verdict: str) -> str:
    """One verdict as a sentence.

    >>> verdict_words("search", "allow")
    'Showing it in search is allowed.'
    """
    told = _VERDICTS[verdict].format(use=_USES.get(use, use))
    return f"{told[0].upper()}{told[1:]}"
