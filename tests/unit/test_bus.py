"""The bus: retries, quarantine, turns, reopening, cancellation and the end, on scripted lines in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from drivers.contract import Availability, Priority
from drivers.errors import (
    BusUnavailable,
    DeadlinePassed,
    LineStopped,
    NoReply,
    PanelException,
    Quarantined,
    QueueFull,
    StillWorking,
    Unmet,
)
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import line_timing
from drivers.modbus.wire.requests import read_holding_registers, write_coil, write_register
from drivers.modbus.wire.rtu import RtuLink
from drivers.retry import RetryPolicy
from drivers.trace import request_id
from tests.support.lines import PROBE, bus_on, rtu_settings
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import VirtualClock, run_virtual

READ = read_holding_registers(0x10, 1)
READ_REPLY = framed("01 03 02 002A")


def obedient(frame: bytes) -> Answer:
    """A line of panels that echo writes and read 42 everywhere."""
    if frame[1] in (3, 4):
        return [(0.005, framed(f"{frame[0]:02x}{frame[1]:02x}02002a"))]
    return [(0.005, framed(frame[:6].hex()))]


def dead(unit: int) -> ScriptedLine:
    return ScriptedLine(lambda frame: [] if frame[0] == unit else obedient(frame))


def test_a_read_brings_words_and_a_write_is_confirmed() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
            assert await bus.exchange(1, write_register(7, 9), Priority.GRANT) == ()
            assert bus.availability(1).current is Availability.ONLINE
        assert [frame for _, frame in line.sent] == [framed("01 03 0010 0001"), framed("01 06 0007 0009")]

    run_virtual(main())


def test_a_repeatable_request_is_sent_three_times_another_once() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(1, write_register(7, 9), Priority.GRANT)
            with pytest.raises(NoReply):
                await bus.exchange(2, write_coil(0, 0x5500, repeatable=False), Priority.GRANT)
        assert [frame[0] for _, frame in line.sent] == [1, 1, 1, 2]

    run_virtual(main())


def test_an_exception_is_the_panels_word_and_not_repeated() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, framed("01 83 84"))])
        async with bus_on(line) as bus:
            with pytest.raises(PanelException) as refusal:
                await bus.exchange(1, READ, Priority.GRANT)
            assert refusal.value.code == 0x84
            assert bus.statistics().units[1].exceptions == {0x84: 1}
        assert len(line.sent) == 1

    run_virtual(main())


def test_a_refusal_after_a_silent_write_stays_unconfirmed() -> None:
    async def main() -> None:
        answers: list[Answer] = [[], [(0.002, framed("01 86 02"))]]
        line = ScriptedLine(lambda frame: answers.pop(0))
        async with bus_on(line) as bus:
            with pytest.raises(NoReply) as error:
                await bus.exchange(1, write_register(1, 1), Priority.GRANT)
            assert isinstance(error.value.__cause__, PanelException)

    run_virtual(main())


@pytest.mark.parametrize("code", ["0A", "0B"])
def test_a_unit_that_its_converter_does_not_hear_is_silent(code: str) -> None:
    """The exception is the converter's: unconfirmed, and the unit is quarantined as if nothing had come."""

    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, framed(f"01 {frame[1] | 0x80:02x} {code}"))])
        async with bus_on(line) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(1, write_register(1, 1), Priority.GRANT)
            assert bus.availability(1).current is Availability.QUARANTINED
            line.answer = obedient
            async for level in bus.availability(1):
                if level is Availability.ONLINE:
                    break

    run_virtual(main())


def test_a_panel_that_still_works_is_alive_and_asked_again() -> None:
    async def main() -> None:
        answers: list[Answer] = [[(0.002, framed("01 86 05"))]] * 3
        line = ScriptedLine(lambda frame: answers.pop() if answers else obedient(frame))
        async with bus_on(line) as bus:
            with pytest.raises(StillWorking):
                await bus.exchange(1, write_register(1, 1), Priority.GRANT)
            assert bus.availability(1).current is Availability.ONLINE
            assert bus.statistics().units[1].exceptions == {5: 3}

    run_virtual(main())


