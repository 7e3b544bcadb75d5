"""A bus on a scripted line, for tests in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from config.settings import LineSettings
from drivers.bus import Bus
from drivers.line import line_timing
from drivers.modbus.rtu import RtuLink
from drivers.retry import RetryPolicy
from tests.support.scripted_line import ScriptedLine
from tests.support.virtual_time import VirtualClock


def rtu_settings(**changes: Any) -> LineSettings:
    return LineSettings(**{"id": "rs485", "kind": "modbus-rtu", "port": "/dev/null", **changes})


@asynccontextmanager
async def bus_on(
    line: ScriptedLine, units: tuple[int, ...] = (1,), policy: RetryPolicy | None = None, **changes: Any
) -> AsyncIterator[Bus]:
    settings = rtu_settings(**changes)
    clock = VirtualClock()
    bus = Bus(settings, RtuLink(line.connect, line_timing(settings), clock, settings.id), clock, policy)
    for unit in units:
        bus.attach(unit)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop(10)
