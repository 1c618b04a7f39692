"""Picture processes: what they answer, and what it costs when one breaks, hangs or wants too much memory."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from tests.populate.conftest import draw

from linkwell.base.errors import UnavailableError
from linkwell.base.memory_file import MemoryFile
from linkwell.pictures import Kept, Look, Pictures, look, render

T = TypeVar("T")
_KEPT = Kept(size=64)


def _with(work: Callable[[Pictures], Awaitable[T]], *, processes: int = 1, deadline_seconds: float = 30.0) -> T:
    async def run() -> T:
        pictures = Pictures(processes, deadline_seconds)
        try:
            return await work(pictures)
        finally:
            await pictures.close()

    return asyncio.run(run())


def _process_ids(pictures: Pictures) -> list[int]:
    return [channel._process.pid for channel in pictures._channels]


def _here(data: bytes, kept: Kept = _KEPT) -> object:
    seen, picture = look(data, kept)
    return (seen, *(render(picture, kept) if picture is not None else (None, b"")))


def test_an_answer_is_what_it_is_here() -> None:
    """Look, rendering and bytes are those of this process, for pictures and for what is none, by one process or two."""
    bodies = [draw(n) for n in range(6)] + [b"<html>", draw(7)[:900]]

    async def ask(pictures: Pictures) -> list[object]:
        return list(await asyncio.gather(*(pictures.examine(body, _KEPT) for body in bodies)))

    assert _with(ask, processes=2) == [_here(body) for body in bodies]


def test_what_is_not_wanted_is_not_rendered() -> None:
    """Between look and rendering it is asked; where the answer is no, no bytes come back."""
    bodies = [draw(n) for n in range(8)]
    first = _here(bodies[0])

    async def ask(pictures: Pictures) -> list[tuple[Look, object, bytes]]:
        unwanted = {look(bodies[n], _KEPT)[0].pdq for n in (1, 4, 5)}
        return await asyncio.gather(
            *(pictures.examine(body, _KEPT, (), lambda seen: seen.pdq not in unwanted) for body in bodies)
        )

    answers = _with(ask)
    assert [number for number, answer in enumerate(answers) if answer[1] is None] == [1, 4, 5]
    assert all((answer[2] == b"") == (number in (1, 4, 5)) for number, answer in enumerate(answers))
    assert answers[0] == first


@pytest.mark.parametrize("asking", [False, True])
def test_a_decoder_that_dies_costs_one_image(asking: bool) -> None:  # noqa: FBT001 - pytest's way
    """Killed at work, the process is replaced; one image is named, and every other comes out as ever."""
    bodies = [draw(n, side=900) for n in range(12)]

    async def ask(pictures: Pictures) -> list[tuple[Look, object, bytes]]:
        decide = (lambda _: True) if asking else None
        await pictures.examine(bodies[0], _KEPT)  # it has loaded
        work = [asyncio.ensure_future(pictures.examine(body, _KEPT, (), decide)) for body in bodies]
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        os.kill(_process_ids(pictures)[0], signal.SIGKILL)
        return await asyncio.gather(*work)

    answers = _with(ask)
    lost = [
        number
        for number, (seen, rendering, _) in enumerate(answers)
        if seen.failure == "decoder_lost" or getattr(rendering, "failure", None) == "decoder_lost"
    ]
    assert len(lost) <= 1
    assert all(
        answer == _here(body)
        for number, (answer, body) in enumerate(zip(answers, bodies, strict=True))
        if number not in lost
    )


@pytest.mark.skipif(not MemoryFile.available(), reason="the system has no anonymous files")
def test_what_comes_in_a_file_is_seen_as_what_comes_in_memory() -> None:
    """Pictures of several formats, and what is none; also by the process that takes the place of one that was killed, and beside one nobody waits for."""
    bodies = [draw(n, side=700, form=form) for n, form in enumerate(("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"))]
    bodies += [b"<html>", draw(7)[:900]]

    async def ask(pictures: Pictures) -> tuple[list[object], list[object]]:
        files = []
        for body in bodies:
            file = MemoryFile()
            file.write(body)
            file.seal()
            files.append(file)
        whole: list[object] = list(await asyncio.gather(*(pictures.examine(file, _KEPT) for file in files)))
        work = [asyncio.ensure_future(pictures.examine(file, _KEPT)) for file in files]
        await asyncio.sleep(0)
        work[-1].cancel()
        await asyncio.gather(work[-1], return_exceptions=True)
        files[-1].close()
        os.kill(_process_ids(pictures)[0], signal.SIGKILL)
        return whole, list(await asyncio.gather(*work[:-1]))

    whole, again = _with(ask)
    expected = [_here(body) for body in bodies]
    assert whole == expected
    assert sum(one != other for one, other in zip(again, expected[:-1], strict=True)) <= 1


def test_a_decoder_that_hangs_is_ended() -> None:
    """After the deadline the image is named and the process replaced."""

    async def ask(pictures: Pictures) -> list[tuple[Look, object, bytes]]:
        await pictures.examine(draw(1), _KEPT)
        os.kill(_process_ids(pictures)[0], signal.SIGSTOP)
        stuck, *_ = await pictures.examine(draw(2), _KEPT)
        assert stuck.failure == "decoder_too_slow"
        return [await pictures.examine(draw(2), _KEPT)]

    assert _with(ask, deadline_seconds=0.5) == [_here(draw(2))]


def test_a_process_that_never_starts_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error with advice, not a million images named decoder_lost."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def ask(pictures: Pictures) -> object:
        return await pictures.examine(draw(1), _KEPT)

    with pytest.raises(UnavailableError, match="does not start"):
        _with(ask)


def test_a_picture_process_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The master key is not in its environment, nor a socket but its own two among its files."""
    monkeypatch.setenv("LINKWELL_MASTER_KEY", "ab" * 32)

    async def ask(pictures: Pictures) -> tuple[bytes, list[str]]:
        await pictures.examine(draw(1), _KEPT)
        number = _process_ids(pictures)[0]
        with open(f"/proc/{number}/environ", "rb") as file:  # noqa: ASYNC230, PTH123 - a file of the kernel
            environment = file.read()
        files = [os.readlink(f"/proc/{number}/fd/{name}") for name in os.listdir(f"/proc/{number}/fd")]  # noqa: PTH115, PTH208
        return environment, files

    environment, files = _with(ask)
    assert b"MASTER_KEY" not in environment
    assert sum(name.startswith("socket:") for name in files) == 2
    assert all(name == "/dev/null" or name.startswith("socket:") for name in files)
