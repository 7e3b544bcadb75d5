"""Every model's driver over a line on which everything goes wrong, from seeds, in virtual time: no claim that is not true."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from config.panel_model import load_models
from config.settings import ModbusRtuLine, ModbusTcpLine, PanelSettings, SimulatorSettings
from drivers.contract import Acknowledgement, Outcome, PanelDriver, PanelImage, Period, Priority, Slot
from drivers.modbus.line import ModbusLine
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.panel.layouts.layout import Layout
from drivers.modbus.wire.open import line_timing
from drivers.modbus.wire.requests import Request
from drivers.modbus.wire.rtu import RtuLink
from simulators.faults import FAULTS, FaultRates, Faults
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder
from simulators.wire import VirtualWire
from tests.support.panel_wire import PanelWire
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.support.wire_stream import on_wire

pytestmark = [pytest.mark.cpu, pytest.mark.long]

TRANSACTIONS = int(os.environ.get("PANEL_GATEWAY_DRIVER_SOAK", "60"))
RATES = FaultRates(
    lose_request=0.02,
    corrupt_request=0.01,
    lose=0.03,
    late=0.02,
    duplicate=0.01,
    truncate=0.01,
    corrupt=0.01,
    glitch=0.02,
    foreign_unit=0.01,
    wrong_echo=0.01,
    short_count=0.01,
    refuse=0.005,
    power_cut=0.005,
    reset=0.01,
    power_cut_before_commit=0.03,
    power_cut_after_commit=0.03,
)
SCALE = {"ge-a-series": 0.1, "domat-fc013": 0.3}
"""Their transactions are dozens of exchanges, some of which cannot be repeated."""
_FORGOTTEN_S = 601.0
"""A unit that missed one of several requests gets several again."""
P = Priority.GRANT


class Truth:
    """What the panel really holds: read past the line."""

    def __init__(self, panel: SimulatedPanel, clock: VirtualClock, layout: Layout) -> None:
        self._wire, self._layout = PanelWire(panel, clock), layout
        self._wire.exchange_s = 0

    async def image(self) -> PanelImage:
        async def read(requests: Sequence[Request]) -> list[tuple[int, ...]]:
            return [await self._wire.exchange(1, request, P) for request in requests]

        return await self._layout.read(read)


def scaled(factor: float) -> FaultRates:
    return replace(RATES, **{rate: factor * getattr(RATES, rate) for rate in FAULTS})


def draw(random: Random, numbers: Sequence[int], dates: bool) -> PanelImage:
    slots = {}
    for number in random.sample(numbers, random.randint(0, min(3, len(numbers)))):
        start = random.randrange(0, 1200, 60)
        periods = tuple(Period(days, start, start + random.randint(30, 200)) for days in random.sample((31, 32, 64), 2))
        slots[number] = Slot((f"91c615e3-1040-4815-8ecb-{number:012d}",), tuple(sorted(periods)))
    days = sorted(random.sample(range(20_800, 20_900), 5)) if dates else []
    return PanelImage(slots=slots, special_days=(tuple(days[:3]), tuple(days[3:])) if dates else ())


@pytest.mark.parametrize("name", ["open-access-panel", "ge-a-series", "domat-fc013"])
def test_no_claim_that_is_not_true(name: str) -> None:
    run_virtual(_soak(name, seed=5))


async def _soak(name: str, seed: int) -> None:
    clock = VirtualClock()
    settings = PanelSettings(id="panel", model=name, unit=9, simulator=SimulatorSettings(latency_ms=1, busy_ms=30))
    line = ModbusRtuLine(id="line", port="tty", baudrate=115_200, timeout_ms=60, panels=(settings,))
    panel = build_panel(settings, clock.wall, clock.monotonic)
    async with VirtualWire([panel], baudrate=115_200) as wire:
        made = ModbusLine(line, clock, RtuLink(on_wire(wire), line_timing(line), clock, "line"))
        outcomes = await _work(made, settings, panel, lambda: wire.set_faults(Faults(scaled(SCALE.get(name, 1.0)), seed)), seed)
    assert outcomes[Outcome.ACKNOWLEDGED] > TRANSACTIONS // 4, outcomes
    assert outcomes[Outcome.UNCONFIRMED] > 0, outcomes


@pytest.mark.parametrize(("pipeline", "serial"), [(8, False), (8, True), (3, False)])
def test_no_claim_that_is_not_true_while_requests_are_under_way_together(pipeline: int, serial: bool) -> None:
    run_virtual_tcp(_soak_together(pipeline, serial, seed=7))


async def _soak_together(pipeline: int, serial: bool, seed: int) -> None:
    loop, clock = asyncio.get_running_loop(), VirtualClock()
    assert isinstance(loop, VirtualTcpLoop)
    kind = SimulatorSettings(latency_ms=5, busy_ms=30)
    settings = PanelSettings(id="panel", model="open-access-panel", unit=9, pipeline=pipeline, simulator=kind)
    line = ModbusTcpLine(id="line", host="192.0.2.1", port=502, timeout_ms=60, panels=(settings,))
    panel = build_panel(settings, clock.wall, clock.monotonic)
    responder = loop.responder = Responder([panel])
    loop.serial = serial
    rates = replace(RATES, foreign_transaction=0.01, cut=0.01)
    made = ModbusLine(line, clock)
    outcomes = await _work(made, settings, panel, lambda: responder.set_faults(Faults(rates, seed)), seed, _FORGOTTEN_S)
    assert outcomes[Outcome.ACKNOWLEDGED] > TRANSACTIONS // 4, outcomes
    assert outcomes[Outcome.UNCONFIRMED] > 0, outcomes


async def _work(
    made: ModbusLine,
    settings: PanelSettings,
    panel: SimulatedPanel,
    begin_faults: Callable[[], None],
    seed: int,
    pause_s: float = 0.0,
) -> dict[Outcome, int]:
    clock, model = VirtualClock(), load_models(None)[settings.model]
    driver = made.add_panel(settings, {settings.model: model})
    layout = build_layout(model, driver.capabilities)
    assert layout is not None
    truth = Truth(panel, clock, layout)
    await made.bus.start()
    try:
        await driver.status(P, None)
        begin_faults()
        return await _transactions(driver, truth, Random(seed), clock, pause_s)
    finally:
        await made.bus.stop(10)


async def _transactions(
    driver: PanelDriver, truth: Truth, random: Random, clock: VirtualClock, pause_s: float
) -> dict[Outcome, int]:
    outcomes = dict.fromkeys(Outcome, 0)
    caps = driver.capabilities
    numbers = range(caps.first_id, caps.first_id + caps.max_schedules)
    known = await _read(driver, truth, clock)
    for _ in range(TRANSACTIONS):
        await clock.sleep(pause_s)
        target = draw(random, numbers, caps.special_days_scope == "panel")
        done = await driver.apply(driver.plan(target, known), P, None)
        outcomes[done.outcome] += 1
        held = await truth.image()
        if done.outcome is Outcome.ACKNOWLEDGED:
            assert done.image is not None
        if done.image is not None:
            assert driver.plan(done.image, held).empty, done
        known = await _read(driver, truth, clock) if done.image is None else done.image
    return outcomes


async def _read(driver: PanelDriver, truth: Truth, clock: VirtualClock) -> PanelImage:
    """Read back until it works; what is read is what the panel holds."""
    while isinstance(read := await driver.read_back(P, None), Acknowledgement):
        assert read.image is None
        await clock.sleep(5)
    assert driver.plan(read, await truth.image()).empty
    return read
