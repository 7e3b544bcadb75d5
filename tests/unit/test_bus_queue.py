"""A line that is let down again and again (units that go away, callers that give up) has room for new work afterwards."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from drivers.bus.queue import Job, LineQueue
from drivers.contract import Priority
from drivers.errors import QueueFull
from drivers.modbus.wire.requests import Request, read_holding_registers

LIMIT = 5
READ = read_holding_registers(0, 1)
ReadJob = Job[Request, tuple[int, ...]]
ReadQueue = LineQueue[Request, tuple[int, ...]]


def job(unit: int, priority: Priority) -> ReadJob:
    return Job(unit, READ, priority, None, 0.0, asyncio.get_running_loop().create_future())


async def test_work_that_was_given_up_takes_no_room() -> None:
    queue = ReadQueue(LIMIT)
    for _ in range(3 * LIMIT):
        waiting, delayed = job(1, Priority.GRANT), job(2, Priority.GRANT)
        queue.put(waiting)
        queue.hold(delayed)
        queue.discard(waiting)
        queue.discard(delayed)
        queue.discard(delayed)
    for _ in range(LIMIT):
        queue.put(job(1, Priority.GRANT))
    with pytest.raises(QueueFull, match=f"{LIMIT} requests are waiting"):
        queue.put(job(1, Priority.REVOCATION))


async def test_requests_that_leave_together_take_no_room_any_more() -> None:
    queue, batch = ReadQueue(LIMIT), object()
    for _ in range(3):
        jobs = [replace(job(1, Priority.GRANT), batch=batch) for _ in range(LIMIT)]
        queue.put(*jobs)
        first = queue.pop()
        assert first is jobs[0]
        assert queue.companions(first, 2) == jobs[1:3]
        assert queue.depth == 2
        assert queue.companions(first, LIMIT) == jobs[3:]
        assert queue.depth == 0


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_became_of_earlier_work_only_what_waits_takes_room(seed: int) -> None:
    chance, queue = random.Random(seed), ReadQueue(LIMIT)
    waiting: list[ReadJob] = []
    held: list[ReadJob] = []

    def put(new: ReadJob) -> None:
        if len(waiting) + len(held) < LIMIT:
            queue.put(new)
            waiting.append(new)
        else:
            with pytest.raises(QueueFull):
                queue.put(new)

    def hold(new: ReadJob) -> None:
        queue.hold(new)
        held.append(new)

    def release(_: ReadJob) -> None:
        if held:
            released = held.pop(chance.randrange(len(held)))
            assert queue.release(released)
            assert not queue.release(released)
            waiting.append(released)

    def pop(_: ReadJob) -> None:
        popped = queue.pop()
        assert (popped is None) == (not waiting)
        if popped is not None:
            assert popped.priority == min(each.priority for each in waiting)
            waiting.remove(popped)

    def discard(_: ReadJob) -> None:
        for those in (waiting, held):
            if those and chance.random() < 0.5:
                queue.discard(those.pop(chance.randrange(len(those))))

    def take(new: ReadJob) -> None:
        taken = queue.take(new.unit)
        assert {id(each) for each in taken} == {id(each) for each in [*waiting, *held] if each.unit == new.unit}
        waiting[:] = [each for each in waiting if each.unit != new.unit]
        held[:] = [each for each in held if each.unit != new.unit]

    for _ in range(300):
        step = chance.choice([put, put, put, hold, release, pop, discard, take])
        step(job(chance.randrange(4), chance.choice(list(Priority))))
        assert queue.depth == len(waiting) + len(held) == queue.depths().total()
        assert queue.ready == len(waiting)