def test_a_busy_panel_is_asked_again_later() -> None:
    async def main() -> None:
        answers: list[Answer] = [[(0.002, framed("01 86 06"))], [(0.002, framed("01 86 06"))]]
        line = ScriptedLine(lambda frame: answers.pop(0) if answers else obedient(frame))
        async with bus_on(line) as bus:
            assert await bus.exchange(1, write_register(1, 1), Priority.GRANT) == ()
        first, second, third = (when for when, _ in line.sent)
        assert second - first > 0.05
        assert third - second > 0.1

    run_virtual(main())


def test_a_busy_panel_whose_driver_waits_is_not_asked_again() -> None:
    """One layer repeats, not two."""

    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.002, framed("02 86 06"))])
        async with bus_on(line) as bus:
            bus.attach(2, probe=PROBE, waits=True)
            with pytest.raises(PanelException):
                await bus.exchange(2, write_register(1, 1), Priority.GRANT)
        assert len(line.sent) == 1

    run_virtual(main())


def test_a_silent_unit_is_quarantined_refused_at_once_and_found_again() -> None:
    async def main() -> None:
        line = dead(2)
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            assert bus.availability(2).current is Availability.QUARANTINED
            assert bus.quarantined_until(2) is not None
            with pytest.raises(Quarantined, match=r"^after no_reply: "):
                await bus.exchange(2, READ, Priority.GRANT)
            assert str(bus.availability(2).cause).startswith("after no_reply: ")
            before = len(line.sent)
            await asyncio.sleep(3600)
            probes = [when for when, frame in line.sent[before:] if frame[0] == 2]
            gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
            assert min(gaps) >= 0.1 / 0.01
            assert 300 <= max(gaps) <= 301
            line.answer = obedient
            await asyncio.sleep(301)
            assert bus.availability(2).current is Availability.ONLINE
            assert (bus.quarantined_until(2), bus.availability(2).cause) == (None, None)
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)

    run_virtual(main())


async def asks_for_something(bus: ModbusBus) -> None:
    with pytest.raises(Quarantined):
        await bus.exchange(2, READ, Priority.OPERATOR)


async def asks_to_look_soon(bus: ModbusBus) -> None:
    bus.hasten(2)


@pytest.mark.parametrize("ask", [asks_for_something, asks_to_look_soon])
def test_an_operator_brings_the_next_probe_forward(ask: Callable[[ModbusBus], Awaitable[None]]) -> None:
    async def main() -> None:
        line = dead(2)
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            await asyncio.sleep(3600)
            await asyncio.sleep((bus.quarantined_until(2) or 0.0) - VirtualClock().wall() + 1)
            line.answer = obedient
            await asyncio.sleep(31)
            assert bus.availability(2).current is Availability.QUARANTINED
            await ask(bus)
            await asyncio.sleep(0.5)
            assert bus.availability(2).current is Availability.ONLINE
            assert bus.quarantined_until(2) is None
            bus.hasten(2)
            assert (bus.quarantined_until(2), bus.availability(2).current) == (None, Availability.ONLINE)

    run_virtual(main())


def test_many_dead_units_share_one_budget() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        units = tuple(range(1, 11))
        async with bus_on(line, units=units) as bus:
            await asyncio.gather(*(bus.exchange(u, READ, Priority.GRANT) for u in units), return_exceptions=True)
            start = len(line.sent)
            await asyncio.sleep(3600)
            probes = line.sent[start:]
            assert len(probes) <= 3600 * 0.01 / 0.1 + 1
            assert bus.statistics().line.load_15m <= 0.0105
            assert {frame[0] for _, frame in probes} == set(units)

    run_virtual(main())


def test_priorities_first_then_units_in_turn() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, units=(1, 2, 3, 9)) as bus:
            first = asyncio.create_task(bus.exchange(9, READ, Priority.GRANT))
            await asyncio.sleep(0)
            work = [(1, Priority.GRANT)] * 3 + [(2, Priority.GRANT), (3, Priority.BACKGROUND), (3, Priority.OPERATOR)]
            await asyncio.gather(first, *(bus.exchange(unit, READ, priority) for unit, priority in work))
        assert [frame[0] for _, frame in line.sent] == [9, 3, 1, 2, 1, 1, 3]

    run_virtual(main())


