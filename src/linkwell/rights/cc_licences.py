"""Every Creative Commons licence and public-domain tool there has been: version, jurisdiction, kind. Facts, retold by hand."""

_SIX: tuple[str, ...] = ("by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa")
_FIRST = ("by", "by-nc", "by-nc-sa", "by-nd", "by-nd-nc", "by-sa")
_WITHOUT_BY = ("nc", "nc-sa", "nd", "nd-nc", "sa")

_LICENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "4.0": {"": _SIX},
    "3.0": {"": _SIX}
    | dict.fromkeys(
        [
            "am",
            "at",
            "au",
            "az",
            "ca",
            "ch",
            "cl",
            "cn",
            "cr",
            "cz",
            "de",
            "ec",
            "ee",
            "eg",
            "es",
            "fr",
            "ge",
            "gr",
            "gt",
            "hk",
            "hr",
            "ie",
            "igo",
            "it",
            "lu",
            "nl",
            "no",
            "nz",
            "ph",
            "pl",
            "pr",
            "pt",
            "ro",
            "rs",
            "sg",
            "th",
            "tw",
            "ug",
            "us",
            "ve",
            "vn",
            "za",
        ],
        _SIX,
    ),
    "2.5": {"": _SIX}
    | dict.fromkeys(
        [
            "ar",
            "au",
            "bg",
            "br",
            "ca",
            "ch",
            "cn",
            "co",
            "dk",
            "es",
            "hr",
            "hu",
            "il",
            "in",
            "it",
            "mk",
            "mt",
            "mx",
            "my",
            "nl",
            "pe",
            "pl",
            "pt",
            "scotland",
            "se",
            "si",
            "tw",
            "za",
        ],
        _SIX,
    ),
    "2.1": dict.fromkeys(["au", "ca", "es", "jp"], _SIX),
    "2.0": {"": (*_SIX, "devnations"), "jp": (*_SIX, *_WITHOUT_BY)}
    | dict.fromkeys(
        ["at", "au", "be", "br", "ca", "cl", "cn", "de", "es", "fr", "hr", "it", "kr", "nl", "pl", "tw", "uk", "za"],
        _SIX,
    ),
    "1.0": {
        "": (*_FIRST, *_WITHOUT_BY, "nc-sampling+", "sampling", "sampling+"),
        "de": ("sampling+",),
        "fi": (*_FIRST, *_WITHOUT_BY),
        "il": _FIRST,
        "nl": (*_FIRST, *_WITHOUT_BY),
        "br": ("sampling", "sampling+", "nc-sampling+"),
        "tw": ("sampling", "sampling+", "nc-sampling+"),
    },
}

CREATIVE_COMMONS_PATHS = frozenset(
    f"licenses/{kind}/{version}{'/' if jurisdiction else ''}{jurisdiction}"
    for version, jurisdictions in _LICENCES.items()
    for jurisdiction, kinds in jurisdictions.items()
    for kind in kinds
) | {"publicdomain/zero/1.0", "publicdomain/mark/1.0", "licenses/publicdomain", "publicdomain/certification/1.0/us"}
"""Paths of creativecommons.org that are a licence or a tool, without slashes around them."""
