"""Who goes first, what a stop leaves, and what a link says of itself: rules that nothing else notices when they break."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Priority
from drivers.errors import LineStopped, NoReply, PanelException, UnexpectedReply
from drivers.link import UnitTiming
from drivers.modbus.wire.open import line_timing
from drivers.modbus.wire.requests import read_holding_registers, write_register
from drivers.modbus.wire.rtu import RtuLink
from drivers.retry import RetryPolicy
from tests.support.lines import bus_on, rtu_settings
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import VirtualClock, run_virtual

READ = read_holding_registers(0x10, 1)
SILENCE_S = 3.5 * 11 / 9600
CHARACTER_S = 10 / 9600
TIMING = UnitTiming(0, 0.3)


def obedient(frame: bytes) -> Answer:
    if frame[1] in (3, 4):
        return [(0.005, framed(f"{frame[0]:02x}{frame[1]:02x}02002a"))]
    return [(0.005, framed(frame[:6].hex()))]


def test_every_priority_goes_before_the_next_whatever_came_first() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, units=(1, 2, 3, 4, 5, 9)) as bus:
            first = asyncio.create_task(bus.exchange(9, READ, Priority.GRANT))
            await asyncio.sleep(0.001)
            later = [asyncio.create_task(bus.exchange(5 - each, READ, each)) for each in reversed(Priority)]
            await asyncio.gather(first, *later)
        assert [frame[0] for _, frame in line.sent] == [9, 5, 4, 3, 2, 1]

    run_virtual(main())


def test_a_stop_leaves_nothing_waiting_and_sends_none_of_it() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.2, framed("01 03 02 002A"))])
        async with bus_on(line, units=(1, 2)) as bus:
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.05)
            waiting = [asyncio.create_task(bus.exchange(2, write_register(1, 1), Priority.OPERATOR)) for _ in range(3)]
            await asyncio.sleep(0)
            asked_at = asyncio.get_running_loop().time()
            stopping = asyncio.create_task(bus.stop(5))
            told = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(each) for each in told} == {LineStopped}
            assert asyncio.get_running_loop().time() == asked_at
            await asyncio.gather(running, stopping)
        assert [frame[0] for _, frame in line.sent] == [1]

    run_virtual(main())


def test_a_stop_between_two_attempts_tells_of_the_first() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line) as bus:
            silent = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT))
            await asyncio.sleep(0.4)
            await bus.stop(5)
            with pytest.raises(NoReply):
                await silent
        assert len(line.sent) == 1

    run_virtual(main())


def test_a_whole_silence_stands_before_the_first_frame_on_a_port() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            await asyncio.sleep(10)
            await bus.exchange(1, READ, Priority.GRANT)
            line.unplug()
            await asyncio.sleep(100)
            await bus.exchange(1, READ, Priority.GRANT)
        link = RtuLink(line.connect, line_timing(rtu_settings()), VirtualClock())
        await asyncio.sleep(10)
        await link.open()
        opened_at = asyncio.get_running_loop().time()
        await link.exchange(1, READ, TIMING)
        assert line.sent[-1][0] == pytest.approx(opened_at + SILENCE_S, abs=1e-9)
        await link.close()

    run_virtual(main())


async def probed_in_vain(line: ScriptedLine) -> tuple[RtuLink, float]:
    """A link whose last exchange was a short probe of unit 1 that nothing answered, and when the probe had left."""
    link = RtuLink(line.connect, line_timing(rtu_settings(post_timeout_quiet_ms=800.0)), VirtualClock())
    await link.open()
    with pytest.raises(NoReply):
        await link.exchange(1, READ, UnitTiming(0, 0.1), probe=True)
    return link, line.sent[-1][0] + 8 * CHARACTER_S


@pytest.mark.parametrize(("unit", "after_probe_s"), [(2, 0.8), (1, 0.1 + 0.8)])
def test_after_a_probe_in_vain_the_quiet_counts_from_its_end_for_others(unit: int, after_probe_s: float) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        link, left_at = await probed_in_vain(line)
        assert link.quiet_at == pytest.approx(left_at + 0.8)
        line.answer = obedient
        assert await link.exchange(unit, READ, TIMING) == (42,)
        assert line.sent[-1][0] == pytest.approx(left_at + after_probe_s, abs=1e-9)
        await link.close()

    run_virtual(main())


def test_a_probe_that_something_answered_is_a_miss_like_any_other() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.05, b"\x55")])
        link = RtuLink(line.connect, line_timing(rtu_settings(post_timeout_quiet_ms=800.0)), VirtualClock())
        await link.open()
        with pytest.raises(Exception, match="without a whole frame"):
            await link.exchange(1, READ, UnitTiming(0, 0.1), probe=True)
        missed_at = asyncio.get_running_loop().time()
        assert link.quiet_at == pytest.approx(missed_at + 0.8)
        await link.close()

    run_virtual(main())


def test_the_quiet_that_a_probe_makes_others_wait_for_comes_out_of_the_budget_for_probes() -> None:
    """Somebody speaks to a living unit right after each probe: the probes come more rarely by what that cost."""

    async def main(busy: bool) -> int:
        line = ScriptedLine(lambda frame: obedient(frame) if frame[0] == 2 else [])
        dead = range(3, 23)
        async with bus_on(line, (2, *dead), RetryPolicy(retries=0), post_timeout_quiet_ms=1000.0) as bus:
            for unit in 3 * [*dead]:
                with pytest.raises(NoReply):
                    await bus.exchange(unit, READ, Priority.GRANT)
            begin = len(line.sent)
            for _ in range(12_000):
                await asyncio.sleep(0.1)
                if busy:
                    await bus.exchange(2, READ, Priority.GRANT)
            return sum(frame[0] in dead for _, frame in line.sent[begin:])

    idle, busy = run_virtual(main(False)), run_virtual(main(True))
    assert idle > 50
    assert busy < 0.5 * idle


@pytest.mark.parametrize(("noise", "bytes_counted"), [(b"\x00\xff\x00", 3), (b"\x00" * 20, 20), (b"\x01\x03\x02", 3)])
def test_noise_on_an_idle_line_is_counted(noise: bytes, bytes_counted: int) -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            await bus.exchange(1, READ, Priority.GRANT)
            await asyncio.sleep(1)
            line.arrive(noise)
            await asyncio.sleep(1)
            await bus.exchange(1, READ, Priority.GRANT)
            assert bus.statistics().line.glitch_bytes == bytes_counted
            assert bus.statistics().units[1].glitch_bytes == 0

    run_virtual(main())


def test_what_is_counted_is_what_happened() -> None:
    async def main() -> None:
        answers: list[Answer] = [
            [(0.1, framed("01 03 02 002A"))],
            [],
            [(0.005, b"\x01\x03\x02\x00")],
            [(0.005, framed("01 83 02"))],
            [(0.005, framed("01 04 02 002A"))],
            [(0.005, framed("01 83 0B"))],
        ]
        line = ScriptedLine(lambda frame: answers.pop(0))
        async with bus_on(line, policy=RetryPolicy(retries=0)) as bus:
            for _ in range(6):
                await asyncio.gather(bus.exchange(1, READ, Priority.GRANT), return_exceptions=True)
            shown = bus.statistics()
            for each in (shown.line, shown.units[1]):
                assert (each.exchanges, each.timeouts, each.crc, each.protocol) == (6, 1, 1, 1)
                assert dict(each.exceptions) == {2: 1, 0x0B: 1}
                assert (each.retries, each.connections_lost, each.queue_depth) == (0, 0, 0)
                assert each.exchange_ms.p95 is not None
                assert each.exchange_ms.p95 > 300
            assert shown.units[1].late_dropped == 1

    run_virtual(main())


def test_retries_and_waits_in_the_queue_are_counted() -> None:
    async def main() -> None:
        silent = iter([True, True])
        line = ScriptedLine(lambda frame: [] if next(silent, False) else [(0.1, framed("01 03 02 002A"))])
        async with bus_on(line) as bus:
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
            asked_at = asyncio.get_running_loop().time()
            await asyncio.gather(*(bus.exchange(1, READ, Priority.GRANT) for _ in range(2)))
            shown = bus.statistics()
            for each in (shown.line, shown.units[1]):
                assert (each.exchanges, each.timeouts, each.retries) == (5, 2, 2)
                assert each.queue_ms.p95 == pytest.approx(1000 * (line.sent[4][0] - SILENCE_S - asked_at), abs=1e-6)

    run_virtual(main())


def test_a_write_that_a_busy_panel_put_off_is_not_repeated_behind_a_newer_one_and_is_no_refusal() -> None:
    async def main() -> None:
        busy = iter([True])
        line = ScriptedLine(lambda frame: [(0.002, framed("01 86 06"))] if next(busy, False) else obedient(frame))
        async with bus_on(line) as bus:
            older = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT))
            await asyncio.sleep(0.03)
            assert await bus.exchange(1, write_register(1, 0), Priority.REVOCATION) == ()
            with pytest.raises(UnexpectedReply):
                await older
        assert [frame[5] for _, frame in line.sent] == [1, 0]

    run_virtual(main())


@pytest.mark.parametrize("end", ["line lost", "deadline"])
def test_what_a_busy_panel_refused_before_the_end_left_the_gateway(end: str) -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, framed("01 86 06"))])
        async with bus_on(line) as bus:
            deadline = 0.05 if end == "deadline" else None
            asked = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT, deadline))
            await asyncio.sleep(0.03)
            assert len(line.sent) == 1
            if end == "line lost":
                line.refuse = True
                line.unplug()
            with pytest.raises(PanelException):
                await asked
        assert len(line.sent) == 1

    run_virtual(main())