def test_a_full_queue_refuses_at_once() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, queue_limit=2) as bus:
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.005)
            waiting = [asyncio.create_task(bus.exchange(1, READ, Priority.GRANT)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await bus.exchange(1, READ, Priority.OPERATOR)
            assert bus.statistics().line.queue_depth == 2
            await asyncio.gather(running, *waiting)

    run_virtual(main())


def test_a_deadline_ends_the_wait_not_the_exchange() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.2, READ_REPLY)])
        async with bus_on(line) as bus:
            started = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT, deadline=0.1))
            await asyncio.sleep(0.05)
            with pytest.raises(DeadlinePassed):
                await bus.exchange(1, READ, Priority.GRANT, deadline=0.15)
            assert asyncio.get_running_loop().time() == pytest.approx(0.15)
            assert await started == (42,)
            with pytest.raises(DeadlinePassed):
                await bus.exchange(1, READ, Priority.GRANT, deadline=0.15)
        assert len(line.sent) == 1

    run_virtual(main())


def test_a_deadline_between_two_attempts_leaves_it_unconfirmed() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(1, write_register(1, 1), Priority.GRANT, deadline=0.2)
        assert len(line.sent) == 1

    run_virtual(main())


def test_cancelling_takes_waiting_work_out_and_finishes_what_runs() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.006)
            waiting = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT))
            await asyncio.sleep(0)
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            assert running.cancelled()
            assert bus.statistics().line.queue_depth == 0
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
            assert bus.statistics().line.exchanges == 2
            assert bus.statistics().line.late_dropped == 0

    run_virtual(main())


def test_an_unplugged_port_is_reopened_with_growing_pauses() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, units=(1, 2)) as bus:
            await bus.exchange(1, READ, Priority.GRANT)
            line.refuse = True
            line.unplug()
            await asyncio.sleep(0.01)
            with pytest.raises(BusUnavailable):
                await bus.exchange(1, READ, Priority.GRANT)
            assert bus.availability(2).current is Availability.BUS_UNAVAILABLE
            opens = line.opens
            await asyncio.sleep(0.2)
            assert line.opens == opens
            await asyncio.sleep(300)
            assert 15 <= line.opens - opens <= 17
            line.refuse = False
            await asyncio.sleep(31)
            assert bus.availability(1).current is Availability.ONLINE
            assert bus.availability(2).current is Availability.ONLINE
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)

    run_virtual(main())


def test_waiting_work_is_refused_when_the_port_vanishes_and_what_was_sent_is_unconfirmed() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1, 2)) as bus:
            sent = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT))
            waiting = asyncio.create_task(bus.exchange(2, write_register(1, 1), Priority.GRANT))
            await asyncio.sleep(0.1)
            line.refuse = True
            line.unplug()
            done = await asyncio.gather(sent, waiting, return_exceptions=True)
            assert [type(error).__name__ for error in done] == ["ConnectionLost", "BusUnavailable"]
            assert asyncio.get_running_loop().time() < 0.2

    run_virtual(main())


def test_stop_finishes_what_is_on_the_wire() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [(0.2, READ_REPLY)])
        async with bus_on(line) as bus:
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            waiting = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.1)
            stopping = asyncio.create_task(bus.stop(5))
            await asyncio.sleep(0)
            with pytest.raises(LineStopped):
                await bus.exchange(1, READ, Priority.OPERATOR)
            with pytest.raises(LineStopped):
                await waiting
            assert await running == (42,)
            await stopping
            assert bus.task is not None
            assert bus.task.done()

    run_virtual(main())


def test_stop_beyond_its_grace_leaves_an_unconfirmed_exchange() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, timeout_ms=60_000.0) as bus:
            running = asyncio.create_task(bus.exchange(1, write_register(1, 1), Priority.GRANT))
            await asyncio.sleep(0.1)
            await bus.stop(1)
            assert line.receiver is None, "the next gateway finds the port free"
            with pytest.raises(NoReply):
                await running

    run_virtual(main())


def test_a_worker_that_dies_is_seen_and_nobody_waits_for_it() -> None:
    def broken(frame: bytes) -> list[tuple[float, bytes]]:
        raise ZeroDivisionError

    async def main() -> None:
        settings, clock = rtu_settings(), VirtualClock()
        bus = ModbusBus(settings, RtuLink(ScriptedLine(broken).connect, line_timing(settings), clock), clock)
        bus.attach(1, probe=PROBE)
        await bus.start()
        first, second = await asyncio.gather(*(bus.exchange(1, READ, Priority.GRANT) for _ in range(2)), return_exceptions=True)
        assert isinstance(first, NoReply)
        assert isinstance(second, LineStopped)
        assert bus.task is not None
        with pytest.raises(ZeroDivisionError):
            await bus.task
        with pytest.raises(LineStopped):
            await bus.exchange(1, READ, Priority.GRANT)
        await bus.stop(1)

    run_virtual(main())


