"""What simulated panels have open, looked at through their control URL, held against what was asked of the site."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from tests.benchmarks.hour_site import ACCESS, LEASE_S, OUTPUTS, TABLES, ZONE
from tests.judge import seconds_on_wall, wall_clock
from tests.support.ledger import Ledger
from tests.support.minutes import DAY

NEAR_S = 6.0
"""A panel's clock is right within so much; an edge may come as much earlier or later."""
LATE_S = LEASE_S + 4.0
"""How long an output may go on when nobody prolongs it."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
View = Mapping[str, Any]


def local_second(at: float) -> int:
    return seconds_on_wall(wall_clock(ZoneInfo(ZONE), int(at)))


def shown_second(view: View) -> float | None:
    """What a panel's own clock shows; None: it is not set."""
    return None if view["clock"] is None else (datetime.fromisoformat(view["clock"]) - _EPOCH) / timedelta(seconds=1)


class Judge:
    """`lies` is what must not be. `strange`: panels whose tables are not the gateway's yet, as they came from their maker."""

    def __init__(self, control: str, session: aiohttp.ClientSession, ledger: Ledger, random: Random) -> None:
        self.ledger = ledger
        self.lies: list[str] = []
        self.counts: Counter[str] = Counter()
        self.strange = {"room"}
        self._control, self._session, self._random = control, session, random

    async def panels(self) -> dict[str, View]:
        async with self._session.get(f"{self._control}/panels") as answer:
            return {view["panel"]: view for view in (await answer.json())["panels"]}

    async def act(self, path: str, body: object = None) -> View:
        async with self._session.post(self._control + path, json={} if body is None else body) as answer:
            read: View = await answer.json()
            assert answer.status == 200, (path, read)
            return read

    async def look(self) -> None:
        """Once at every panel: nothing is open that was asked neither before nor since."""
        began = time.time()
        views = await self.panels()
        ended = time.time()
        for name in TABLES:
            self._look_at_table(name, views[name], began, ended)
        for target in OUTPUTS:
            self._look_at_output(target, views["relay"], began, ended)
        await self._show_a_card(views)
        self.counts["looks"] += 1

    def _times(self, view: View, began: float, ended: float) -> list[float] | None:
        """The local seconds by which a panel may act; None: its clock is not set, and it has to be closed.

        A clock that is wrong is no leave to open more: the panel opens by the minute that it shows.
        """
        shown = shown_second(view)
        if shown is None:
            return None
        right = local_second(began) - NEAR_S <= shown <= local_second(ended) + NEAR_S
        self.counts["looks at a wrong clock"] += not right
        around = (local_second(began), local_second(ended)) if right else (shown, shown)
        return [around[0] - NEAR_S, *around, around[1] + NEAR_S]

    def _look_at_table(self, name: str, view: View, began: float, ended: float) -> None:
        if name in self.strange or not view["schedules_open_now"]:
            return
        times = self._times(view, began, ended)
        self.counts["open tables"] += 1
        if times is None or not any(self.ledger.may_open_at(name, at) for at in times):
            self.lies.append(f"{view['clock']} {name} has {view['schedules_open_now']} open")

    def _look_at_output(self, target: str, view: View, began: float, ended: float) -> None:
        output = int(target.partition(":")[2])
        if not view["outputs"][output]:
            return
        self.counts["outputs on"] += 1
        times = (local_second(began) - LATE_S, local_second(began) - LATE_S / 2, local_second(began), local_second(ended) + 2)
        if not any(self.ledger.may_open_at(target, at) for at in times):
            self.lies.append(f"{began:.0f} {target} is on")

    async def _show_a_card(self, views: Mapping[str, View]) -> None:
        name, number, door = self._random.choice(ACCESS), str(self._random.randint(1, 7)), self._random.randrange(2)
        began = time.time()
        said = await self.act(f"/panels/{name}/read", {"type": "card", "number": number, "door": door})
        self.counts["let in" if said["granted"] else "kept out"] += 1
        times = (began - NEAR_S, began, time.time() + NEAR_S)
        if said["granted"] and not any(self.ledger.may_enter(name, number, door, int(at) // 60) for at in times):
            self.lies.append(f"{began:.0f} {name} lets card {number} in at door {door}")

    async def compare(self, refused: Mapping[str, Collection[str]]) -> None:
        """At rest: every panel opens what is asked of it, and nothing else, but for what it refused (by target: link_ids)."""
        began = time.time()
        views = await self.panels()
        now = local_second(began)
        for target in (*TABLES, *OUTPUTS):
            wanted = [each for each in self.ledger.wanted(target) if each.link_id not in refused.get(target, ())]
            view = views[target.partition(":")[0]]
            found = self._is_open(target, view)
            due = {any(each.on(at // DAY) >> at % DAY // 60 & 1 for each in wanted) for at in _around(now)}
            self.counts["compared open" if found else "compared closed"] += 1
            if found not in due:
                self.lies.append(f"{view['clock']} {target} is {'open' if found else 'closed'} at rest")

    @staticmethod
    def _is_open(target: str, view: View) -> bool:
        _, _, output = target.partition(":")
        return bool(view["outputs"][int(output)]) if output else bool(view["schedules_open_now"])


def _around(now: int) -> Iterator[int]:
    for beside in (-int(NEAR_S), 0, int(NEAR_S)):
        yield now + beside
