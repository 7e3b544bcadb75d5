"""A line of UHPPOTE controllers, and their drivers."""

from __future__ import annotations

from collections.abc import Mapping

from config.panel_model import PanelModel
from config.settings import PanelSettings, UhppoteLineSettings, UhppotePanelSettings
from drivers.bus.side_by_side import SideBySide
from drivers.clock import Clock
from drivers.contract import PanelDriver
from drivers.uhppote.panel.driver import UhppoteDriver
from drivers.uhppote.wire.frames import Reply, Request
from drivers.uhppote.wire.links import BoardLink, TcpLink, UdpLink
from drivers.uhppote.wire.messages import get_device


class UhppoteLine:
    """See `drivers.factory.Line`."""

    def __init__(self, settings: UhppoteLineSettings, clock: Clock) -> None:
        self.bus: SideBySide[Request, Reply] = SideBySide(settings, clock)
        self._settings = settings
        self._clock = clock

    def add_panel(self, panel: PanelSettings, models: Mapping[str, PanelModel]) -> PanelDriver:
        model = models[panel.model].configured(panel.options)
        if not isinstance(panel, UhppotePanelSettings):
            raise TypeError(f"panel {panel.id} has no settings of a controller")
        wire = self.bus.attach(panel.serial, self._link(panel), probe=get_device(), timeout_ms=panel.timeout_ms)
        return UhppoteDriver(panel, model, wire, self._clock)

    def remove_panel(self, panel: PanelSettings) -> None:
        self.bus.detach(panel.unit)

    def _link(self, panel: UhppotePanelSettings) -> BoardLink:
        line = self._settings
        place = panel.host or line.host, panel.port or line.port
        kind = UdpLink if line.transport == "udp" else TcpLink
        return kind(panel.serial, place, line.bind, self.bus.tally, line.id)
