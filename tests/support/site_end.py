"""The end of a history: faults are over, and every panel has to open exactly what is asked; storage was not written too often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from drivers.contract import TIME_PROFILE, ItemState, Reason
from gateway.fleet.views import ItemView, PanelView
from simulators.open_access_panel import OpenAccessPanel
from tests.judge import seconds_on_wall, wall_clock
from tests.support.ledger import Ledger
from tests.support.open_minutes import OpenMinutes
from tests.support.soaked_site import READERS, ZONE
from tests.support.virtual_site import VirtualSite

_AT_REST = ("in_sync", "refused", "foreign")
_ENDURANCE = 100_000
"""Cycles of every shipped panel's storage, as its model says."""
_OWN = 2
"""A day's budget can be saved up; the table and the clock have one each."""


class SiteEnd:
    def __init__(self, site: VirtualSite, ledger: Ledger, units: Mapping[str, OpenMinutes], numbers: list[str]) -> None:
        self._site, self._ledger, self._units, self._numbers = site, ledger, units, numbers

    def difference(self) -> str:
        """What is not as it has to be; empty: nothing."""
        for name, unit in self._units.items():
            view = self._view(name)
            pending = [each for each in view.items if each.outcome is ItemState.PENDING]
            waiting = [each for each in pending if each.reason is not Reason.NOT_STARTED]
            if waiting or view.state not in (*_AT_REST, *(("syncing",) if pending else ())):
                return f"{name} is {view.state} ({view.last_error}), waiting: {waiting[:2]}"
            if unit.strange and not self._ledger.wanted(name):
                continue  # nothing was ever asked of it: its maker's table is nobody's business
            unit.strange = unit.struck = False
            differs = unit.differs({each.link_id or "": each for each in view.items if _kind(each) == TIME_PROFILE})
            if differs is not None:
                return f"{name}: {differs}"
        return ""

    def _view(self, name: str) -> PanelView:
        view = self._site.fleet.panel(name)
        assert view is not None
        return view

    # readers

    def lets_in(self, name: str, number: str, door: int, minute: int) -> bool:
        """Whether the panel itself lets a card in at a Unix minute."""
        panel = self._site.panels[name]
        assert isinstance(panel, OpenAccessPanel)
        local = seconds_on_wall(wall_clock(ZONE, 60 * minute)) // 60
        return panel.would_read("card", number, door, minute, local).granted

    def wider(self, random: Random) -> Iterator[str]:
        """Nobody is let in by more than what was asked before and since together, now and at some other time of the day."""
        now = int(self._site.right.wall()) // 60
        for name in READERS:
            for minute in (now, now + 60 * random.randint(1, 30)):
                for number in self._numbers:
                    door = random.randrange(2)
                    if self.lets_in(name, number, door, minute) and not self._ledger.may_enter(name, number, door, minute):
                        yield f"{minute * 60} {name} lets card {number} in at door {door}"

    def unlike(self) -> Iterator[str]:
        """At rest nobody is let in but by what is asked; and everybody is, where the panel holds all that is asked of it."""
        now = int(self._site.right.wall()) // 60
        for name in READERS:
            is_whole = all(each.outcome is ItemState.EXACT for each in self._view(name).items)
            for minute in range(now + 1, now + 1440, 30):
                for number in self._numbers:
                    for door in (0, 1):
                        found = self.lets_in(name, number, door, minute)
                        due = self._ledger.must_enter(name, number, door, minute)
                        if found != due and (found or is_whole):
                            yield f"{minute * 60} {name}: card {number} at door {door}: {found}, not {due}"

    # storage

    def worn(self, seconds: float) -> Iterator[str]:
        """New contents are written once, in two steps at most; all else comes out of the budget for the days that passed."""
        for name, unit in self._units.items():
            per_day = _ENDURANCE / (unit.panel.settings.service_years * 365.25) / 2
            most = 2 * self._ledger.asked_of[name] + _OWN * per_day * (1 + seconds / 86_400)
            if unit.most_written() > most:
                yield f"{name}: one cell was written {unit.most_written()} times, {most:.0f} are allowed"


def _kind(item: ItemView) -> str:
    return str(getattr(item, "kind", TIME_PROFILE))
