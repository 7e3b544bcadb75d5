"""What a bus says of itself and of its units, besides the results of exchanges."""

from __future__ import annotations

import asyncio

import pytest

from drivers.contract import Availability, Priority
from drivers.errors import ConnectionLost, DeadlinePassed
from drivers.modbus.wire.requests import read_holding_registers
from tests.support.lines import PROBE, bus_on
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import run_virtual

READ = read_holding_registers(0x10, 1)


def obedient(frame: bytes) -> Answer:
    return [(0.005, framed(f"{frame[0]:02x}{frame[1]:02x}02002a"))]


def test_what_was_read_over_one_connection_is_not_taken_for_the_unit_behind_the_next_one() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            first = bus.connection
            await bus.exchange(1, READ, Priority.GRANT)
            assert bus.connection == first
            line.unplug()
            await asyncio.sleep(0)
            after = bus.connection
            assert after > first
            await bus.exchange(1, READ, Priority.GRANT)
            assert bus.connection == after

    run_virtual(main())


def test_what_a_request_costs_is_known_before_it_is_sent() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        async with bus_on(line) as bus:
            frame = bus.frame(1, READ)
            await bus.exchange(1, READ, Priority.GRANT)
            assert frame == line.sent[-1][1]
            assert bus.wire_bytes(READ) == len(frame) + len(framed("01 03 02 002A"))
            assert (bus.wire_ms(READ) or 0) > bus.wire_bytes(READ) * 10 / 9.6

    run_virtual(main())


def test_a_panel_that_is_added_to_a_line_that_is_down_is_unavailable_until_the_line_is_back() -> None:
    async def main() -> None:
        line = ScriptedLine(obedient)
        line.refuse = True
        async with bus_on(line) as bus:
            await asyncio.sleep(5)
            bus.attach(2, probe=PROBE)
            assert bus.availability(2).current is Availability.BUS_UNAVAILABLE
            line.refuse = False
            await asyncio.sleep(31)
            assert bus.availability(2).current is Availability.ONLINE

    run_virtual(main())


def test_a_request_that_was_given_up_is_not_sent_when_the_line_is_back() -> None:
    async def main() -> None:
        line = ScriptedLine(lambda frame: [])
        async with bus_on(line, units=(1, 2)) as bus:
            running = asyncio.create_task(bus.exchange(1, READ, Priority.GRANT))
            await asyncio.sleep(0.006)
            late = asyncio.create_task(bus.exchange(2, READ, Priority.GRANT, asyncio.get_running_loop().time() + 0.05))
            dropped = asyncio.create_task(bus.exchange(2, READ, Priority.GRANT))
            await asyncio.sleep(0.01)
            dropped.cancel()
            with pytest.raises(DeadlinePassed):
                await late
            assert [frame[0] for _, frame in line.sent] == [1]
            line.refuse = True
            line.unplug()
            with pytest.raises(ConnectionLost):
                await running
        assert dropped.cancelled()
        assert {frame[0] for _, frame in line.sent} == {1}

    run_virtual(main())
