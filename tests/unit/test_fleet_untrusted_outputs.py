"""A gateway that does not know what time it is holds no door open, also where the profile is open by the wrong time too."""

from __future__ import annotations

import pytest

from config.settings import PanelSettings
from drivers.contract import Reason
from tests.support.fleet_site import FleetSite, item
from tests.unit.test_fleet_outputs import NOW_MINUTE, is_on, on_relays

WRONG_BY_S = 1000
"""Half an hour after the profile opens, this much earlier is still within it."""
OPEN = item(1, start=NOW_MINUTE - 30, length=200)

ANYWAY = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True, on_stop="hold")
HELD = PanelSettings(id="gate", model="relays", on_stop="hold")


def restarted_with_a_wrong_clock(deadman: bool, settings: PanelSettings | None) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([OPEN])
        assert is_on(site)
        await site.close()
        site.clock.wall_offset -= WRONG_BY_S
        await site.open()
        await site.pass_time(2)
        assert not site.fleet.clock().trusted
        assert not is_on(site)
        (report,) = await site.fleet.upsert([OPEN])
        assert (report.success, report.panels[0].reason) == (False, Reason.CLOCK_NOT_SET)
        await site.pass_time(100)
        assert not is_on(site)
        site.clock.wall_offset += WRONG_BY_S
        await site.pass_time(10)
        assert site.fleet.clock().trusted
        assert is_on(site)

    on_relays(test, deadman=deadman, settings=settings)


@pytest.mark.parametrize(("deadman", "settings"), [(True, None), (True, HELD), (False, ANYWAY)])
def test_a_door_does_not_stand_open_by_a_clock_that_lost_its_time(deadman: bool, settings: PanelSettings | None) -> None:
    restarted_with_a_wrong_clock(deadman, settings)
