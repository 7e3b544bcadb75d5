"""A panel that acknowledges a command for an output and does something else: what is read counts, not what is echoed."""

from __future__ import annotations

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.contract import Acknowledgement, ItemState, Outcome, Priority, Reason
from tests.support.fake_panel import FakeDriver, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import only

NOW = START % 86_400 // 60


class Stuck(FakeDriver):
    """Its relay stays as it is: it is welded, or its coil is burnt out."""

    heals = False
    told: int = 0

    async def set_output(
        self, output: int, on: bool, lease_s: int | None, priority: Priority, deadline: float | None
    ) -> Acknowledgement:
        self.told += 1
        if self.heals:
            return await super().set_output(output, on, lease_s, priority, deadline)
        return Acknowledgement(Outcome.ACKNOWLEDGED)


class StuckSite(FleetSite):
    async def add(self, name: str) -> None:
        driver = self.drivers[name] = Stuck(self.panels[name], self.clock)
        await self.fleet.add_panel(PanelSettings(id=name, model="open-access-panel"), "line", driver)

    @property
    def stuck(self) -> Stuck:
        driver = self.drivers["gate"]
        assert isinstance(driver, Stuck)
        return driver


def stuck_site() -> StuckSite:
    rules = (BindingSettings(link_id="*", panels=("gate:3",)),)
    return StuckSite({"gate": FakePanel()}, rules=rules, deadline_s=2.0)


@pytest.mark.parametrize("heals", [False, True])
def test_a_relay_that_acknowledges_and_does_nothing_is_no_open_door(heals: bool) -> None:
    async def main() -> None:
        site = stuck_site()
        await site.open()
        (result,) = only(await site.fleet.upsert([item(1, start=NOW - 30, length=120)])).panels
        assert (result.success, result.outcome, result.reason) == (False, ItemState.PENDING, Reason.VERIFY_FAILED)
        for _ in range(50):
            await site.pass_time(0.37)
            view = site.fleet.panel("gate")
            assert view is not None
            assert (view.items[0].reason, view.held) == (Reason.VERIFY_FAILED, 0), "in none of the looks"
        assert 15 <= site.stuck.told <= 25, "commanded again at every poll, not more often"
        site.stuck.heals = heals
        await site.pass_time(3)
        view = site.fleet.panel("gate")
        assert view is not None
        assert view.held == heals
        await site.close()

    run_virtual(main())


def test_a_relay_that_does_not_switch_off_is_not_removed_and_is_told_again_at_every_poll() -> None:
    async def main() -> None:
        site = stuck_site()
        await site.open()
        site.stuck.heals = True
        assert only(await site.fleet.upsert([item(1, start=NOW - 30, length=120)])).success
        site.stuck.heals = False
        site.panels["gate"].outputs[3] = float("inf")
        told = site.stuck.told
        (result,) = only(await site.fleet.delete([link(1)])).panels
        assert (result.success, result.reason) == (False, Reason.VERIFY_FAILED)
        await site.pass_time(10)
        assert site.stuck.told - told >= 9
        assert site.store.allocations["gate:3"], "a later run would switch it off"
        site.stuck.heals = True
        await site.pass_time(3)
        assert not site.store.allocations["gate:3"]
        assert site.panels["gate"].outputs == {}
        await site.close()

    run_virtual(main())


def test_a_closing_waits_for_no_reading() -> None:
    async def main() -> None:
        site = stuck_site()
        await site.open()
        site.stuck.heals = True
        assert only(await site.fleet.upsert([item(1, start=NOW - 30, length=120)])).success
        site.stuck.queued_s = {Priority.VERIFICATION: 30.0}
        (result,) = only(await site.fleet.delete([link(1)])).panels
        assert site.panels["gate"].outputs == {}, "off at once"
        assert not result.success, "and told when it was read"
        await site.close()

    run_virtual(main())
