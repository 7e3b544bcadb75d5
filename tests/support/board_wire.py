"""A driver's wire that ends right at a simulated UHPPOTE board: no datagrams, in virtual time. Tests meddle by `before`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.panel_model import load_models
from config.settings import SimulatorSettings, UhppotePanelSettings
from drivers.availability import Feed
from drivers.contract import AvailabilityFeed, Priority
from drivers.errors import DeadlinePassed, NoReply
from drivers.uhppote.panel.driver import UhppoteDriver
from drivers.uhppote.wire.frames import SIZE, Reply, Request, frame, parse
from simulators.uhppote_board import UhppoteBoard
from tests.support.virtual_time import VirtualClock

SERIAL = 405_419_896


class BoardWire:
    """Keeps every request that was sent. An exchange takes as long as `takes_s` says."""

    def __init__(self, board: UhppoteBoard, clock: VirtualClock) -> None:
        self.board = self.panel = board
        self.clock = clock
        self.sent: list[Request] = []
        self.before: Callable[[Request], bool] = lambda request: True
        """Called before a request reaches the board; False: it does not reach it, and no reply comes."""
        self.lose_reply: Callable[[Request], bool] = lambda request: False
        self.takes_s: Callable[[Request], float] = lambda request: 0.001

    async def exchange(self, unit: int, request: Request, priority: Priority, deadline: float | None = None) -> Reply:
        if deadline is not None and self.clock.monotonic() >= deadline:
            raise DeadlinePassed("too late")
        await self.clock.sleep(self.takes_s(request))
        self.sent.append(request)
        if not self.before(request):
            raise NoReply("nothing came")
        reply = parse(self.board.handle(frame(unit, request)))
        if self.lose_reply(request) or reply is None:
            raise NoReply("nothing came")
        return reply

    def availability(self, unit: int) -> AvailabilityFeed:
        return Feed()

    connection = 1

    def quarantined_until(self, unit: int) -> float | None:
        return None

    def hasten(self, unit: int) -> None:
        return

    def frame(self, unit: int, request: Request) -> bytes:
        return frame(unit, request)

    def wire_bytes(self, request: Request) -> int:
        return 2 * SIZE

    def functions(self) -> list[int]:
        return [request.function for request in self.sent]


def board_on_wire(**panel: Any) -> tuple[UhppoteDriver, BoardWire]:
    """A simulated board and its driver, to be made inside a running (virtual) loop. `panel`: settings of it."""
    clock = VirtualClock()
    settings = UhppotePanelSettings(
        id="panel", model="uhppote", serial=SERIAL, **{"simulator": SimulatorSettings(latency_ms=0)} | panel
    )
    board = UhppoteBoard(settings, clock.wall, clock.monotonic)
    wire = BoardWire(board, clock)
    return UhppoteDriver(settings, load_models(None)["uhppote"], wire, clock), wire
