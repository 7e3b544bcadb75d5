"""How well a line is used, and what an exchange costs.

    python -m tests.benchmarks.bench_line [--exchanges N] [wire dead ptys cpu ...]

wire   time on a simulated wire against its floor: both frames, both silences, the panel's latency (goal: floor >= 97 %)
dead   p95 of the healthy units with one dead unit of 32 against none (goal: <= 1.02)
ptys   eight pseudo-terminals side by side against one, wall clock (goal: <= 1.05)
cpu    CPU of an exchange on a pseudo-terminal, behind the same silences, and on a socket, against pymodbus' own client: by the
       link alone, and with its bus (queue, priorities, health, statistics; goal: <= 0.7 each)
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from random import Random
from statistics import median, quantiles
from typing import Any

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ModbusPDU

from config.settings import AnyModbusLine, ModbusRtuLine, ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Priority
from drivers.errors import DriverError, NoReply
from drivers.link import UnitTiming
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import line_timing, open_link
from drivers.modbus.wire.requests import Request, read_holding_registers, write_register, write_registers
from drivers.modbus.wire.rtu import RtuLink
from simulators.wire import VirtualWire
from tests.benchmarks.pty_panels import pty_panels
from tests.support.lines import PROBE
from tests.support.soak import SoakPanel
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.support.wire_stream import on_wire

_MIX: tuple[Request, ...] = (
    read_holding_registers(0, 32),
    write_register(7, 9),
    write_registers(0, [7] * 32),
    read_holding_registers(100, 2),
)
_LATENCY_S = 0.001
_FAST = 921_600
_PATIENT_S = 5.0
"""A machine that is busy with something else loses no reply."""


def serial_settings(baudrate: int, port: str = "none", **more: Any) -> ModbusRtuLine:
    return ModbusRtuLine(id="bench", port=port, baudrate=baudrate, **more)


# ---- on the simulated wire ----


async def _wire_time(baudrate: int, units: int, exchanges: int) -> tuple[float, float]:
    """Seconds taken and the floor for it."""
    settings = serial_settings(baudrate)
    async with VirtualWire([SoakPanel(unit) for unit in range(1, units + 1)], baudrate=baudrate) as wire:
        bus = ModbusBus(settings, RtuLink(on_wire(wire), line_timing(settings), VirtualClock()), VirtualClock())
        for unit in range(1, units + 1):
            bus.attach(unit, probe=PROBE)
        await bus.start()
        floor = 0.0

        async def caller(unit: int, count: int) -> None:
            nonlocal floor
            for number in range(count):
                request = _MIX[number % len(_MIX)]
                await bus.exchange(unit, request, Priority.GRANT)
                floor += (bus.wire_ms(request) or 0.0) / 1000 + _LATENCY_S

        started = asyncio.get_running_loop().time()
        callers = 4 if units == 1 else units
        async with asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(caller(1 + number % units, exchanges // callers))
        took = asyncio.get_running_loop().time() - started
        await bus.stop(1)
    return took, floor


def bench_wire(exchanges: int) -> bool:
    good = True
    for baudrate in (9600, 19_200, 115_200):
        for units in (1, 32):
            took, floor = run_virtual(_wire_time(baudrate, units, exchanges))
            good &= verdict(f"wire {baudrate} baud, {units} units: floor / time", floor / took, floor / took >= 0.97)
    return good


_ABSENT = -1.0
"""As the time one unit has been dead: nobody asks for it."""


async def _healthy_p95(dead_for_s: float | None, minutes: int, answered: bool = True) -> float:
    """Every unit asked once a second, at moments of its own. `dead_for_s`: how long the dead one has been it before.

    `answered`: it was alive once; a unit that never was is given more time to answer.
    """
    settings = serial_settings(19_200)
    panels = [SoakPanel(unit) for unit in range(1, 33)]
    took: list[float] = []
    async with VirtualWire(panels, baudrate=19_200) as wire:
        clock = VirtualClock()
        bus = ModbusBus(settings, RtuLink(on_wire(wire), line_timing(settings), clock), clock)
        for panel in panels:
            bus.attach(panel.unit, probe=PROBE)
        await bus.start()
        if dead_for_s is not None and dead_for_s != _ABSENT:
            if answered:
                await bus.exchange(panels[-1].unit, read_holding_registers(0, 8), Priority.GRANT)
            panels[-1].off()
            with suppress(NoReply):
                await bus.exchange(panels[-1].unit, read_holding_registers(0, 8), Priority.GRANT)
            await asyncio.sleep(dead_for_s)
        begin = clock.monotonic()

        async def caller(unit: int) -> None:
            random = Random(unit)
            for second in range(60 * minutes):
                await asyncio.sleep(max(0.0, begin + second + random.random() - clock.monotonic()))
                started = clock.monotonic()
                try:
                    await bus.exchange(unit, read_holding_registers(0, 8), Priority.GRANT)
                except DriverError:
                    continue
                if unit != panels[-1].unit:
                    took.append(clock.monotonic() - started)

        async with asyncio.TaskGroup() as group:
            for panel in panels if dead_for_s != _ABSENT else panels[:-1]:
                group.create_task(caller(panel.unit))
        await bus.stop(1)
    return quantiles(took, n=20)[-1]


def bench_dead(exchanges: int) -> bool:
    """A dead unit is looked for twice a minute, for as long as it is likely to need for an answer."""
    minutes = max(5, exchanges // 500)
    none, absent, fresh, old = (run_virtual(_healthy_p95(dead, minutes)) for dead in (None, _ABSENT, 0.0, 3600.0))
    print(f"     p95 of 32 units, none dead {1000 * none:.2f} ms; of 31 units {1000 * absent:.2f} ms")
    print(f"     p95 of 31 beside one newly dead {1000 * fresh:.2f} ms; beside one dead for an hour {1000 * old:.2f} ms")
    print(f"     against 31 without it: newly dead {fresh / absent:.4f}, for an hour {old / absent:.4f}")
    never = run_virtual(_healthy_p95(3600.0, minutes, answered=False))
    print(f"     against 31 without it: never alive {never / absent:.4f}")
    worst = max(fresh, old, never) / none
    return verdict(f"dead one of 32, {minutes} minutes: worst p95 against none dead", worst, worst <= 1.02)


# ---- on pseudo-terminals ----


async def _line_on(path: str, exchanges: int, baudrate: int) -> None:
    settings = serial_settings(baudrate, path)
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    await bus.start()
    for number in range(exchanges):
        await bus.exchange(1, _MIX[number % len(_MIX)], Priority.GRANT)
    await bus.stop(1)


async def _side_by_side(paths: list[str], exchanges: int) -> float:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for path in paths:
            group.create_task(_line_on(path, exchanges, 19_200))
    return time.perf_counter() - started


def bench_ptys(exchanges: int) -> bool:
    """Each answer comes as late as a wire of 19 200 baud would bring it."""
    ratios = []
    each = max(100, exchanges // 50)
    for _ in range(5):
        with pty_panels(8, 0.024) as paths:
            one = asyncio.run(_side_by_side(paths[:1], each))
            eight = asyncio.run(_side_by_side(paths, each))
        ratios.append(eight / one)
        print(f"     one line {one:.2f} s, eight lines {eight:.2f} s")
    return verdict("ptys eight lines against one (median of 5)", median(ratios), median(ratios) <= 1.05)


async def _serial_line_on(path: str, exchanges: int) -> None:
    await _line_on(path, exchanges, _FAST)


async def _serial_link_on(path: str, exchanges: int) -> None:
    await _by_link(serial_settings(_FAST, path), exchanges)


async def _socket_link_on(port: str, exchanges: int) -> None:
    await _by_link(ModbusTcpLine(id="bench", host="127.0.0.1", port=int(port)), exchanges)


async def _by_link(settings: AnyModbusLine, exchanges: int) -> None:
    link, timing = open_link(settings, SystemClock()), UnitTiming(0.0, _PATIENT_S)
    await link.open()
    for number in range(exchanges):
        await link.exchange(1, _MIX[number % len(_MIX)], timing)
    await link.close()


async def _socket_line_on(port: str, exchanges: int) -> None:
    settings = ModbusTcpLine(id="bench", host="127.0.0.1", port=int(port))
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    await bus.start()
    for number in range(exchanges):
        await bus.exchange(1, _MIX[number % len(_MIX)], Priority.GRANT)
    await bus.stop(1)


def _calls(client: ModbusBaseClient) -> list[Callable[[], Awaitable[ModbusPDU]]]:
    """The same exchanges by pymodbus' client."""
    return [
        lambda: client.read_holding_registers(0, count=32, device_id=1),
        lambda: client.write_register(7, 9, device_id=1),
        lambda: client.write_registers(0, [7] * 32, device_id=1),
        lambda: client.read_holding_registers(100, count=2, device_id=1),
    ]


