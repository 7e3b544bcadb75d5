"""The ten examples on one panel of each model, as the lab has them: what is promised, and what the panels then do for a year.

The gateway, its lines and the simulated panels are the real ones; time is the test's own. The simulated panels act on their
registers, the profile's judge says what was asked.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.loader import load_settings
from drivers.clock import SystemClock
from gateway.__main__ import main
from gateway.api.validation import read_item
from gateway.app import Gateway, fleet_options
from gateway.cli import planning
from gateway.ops import logs
from gateway.schedules.time_profile import Readings
from gateway.store.sqlite_schema import open_read_only
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from tests.judge import seconds_on_wall, wall_clock
from tests.support.minutes import DAY, MINUTES, Asked, opened, span, united
from tests.support.processes import Client, logged_in

KYIV = ZoneInfo("Europe/Kyiv")
READINGS = Readings(KYIV)
VECTORS = Path(__file__).parents[1] / "vectors"
EXAMPLES = json.loads((VECTORS / "examples.json").read_text())["list_items"]
NAMES = {item["link_id"]: item["name"] for item in EXAMPLES}
PROFILES = {item["link_id"]: read_item(item, {}, "list_items[0]").profile for item in EXAMPLES}
ASKED = {link_id: Asked(profile, READINGS) for link_id, profile in PROFILES.items()}
SLOTS = {"reception": range(64), "lights": range(1, 17), "meeting-room": range(1)}
HELD = ("exact", "materialised")
Outcomes = Mapping[tuple[str, str], Mapping[str, Any]]
"""(link_id, panel) -> what is said of it."""


MIDNIGHT = int(datetime(2026, 11, 1, tzinfo=KYIV).timestamp())
STARTED = int(datetime(2026, 11, 2, 9, 0, 30, tzinfo=KYIV).timestamp())


def local_second(at: float) -> int:
    """What the wall of the site reads, in seconds since 1970-01-01T00:00 of that wall."""
    return seconds_on_wall(wall_clock(KYIV, int(at)))


class OwnClock(SystemClock):
    """Goes on by itself, from where the test puts it."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0
        self.put(MIDNIGHT)

    def wall(self) -> float:
        return super().wall() + self._ahead

    def boottime(self) -> float:
        """Time passes for the host as well: it is no step of its clock."""
        return super().boottime() + self._ahead

    def put(self, at: float) -> None:
        self._ahead = at - super().wall()

    def local(self) -> tuple[int, int]:
        """Day and minute on the wall of the site."""
        return divmod(local_second(self.wall()) // 60, MINUTES)


class Lab:
    """The line `models` of the lab behind a pseudo-terminal, and a gateway for it."""

    def __init__(self, clock: OwnClock, config: Path, site: SimulatedSite, client: Client) -> None:
        self.clock, self.config, self.client = clock, config, client
        self.panels: Mapping[str, SimulatedPanel] = site.panels

    @property
    def database(self) -> Path:
        return self.config.parent / "panel-gateway.db"

    def advance(self, at: float) -> None:
        """Time jumps for all alike: the panels' clocks go with the gateway's."""
        for panel in self.panels.values():
            panel.oscillator.jump(at - self.clock.wall())
        self.clock.put(at)

    async def items(self) -> Outcomes:
        """What the gateway says of every panel with schedules now."""
        said: dict[tuple[str, str], Mapping[str, Any]] = {}
        for name in SLOTS:
            (view,) = (await self.client.call("GET", f"/gateway/v1/panels/{name}"))["panels"]
            said |= {(item["link_id"], name): item for item in view["items"]}
        return said

    async def until_settled(self, panel: str) -> None:
        """Until the panel holds or refuses everything."""
        async with asyncio.timeout(30):
            while True:
                items = await self.items()
                if not any(name == panel and item["outcome"] == "pending" for (_, name), item in items.items()):
                    return
                await asyncio.sleep(0.02)

    async def planned(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
        """`panel-gateway plan` for the ten examples on `@models`: exit status and what it prints."""
        request = self.config.parent / "request.json"
        request.write_text(json.dumps({"list_items": EXAMPLES}))
        command = ["plan", "--config", str(self.config), str(request), "--panels", "@models", *arguments]
        status = await asyncio.to_thread(main, command)
        return status, capsys.readouterr().out


@asynccontextmanager
async def lab(folder: Path) -> AsyncIterator[Lab]:
    config = folder / "lab.toml"
    config.write_text(files("config.examples").joinpath("lab.toml").read_text())
    settings, clock = load_settings(config), OwnClock()
    lines = tuple(line for line in settings.lines if line.id == "models")
    settings = settings.model_copy(update={"lines": lines, "http": settings.http.model_copy(update={"port": 0})})
    async with SimulatedSite(settings, wall=clock.wall, pty_dir=folder, paced=False) as site:
        placed = tuple(line.model_copy(update={"port": site.lines[line.id]}) for line in lines)
        gateway = Gateway(settings.model_copy(update={"lines": placed, "bindings": ()}), None, clock, released_at=0)
        try:
            async with logged_in(await gateway.start()) as client:
                yield Lab(clock, config, site, client)
        finally:
            await gateway.stop()


def told(report: Mapping[str, Any], key: str) -> Outcomes:
    return {(item["link_id"], panel["panel"]): panel for item in report[key] for panel in item["panels"]}


def words(outcomes: Outcomes) -> dict[tuple[str, str], tuple[str, int | None]]:
    """Outcome and valid_until, by name of profile and panel."""
    return {(NAMES[link_id], panel): (said["outcome"], said.get("valid_until")) for (link_id, panel), said in outcomes.items()}


def days_of_a_year(now: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Every day from now on, with the minutes that count of it."""
    for day in range(now[0], now[0] + 367):
        yield day, span(now[1] if day == now[0] else 0, MINUTES)


def promised(link_id: str, said: Mapping[str, Any], day: int) -> int:
    """The minutes of a day that one panel promises to have open for a profile, all of them and no other."""
    if said["outcome"] not in HELD:
        return 0
    if said["valid_until"] is not None and day * DAY >= local_second(said["valid_until"]):
        return 0
    return ASKED[link_id].on(day)


def assert_as_promised(site: Lab, panel: str, outcomes: Outcomes) -> int:
    """Minute by minute for a year of the panel's own clock; returns how many minutes were open."""
    allocation = open_read_only(site.database).allocations.get(panel, {})
    simulated, minutes = site.panels[panel], 0
    for day, counts in days_of_a_year(site.clock.local()):
        due = {link_id: promised(link_id, outcomes[link_id, panel], day) & counts for link_id in PROFILES}
        everything = opened(simulated, SLOTS[panel], day) & counts
        assert everything == united(due.values()), (panel, day, "the panel as a whole")
        minutes += everything.bit_count()
        for link_id, slots in allocation.items():
            sharers = [each for each, taken in allocation.items() if set(taken) & set(slots)]
            shown = opened(simulated, slots, day) & counts
            assert shown == united(due[each] for each in sharers), (panel, day, NAMES[link_id])
    return minutes


async def test_what_the_plan_says_is_what_every_panel_does_for_a_year(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(tmp_path) as site:
        monkeypatch.setattr(planning, "SystemClock", lambda: site.clock)
        monkeypatch.setattr(planning, "fleet_options", partial(fleet_options, released_at=0))  # the year begins before it
        monkeypatch.setattr(logs, "configure", lambda **_: None)
        status, planned = await site.planned(capsys, "--json")
        assert status == 1, "some are refused"
        expected = told(json.loads(planned), "items")
        for link_id in PROFILES:
            await site.client.call("PUT", f"/gateway/v1/bindings/{link_id}", {"panels": ["@models"]})
        answer = await site.client.call("POST", "/api/v1/access/timeprofile/items/link", {"list_items": EXAMPLES})
        assert words(told(answer, "result")) == words(expected)
        assert {said["outcome"] for (_, panel), said in expected.items() if panel == "gate:3"} == {"gateway_held"}
        assert {panel: assert_as_promised(site, panel, expected) > 0 for panel in SLOTS} == {
            "reception": True,
            "lights": True,
            "meeting-room": False,
        }

        site.advance(STARTED)
        for panel in SLOTS:
            await site.client.call("POST", f"/gateway/v1/panels/{panel}/sync", status=202)
            await site.until_settled(panel)
        begun = await site.items()
        assert all(assert_as_promised(site, panel, begun) for panel in SLOTS)
        status, planned = await site.planned(capsys, "--json")
        again = told(json.loads(planned), "items")
        assert {key: again[key]["outcome"] for key in begun} == {key: said["outcome"] for key, said in begun.items()}
        _, text = await site.planned(capsys)
        for example in EXAMPLES:
            assert example["name"] in text
        assert len([line for line in text.splitlines() if line.startswith("  ")]) >= len(EXAMPLES)


def test_masks_of_days_are_the_judges_minutes() -> None:
    """The year above looks at days as masks: the same as asking of any minute by itself."""
    chance, first = random.Random(5), local_second(MIDNIGHT) // DAY
    for _ in range(4000):
        asked, day, minute = chance.choice(list(ASKED.values())), first + chance.randrange(367), chance.randrange(MINUTES)
        assert asked.on(day) >> minute & 1 == asked.at(day, minute)