def test_a_detached_unit_is_forgotten_and_its_waiting_work_refused() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(ValueError, match="attached"):
                bus.attach(2, probe=PROBE)
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.006)
            waiting = asyncio.create_task(bus.exchange(2, READ, Priority.GRANT))
            await asyncio.sleep(0)
            bus.detach(2)
            with pytest.raises(LineStopped):
                await waiting
            with pytest.raises(ValueError, match="attached"):
                await bus.exchange(2, READ, Priority.GRANT)
            assert 2 not in bus.statistics().units
            assert await running == (42,)
            bus.attach(2, probe=PROBE, timeout_ms=50.0)
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)

    run_virtual(main())


def test_a_unit_detached_while_it_is_spoken_to_is_looked_for_no_more() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1,)) as bus:
            calls = [asyncio.create_task(bus.exchange(1, READ, Priority.GRANT)) for _ in range(4)]
            await asyncio.sleep(0.1)
            bus.detach(1)
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in done] == [NoReply] + [LineStopped] * 3
            await asyncio.sleep(3600)
            assert bus.task is not None
            assert not bus.task.done()
        assert len(line.sent) == 1

    run_virtual(main())


def test_timing_of_a_unit_is_its_own_where_set() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(), policy=RetryPolicy(retries=0)) as bus:
            bus.attach(5, probe=PROBE, guard_ms=20.0, timeout_ms=100.0)
            with pytest.raises(NoReply):
                await bus.exchange(5, READ, Priority.GRANT)
            assert line.sent[0][0] == pytest.approx(0.02 + 0.00401, abs=1e-4)
            assert asyncio.get_running_loop().time() == pytest.approx(line.sent[0][0] + 8 * 10 / 9600 + 0.1)

    run_virtual(main())


