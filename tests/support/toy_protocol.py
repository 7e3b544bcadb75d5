"""A made-up protocol: one line of text a request, one a reply, over TCP. It shows what a protocol has to bring along.

`<unit> <verb> <text>` is answered by `<unit> ok <text>`, `<unit> busy` or `<unit> no <why>`. A panel holds four schedules.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from config.panel_model import PanelModel
from config.settings import LineSettings, PanelSettings
from drivers.bus.worker import Bus
from drivers.clock import Clock
from drivers.contract import (
    Acknowledgement,
    AvailabilityFeed,
    ClockSetting,
    LogPage,
    Outcome,
    PanelCapabilities,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Reason,
    Slot,
    Stretch,
    WritePlan,
)
from drivers.errors import BusUnavailable, ConnectionLost, DriverError, NoReply, PanelBusy, PanelException
from drivers.factory import Line, build_line
from drivers.link import UnitTiming, WireTally

CAPABILITIES = PanelCapabilities(
    max_schedules=4, max_periods_per_schedule=8, date_range="optional", first_date=0, last_date=0xFFFE, clock="none"
)


class ToyLineSettings(LineSettings):
    kind: Literal["toy"] = "toy"
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ToyRequest:
    verb: str
    text: str = ""
    repeatable: bool = True

    @property
    def writes(self) -> bool:
        return self.verb in ("put", "drop")

    @property
    def bound(self) -> bool:
        return self.writes

    def line(self, unit: int) -> bytes:
        return f"{unit} {self.verb} {self.text}\n".encode("ascii")


class ToyLink:
    """See `drivers.link.Link`. A missed reply costs the connection: nothing else tells a late reply from the next one."""

    stale, closes, quiet_at, jammed_s = False, False, 0.0, 0.0

    def __init__(self, host: str, port: int) -> None:
        self.tally, self.sent, self.openings = WireTally(), False, 0
        self.on_lost: Callable[[], None] = lambda: None
        self._where = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def connected(self) -> bool:
        return self._streams is not None and not self._streams[0].at_eof()

    async def open(self) -> None:
        await self.close()
        try:
            self._streams = await asyncio.open_connection(*self._where)
        except OSError as error:
            raise BusUnavailable(str(error)) from error
        self.openings += 1

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None

    async def exchange(self, unit: int, request: ToyRequest, timing: UnitTiming, *, probe: bool = False) -> str:
        self.sent = False
        if self._streams is None:
            raise BusUnavailable("not open")
        reader, writer = self._streams
        writer.write(request.line(unit))
        self.sent = True
        try:
            async with asyncio.timeout(timing.timeout_s):
                reply = await reader.readline()
        except TimeoutError as error:
            await self.close()
            raise NoReply("no line came") from error
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        return self._judged(reply.decode("ascii"))

    @staticmethod
    def _judged(reply: str) -> str:
        if not reply.endswith("\n"):
            raise ConnectionLost("the far end hung up")
        _, verdict, text = (reply.strip() + " ").split(" ", 2)
        if verdict == "ok":
            return text.strip()
        raise PanelBusy(0, "busy") if verdict == "busy" else PanelException(1, text.strip())

    def frame(self, unit: int, request: ToyRequest) -> bytes:
        return request.line(unit)

    def doubts(self, unit: int, request: ToyRequest) -> bool:
        return False

    def wire_ms(self, request: ToyRequest) -> float | None:
        return None

    def wire_bytes(self, request: ToyRequest) -> int:
        return len(request.line(1))


ToyBus = Bus[ToyRequest, str]


class ToyLine:
    """See `drivers.factory.Line`."""

    def __init__(self, settings: ToyLineSettings, clock: Clock) -> None:
        self.bus: ToyBus = Bus(settings, ToyLink(settings.host, settings.port), clock)

    def add_panel(self, panel: PanelSettings, models: Mapping[str, PanelModel]) -> ToyDriver:
        self.bus.attach(panel.unit, probe=ToyRequest("who"))
        return ToyDriver(self.bus, panel.unit)

    def remove_panel(self, panel: PanelSettings) -> None:
        self.bus.detach(panel.unit)


def build_any_line(settings: LineSettings, clock: Clock) -> Line:
    """What a branch in the factory would do."""
    return ToyLine(settings, clock) if isinstance(settings, ToyLineSettings) else build_line(settings, clock)


def said(slot: Slot) -> str:
    periods = [(period.days, period.start, period.end) for period in slot.periods]
    return json.dumps([slot.link_ids, periods, slot.valid_from, slot.valid_to])


def read(text: str) -> Slot:
    link_ids, periods, valid_from, valid_to = json.loads(text)
    return Slot(tuple(link_ids), tuple(Period(*period) for period in periods), valid_from, valid_to)


def _failed(error: DriverError) -> Acknowledgement:
    return Acknowledgement(error.outcome, None, error.reason, str(error))


class ToyDriver:
    """See `drivers.contract.PanelDriver`."""

    def __init__(self, bus: ToyBus, unit: int) -> None:
        self.on_news: Callable[[], None] = lambda: None
        self._bus, self._unit = bus, unit
        self._availability = bus.availability(unit)

    @property
    def capabilities(self) -> PanelCapabilities:
        return CAPABILITIES

    @property
    def availability(self) -> AvailabilityFeed:
        return self._availability

    @property
    def connection(self) -> int:
        return self._bus.connection

    @property
    def quarantined_until(self) -> float | None:
        return self._bus.quarantined_until(self._unit)

    def give_way(self) -> None:
        """Nothing is staged."""

    def hasten(self) -> None:
        self._bus.hasten(self._unit)

    def restrict(self, capacity: Mapping[str, int]) -> None:
        return

    def plan(self, target: PanelImage, known: PanelImage) -> WritePlan:
        gone = [ToyRequest("drop", str(number)) for number in sorted(known.slots.keys() - target.slots.keys())]
        new = {number: slot for number, slot in target.slots.items() if known.slots.get(number) != slot}
        steps = (*gone, *(ToyRequest("put", f"{number} {said(slot)}") for number, slot in sorted(new.items())))
        return WritePlan(target, steps, frames=tuple(step.line(self._unit) for step in steps))

    async def apply(self, plan: WritePlan, priority: Priority, deadline: float | None) -> Acknowledgement:
        left = False
        try:
            for step in plan.operations:
                assert isinstance(step, ToyRequest)
                await self._bus.exchange(self._unit, step, priority, None if left else deadline)
                left = True
        except DriverError as error:
            return Acknowledgement(Outcome.UNCONFIRMED, None, error.reason, str(error)) if left else _failed(error)
        held = await self.read_back(priority, None)
        if isinstance(held, PanelImage) and held.slots == plan.target.slots:
            return Acknowledgement(Outcome.ACKNOWLEDGED, plan.target)
        return Acknowledgement(Outcome.UNCONFIRMED, None, Reason.VERIFY_FAILED, "it holds something else")

    @property
    def unsaved(self) -> bool:
        return False

    async def save(self, priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def read_back(self, priority: Priority, deadline: float | None) -> PanelImage | Acknowledgement:
        try:
            listed = json.loads(await self._bus.exchange(self._unit, ToyRequest("list"), priority, deadline))
        except DriverError as error:
            return _failed(error)
        slots = {int(number): read(text) for number, text in listed.items()}
        return PanelImage(slots=slots, allocation={link: (n,) for n, slot in slots.items() for link in slot.link_ids})

    async def read_passes(
        self, slots: Collection[int], priority: Priority, deadline: float | None
    ) -> Mapping[int, int] | Acknowledgement:
        return {}

    async def read_log(self, first: int | None, priority: Priority, deadline: float | None) -> LogPage | Acknowledgement:
        return LogPage(0)

    async def quick_look(self, image: PanelImage, priority: Priority, deadline: float | None) -> bool | Acknowledgement:
        held = await self.read_back(priority, deadline)
        return held if isinstance(held, Acknowledgement) else held.slots == image.slots

    def stretches(self, image: PanelImage) -> Sequence[Stretch]:
        return ()

    async def look_at(
        self, image: PanelImage, stretch: Stretch, priority: Priority, deadline: float | None
    ) -> bool | Acknowledgement:
        return await self.quick_look(image, priority, deadline)

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        told = await self.identity(priority, deadline)
        return told if isinstance(told, Acknowledgement) else PanelStatus()

    async def identity(self, priority: Priority, deadline: float | None) -> PanelIdentity | Acknowledgement:
        meeting = self._bus.meeting()
        try:
            serial = await self._bus.exchange(self._unit, ToyRequest("who"), priority, deadline)
        except DriverError as error:
            return _failed(error)
        self._bus.met(self._unit, meeting)
        return PanelIdentity(serial=serial)

    async def set_clock(self, setting: ClockSetting, priority: Priority, deadline: float | None) -> Acknowledgement:
        return self._cannot()

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        return self._cannot()

    async def read_outputs(self, priority: Priority, deadline: float | None) -> tuple[bool, ...] | Acknowledgement:
        return self._cannot()

    longest_pulse = 0

    async def time_pulses(self, tenths_s: Mapping[int, int], priority: Priority, deadline: float | None) -> Acknowledgement:
        return Acknowledgement(Outcome.ACKNOWLEDGED)

    async def pulse(self, output: int, tenths_s: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        return self._cannot()

    async def end_pulse(self, output: int, priority: Priority, deadline: float | None) -> Acknowledgement:
        return self._cannot()

    def _cannot(self) -> Acknowledgement:
        return Acknowledgement(Outcome.REJECTED, None, Reason.PANEL_REJECTED, "it has schedules only")

    def write_counts(self) -> Mapping[str, int]:
        return {}
