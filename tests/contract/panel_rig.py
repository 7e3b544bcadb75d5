"""A panel to try a driver on: simulated behind a pseudo-terminal or a TCP port, or a real one given on the command line."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter

from config.panel_model import PanelModel, load_models
from config.settings import AnyLine, PanelSettings, Settings, SimulatorSettings, UhppotePanelSettings
from drivers.bus.worker import Bus
from drivers.clock import SystemClock
from drivers.contract import Acknowledgement, Availability, ClockSetting, Outcome, PanelDriver, PanelImage, Period, Priority, Slot
from drivers.factory import LineWork, build_line
from drivers.modbus.line import ModbusBus
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.wire.requests import Request
from simulators.faults import FaultRates
from simulators.panel import SimulatedPanel
from simulators.register_bank import RegisterBank
from simulators.site import SimulatedSite
from tests.support.plain_panel import PLAIN_DAYS, PLAIN_RECORDS

_GUIDE = re.compile(r"## Add your panel.*?```toml\n(.*?)```", re.DOTALL)


def guides_model() -> str:
    """The model file that config/README.md shows under "Add your panel"."""
    match = _GUIDE.search((Path(__file__).parents[2] / "config" / "README.md").read_text("utf-8"))
    assert match is not None
    return match[1]


PLAIN = {"plain-days": PLAIN_DAYS, "plain-records": PLAIN_RECORDS, "corner-gate": guides_model()}
"""Models without a simulator: a TOML file each, on a bare bank of registers."""
BOARD = "uhppote"
P = Priority.GRANT
LINE: TypeAdapter[AnyLine] = TypeAdapter(AnyLine)


@dataclass(frozen=True, slots=True)
class Case:
    """`line`: one of `lines_of` the model, or the URL of a real one. `unit`: of a controller, its serial number."""

    model: str
    line: str
    unit: int = 1
    models_dir: Path | None = None

    @property
    def simulated(self) -> bool:
        return "://" not in self.line

    def __str__(self) -> str:
        return f"{self.model}-{self.line}"


@dataclass
class Rig:
    """`panel` and `site` are None for a real panel."""

    case: Case
    model: PanelModel
    driver: PanelDriver
    bus: LineWork
    line: AnyLine
    panel: SimulatedPanel | None
    site: SimulatedSite | None

    async def hold(self, target: PanelImage, known: PanelImage) -> Acknowledgement:
        return await self.driver.apply(self.driver.plan(target, known), P, None)

    async def read(self) -> PanelImage:
        image = await self.driver.read_back(P, None)
        assert isinstance(image, PanelImage), image
        return image

    def says(self, image: PanelImage, wanted: PanelImage) -> bool:
        """Whether two images are the same to the panel."""
        return self.driver.plan(wanted, image).empty and self.driver.plan(image, wanted).empty

    def simulator(self) -> SimulatedPanel:
        assert self.panel is not None
        return self.panel

    def faults(self, rates: FaultRates | None = None) -> None:
        assert self.site is not None
        self.site.set_faults("line", rates or FaultRates(), seed=1)

    async def back(self) -> None:
        """Wait until the panel can be spoken to again."""
        if self.driver.availability.current is Availability.QUARANTINED:
            async for level in self.driver.availability:
                if level is Availability.ONLINE:
                    return


def slot(rig: Rig, number: int, periods: tuple[Period, ...]) -> Slot:
    """A slot that carries a link_id where the panel stores one, as a compiler would hand it over anyway."""
    return Slot((f"91c615e3-1040-4815-8ecb-{number:012d}",), periods)


def slot_numbers(rig: Rig) -> range:
    first = rig.driver.capabilities.first_id
    return range(first, first + rig.driver.capabilities.max_schedules)


def week(rig: Rig) -> PanelImage:
    """Work week in the first slot; in the second one (where there is one) a night through midnight."""
    numbers = slot_numbers(rig)
    slots = {numbers[0]: slot(rig, numbers[0], (Period(31, 540, 1080),))}
    if len(numbers) > 1:
        evening = 1440 if rig.driver.capabilities.last_minute == "24:00" else 1439
        late = 48 if rig.driver.capabilities.day_model == "mask_per_period" else 96
        slots[numbers[-1]] = slot(rig, numbers[-1], (Period(96, 0, 150), Period(late, 1320, evening)))
    return PanelImage(slots=slots)


def full(rig: Rig) -> PanelImage:
    """Every slot, every period that a day (or a slot) has room for."""
    caps = rig.driver.capabilities
    a_day = caps.max_time_periods_per_day or caps.max_periods_per_schedule or 1
    most = min(a_day, caps.max_periods_per_schedule or a_day)
    most = (a_day - 1) // 2 if caps.semantics == "event_list" else most
    span = 1380 // most // 2
    periods = tuple(Period(127, 30 + 2 * span * index, 30 + 2 * span * index + span) for index in range(most))
    return PanelImage(slots={number: slot(rig, number, periods) for number in slot_numbers(rig)})


def expected_windows(image: PanelImage, number: int, day: int) -> tuple[tuple[int, int], ...]:
    """Merged minutes that a slot of the image opens on a day, by the weekday alone. Written apart from the drivers."""
    bit = (day + 3) % 7
    found = image.slots.get(number)
    minutes = sorted({m for p in (found.periods if found else ()) if p.days >> bit & 1 for m in range(p.start, p.end)})
    starts = [m for m in minutes if m - 1 not in set(minutes)]
    ends = [m + 1 for m in minutes if m + 1 not in set(minutes)]
    return tuple(zip(starts, ends, strict=True))


@asynccontextmanager
async def rig_for(case: Case, folder: Path, timeout_ms: float = 150.0) -> AsyncIterator[Rig]:
    """`timeout_ms`: of a simulated line. A real one has its own."""
    if case.simulated:
        async with _simulated(case, folder, timeout_ms) as rig:
            yield rig
        return
    models = load_models(case.models_dir)
    async with _on_line(case, models, _panel(case, case.unit), _real_line(case), None) as rig:
        before = await _tables(rig)
        if any(one.opaque == () for one in before.slots.values()):
            raise CannotPutBack("the panel does not act on its table: a write could not be undone. Bring it into force first")
        try:
            yield rig
        finally:
            await _restore(rig, before)


class CannotPutBack(Exception):
    """A real panel holds what the driver cannot write again. Nothing was written."""


async def _restore(rig: Rig, before: PanelImage) -> None:
    """Leave a real panel's schedules as they were found."""
    await rig.back()
    now = await rig.read()
    if not rig.says(await _tables(rig), before):
        assert (await rig.hold(before, now)).outcome is Outcome.ACKNOWLEDGED
        assert rig.says(await rig.read(), before)