class Stamp(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.stamp = request_id.get()
        return True


def stamped(line: ScriptedLine, seconds: float, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """The frames of a request and of the seconds after it, with the request that the log names for each."""

    async def main() -> None:
        async with bus_on(line) as bus:
            token = request_id.set("abc")
            with caplog.at_level(logging.DEBUG, logger="drivers.modbus.wire.rtu"):
                with suppress(NoReply):
                    await bus.exchange(1, READ, Priority.GRANT)
                request_id.reset(token)
                await asyncio.sleep(seconds)

    caplog.handler.addFilter(Stamp())
    run_virtual(main())
    sent = [record for record in caplog.records if record.getMessage() == "frame sent"]
    return [(record.__dict__["frame"], record.__dict__["stamp"]) for record in sent]


def test_frames_are_logged_with_the_request_they_belong_to(caplog: pytest.LogCaptureFixture) -> None:
    assert stamped(ScriptedLine(obedient), 0, caplog) == [("010300100001" + "85cf", "abc")]


def test_a_request_that_a_dead_unit_did_not_answer_has_no_part_in_the_probes_after_it(caplog: pytest.LogCaptureFixture) -> None:
    sent = stamped(dead(1), 60, caplog)
    assert [stamp for _, stamp in sent[:3]] == ["abc"] * 3
    assert {stamp for _, stamp in sent[3:]} == {None}


def test_a_write_for_one_unit_does_not_reach_the_one_that_is_there_after_the_port_was_opened_anew() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            await bus.exchange(1, READ, Priority.GRANT)
            bus.met(1, bus.meeting())
            assert await bus.exchange(1, write_register(7, 9), Priority.GRANT) == ()
            line.unplug()
            await asyncio.sleep(1)
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)
            assert not bus.is_met(1)
            with pytest.raises(Unmet):
                await bus.exchange(1, write_register(7, 9), Priority.GRANT)
            assert await bus.exchange(1, replace(write_register(7, 9), anywhere=True), Priority.GRANT) == ()
            bus.met(1, bus.meeting())
            assert await bus.exchange(1, write_register(7, 9), Priority.GRANT) == ()

    run_virtual(main())


class Closing(RtuLink):
    """Behind a host that ends each connection after its reply."""

    closes = True


def test_behind_a_host_that_closes_each_connection_a_unit_is_known_for_ten_seconds_after_it_was_asked() -> None:
    async def main() -> None:
        line, clock, settings = ScriptedLine(obedient), VirtualClock(), rtu_settings()
        bus = ModbusBus(settings, Closing(line.connect, line_timing(settings), clock, settings.id), clock)
        bus.attach(1, probe=PROBE)
        await bus.start()
        await bus.exchange(1, READ, Priority.GRANT)
        bus.met(1, bus.meeting())
        line.unplug()
        await asyncio.sleep(9)
        assert bus.is_met(1)
        await asyncio.sleep(2)
        assert not bus.is_met(1)
        await bus.stop(1)

    run_virtual(main())


def test_a_port_gone_for_days_and_a_unit_dead_for_days_are_still_looked_for() -> None:
    async def main() -> None:
        line = dead(2)
        async with bus_on(line, units=(1, 2)) as bus:
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            await asyncio.sleep(7 * 86_400)
            line.answer = obedient
            await asyncio.sleep(301)
            assert bus.availability(2).current is Availability.ONLINE
            line.refuse = True
            line.unplug()
            await asyncio.sleep(2 * 86_400)
            line.refuse = False
            await asyncio.sleep(31)
            assert await bus.exchange(1, READ, Priority.GRANT) == (42,)

    run_virtual(main())


@pytest.mark.parametrize(("answered_before", "count"), [(True, 1), (True, 5), (True, 32), (False, 1), (False, 5), (False, 32)])
def test_dead_units_cost_a_hundredth_and_are_found_as_soon_as_that_allows(answered_before: bool, count: int) -> None:
    async def main() -> None:
        line = ScriptedLine(obedient if answered_before else lambda frame: [])
        units = tuple(range(1, count + 1))
        async with bus_on(line, units=units, policy=RetryPolicy(retries=0), baudrate=19_200) as bus:
            if answered_before:
                for unit in units:
                    await bus.exchange(unit, READ, Priority.GRANT)
            line.answer = lambda frame: []
            for _ in range(3):
                await asyncio.gather(*(bus.exchange(unit, READ, Priority.GRANT) for unit in units), return_exceptions=True)
            loop = asyncio.get_running_loop()
            start, begin = len(line.sent), loop.time()
            busy = bus.statistics().line.load_15m
            await asyncio.sleep(3600)
            load = bus.statistics().line.load_15m
            assert busy > load
            assert load <= 0.0105
            probes = [(when, frame[0]) for when, frame in line.sent[start:]]
            assert {unit for _, unit in probes} == set(units)
            for unit in units:
                times = [begin, *(when for when, each in probes if each == unit)]
                gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
                assert max(gaps) <= 301 + 31.5 * (count - 1)
                assert sum(gaps) / len(gaps) <= max(301.5, 18 * count)
            line.answer = obedient
            await asyncio.sleep(301.5 + 31.5 * (count - 1))
            assert all(bus.availability(unit).current is Availability.ONLINE for unit in units)

    run_virtual(main())


def test_a_unit_that_became_slow_is_found_by_a_probe_with_the_whole_timeout() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line, units=(1, 2), policy=RetryPolicy(retries=2)) as bus:
            await bus.exchange(2, READ, Priority.GRANT)
            line.answer = lambda frame: []
            with pytest.raises(NoReply):
                await bus.exchange(2, READ, Priority.GRANT)
            line.answer = lambda frame: [(0.25, piece) for _, piece in obedient(frame)]
            await asyncio.sleep(300)
            assert bus.availability(2).current is Availability.ONLINE
            assert await bus.exchange(2, READ, Priority.GRANT) == (42,)

    run_virtual(main())


def test_an_operators_unit_is_probed_before_the_other_dead_ones() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        units = tuple(range(1, 33))
        async with bus_on(line, units=units) as bus:
            await asyncio.gather(*(bus.exchange(unit, READ, Priority.GRANT) for unit in units), return_exceptions=True)
            await asyncio.sleep(1000)
            line.answer = obedient
            last = line.sent[-1][1][0]
            wanted = (last + 15) % 32 + 1
            with pytest.raises(Quarantined):
                await bus.exchange(wanted, READ, Priority.OPERATOR)
            await asyncio.sleep(31)
            assert bus.availability(wanted).current is Availability.ONLINE

    run_virtual(main())
