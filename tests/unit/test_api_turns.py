"""Strangers are served one after the other, however many come from one address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from gateway.api.turns import EACH_S, Turns
from tests.support.virtual_time import run_virtual


def test_each_address_in_its_turn_and_not_too_many_in_a_second() -> None:
    served: list[tuple[str, float]] = []

    async def main() -> None:
        loop, turns = asyncio.get_running_loop(), Turns()

        def guest(name: str, stays: bool = True) -> Callable[[], bool]:
            def go() -> bool:
                if stays:
                    served.append((name, loop.time()))
                return stays

            return go

        for number in range(100):
            turns.wait("crowd", guest(f"crowd {number}", stays=number % 2 == 0))
        turns.wait("single", guest("single"))
        await asyncio.sleep(1)
        turns.wait("late", guest("late"))
        await asyncio.sleep(1)

    run_virtual(main())
    names = [name for name, _ in served]
    assert names[:3] == ["crowd 0", "single", "crowd 2"]
    assert len(names) == 52, "who left takes no turn"
    times = [at for _, at in served]
    assert min(later - earlier for earlier, later in pairwise(times)) >= EACH_S * 0.99
    assert times[-1] - times[0] < 1.1
