"""All lines and panels of a configuration file, simulated in real time, with a control address for people and tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from config.settings import AnyLine, ModbusRtuLine, Settings, UhppoteLineSettings
from simulators.control import Control
from simulators.crash import Crashes
from simulators.faults import FaultRates, Faults
from simulators.line import SerialLine, TcpLine
from simulators.models import build_panel
from simulators.panel import SimulatedPanel
from simulators.responder import Responder, swap
from simulators.uhppote_line import BoardLine, BoardResponder

Where = str | tuple[str, int]
"""Where a line listens: a serial line's path, or a TCP line's host and port."""


class SimulatedSite:
    """An async context manager. While inside, `lines` says where each line listens; `panels` are the panels by id;
    `control_url` answers as `control.py` says.

    `failed` gets the first crash inside a simulator; leaving raises it. Leaving ends every port, link and connection.

    `tcp_port_override` gives TCP lines other ports (0: a free one); `pty_dir` is where the links to pseudo-terminals go,
    named after their lines, in place of the configured ports. `paced`: serial lines take the time their baud rate says.
    `register_banks` names models that are bare registers. `seed` and `rates` are the faults at the start; each line draws
    its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        control_port: int = 0,
        wall: Callable[[], float] = time.time,
        seed: int = 0,
        rates: FaultRates | None = None,
        tcp_port_override: Mapping[str, int] | None = None,
        pty_dir: Path | None = None,
        paced: bool = True,
        register_banks: Collection[str] = (),
    ) -> None:
        self.control_url = ""
        self.lines: dict[str, Where] = {}
        self.panels: dict[str, SimulatedPanel] = {}
        self.responders: dict[str, Responder] = {}
        self._settings, self._control_port, self._wall = settings, control_port, wall
        self._seed, self._rates = seed, rates or FaultRates()
        self._ports, self._pty_dir, self._paced = tcp_port_override or {}, pty_dir, paced
        self._register_banks = register_banks
        self._stack = AsyncExitStack()
        self._crashes: Crashes | None = None

    @property
    def failed(self) -> asyncio.Future[None]:
        """A future that never gets a result: awaiting it raises the first crash. Only inside the context."""
        if self._crashes is None:
            raise RuntimeError("the simulated site is not started")
        return self._crashes.failed

    async def __aenter__(self) -> SimulatedSite:
        self._crashes = Crashes()
        async with AsyncExitStack() as stack:
            for number, line in enumerate(self._settings.lines):
                await self._start_line(line, number, self._crashes, stack)
            control = Control(self.panels, self.responders, self._crashes)
            stack.push_async_callback(control.stop)
            self.control_url = await control.start(self._control_port)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if self._crashes is not None:
            self._crashes.check()

    def set_faults(self, line_id: str, rates: FaultRates, seed: int) -> None:
        """Raises KeyError for an unknown line."""
        self.responders[line_id].set_faults(Faults(rates, seed))

    def swap(self, one: str, other: str) -> None:
        """Exchange two units: each answers at the other's place. `panels` still names the units.

        Raises KeyError for an unknown panel.
        """
        here, there = self._line_of(one), self._line_of(other)
        swap(here, self.panels[one], there, self.panels[other])

    def _line_of(self, panel_id: str) -> Responder:
        panel = self.panels[panel_id]
        return next(line for line in self.responders.values() if line.at(panel.unit) is panel)

    async def _start_line(self, line: AnyLine, number: int, crashes: Crashes, stack: AsyncExitStack) -> None:
        monotonic = asyncio.get_running_loop().time
        panels = [build_panel(panel, self._wall, monotonic, self._register_banks) for panel in line.panels]
        self.panels.update({panel.id: panel for panel in panels})
        responder = BoardResponder(panels) if isinstance(line, UhppoteLineSettings) else Responder(panels)
        responder.set_faults(Faults(self._rates, self._seed + number))
        self.responders[line.id] = responder
        port = self._port(line, responder, crashes)
        stack.push_async_callback(port.stop)
        await port.start()
        self.lines[line.id] = port.where

    def _port(self, line: AnyLine, responder: Responder, crashes: Crashes) -> SerialLine | TcpLine | BoardLine:
        if isinstance(line, ModbusRtuLine):
            link = Path(line.port) if self._pty_dir is None else self._pty_dir / line.id
            return SerialLine(line, responder, crashes, link, self._paced)
        port = self._ports.get(line.id, line.port)
        if isinstance(line, UhppoteLineSettings):
            own = {(panel.host or line.host, panel.port or port) for panel in line.panels if panel.host or panel.port}
            return BoardLine(responder, crashes, (line.host, port), own, tcp=line.transport == "tcp")
        return TcpLine(line, responder, crashes, (line.host, port), self._paced)