async def _tables(rig: Rig) -> PanelImage:
    """What stands in the panel. A driver that is new to it may know better than to take that for lasting."""

    if not isinstance(rig.bus, Bus):
        return await rig.read()
    bus = cast("ModbusBus", rig.bus)

    async def read(requests: Sequence[Request]) -> list[tuple[int, ...]]:
        return [await bus.exchange(rig.case.unit, request, P) for request in requests]

    layout = build_layout(rig.model, rig.driver.capabilities)
    return PanelImage() if layout is None else await layout.read(read)


def hosts_time() -> ClockSetting:
    """Now and here, as the host's own zone has it: what a real panel's clock may be left at."""
    now = int(time.time())
    hours = range(now - now % 3600 + 3600, now + 400 * 86_400, 3600)
    changes = [at for at in hours if _offset(at) != _offset(at - 1)]
    return ClockSetting(now, _offset(now), tuple((at, _offset(at)) for at in changes[:2]))


def _offset(instant: int) -> int:
    return time.localtime(instant).tm_gmtoff // 60


@asynccontextmanager
async def _simulated(case: Case, folder: Path, timeout_ms: float) -> AsyncIterator[Rig]:
    for name, text in PLAIN.items():
        (folder / f"{name}.toml").write_text(text)
    panel = _panel(case, 405_419_896 if case.model == BOARD else 7, SimulatorSettings(latency_ms=0))
    common = {"id": "line", "timeout_ms": timeout_ms, "panels": (panel,)}
    line = LINE.validate_python(_place(case) | common)
    site = SimulatedSite(Settings(lines=(line,)), pty_dir=folder, paced=False, register_banks=tuple(PLAIN))
    async with site:
        _answer_identity(site.panels["panel"], load_models(folder)[case.model])
        where = site.lines["line"]
        line = line.model_copy(update={"port": where if isinstance(where, str) else where[1]})
        async with _on_line(case, load_models(folder), panel, line, site) as rig:
            yield rig


