"""Room for large bodies."""

import asyncio
import random

from linkwell.populate.large import BUDGET_BYTES, MEDIUM_BYTES, LargeBodies


def test_no_more_room_is_out_than_there_is_and_everybody_gets_some() -> None:
    """Declared lengths add up to the budget at most; of those that declare nothing, or very much, one is served at a time; cancelled ones leave nothing behind."""

    async def run() -> tuple[int, int, int]:
        large, generator = LargeBodies(), random.Random(3)
        out = alone = served = most_out = most_alone = 0

        async def body(declared: int | None) -> None:
            nonlocal out, alone, served, most_out, most_alone
            taken = await large.take(declared)
            out, alone = out + max(taken, 0), alone + (taken < 0)
            most_out, most_alone = max(most_out, out), max(most_alone, alone)
            try:
                await asyncio.sleep(generator.random() * 0.002)
            finally:
                out, alone = out - max(taken, 0), alone - (taken < 0)
                large.give_back(taken)
            served += 1

        sizes = [generator.choice([None, 50_000_000, generator.randint(1_000_000, MEDIUM_BYTES)]) for _ in range(200)]
        tasks = [asyncio.ensure_future(body(size)) for size in sizes]
        await asyncio.sleep(0.001)
        for task in tasks[::7]:
            task.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(body(MEDIUM_BYTES) for _ in range(8)), body(None))
        assert served >= 180
        return most_out, most_alone, out

    most_out, most_alone, left = asyncio.run(run())
    assert 0 < most_out <= BUDGET_BYTES
    assert most_alone == 1
    assert left == 0