async def _pymodbus_on(path: str, exchanges: int) -> None:
    client = AsyncModbusSerialClient(
        path, framer=FramerType.RTU, baudrate=_FAST, retries=0, reconnect_delay=0, timeout=_PATIENT_S
    )
    await client.connect()
    loop = asyncio.get_running_loop()
    silence_s = line_timing(serial_settings(_FAST)).silence_s
    last = loop.time()
    calls = _calls(client)
    for number in range(exchanges):
        await asyncio.sleep(max(0.0, last + silence_s - loop.time()))
        reply = await calls[number % len(calls)]()
        last = loop.time()
        assert not reply.isError()
    client.close()


async def _pymodbus_on_socket(port: str, exchanges: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=int(port), retries=0, reconnect_delay=0, timeout=_PATIENT_S)
    await client.connect()
    calls = _calls(client)
    for number in range(exchanges):
        assert not (await calls[number % len(calls)]()).isError()
    client.close()


Work = Callable[[str, int], Coroutine[Any, Any, None]]


def _cpu(work: Work, panels: int, exchanges: int) -> float:
    """Microseconds an exchange, the opening of the port included."""
    with pty_panels(panels, 0.0) as (path,):
        gc.collect()
        started = time.process_time()
        asyncio.run(work(path, exchanges))
        return (time.process_time() - started) / exchanges * 1e6