def lines_of(model: str) -> tuple[str, ...]:
    """The simulated lines that the suite runs on. A board's driver sees no difference between its two."""
    return ("udp",) if model == BOARD else ("rtu", "tcp")


def _panel(case: Case, unit: int, simulator: SimulatorSettings | None = None) -> PanelSettings:
    kind = simulator or SimulatorSettings()
    if case.model == BOARD:
        return UhppotePanelSettings(id="panel", model=BOARD, serial=unit, simulator=kind)
    return PanelSettings(id="panel", model=case.model, unit=unit, simulator=kind)


def _place(case: Case) -> dict[str, object]:
    here = {"host": "127.0.0.1", "port": 0}
    if case.model == BOARD:
        return {"kind": "uhppote", "transport": case.line, **here}
    serial = {"baudrate": 115_200, "post_timeout_quiet_ms": 0}
    return {"kind": "modbus-rtu", "port": "tty", **serial} if case.line == "rtu" else {"kind": "modbus-tcp", **here, **serial}


def _answer_identity(panel: SimulatedPanel, model: PanelModel) -> None:
    """Have a bare bank of registers read what tells its model from other devices."""
    if not isinstance(panel, RegisterBank):
        return
    areas = {"holding": panel.holding, "input": panel.input, "coil": panel.coils, "discrete": panel.discrete}
    for check in model.identity:
        register = model.registers[check.read]
        if check.equals is not None:
            areas[register.area][register.address - model.addressing.base] = check.equals


def _real_line(case: Case) -> AnyLine:
    url = urlsplit(case.line)
    options = {name: values[0] for name, values in parse_qs(url.query).items()}
    if url.scheme == "serial":
        return LINE.validate_python(
            {"id": "line", "kind": "modbus-rtu", "port": url.path}
            | {name: int(value) if value.isdigit() else value for name, value in options.items()}
        )
    if url.scheme == "uhppote":
        return LINE.validate_python({"id": "line", "kind": "uhppote", "host": url.hostname, "port": url.port or 60_000})
    kind = {"tcp": "modbus-tcp", "rtu-tcp": "modbus-rtu-tcp"}[url.scheme]
    return LINE.validate_python({"id": "line", "kind": kind, "host": url.hostname, "port": url.port or 502})


@asynccontextmanager
async def _on_line(
    case: Case, models: Mapping[str, PanelModel], panel: PanelSettings, line: AnyLine, site: SimulatedSite | None
) -> AsyncIterator[Rig]:
    clock = SystemClock()
    made = build_line(line, clock)
    await made.bus.start()
    try:
        driver = made.add_panel(panel, models)
        simulated = site.panels["panel"] if site is not None else None
        yield Rig(case, models[case.model], driver, made.bus, line, simulated, site)
    finally:
        await made.bus.stop(5)


def is_bank(rig: Rig) -> bool:
    return isinstance(rig.panel, RegisterBank)
