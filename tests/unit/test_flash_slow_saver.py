"""A lighting panel that carries out "save" and then answers nothing for 1.5 s: nobody can know that it has saved."""

from __future__ import annotations

from typing import cast
from zoneinfo import ZoneInfo

from config.settings import BindingSettings, PanelSettings
from drivers.contract import Reason
from drivers.modbus.wire.requests import Request
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.fleet import Fleet
from gateway.schedules.time_profile import Readings
from simulators.ge_a_series import GeASeries
from tests.support.fleet_site import item, link
from tests.support.memory_store import MemoryStore
from tests.support.panel_wire import PanelWire, panel_on_wire
from tests.support.virtual_time import run_virtual

SAVE = 50034
DAY = 86_400
EVERYWHERE = (BindingSettings(link_id="*", panels=("@all",)),)


def deaf_after_saving(wire: PanelWire) -> list[Request]:
    """From now on; returns the saves as they reach the panel."""
    saves: list[Request] = []
    until = 0.0

    async def before(request: Request) -> bool:
        return wire.clock.monotonic() >= until

    def lose_reply(request: Request) -> bool:
        nonlocal until
        if request.writes and request.address == SAVE:
            saves.append(request)
            until = wire.clock.monotonic() + 1.5
        return wire.clock.monotonic() < until

    wire.before, wire.lose_reply = before, lose_reply
    return saves


async def lighting_panel() -> tuple[Fleet, PanelWire]:
    """A fleet that has come to terms with its one panel, `hall`."""
    driver, wire = panel_on_wire("ge-a-series")
    store = MemoryStore()
    options = FleetOptions(Readings(ZoneInfo("UTC")), deadline_s=5.0, clock=Rules(released_at=0))
    fleet = Fleet(store, await store.open(), wire.clock, options, rules=EVERYWHERE)
    await fleet.add_panel(PanelSettings(id="hall", model="ge-a-series"), "line", driver)
    await fleet.start()
    await wire.clock.sleep(5)
    return fleet, wire


def test_a_lighting_panel_that_is_deaf_after_saving_is_saved_ever_less_often() -> None:
    async def run() -> None:
        fleet, wire = await lighting_panel()
        saves = deaf_after_saving(wire)
        (report,) = await fleet.upsert([item(1)])
        assert not report.success
        await wire.clock.sleep(70)
        assert len(saves) <= 8, "not 27 in 70 s"
        await wire.clock.sleep(DAY / 2)
        view = fleet.panel("hall")
        assert view is not None
        assert view.endurance is not None
        assert len(saves) <= 2 + 1.5 * view.endurance.per_day, "those of a day at once, and half of them meanwhile"
        assert view.writes["flash"] == cast("GeASeries", wire.panel).saves, "every save that left is counted"
        assert view.items[0].reason in (Reason.ENDURANCE_SPENT, Reason.DEADLINE_PASSED, Reason.NO_REPLY)
        before = len(saves)
        await fleet.delete([link(1)])
        assert len(saves) == before + 1, "what is taken away is written and saved at once, and once"
        assert not any(cast("GeASeries", wire.panel).schedules_open_now())
        await fleet.stop(1)

    run_virtual(run())


def test_new_hours_wait_for_no_save_of_older_ones_when_the_days_writes_are_spent() -> None:
    async def run() -> None:
        fleet, wire = await lighting_panel()
        calm = wire.before, wire.lose_reply
        deaf_after_saving(wire)
        await fleet.upsert([item(1)])
        await wire.clock.sleep(DAY / 4)
        wire.before, wire.lose_reply = calm
        (report,) = await fleet.upsert([item(2)])
        assert report.success, report
        await fleet.stop(1)

    run_virtual(run())
