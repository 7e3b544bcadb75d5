"""Who is taken for dead, whose turn it is to be looked for, and what becomes of the work of the dead."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from drivers.contract import Availability, Priority
from drivers.errors import DriverError, NoReply, Quarantined, UnexpectedReply
from drivers.modbus.wire.requests import read_holding_registers, write_register
from drivers.retry import RetryPolicy
from tests.support.lines import PROBE, bus_on
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import run_virtual

READ = read_holding_registers(0x10, 1)
ONCE = RetryPolicy(retries=0)


def obedient(frame: bytes) -> Answer:
    if frame[1] in (3, 4):
        return [(0.005, framed(f"{frame[0]:02x}{frame[1]:02x}02002a"))]
    return [(0.005, framed(frame[:6].hex()))]


@pytest.mark.parametrize("every_s", [1.0, 5.0, 30.0])
def test_an_operator_who_keeps_asking_for_one_dead_unit_starves_no_other(every_s: float) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1, 2, 3)) as bus:
            await asyncio.gather(*(bus.exchange(unit, READ, Priority.GRANT) for unit in (1, 2, 3)), return_exceptions=True)
            line.answer = lambda frame: [] if frame[0] == 1 else obedient(frame)
            for _ in range(int(120 / every_s)):
                with pytest.raises(Quarantined):
                    await bus.exchange(1, READ, Priority.OPERATOR)
                await asyncio.sleep(every_s)
            assert bus.availability(2).current is Availability.ONLINE
            assert bus.availability(3).current is Availability.ONLINE

    run_virtual(main())


def test_a_unit_that_was_dead_before_the_line_went_is_asked_again_as_soon_as_the_line_is_back() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            line.refuse = True
            line.unplug()
            await asyncio.sleep(1)
            line.refuse = False
            async for level in bus.availability(2):
                if level is Availability.UNKNOWN:
                    break
            line.answer = obedient
            assert bus.quarantined_until(2) is None
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            assert asyncio.get_running_loop().time() < 4

    run_virtual(main())


def test_a_unit_that_is_still_dead_when_the_line_is_back_costs_one_more_look() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: obedient(frame) if frame[0] == 1 else [])
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            line.refuse = True
            line.unplug()
            await asyncio.sleep(1)
            line.refuse = False
            begin = len(line.sent)
            async for level in bus.availability(2):
                if level is Availability.QUARANTINED:
                    break
            assert [bus.availability(unit).current for unit in (1, 2)] == [Availability.ONLINE, Availability.QUARANTINED]
            assert [frame[0] for _, frame in line.sent[begin:]] == [1, 2]

    run_virtual(main())


def test_others_wait_for_a_look_at_a_silent_unit_only_as_long_as_it_used_to_need() -> None:
    """Every third look waits for the whole reply timeout: the unit may have become slow."""

    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.05, answer) for _, answer in obedient(frame)])
        async with bus_on(line, units=(1, 2), timeout_ms=900) as bus:
            await bus.exchange(1, READ, Priority.GRANT)
            line.answer = lambda frame: [] if frame[0] == 1 else obedient(frame)
            with pytest.raises(NoReply):
                await bus.exchange(1, READ, Priority.GRANT)
            begin = len(line.sent)
            while sum(frame[0] == 1 for _, frame in line.sent[begin:]) < 4:
                await bus.exchange(2, READ, Priority.GRANT)
            times = [(at, frame[0]) for at, frame in line.sent[begin:]]
            waits = [after - at for (at, unit), (after, _) in pairwise(times) if unit == 1]
            assert all(0.1 < wait < 0.2 for wait in waits[:2])
            assert waits[2] > 0.9

    run_virtual(main())


def test_work_waiting_for_a_unit_is_refused_when_it_is_quarantined() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [] if frame[0] == 1 else obedient(frame))
        async with bus_on(line, units=(1, 2)) as bus:
            asked = [asyncio.create_task(bus.exchange(1, READ, Priority.GRANT)) for _ in range(6)]
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(each) for each in done} == {NoReply, Quarantined}
            assert bus.statistics().line.queue_depth == 0
            assert len(line.sent) == 3
            assert asyncio.get_running_loop().time() < 2

    run_virtual(main())


def test_a_silent_unit_that_is_taken_off_keeps_the_line_working_for_the_others() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [] if frame[0] == 1 else obedient(frame))
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(1, READ, Priority.GRANT)
            bus.detach(1)
            begin = len(line.sent)
            await asyncio.sleep(3600)
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            assert [frame[0] for _, frame in line.sent[begin:]] == [2], "nobody looks for it any more"

    run_virtual(main())


@pytest.mark.parametrize("policy", [ONCE, RetryPolicy(retries=2)])
def test_a_unit_that_always_answers_oddly_is_quarantined_by_its_third_request(policy: RetryPolicy) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.005, framed("01 06 0001 0001"))])
        async with bus_on(line, policy=policy) as bus:
            for _ in range(3):
                assert bus.availability(1).current is Availability.UNKNOWN
                with pytest.raises(UnexpectedReply):
                    await bus.exchange(1, READ, Priority.GRANT)
            assert bus.availability(1).current is Availability.QUARANTINED
            with pytest.raises(Quarantined, match="unexpected_reply"):
                await bus.exchange(1, READ, Priority.GRANT)
            line.answer = obedient
            await asyncio.sleep(60)
            assert bus.availability(1).current is Availability.ONLINE

    run_virtual(main())


def test_a_good_answer_between_odd_ones_keeps_a_unit() -> None:
    async def main() -> None:
        odd: Answer = [(0.005, framed("01 06 0001 0001"))]
        line = ScriptedLine(obedient)
        async with bus_on(line, policy=ONCE) as bus:
            for number in range(12):
                line.answer = obedient if number % 3 == 2 else lambda frame: odd
                try:
                    await bus.exchange(1, READ, Priority.GRANT)
                except DriverError:
                    continue
            assert bus.availability(1).current is Availability.ONLINE

    run_virtual(main())


def test_a_retry_is_not_carried_out_behind_a_newer_write_to_the_unit() -> None:
    async def main() -> None:
        lost = iter([True])
        line = ScriptedLine(lambda frame: [] if frame[1] == 6 and next(lost, False) else obedient(frame))
        async with bus_on(line) as bus:
            older = asyncio.create_task(bus.exchange(1, write_register(0x220, 60), Priority.GRANT))
            await asyncio.sleep(0.1)
            newer = asyncio.create_task(bus.exchange(1, write_register(0x220, 0), Priority.REVOCATION))
            told = await asyncio.gather(older, newer, return_exceptions=True)
            assert [type(told[0]), told[1]] == [NoReply, ()]
            await asyncio.sleep(10)
        assert [frame[4:6] for _, frame in line.sent] == [b"\x00\x3c", b"\x00\x00"]

    run_virtual(main())


@pytest.mark.parametrize("between", [(1, READ), (2, write_register(0x220, 0))])
def test_a_retry_is_carried_out_behind_a_read_or_a_write_to_another(between: tuple[int, object]) -> None:
    async def main() -> None:
        lost = iter([True])
        line = ScriptedLine(lambda frame: [] if frame[1] == 6 and next(lost, False) else obedient(frame))
        unit, request = between
        async with bus_on(line, units=(1, 2)) as bus:
            older = asyncio.create_task(bus.exchange(1, write_register(0x220, 60), Priority.GRANT))
            await asyncio.sleep(0.1)
            await bus.exchange(unit, request, Priority.REVOCATION)  # type: ignore[arg-type]
            assert await older == ()

    run_virtual(main())


def test_nobody_asks_again_for_somebody_who_hung_up() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line) as bus:
            call = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await asyncio.sleep(10)
            assert len(line.sent) == 1
            assert bus.statistics().units[1].retries == 0

    run_virtual(main())


def test_the_counts_of_a_unit_put_on_again_begin_anew_and_the_lines_go_on() -> None:
    async def main() -> None:
        reply = framed("01 03 02 002A")
        line = ScriptedLine(lambda frame: [(0.004, b"\0"), (0.01, reply), (0.05, reply)])
        async with bus_on(line) as bus:
            for _ in range(5):
                await bus.exchange(1, READ, Priority.GRANT)
                await asyncio.sleep(0.2)
            before = bus.statistics()
            assert (before.units[1].exchanges, before.units[1].late_dropped, before.units[1].glitch_bytes) == (5, 5, 5)
            bus.detach(1)
            bus.attach(1, probe=PROBE)
            after = bus.statistics()
            assert (after.units[1].exchanges, after.units[1].late_dropped, after.units[1].glitch_bytes) == (0, 0, 0)
            assert (after.line.exchanges, after.line.late_dropped, after.line.glitch_bytes) == (5, 5, 5)

    run_virtual(main())
