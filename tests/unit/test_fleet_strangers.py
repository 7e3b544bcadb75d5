"""Slots of a panel that a foreign link_id shares with one of ours, or has to itself: the gateway does not touch them."""

from __future__ import annotations

import pytest

from drivers.contract import Period, Slot
from gateway.compiler.compiler import compile_panel
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_midway import shown
from tests.unit.test_fleet_reconciler import on_site, only

STRANGER = "aaaaaaaa-0000-0000-0000-000000000001"


@pytest.mark.parametrize("together", [(link(1), STRANGER), (STRANGER, link(1))])
def test_a_stranger_who_shares_a_slot_with_one_of_ours_keeps_his_hours(together: tuple[str, ...]) -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        shared = Slot(together, (Period(127, 0, 1440),))
        panel = site.panels["lobby"]
        panel.slots = {0: shared}
        await site.open()
        assert only(await site.fleet.upsert([item(1)])).success
        assert panel.slots[0] == shared
        assert shown(site).foreign_slots == (0,)
        await site.fleet.upsert([item(1, start=600), item(2)])
        assert panel.slots[0] == shared
        await site.fleet.delete([link(1)])
        await site.pass_time(10)
        assert panel.slots[0] == shared

    on_site(test)


def test_a_stranger_who_was_let_into_one_of_our_slots_keeps_his_hours() -> None:
    async def test(site: FleetSite) -> None:
        await site.close()
        site.compile = compile_panel
        await site.open()
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        ((number, slot),) = panel.slots.items()
        shared = Slot((*slot.link_ids, STRANGER), slot.periods)
        panel.slots[number] = shared
        await site.fleet.sync("lobby")
        await site.pass_time(10)
        assert panel.slots[number] == shared
        await site.fleet.delete([link(1)])
        await site.pass_time(10)
        assert panel.slots == {number: shared}

    on_site(test)
