"""Background tasks whose death is told, and the lock that lets revocations pass."""

from __future__ import annotations

import asyncio

import pytest

from gateway.concurrency import Bell, KeyedLock, Supervisor, UrgentFirst, in_turns


async def _order(*waiters: tuple[str, bool]) -> list[str]:
    """In which order these get the lock, that somebody holds while they come one after the other."""
    lock, got = UrgentFirst(), list[str]()

    async def work(name: str, urgent: bool) -> None:
        async with lock.held(urgent=urgent):
            got.append(name)

    async with lock.held(urgent=False):
        tasks = []
        for name, urgent in waiters:
            tasks.append(asyncio.create_task(work(name, urgent)))
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return got


async def test_a_revocation_that_came_first_is_not_kept_waiting_by_those_that_came_after_it() -> None:
    assert await _order(("first", True), ("second", True), ("third", True)) == ["first", "second", "third"]


async def test_a_revocation_passes_grants_that_wait_longer() -> None:
    assert await _order(("grant", False), ("another grant", False), ("revocation", True)) == [
        "revocation",
        "grant",
        "another grant",
    ]


async def test_work_that_comes_at_once_is_done_one_piece_a_turn_of_the_loop_and_a_revocation_comes_next() -> None:
    lock, turn, done = UrgentFirst(), 0, list[tuple[str, int]]()

    async def work(name: str, urgent: bool) -> None:
        await lock.for_a_turn(urgent=urgent)
        done.append((name, turn))

    tasks = [asyncio.create_task(work(name, name == "revocation")) for name in ("first", "grant", "revocation")]
    while len(done) < len(tasks):
        await asyncio.sleep(0)
        turn += 1
    assert [name for name, _ in done] == ["first", "revocation", "grant"]
    assert len({at for _, at in done}) == 3
    assert done[0] == ("first", 0), "who comes alone waits for no turn"
    async with asyncio.timeout(30), lock.held(urgent=False):
        pass


async def test_who_gives_up_waiting_keeps_nobody_out() -> None:
    lock, got = UrgentFirst(), list[str]()

    async def work(name: str) -> None:
        async with lock.held(urgent=False):
            got.append(name)

    async with lock.held(urgent=False):
        leaving, staying = asyncio.create_task(work("leaving")), asyncio.create_task(work("staying"))
        await asyncio.sleep(0)
    leaving.cancel()  # it is its turn by now
    await asyncio.wait([leaving, staying])
    assert got == ["staying"]
    async with asyncio.timeout(30), lock.held(urgent=False):
        pass


class Crowd:
    """Who holds a lock on keys, and who held it in which order; "*" is everything."""

    def __init__(self) -> None:
        self.lock, self.inside, self.order = KeyedLock(), list[str](), list[str]()
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, keys: str) -> None:
        self.leave[keys] = asyncio.Event()
        self.tasks[keys] = asyncio.create_task(self._hold(keys))
        await asyncio.sleep(0)

    async def _hold(self, keys: str) -> None:
        async with self.lock.held(None if keys == "*" else frozenset(keys)):
            self.inside.append(keys)
            self.order.append(keys)
            await self.leave[keys].wait()
            self.inside.remove(keys)

    async def go(self, keys: str) -> None:
        self.leave[keys].set()
        await self.tasks[keys]
        await asyncio.sleep(0)


async def test_requests_for_different_items_go_on_together_and_nobody_passes_who_waits_for_the_same() -> None:
    crowd = Crowd()
    for keys in ("ab", "c", "bd", "d", "e"):
        await crowd.come(keys)
    assert crowd.inside == ["ab", "c", "e"]
    await crowd.go("ab")
    assert crowd.inside == ["c", "e", "bd"]
    await crowd.go("bd")
    assert crowd.inside == ["c", "e", "d"]


async def test_who_needs_everything_waits_for_all_before_it_and_all_after_it_wait_for_it() -> None:
    crowd = Crowd()
    for keys in ("a", "*", "b", ""):
        await crowd.come(keys)
    assert crowd.inside == ["a"]
    await crowd.go("a")
    assert crowd.inside == ["*"]
    await crowd.go("*")
    assert crowd.inside == ["b", ""]
    async with asyncio.timeout(30):
        await crowd.go("b")
        await crowd.go("")
        async with crowd.lock:
            await crowd.come("c")
            assert crowd.inside == []


@pytest.mark.parametrize("its_turn", [False, True])
async def test_who_gives_up_waiting_for_keys_keeps_nobody_out(its_turn: bool) -> None:
    crowd = Crowd()
    async with crowd.lock.held(frozenset("a")):
        await crowd.come("ab")
        await crowd.come("b")
        if not its_turn:
            crowd.tasks["ab"].cancel()
            await asyncio.wait([crowd.tasks["ab"]])
            await asyncio.sleep(0)
            assert crowd.inside == ["b"]
    crowd.tasks["ab"].cancel()
    await asyncio.wait([crowd.tasks["ab"]])
    await asyncio.sleep(0)
    assert crowd.order == ["b"]


async def test_the_death_of_a_background_task_is_told_and_its_end_is_not() -> None:
    supervisor = Supervisor()

    async def die() -> None:
        raise ValueError("a defect")

    ending = supervisor.spawn(asyncio.sleep(0), "it ends")
    cancelled = supervisor.spawn(asyncio.sleep(60), "it is cancelled")
    cancelled.cancel()
    await asyncio.wait([ending, cancelled])
    assert not supervisor.failed.done()
    await asyncio.wait([supervisor.spawn(die(), "it dies"), supervisor.failed])
    with pytest.raises(ValueError, match="a defect"):
        supervisor.failed.result()


async def test_what_a_request_raises_is_for_whoever_asked_and_ends_nothing_else() -> None:
    supervisor = Supervisor()

    async def refuse() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await supervisor.finish(refuse(), "request")
    assert not supervisor.failed.done()


async def test_a_request_is_finished_though_its_client_went_away_and_a_stop_waits_for_it() -> None:
    supervisor, done = Supervisor(), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    asking = asyncio.create_task(supervisor.finish(work(), "request"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await supervisor.stop(5)
    assert done.is_set()


async def test_what_else_is_due_does_not_wait_for_all_that_a_bell_wakes() -> None:
    bell, woken = Bell(), list[int]()

    async def wait(number: int) -> None:
        assert await bell.rings(0, 3600)
        woken.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(100)]
    await asyncio.sleep(0)
    bell.ring()
    in_each_turn = []
    while len(woken) < len(waiting):
        before = len(woken)
        await asyncio.sleep(0)
        in_each_turn.append(len(woken) - before)
    assert max(in_each_turn) <= 3
    assert woken == [*range(100)]


async def test_a_request_that_comes_while_something_else_is_done_in_turns_has_a_pause_for_itself() -> None:
    done = list[int]()

    async def work() -> None:
        async for number in in_turns(range(100), 0.0, 3600.0):
            done.append(number)

    working = asyncio.create_task(work())
    for _ in range(50):
        await asyncio.sleep(0)
    working.cancel()
    assert len(done) < 50


async def test_a_bell_that_rang_before_somebody_waited_is_heard_and_one_that_does_not_ring_is_waited_for_in_vain() -> None:
    bell = Bell()
    assert not await bell.rings(0, 0.01)
    bell.ring()
    assert await bell.rings(0, 3600)
    assert not await bell.rings(1, 0.01)
