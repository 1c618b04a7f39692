"""Text files that an editor saved in UTF-16: their specifications say UTF-8, but what they state is plain."""

_MARKS = (b"\xff\xfe", b"\xfe\xff")


def has_wide_mark(data: bytes) -> bool:
    """Whether the bytes begin with the byte order mark of UTF-16."""
    return data.startswith(_MARKS)


def as_utf8(data: bytes) -> bytes:
    """The bytes in UTF-8 where they begin with the mark of UTF-16, else as they are."""
    return data.decode("utf-16", "replace").encode() if has_wide_mark(data) else data
