"""What a bus does while a line has to become quiet: nothing is chosen yet, so nothing is late that was given up."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Priority
from drivers.errors import BusUnavailable, DeadlinePassed, LineStopped, NoReply
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.requests import read_holding_registers, write_coil, write_register
from drivers.retry import RetryPolicy
from tests.support.lines import bus_on
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import VirtualClock, run_virtual

READ = read_holding_registers(0x10, 1)
PULSE = write_coil(0, 0xFF00, repeatable=False)
ONCE = RetryPolicy(retries=0)
QUIET_S = 5.0
CHARACTER_S = 10 / 9600


def answer(frame: bytes) -> Answer:
    """Unit 1 is silent."""
    if frame[0] == 1:
        return []
    return [(0.005, framed("02 03 02 002A" if frame[1] == 3 else frame[:6].hex()))]


async def made_suspect(bus: ModbusBus) -> float:
    with pytest.raises(NoReply):
        await bus.exchange(1, READ, Priority.GRANT)
    return asyncio.get_running_loop().time()


def sent_to(line: ScriptedLine, unit: int) -> list[float]:
    return [when for when, frame in line.sent if frame[0] == unit]


def test_a_request_whose_deadline_passes_meanwhile_is_told_so_and_never_sent() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE, timeout_ms=1000 * QUIET_S) as bus:
            since = await made_suspect(bus)
            with pytest.raises(DeadlinePassed):
                await bus.exchange(2, PULSE, Priority.OPERATOR, deadline=since + 0.1)
            assert asyncio.get_running_loop().time() == pytest.approx(since + 0.1)
            await asyncio.sleep(60)
        assert sent_to(line, 2) == []

    run_virtual(main())


def test_a_request_given_up_meanwhile_is_never_sent() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE, timeout_ms=1000 * QUIET_S) as bus:
            await made_suspect(bus)
            given_up = asyncio.create_task(bus.exchange(2, PULSE, Priority.OPERATOR))
            await asyncio.sleep(0.05)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            await asyncio.sleep(60)
        assert sent_to(line, 2) == []

    run_virtual(main())


def test_a_stop_meanwhile_sends_nothing_and_says_so_at_once() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE, timeout_ms=1000 * QUIET_S) as bus:
            since = await made_suspect(bus)
            waiting = asyncio.create_task(bus.exchange(2, PULSE, Priority.OPERATOR))
            await asyncio.sleep(0.05)
            await bus.stop(1)
            assert asyncio.get_running_loop().time() < since + 0.1
            with pytest.raises(LineStopped):
                await waiting
        assert sent_to(line, 2) == []

    run_virtual(main())


def test_a_stop_before_the_frame_left_is_no_unconfirmed_exchange() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE, guard_ms=5000.0) as bus:
            waiting = asyncio.create_task(bus.exchange(2, PULSE, Priority.OPERATOR))
            await asyncio.sleep(0.05)
            await bus.stop(1)
            with pytest.raises(LineStopped):
                await waiting
        assert line.sent == []

    run_virtual(main())


def test_the_most_urgent_goes_first_when_the_line_is_quiet() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE) as bus:
            since = await made_suspect(bus)
            background = asyncio.create_task(bus.exchange(2, READ, Priority.BACKGROUND))
            await asyncio.sleep(0.01)
            revocation = asyncio.create_task(bus.exchange(2, write_register(0x220, 0), Priority.REVOCATION))
            await asyncio.gather(background, revocation)
            assert [frame[1] for _, frame in line.sent[1:]] == [6, 3]
            assert line.sent[1][0] == pytest.approx(since + 0.3, abs=1e-6)

    run_virtual(main())


def test_noise_prolongs_the_quiet_of_a_suspect_line() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), ONCE) as bus:
            since = await made_suspect(bus)
            asyncio.get_running_loop().call_at(since + 0.2, line.arrive, b"\x00")
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            assert line.sent[-1][0] == pytest.approx(since + 0.2 + 0.3, abs=1e-6)
            assert bus.statistics().line.glitch_bytes == 1

    run_virtual(main())


def test_the_quiet_after_a_miss_is_the_lines_time() -> None:
    async def main() -> None:
        async with bus_on(ScriptedLine(answer), (1, 2), ONCE) as bus:
            await made_suspect(bus)
            await bus.exchange(2, READ, Priority.GRANT)
            now = asyncio.get_running_loop().time()
            assert bus.statistics().line.load_1m == pytest.approx(now / 5, abs=1e-3)
            assert bus.statistics().units[2].load_1m < 0.01

    run_virtual(main())


def test_a_line_jammed_by_noise_refuses_what_waits_and_shows_it() -> None:
    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (2,), ONCE) as bus:
            await bus.exchange(2, READ, Priority.GRANT)
            babble = asyncio.create_task(babbling(line))
            await asyncio.sleep(0.01)
            begun = asyncio.get_running_loop().time()
            waiting = [asyncio.create_task(bus.exchange(2, READ, Priority.GRANT)) for _ in range(3)]
            refused = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(each) for each in refused} == {BusUnavailable}
            took = asyncio.get_running_loop().time() - begun
            assert took == pytest.approx(3.0, abs=0.01)
            shown = bus.statistics().line
            assert (shown.exchanges, shown.crc) == (1, 1)
            assert shown.load_1m == pytest.approx(took / 5, abs=0.01)
            assert shown.glitch_bytes > 1000
            assert len(line.sent) == 1
            babble.cancel()
            await asyncio.gather(babble, return_exceptions=True)
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)

    async def babbling(line: ScriptedLine) -> None:
        while True:
            line.arrive(b"\x11\x00\xff")
            await asyncio.sleep(0.002)

    run_virtual(main())


def test_a_foreign_frame_within_an_answered_exchange_makes_the_line_suspect() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.004, framed("07 03 02 0001")), *answer(frame)])
        async with bus_on(line, (2,), ONCE) as bus:
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            ended = asyncio.get_running_loop().time()
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            assert line.sent[1][0] == pytest.approx(ended + 0.3, abs=1e-6)

    run_virtual(main())


def test_a_unit_probed_in_vain_keeps_others_waiting_from_the_probes_end_only() -> None:
    """No frame of theirs can be mistaken for its answer; the unit itself waits the whole quiet."""

    async def main() -> None:
        line = ScriptedLine(answer)
        async with bus_on(line, (1, 2), RetryPolicy(retries=2), post_timeout_quiet_ms=800.0) as bus:
            await made_suspect(bus)
            await asyncio.sleep((bus.quarantined_until(1) or 0.0) - VirtualClock().wall() + 0.2)
            probed_at = line.sent[-1][0]
            assert len(line.sent) == 4
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)
            assert line.sent[-1][0] == pytest.approx(probed_at + 8 * CHARACTER_S + 0.8, abs=1e-6)

    run_virtual(main())
