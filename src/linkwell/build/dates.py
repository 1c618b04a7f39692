"""Dates of archive records."""

from datetime import UTC, datetime

_FOURTEEN_DIGITS = 14


def seconds_of(date: str) -> int | None:
    """Seconds since 1970, UTC, of a `WARC-Date` (`2024-05-18T01:58:10Z`, with or without fraction) or of the older form of 14 digits.

    >>> seconds_of("2024-05-18T01:58:10Z"), seconds_of("20240518015810"), seconds_of("yesterday")
    (1715997490, 1715997490, None)
    """
    try:
        if len(date) == _FOURTEEN_DIGITS and date.isdigit():
            parsed = datetime.strptime(date, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        else:
            parsed = datetime.fromisoformat(date)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return int(parsed.timestamp())
