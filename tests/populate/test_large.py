"""Room for large bodies."""

import asyncio
import random

import pytest

from linkwell.populate.large import MAX_WAITING_ALONE, MAX_WAITING_TO_SHARE, MEDIUM_BYTES, LargeBodies, NoRoom, Room

_BUDGET = 96_000_000
_LONGEST = 50_000_000


async def _grow(large: LargeBodies, room: Room, size: int, declared: int | None) -> None:
    if not large.fits(room, size, declared):
        await large.wait(room, size, declared)


@pytest.mark.parametrize("budget", [_BUDGET, _LONGEST + MEDIUM_BYTES // 2, _LONGEST, 1])
def test_no_more_is_out_than_there_is_and_everybody_gets_some(budget: int) -> None:
    """Bodies that grow hold the budget at most, or one body where that is more; all of them are finished, cancelled ones leave nothing behind."""

    async def run() -> tuple[int, int, int]:
        large, generator = LargeBodies(budget, _LONGEST), random.Random(3)
        rooms: set[Room] = set()
        most_out = most_alone = served = 0

        async def attempt(room: Room, length: int, declared: int | None) -> None:
            nonlocal most_out, most_alone
            for part in range(1, 5):
                await _grow(large, room, length * part // 4, declared)
                most_out = max(most_out, sum(each.held_bytes for each in rooms))
                most_alone = max(most_alone, sum(each.alone for each in rooms))
                await asyncio.sleep(generator.random() * 0.001)

        async def body(declared: int | None) -> None:
            nonlocal served
            room = Room()
            rooms.add(room)
            length = declared or generator.randint(1_000_000, _LONGEST)
            while True:
                try:
                    await attempt(room, length, declared)
                    break
                except NoRoom:
                    await asyncio.sleep(0.01)
                finally:
                    large.give_back(room)
            served += 1

        sizes = [generator.choice([None, _LONGEST, generator.randint(1_000_000, MEDIUM_BYTES)]) for _ in range(200)]
        tasks = [asyncio.ensure_future(body(size)) for size in sizes]
        await asyncio.sleep(0.001)
        for task in tasks[::7]:
            task.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(body(MEDIUM_BYTES) for _ in range(8)), body(None))
        assert not any(room.held_bytes or room.alone for room in rooms)
        return most_out, most_alone, served

    most_out, most_alone, served = asyncio.run(run())
    assert 0 < most_out <= max(budget, _LONGEST)
    assert most_alone == 1
    assert served >= 180


def test_who_declares_much_and_sends_little_holds_what_was_sent() -> None:
    """Any number of bodies that are slow to come leave room for one that comes."""

    async def run() -> None:
        large = LargeBodies(_BUDGET, _LONGEST)
        for _ in range(30):
            assert large.fits(Room(), 1_000_000, MEDIUM_BYTES)
        assert large.fits(Room(), 10_000_000, 10_000_000)

    asyncio.run(run())


def test_where_all_wait_one_goes_on() -> None:
    """Bodies that together fill what is shared do not stop each other for ever."""

    async def run() -> None:
        large = LargeBodies(_LONGEST + 10_000_000, _LONGEST)
        rooms = [Room() for _ in range(5)]

        async def body(room: Room) -> None:
            await _grow(large, room, 2_000_000, MEDIUM_BYTES)
            await asyncio.sleep(0)
            await _grow(large, room, MEDIUM_BYTES, MEDIUM_BYTES)
            large.give_back(room)

        async with asyncio.timeout(10):
            await asyncio.gather(*map(body, rooms))

    asyncio.run(run())


def test_few_wait() -> None:
    """What finds no place to wait is let go at once; who waited is served as soon as there is room, who was cancelled never."""

    async def run() -> None:
        large = LargeBodies(_LONGEST + 10_000_000, _LONGEST)
        alone, full = Room(), Room()
        await large.wait(alone, 2_000_000, None)
        assert large.fits(full, 10_000_000, 10_000_000)
        waiting = [asyncio.ensure_future(large.wait(Room(), 2_000_000, None)) for _ in range(MAX_WAITING_ALONE)]
        sharing = [asyncio.ensure_future(large.wait(Room(), 200_000, None)) for _ in range(MAX_WAITING_TO_SHARE)]
        await asyncio.sleep(0)
        for size in (200_000, 2_000_000):
            with pytest.raises(NoRoom):
                await large.wait(Room(), size, None)
        sharing.append(asyncio.ensure_future(large.wait(Room(), 200_000, 2_000_000)))
        await asyncio.sleep(0)
        waiting[0].cancel()
        large.give_back(alone)
        large.give_back(full)
        await asyncio.gather(*sharing, waiting[1])
        assert [each.done() for each in waiting] == [True, True, *[False] * (MAX_WAITING_ALONE - 2)]
        for each in waiting:
            each.cancel()

    asyncio.run(run())