def bench_cpu(exchanges: int) -> bool:
    each = max(1000, exchanges // 4)
    good = True
    kinds: list[tuple[str, int, Work, Work, Work]] = [
        ("pseudo-terminal", 1, _serial_link_on, _serial_line_on, _pymodbus_on),
        ("socket", 0, _socket_link_on, _socket_line_on, _pymodbus_on_socket),
    ]
    for where, panels, *works in kinds:
        rounds = [[_cpu(work, panels, each) for work in works] for _ in range(5)]
        for link, bus, pymodbus in rounds:
            print(f"     {where}: link {link:.0f} us, bus {bus:.0f} us, pymodbus {pymodbus:.0f} us")
        for what, ratios in (
            ("link", [link / pymodbus for link, _, pymodbus in rounds]),
            ("bus", [bus / pymodbus for _, bus, pymodbus in rounds]),
        ):
            ratio = median(ratios)
            good &= verdict(f"cpu on a {where}, {what} against pymodbus (median of 5)", ratio, ratio <= 0.7)
    return good


def verdict(what: str, value: float, good: bool) -> bool:
    print(f"{'ok  ' if good else 'MISS'} {what}: {value:.4f}", flush=True)
    return good


BENCHMARKS = {"wire": bench_wire, "dead": bench_dead, "ptys": bench_ptys, "cpu": bench_cpu}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=8000)
    parser.add_argument("which", nargs="*", default=list(BENCHMARKS))
    chosen = parser.parse_args()
    logging.getLogger("drivers").setLevel(logging.CRITICAL)
    results = [BENCHMARKS[name](chosen.exchanges) for name in chosen.which]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
