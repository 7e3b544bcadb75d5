"""What goes wrong at a site in virtual time: with panels, lines, the store's medium, the host's clock. Each begins and ends."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from drivers.clock import Sync
from simulators.faults import FaultRates, Faults
from simulators.open_access_panel import OpenAccessPanel
from tests.support.virtual_site import VirtualSite

Do = Callable[[], Coroutine[Any, Any, None]]
HOUR, DAY = 3600.0, 86_400.0
LINES: Mapping[str, FaultRates] = {
    "a noisy line": FaultRates(lose_request=0.1, lose=0.1, corrupt=0.1, duplicate=0.05, truncate=0.05, late=0.05),
    "a line that goes silent": FaultRates(lose_request=1.0),
    "a server that hangs up": FaultRates(cut=0.3),
    "panels that reject": FaultRates(refuse=0.3),
    "slow savers": FaultRates(deaf_after_commit=0.7, away_ms=1500),
    "power cuts while saving": FaultRates(power_cut_before_commit=0.3, power_cut_after_commit=0.3),
    "panels that restart": FaultRates(reset=0.02, power_cut=0.02),
    "untrue replies": FaultRates(foreign_unit=0.05, wrong_echo=0.1, short_count=0.1, foreign_transaction=0.05),
    "clocks that run fast": FaultRates(clock_drift_ppm=300),
}
_CUTS_POWER = ("power cuts while saving", "panels that restart")
_SERIAL = ("lobby", "gate", "vault")


@dataclass(frozen=True)
class Mishap:
    """`key`: what it happens to; one at a time happens to each."""

    kind: str
    key: str
    seconds: float
    begin: Do
    end: Do


class Mishaps:
    """`strike` is told of every panel that something happens to."""

    def __init__(self, site: VirtualSite, random: Random, counts: Counter[str], strike: Callable[..., None]) -> None:
        self._site, self._random, self._counts, self._strike = site, random, counts, strike
        self._under_way: dict[str, Mishap] = {}
        self._ended: dict[str, float] = {}
        """By what it happened to: when the last one ended."""
        self._replaced: set[str] = set()
        """Panels whose units were replaced."""
        self._kinds: tuple[Callable[[], Mishap | None], ...] = (
            *(self._line,) * 5,
            *(self._panel,) * 4,
            self._swap,
            self._medium,
            self._refuses,
            *(self._host,) * 2,
        )

    def draw(self) -> Mishap | None:
        """One that may begin now."""
        mishap = self._random.choice(self._kinds)()
        if mishap is None or mishap.key in self._under_way:
            return None
        self._under_way[mishap.key] = mishap
        self._counts[mishap.kind] += 1
        return mishap

    async def end(self, mishap: Mishap) -> None:
        if self._under_way.get(mishap.key) is mishap:
            del self._under_way[mishap.key]
            self._ended[mishap.key] = self._site.right.wall()
            await mishap.end()

    def calm_s(self, name: str) -> float:
        """How long nothing has been wrong with a panel, its line, its place or the host."""
        line = next(line.id for line in self._site.settings.lines if name in {panel.id for panel in line.panels})
        keys = (f"panel {name}", f"line {line}", f"host {line}", "places", "medium", "host")
        if any(key in self._under_way for key in keys):
            return 0.0
        return self._site.right.wall() - max(self._ended.get(key, 0.0) for key in keys)

    async def end_all(self) -> None:
        for mishap in list(self._under_way.values()):
            await self.end(mishap)

    def _for(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)

    # lines

    def _line(self) -> Mishap:
        name, kind = self._random.choice(list(self._site.hosts)), self._random.choice(list(LINES))
        responder, seed = self._site.hosts[name].responder, self._random.randrange(1000)

        async def begin() -> None:
            if kind in _CUTS_POWER:
                self._strike(*(panel.id for panel in responder.panels.values()))
            responder.set_faults(Faults(LINES[kind], seed))

        async def end() -> None:
            responder.set_faults(Faults())
            if kind in _CUTS_POWER:
                self._strike(*(panel.id for panel in responder.panels.values()))

        return Mishap(kind, f"line {name}", self._for(20, 1800), begin, end)

    def _refuses(self) -> Mishap:
        name = self._random.choice(list(self._site.hosts))
        host = self._site.hosts[name]

        async def begin() -> None:
            host.refuses = True
            host.hang_up()

        async def end() -> None:
            host.refuses = False

        return Mishap("a server that is gone", f"host {name}", self._for(5, 1200), begin, end)

    # panels

    def _panel(self) -> Mishap:
        name = self._random.choice(list(self._site.panels))
        kind = self._random.choice(("power", "reset", "off", "clock", "replace", "erase"))
        if kind in ("replace", "erase") and name == "room":
            kind = "power"  # an empty unit opens by the maker's own table
        if kind == "replace" and "places" in self._under_way:
            kind = "power"  # an empty unit is the successor of the panel at whose place it stands: that is another one
        panel = self._site.panels[name]

        async def begin() -> None:
            self._strike(name)
            match kind:
                case "power":
                    panel.power_cut()
                case "reset":
                    panel.reset()
                case "off":
                    panel.off()
                case "clock":
                    panel.oscillator.jump(self._random.choice((-DAY, -HOUR, -90, 90, 1800, HOUR, 3 * DAY)))
                case "replace":
                    self._replaced.add(name)
                    panel.off()
                    panel.replace()
                case _:
                    panel.restore()

        async def end() -> None:
            panel.on()

        seconds = self._for(5, 1500) if kind in ("off", "replace") else 1.0
        return Mishap(f"a panel: {kind}", f"panel {name}", seconds, begin, end)

    def _swap(self) -> Mishap | None:
        """None: nobody can know yet whose successor an empty unit is, so it has to be filled before it moves."""
        one, other = self._random.sample(_SERIAL, 2)
        if any(name in self._replaced and not self._is_filled(name) for name in (one, other)):
            return None

        async def exchange() -> None:
            self._strike(one, other)
            self._site.swap(one, other)

        return Mishap("two panels that changed places", "places", self._for(60, 3600), exchange, exchange)

    def _is_filled(self, name: str) -> bool:
        panel = self._site.panels[name]
        return isinstance(panel, OpenAccessPanel) and bool(panel.used_schedules())

    # the host

    def _medium(self) -> Mishap:
        is_full = self._random.random() < 0.6

        def restrict(connection: sqlite3.Connection) -> None:
            if is_full:
                connection.execute("PRAGMA max_page_count = 1")  # no less than there are
            else:
                connection.execute("PRAGMA query_only = 1")

        def release(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA max_page_count = 1000000")
            connection.execute("PRAGMA query_only = 0")

        async def begin() -> None:
            self._site.set_medium(restrict)

        async def end() -> None:
            self._site.set_medium(release)

        return Mishap("a full disk" if is_full else "a disk that may only be read", "medium", self._for(30, 2400), begin, end)

    def _host(self) -> Mishap:
        step = self._random.choice((-20 * 365 * DAY, -3 * DAY, -5400, 0.0, 0.0, 5400, 3 * DAY, 400 * DAY))
        boots, clock = self._random.random() < 0.5, self._site.clock

        async def begin() -> None:
            if boots:
                clock.boot()
            clock.wall_offset += step
            clock.sync = Sync.UNSYNCHRONISED

        async def end() -> None:
            clock.wall_offset -= step
            clock.sync = Sync.SYNCHRONISED

        kind = "a host clock that is off" if step else "a host clock without a time server"
        return Mishap(kind, "host", self._for(60, 3600), begin, end)
