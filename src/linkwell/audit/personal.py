"""Personal data in captions and URL paths: e-mail addresses, phone numbers, and numbers of accounts, cards and persons.

Precision comes first, because a finding asks for a person's time: a number counts only where its check digits, its way of writing or its
country code say what it is. Names, addresses and faces are not looked for.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from linkwell.lists import Match

SOURCE = "personal-data"
"""The source of these findings, where those of a list have its name."""

_HINT = r"@|%40|(?:\d[ .()/%_+-]{0,2}){6}|[A-Za-z]{2}\d{2}[ A-Za-z0-9]{11}|[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]"
"""What no text without personal data of these kinds lacks, in the language of RE2: few captions have it."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,24})(?![\w@-]|\.\w)"
)
_NO_DOMAINS = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "svg",
        "avif",
        "bmp",
        "tif",
        "tiff",
        "ico",
        "css",
        "js",
        "html",
        "htm",
        "php",
        "pdf",
        "mp4",
        "webm",
    ]
)
"""Ends of file names: `logo@2x.png` is no address."""
_ROLES = frozenset(
    [
        "info",
        "contact",
        "contacts",
        "kontakt",
        "sales",
        "support",
        "office",
        "admin",
        "webmaster",
        "mail",
        "email",
        "press",
        "presse",
        "news",
        "help",
        "hello",
        "service",
        "noreply",
        "no-reply",
        "marketing",
        "team",
        "enquiries",
        "enquiry",
        "postmaster",
        "jobs",
        "careers",
    ]
)
"""Mail boxes of a role are no person's."""
_RESERVED = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost|(?:your)?domain\.com|email\.com)$", re.IGNORECASE
)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_CARD = re.compile(r"(?<![\d-])(?:[2-6]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{4}|3[47]\d{2}[ -]\d{6}[ -]\d{5})(?![\d-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_ITALIAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])")
_SPANISH = re.compile(
    r"(?<![A-Za-z0-9])(?:DNI|NIF|NIE)[ :]{1,2}(?:n[ºo°.]+ ?)?([XYZ]?-?\d{7,8}-?[A-Z])(?![A-Za-z0-9])", re.IGNORECASE
)
_BRITISH = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} \d{2} \d{2} \d{2} [A-D](?![A-Za-z0-9])")
_TELEPHONE = re.compile(
    r"(?<![\w+])(?:tel|telephone|phone|call|mobile|mob|fax|whatsapp|telefon|telefono|tél|téléphone|handy)\.?:? ?"
    r"(\(?\d[\d ().-]{6,16}\d)(?![\d-])",
    re.IGNORECASE,
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\d(.-])(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([-.]))[2-9]\d{2}(?(1)\1|-)\d{4}(?![\d-]|\.\d)"
)
_INTERNATIONAL = re.compile(r"(?<![\w+])(?:\+|00)[1-9][\d ().-]{6,18}\d(?!\d)")


def match_texts(table: pa.Table) -> Iterator[tuple[int, Match]]:
    """The rows of a table with `url` and `text` that hold personal data, by row number; each kind of a row once.

    >>> table = pa.table({"url": ["https://a.example/x.jpg"], "text": ["write to jane.roe@mail.example.ch"]})
    >>> list(match_texts(table))
    [(0, Match(source='personal-data', algorithm='email'))]
    """
    found: set[tuple[int, str]] = set()
    for column, clean in (("text", str), ("url", _path)):
        if column not in table.column_names:
            continue
        values = table[column]
        hinted = pc.match_substring_regex(values, _HINT).to_pylist()
        for row in (row for row, hint in enumerate(hinted) if hint):
            found |= {(row, kind) for kind in personal_data(clean(str(values[row].as_py())))}
    for row, kind in sorted(found):
        yield row, Match(SOURCE, kind)


def personal_data(text: str) -> set[str]:
    """The kinds of personal data in a text; not the data.

    >>> sorted(personal_data("IBAN DE89 3704 0044 0532 0130 00, tel. +49 30 901820"))
    ['iban', 'phone']
    """
    return {kind for kind, found in _KINDS.items() if found(text)}


def _path(url: str) -> str:
    """What of a URL is looked at: its path, decoded. Hosts and queries hold numbers of machines."""
    rest = url.partition("://")[2].partition("#")[0].partition("?")[0]
    return unquote(rest.partition("/")[2], errors="replace").replace("_", " ")


def _has_email(text: str) -> bool:
    for match in _EMAIL.finditer(text):
        name, _, domain = match.group().rpartition("@")
        if match.group(1).lower() not in _NO_DOMAINS and name.lower() not in _ROLES and not _RESERVED.search(domain):
            return True
    return False


def _has_phone(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - who audits no texts does without its 5 MB

    def valid(number: str, region: str | None) -> bool:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_valid_number(parsed)

    for match in _INTERNATIONAL.finditer(text):
        if valid("+" + re.sub(r"^(?:\+|00)", "", match.group()).replace("(0)", ""), None):
            return True
    if any(valid(match.group(), "US") for match in _NORTH_AMERICAN.finditer(text)):
        return True
    # A number after the word for telephone, where any of the countries that write so would take it.
    return any(
        valid(match.group(1), region)
        for match in _TELEPHONE.finditer(text)
        for region in ("US", "GB", "DE", "FR", "IT", "ES", "AU", "IN")
    )


def _valid_with(pattern: re.Pattern[str], module: str, text: str) -> bool:
    """Whether a match of the pattern, or of its group, passes the check of that module of `stdnum`."""
    from importlib import import_module  # noqa: PLC0415 - only where a number is in doubt

    matches = [match.group(pattern.groups) for match in pattern.finditer(text)]
    if not matches:
        return False
    check: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return any(check(re.sub(r"[ -]", "", one)) for one in matches)


_KINDS: Mapping[str, Callable[[str], bool]] = {
    "email": _has_email,
    "phone": _has_phone,
    "card": partial(_valid_with, _CARD, "luhn"),
    "iban": partial(_valid_with, _IBAN, "iban"),
    "us-ssn": partial(_valid_with, _SSN, "us.ssn"),
    "it-codice-fiscale": partial(_valid_with, _ITALIAN, "it.codicefiscale"),
    "es-dni": lambda text: _valid_with(_SPANISH, "es.dni", text) or _valid_with(_SPANISH, "es.nie", text),
    "gb-nino": lambda text: _BRITISH.search(text) is not None,
}
PERSONAL_DATA_KINDS = tuple(_KINDS)
"""What a finding of class `privacy` gives as its algorithm."""
