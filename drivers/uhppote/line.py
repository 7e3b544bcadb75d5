"""A line of UHPPOTE controllers, and their drivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from config.panel_model import PanelModel
from config.settings import PanelSettings, UhppoteLineSettings, UhppotePanelSettings
from drivers.bus.side_by_side import SideBySide
from drivers.clock import Clock
from drivers.contract import PanelDriver
from drivers.uhppote.panel.driver import UhppoteDriver
from drivers.uhppote.wire.frames import Reply, Request
from drivers.uhppote.wire.links import BoardLink, TcpLink, UdpLink
from drivers.uhppote.wire.listener import listen
from drivers.uhppote.wire.messages import get_device
from drivers.uhppote.wire.places import Place

_log = logging.getLogger(__name__)


def _place(listen: str | None) -> Place | None:
    if listen is None:
        return None
    host, _, port = listen.partition(":")
    return host, int(port)


class _Boards(SideBySide[Request, Reply]):
    """The controllers of a line, and the one place where all of them tell their events. `news`: who is told, by serial number."""

    def __init__(self, settings: UhppoteLineSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.news: dict[int, tuple[BoardLink, UhppoteDriver]] = {}
        self._id, self._listen = settings.id, _place(settings.listen)
        self._ear: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Where nothing can be heard, events are read as late as they are without it."""
        if self._listen is not None:
            try:
                self._ear = await listen(self._listen, self._heard)
            except OSError as error:
                _log.error("events are not heard", extra={"line": self._id, "cause": error.strerror or str(error)})
        await super().start()

    async def stop(self, grace_s: float) -> None:
        if self._ear is not None:
            self._ear.abort()
        await super().stop(grace_s)

    def _heard(self, serial: int, address: str) -> None:
        link, driver = self.news.get(serial, (None, None))
        if link is not None and driver is not None and link.address == address:
            driver.on_news()


class UhppoteLine:
    """See `drivers.factory.Line`."""

    def __init__(self, settings: UhppoteLineSettings, clock: Clock) -> None:
        self.bus = _Boards(settings, clock)
        self._settings = settings
        self._clock = clock

    def add_panel(self, panel: PanelSettings, models: Mapping[str, PanelModel]) -> PanelDriver:
        model = models[panel.model].configured(panel.options)
        if not isinstance(panel, UhppotePanelSettings):
            raise TypeError(f"panel {panel.id} has no settings of a controller")
        link = self._link(panel)
        wire = self.bus.attach(panel.serial, link, probe=get_device(), timeout_ms=panel.timeout_ms)
        driver = UhppoteDriver(panel, model, wire, self._clock, _place(self._settings.listen))
        self.bus.news[panel.serial] = (link, driver)
        return driver

    def remove_panel(self, panel: PanelSettings) -> None:
        self.bus.news.pop(panel.unit, None)
        self.bus.detach(panel.unit)

    def _link(self, panel: UhppotePanelSettings) -> BoardLink:
        line = self._settings
        place = panel.host or line.host, panel.port or line.port
        kind = UdpLink if line.transport == "udp" else TcpLink
        return kind(panel.serial, place, line.bind, self.bus.tally, line.id)
