"""Makes lines from settings: the only list of protocols. A new one is a folder beside `modbus/` and a branch here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from config.panel_model import PanelModel
from config.settings import LineSettings, ModbusRtuLine, ModbusRtuTcpLine, ModbusTcpLine, PanelSettings, UhppoteLineSettings
from drivers.bus.statistics import LineStatistics
from drivers.clock import Clock
from drivers.contract import PanelDriver
from drivers.modbus.line import ModbusLine
from drivers.uhppote.line import UhppoteLine


class LineWork(Protocol):
    """What carries a line's exchanges: a bus, or several side by side."""

    @property
    def task(self) -> asyncio.Task[None] | None:
        """From `start` on. Only `stop` ends it: any other end is a defect that the owner has to act on."""
        ...

    async def start(self) -> None: ...

    async def stop(self, grace_s: float) -> None:
        """Refuse new and queued requests, and finish within `grace_s` seconds what is on the wire."""
        ...

    def statistics(self) -> LineStatistics: ...


class Line(Protocol):
    """One line with its bus, and the drivers of the panels on it."""

    @property
    def bus(self) -> LineWork:
        """Not yet started when the line is made."""
        ...

    def add_panel(self, panel: PanelSettings, models: Mapping[str, PanelModel]) -> PanelDriver:
        """Raises KeyError for an unknown model, ModelError for options that the model does not have."""
        ...

    def remove_panel(self, panel: PanelSettings) -> None:
        """Remove a panel: its queued requests are refused, and its driver is of no use afterwards."""
        ...


BuildLine = Callable[[LineSettings, Clock], Line]


def build_line(settings: LineSettings, clock: Clock) -> Line:
    """The line, neither started nor opened. Raises TypeError for a kind that no protocol here speaks."""
    match settings:
        case ModbusRtuLine() | ModbusTcpLine() | ModbusRtuTcpLine():
            return ModbusLine(settings, clock)
        case UhppoteLineSettings():
            return UhppoteLine(settings, clock)
        case _:
            raise TypeError(f"no protocol for lines of kind {settings.kind}")
