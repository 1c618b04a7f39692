"""Counts as people say them: a number and its noun, and several in one phrase."""

from collections.abc import Callable, Mapping


def plural(count: int, one: str, many: str | None = None) -> str:
    """A number and its noun.

    >>> plural(1, "page"), plural(1200, "page"), plural(2, "copy", "copies")
    ('1 page', '1,200 pages', '2 copies')

    Args:
        count: how many.
        one: the noun, with whatever else depends on the number: `entry is`.
        many: the same for other numbers; by default the noun with an s.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counted(counts: Mapping[str, int], name: Callable[[str], str] = str) -> str:
    """Counts as a phrase, most frequent first.

    >>> counted({"dns": 3, "timeout": 12})
    '12 timeout, 3 dns'

    Args:
        counts: how many of which.
        name: what each is called.
    """
    return ", ".join(f"{n:,} {name(what)}" for what, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
