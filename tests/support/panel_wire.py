"""A driver's wire that ends right at a simulated panel: no bytes on any line, in virtual time. Tests meddle by `before`."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Sequence

from config.panel_model import load_models
from config.settings import PanelSettings, SimulatorSettings
from drivers.availability import Feed
from drivers.bus.queue import Meeting
from drivers.contract import AvailabilityFeed, PanelDriver, Priority
from drivers.errors import DeadlinePassed, DriverError, NoReply, PanelBusy, PanelException
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.output_driver import OutputDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.codecs import BUSY
from drivers.modbus.wire.requests import Request
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from tests.support.virtual_time import VirtualClock

Meddle = Callable[[Request], Awaitable[bool]]
"""Called before a request reaches the panel; False: it does not reach it, and no reply comes."""


class PanelWire:
    """Keeps every request that was sent. An exchange takes `exchange_s`. `lose_reply` is asked after each request."""

    def __init__(self, panel: SimulatedPanel, clock: VirtualClock) -> None:
        self.panel, self.clock = panel, clock
        self.sent: list[Request] = []
        self.before: Meddle | None = None
        self.lose_reply: Callable[[Request], bool] = lambda request: False
        self.false_echo: Callable[[Request], bool] = lambda request: False
        """A write that is answered though the panel never saw it."""
        self.exchange_s = 0.001
        self.timed_ms: float | None = None
        """What an exchange is said to take of the line; None: there is no line to time."""

    async def exchange(self, unit: int, request: Request, priority: Priority, deadline: float | None = None) -> tuple[int, ...]:
        if deadline is not None and self.clock.monotonic() >= deadline:
            raise DeadlinePassed("too late")
        await self.clock.sleep(self.exchange_s)
        self.sent.append(request)
        if self.before is not None and not await self.before(request):
            raise NoReply("nothing came")
        if self.false_echo(request):
            return ()
        reply = self.panel.handle(request.pdu())
        if self.lose_reply(request):
            raise NoReply("nothing came")
        return _values(reply, request)

    async def exchange_all(
        self, unit: int, requests: Sequence[Request], priority: Priority, deadline: float | None = None
    ) -> list[tuple[int, ...] | DriverError]:
        answers: list[tuple[int, ...] | DriverError] = []
        for request in requests:
            try:
                answers.append(await self.exchange(unit, request, priority, deadline))
            except DriverError as error:
                answers.append(error)
        return answers

    def availability(self, unit: int) -> AvailabilityFeed:
        return Feed()

    connection = 1
    closes = False

    def meeting(self) -> Meeting:
        return Meeting(self.connection, self.clock.monotonic())

    def met(self, unit: int, meeting: Meeting) -> None:
        return

    def is_met(self, unit: int) -> bool:
        return True

    def quarantined_until(self, unit: int) -> float | None:
        return None

    def hasten(self, unit: int) -> None:
        return

    def frame(self, unit: int, request: Request) -> bytes:
        return request.pdu()

    def wire_ms(self, request: Request) -> float | None:
        return self.timed_ms

    def wire_bytes(self, request: Request) -> int:
        return len(request.pdu()) + request.reply_pdu_size()

    def writes(self) -> list[tuple[int, tuple[int, ...]]]:
        """Address and values of every write that was sent."""
        return [(request.address, request.values) for request in self.sent if request.writes]


def _values(reply: bytes, request: Request) -> tuple[int, ...]:
    if reply[0] & 0x80:
        raise PanelBusy(reply[1]) if reply[1] == BUSY else PanelException(reply[1])
    if request.writes:
        return ()
    if request.function in (1, 2):
        return tuple(reply[2 + bit // 8] >> bit % 8 & 1 for bit in range(request.count))
    return struct.unpack(f">{request.count}H", reply[2:])


def panel_on_wire(
    model: str, options: dict[str, bool | int | float | str] | None = None, simulator: SimulatorSettings | None = None
) -> tuple[PanelDriver, PanelWire]:
    """A simulated panel and its driver, to be made inside a running (virtual) loop."""
    clock = VirtualClock()
    kind = simulator or SimulatorSettings(latency_ms=0)
    settings = PanelSettings(id="panel", model=model, options=options or {}, simulator=kind)
    panel = build_panel(settings, clock.wall, clock.monotonic)
    wire = PanelWire(panel, clock)
    configured = load_models(None)[model].configured(settings.options)
    unit = PanelUnit(configured, 1, wire, clock)
    return (OutputDriver(unit) if configured.schedule is None else ModbusPanelDriver(unit)), wire
