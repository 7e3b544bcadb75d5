"""A bus on a scripted line, for tests in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from config.settings import ModbusRtuLine
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import line_timing
from drivers.modbus.wire.requests import read_input_registers
from drivers.modbus.wire.rtu import RtuLink
from drivers.retry import RetryPolicy
from tests.support.scripted_line import ScriptedLine
from tests.support.virtual_time import VirtualClock

PROBE = read_input_registers(0, 1)


def rtu_settings(**changes: Any) -> ModbusRtuLine:
    return ModbusRtuLine(**{"id": "rs485", "kind": "modbus-rtu", "port": "/dev/null", **changes})


@asynccontextmanager
async def bus_on(
    line: ScriptedLine,
    units: tuple[int, ...] = (1,),
    policy: RetryPolicy | None = None,
    echo_unknown: bool = False,
    **changes: Any,
) -> AsyncIterator[ModbusBus]:
    """`echo_unknown`: as in the field, where a connection has yet to show whether its adapter echoes."""
    settings = rtu_settings(**changes)
    timing = line_timing(settings)
    if not echo_unknown:
        timing = replace(timing, local_echo=settings.local_echo)
    clock = VirtualClock()
    bus = ModbusBus(settings, RtuLink(line.connect, timing, clock, settings.id), clock, policy)
    for unit in units:
        bus.attach(unit, probe=PROBE)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop(10)
