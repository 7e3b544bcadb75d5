"""A line whose units share no wire: each goes its own way, and the line is seen as one."""

from __future__ import annotations

import asyncio

import pytest

from config.settings import UhppoteLineSettings
from drivers.bus.side_by_side import SideBySide
from drivers.bus.worker import Bus
from drivers.clock import SystemClock
from drivers.contract import Availability, Priority
from drivers.errors import LineStopped, NoReply
from drivers.link import UnitTiming
from drivers.uhppote.wire.frames import Reply, Request
from drivers.uhppote.wire.links import UdpLink
from drivers.uhppote.wire.messages import count_cards, get_device
from tests.unit.test_sim_uhppote_board import OTHER, SERIAL, board, heard

LINE = UhppoteLineSettings(id="boards", host="127.0.0.1", timeout_ms=50)


class Broken(UdpLink):
    async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> Reply:
        raise RuntimeError("a defect")


Line = SideBySide[Request, Reply]


def attach(line: Line, serial: int, port: int, kind: type[UdpLink] = UdpLink) -> Bus[Request, Reply]:
    link = kind(serial, ("127.0.0.1", port), None, line.tally, "boards")
    return line.attach(serial, link, probe=get_device(), timeout_ms=None)


async def test_a_silent_unit_keeps_nobody_waiting_and_is_told_apart() -> None:
    silent = board(OTHER)
    silent.off()
    async with heard(board(), silent) as port:
        line: Line = SideBySide(LINE, SystemClock())
        await line.start()
        buses = {serial: attach(line, serial, port) for serial in (SERIAL, OTHER)}
        waiting = asyncio.create_task(buses[OTHER].exchange(OTHER, count_cards(), Priority.GRANT))
        for _ in range(5):
            await buses[SERIAL].exchange(SERIAL, count_cards(), Priority.GRANT)
        assert not waiting.done()
        with pytest.raises(NoReply):
            await waiting
        seen = line.statistics()
        assert (seen.units[SERIAL].exchanges, seen.units[SERIAL].timeouts, seen.units[OTHER].timeouts) == (5, 0, 3)
        assert (seen.line.exchanges, seen.line.timeouts, seen.line.retries) == (8, 3, 2)
        assert buses[OTHER].availability(OTHER).current is Availability.QUARANTINED
        assert buses[SERIAL].availability(SERIAL).current is Availability.ONLINE
        await line.stop(5)


async def test_a_unit_that_is_taken_off_and_put_back_starts_anew() -> None:
    async with heard(board()) as port:
        line: Line = SideBySide(LINE, SystemClock())
        await line.start()
        first = attach(line, SERIAL, port)
        await first.exchange(SERIAL, count_cards(), Priority.GRANT)
        line.detach(SERIAL)
        with pytest.raises(ValueError, match="not attached"):
            await first.exchange(SERIAL, count_cards(), Priority.GRANT)
        await attach(line, SERIAL, port).exchange(SERIAL, count_cards(), Priority.GRANT)
        assert line.statistics().units[SERIAL].exchanges == 1
        await line.stop(5)
        assert len(asyncio.all_tasks()) == 1


async def test_a_line_that_stops_waits_for_a_unit_that_was_taken_off_in_the_middle_of_an_exchange() -> None:
    began = asyncio.Event()

    class Watched(UdpLink):
        async def exchange(self, unit: int, request: Request, timing: UnitTiming, *, probe: bool = False) -> Reply:
            began.set()
            return await super().exchange(unit, request, timing, probe=probe)

    silent = board()
    silent.off()
    async with heard(silent) as port:
        line: Line = SideBySide(LINE, SystemClock())
        await line.start()
        asked = asyncio.create_task(attach(line, SERIAL, port, Watched).exchange(SERIAL, count_cards(), Priority.GRANT))
        await began.wait()
        line.detach(SERIAL)
        await line.stop(5)
        with pytest.raises(NoReply):
            await asked
        assert len(asyncio.all_tasks()) == 1


async def test_a_unit_that_is_taken_off_leaves_no_defect_in_the_log() -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with heard(board()) as port:
        line: Line = SideBySide(LINE, SystemClock())
        await line.start()
        await attach(line, SERIAL, port).exchange(SERIAL, count_cards(), Priority.GRANT)
        line.detach(SERIAL)
        await line.stop(5)
    assert told == []


async def test_a_defect_in_one_units_work_ends_the_line_loudly() -> None:
    line: Line = SideBySide(LINE, SystemClock())
    bus = attach(line, SERIAL, 60_000, Broken)
    await line.start()
    asked = asyncio.create_task(bus.exchange(SERIAL, count_cards(), Priority.GRANT))
    assert line.task is not None
    with pytest.raises(RuntimeError, match="a defect"):
        await line.task
    with pytest.raises(LineStopped):
        await asked
    await line.stop(5)
