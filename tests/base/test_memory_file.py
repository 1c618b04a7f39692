"""Anonymous files: what was written is read, and after the seal nobody changes it."""

import mmap
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkwell.base.memory_file import MemoryFile

pytestmark = pytest.mark.skipif(not MemoryFile.available(), reason="the system has no anonymous files")


@given(st.lists(st.binary(max_size=300_000), max_size=6))
def test_what_was_written_is_read(pieces: list[bytes]) -> None:
    """Whole, in pieces, and mapped."""
    file = MemoryFile()
    for piece in pieces:
        file.write(piece)
    file.seal()
    whole = b"".join(pieces)
    assert len(file) == len(whole)
    assert file.read() == whole
    assert b"".join(bytes(piece) for piece in file.pieces()) == whole
    if whole:
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == whole
    file.close()
    file.close()


def test_a_sealed_file_is_changed_by_nobody() -> None:
    """Not written, not cut, not mapped to be written, by whatever number it is reached; closed, it is gone."""
    file = MemoryFile()
    file.write(b"abc")
    file.seal()
    with pytest.raises(PermissionError):
        os.write(file.fileno(), b"x")
    with pytest.raises(PermissionError):
        os.truncate(file.fileno(), 0)
    again = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDWR)
    try:
        with pytest.raises(PermissionError):
            mmap.mmap(again, 0)
    finally:
        os.close(again)
    number = file.fileno()
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
