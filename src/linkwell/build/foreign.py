"""Whose table this is, by the names of its columns, and which of its columns are which of ours.

Facts about the published schemas: LAION-400M and the base files of LAION-2B-en, 2B-multi and 1B-nolang have `SAMPLE_ID`, and their
`WIDTH` and `HEIGHT` are exchanged (crawling@home wrote them so); the joined files (`hash`, `pwatermark`, `punsafe`)
have them right. Nothing is guessed in silence: what was recognised, and by what, stands in `Foreign.notes`.
"""

from collections.abc import Collection, Sequence

import msgspec

from linkwell.base.errors import FormatError, UsageError
from linkwell.base.schema import FOREIGN_ALIASES

TABLE_FORMATS = (
    "auto",
    "laion400m",
    "laion",
    "laion-md5",
    "relaion",
    "datacomp",
    "coyo",
    "cc2dataset",
    "linkwell",
    "other",
)
"""Names of the schemas; `laion400m` is that of base LAION-2B and 1B too, `laion` that of the joined files."""

_JOINED = frozenset({"hash", "pwatermark", "punsafe"})


class Foreign(msgspec.Struct, frozen=True):
    """A recognised table.

    Attributes:
        name: one of `TABLE_FORMATS`, not `auto`.
        columns: from the name of ours (a key of `FOREIGN_ALIASES`) to the column's own name.
        swapped: whether width and height are exchanged in it.
        notes: what was recognised by what, and what is doubtful, as sentences.
    """

    name: str
    columns: dict[str, str]
    swapped: bool
    notes: tuple[str, ...]


def recognise(
    names: Sequence[str],
    where: str,
    *,
    table_format: str = "auto",
    url_column: str | None = None,
    text_column: str | None = None,
) -> Foreign:
    """Recognise a table by its columns.

    Args:
        names: of the columns.
        where: file, for errors.
        table_format: one of `TABLE_FORMATS`; what is named is believed.
        url_column: the column with the URL; None: by alias.
        text_column: the column with the text; None: by alias.

    Raises:
        UsageError: there is no such format.
        FormatError: a named column is not there, or no column can be the URL.
    """
    if table_format not in TABLE_FORMATS:
        raise UsageError(f"there is no format {table_format!r}", advice=f"Formats: {', '.join(TABLE_FORMATS)}.")
    by_lower: dict[str, str] = {}
    for each in names:
        by_lower.setdefault(each.lower(), each)
    columns = {ours: by_lower[found] for ours in FOREIGN_ALIASES if (found := _first(FOREIGN_ALIASES[ours], by_lower))}
    for ours, named in (("url", url_column), ("text", text_column)):
        if named is not None:
            columns[ours] = _named(named, names, by_lower, where)
    if "url" not in columns:
        raise FormatError(
            f"no column can be the URL; it has: {', '.join(names)}", where, "Name the column with --url-column."
        )
    if ("original_width" in by_lower) != ("original_height" in by_lower):
        columns |= {side: by_lower[side] for side in ("width", "height") if side in by_lower}
    detected, why = _detect(frozenset(by_lower))
    name = detected if table_format == "auto" else table_format
    swapped = name == "laion400m" and {"width", "height"} <= columns.keys()
    how = why if table_format == "auto" else "as named by --format"
    return Foreign(name, columns, swapped, (f"taken for {name}: {how}", *_doubts(name, columns, by_lower)))


def _doubts(name: str, columns: dict[str, str], lower: Collection[str]) -> list[str]:
    """What a reader should know about how the columns were read."""
    notes = []
    if {"width", "height"} <= columns.keys():
        if name == "laion400m":
            notes.append("WIDTH and HEIGHT are exchanged in this schema, and were put right")
        elif name == "laion" and _JOINED.isdisjoint(lower):
            notes.append(
                "neither SAMPLE_ID nor hash, pwatermark or punsafe is there to tell whether WIDTH and HEIGHT are "
                "exchanged; they were taken as named: if the table comes from LAION-400M or base LAION-2B, give "
                "--format laion400m"
            )
        if name in ("relaion", "laion-md5") and columns["width"].lower() == "width":
            notes.append("width and height may be those of the resized image: there is no original_width")
    if columns.get("similarity", "similarity").lower() != "similarity":
        notes.append(f"similarity is {columns['similarity']}")
    if "hash" in lower:
        notes.append("hash was not read: its meaning differs from project to project")
    return notes


def _detect(lower: frozenset[str]) -> tuple[str, str]:
    """The schema's name and what tells it."""
    rules: tuple[tuple[str, Collection[str], str], ...] = (
        ("linkwell", ("link_id", "url", "text", "train_ai"), "link_id and train_ai"),
        ("cc2dataset", ("uid", "url", "alt", "page_url"), "uid, alt and page_url"),
        ("datacomp", ("uid", "url", "text", "original_width"), "uid and original_width"),
        ("datacomp", ("uid", "url", "text", "clip_b32_similarity_score"), "uid and clip_b32_similarity_score"),
        ("coyo", ("url", "text", "image_phash"), "image_phash"),
        ("coyo", ("url", "text", "clip_similarity_vitb32"), "clip_similarity_vitb32"),
        ("laion-md5", ("url", "caption", "md5", "key"), "caption, key and md5"),
        ("relaion", ("url", "caption", "status", "similarity"), "caption, status and similarity"),
        ("relaion", ("url", "caption", "punsafe"), "caption and punsafe"),
    )
    if {"sample_id", "url", "text"} <= lower and not lower & _JOINED:
        return "laion400m", "SAMPLE_ID (LAION-400M, base LAION-2B and 1B)"
    for name, needed, why in rules:
        if lower.issuperset(needed):
            return name, why
    if {"url", "text"} <= lower and lower & (_JOINED | {"nsfw"}):
        return "laion", ", ".join(sorted(lower & (_JOINED | {"nsfw"})))
    return "other", "columns by name"


def _first(aliases: Sequence[str], there: Collection[str]) -> str | None:
    return next((alias for alias in aliases if alias in there), None)


def _named(named: str, names: Sequence[str], by_lower: dict[str, str], where: str) -> str:
    if named in names:
        return named
    if named.lower() in by_lower:
        return by_lower[named.lower()]
    raise FormatError(f"there is no column {named!r}; it has: {', '.join(names)}", where, "Name one of these.")
