"""A request's id stands in the log for as long as the request: not for what goes on long after it was answered."""

from __future__ import annotations

import asyncio

from config.settings import PanelSettings
from drivers.contract import Acknowledgement, PanelStatus, Priority
from drivers.trace import request_id
from gateway.concurrency import Supervisor
from tests.support.fake_panel import FakeDriver, FakePanel
from tests.support.fleet_site import FleetSite, item
from tests.support.virtual_time import run_virtual


class Listening(FakeDriver):
    ids: list[str | None]

    async def status(self, priority: Priority, deadline: float | None) -> PanelStatus | Acknowledgement:
        self.ids.append(request_id.get())
        return await super().status(priority, deadline)


class ListeningSite(FleetSite):
    async def add(self, name: str) -> None:
        await super().add(name)
        await self.fleet.remove_panel(name)
        driver = self.drivers[name] = Listening(self.panels[name], self.clock)
        driver.ids = []
        await self.fleet.add_panel(self.settings[name], "line", driver)

    @property
    def ids(self) -> list[str | None]:
        driver = self.drivers["lobby"]
        assert isinstance(driver, Listening)
        return driver.ids


def listening() -> ListeningSite:
    return ListeningSite({"lobby": FakePanel()}, settings={"lobby": PanelSettings(id="lobby", model="open-access-panel")})


def test_attempts_for_a_panel_that_stays_deaf_lose_the_id_of_the_request_that_was_answered() -> None:
    async def main() -> None:
        site = listening()
        await site.open()
        await site.pass_time(1)
        site.panels["lobby"].deaf.extend([True] * 6)
        site.ids.clear()
        await site.fleet.sync("lobby")
        token = request_id.set("from-the-test")
        await site.fleet.upsert([item(1)])
        request_id.reset(token)
        await site.pass_time(300)
        assert "from-the-test" in site.ids[:3]
        assert set(site.ids[3:]) == {None}
        assert site.panels["lobby"].slots
        await site.close()

    run_virtual(main())


def test_what_a_reload_starts_does_not_carry_the_id_of_the_reload() -> None:
    async def main() -> None:
        supervisor = Supervisor()
        seen: list[str | None] = []

        async def work() -> None:
            seen.append(request_id.get())

        token = request_id.set("the-reload")
        await supervisor.spawn(work(), "a line's work")
        request_id.reset(token)
        assert seen == [None]

        site = listening()
        token = request_id.set("the-reload")
        await site.open()
        request_id.reset(token)
        await site.pass_time(60)
        assert set(site.ids) <= {None}
        await site.close()
        await asyncio.sleep(0)

    run_virtual(main())
