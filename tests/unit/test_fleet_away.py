"""Panels that cannot be spoken to: one word for it, whatever the cause, and what they held when they were seen last."""

from __future__ import annotations

import pytest

from drivers.contract import Availability, ItemState
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item
from tests.support.virtual_time import run_virtual


@pytest.mark.parametrize("cause", [Availability.BUS_UNAVAILABLE, Availability.QUARANTINED])
def test_a_panel_out_of_reach_is_away_and_holds_what_it_held(cause: Availability) -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, deadline_s=1.0)
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        seen = site.clock.wall()
        await site.pass_time(50)
        site.panels["lobby"].online = False
        site.drivers["lobby"].feed.set(cause, "the cable is out")
        gone = site.clock.wall()
        await site.pass_time(1)
        await site.fleet.upsert([item(2, start=600), item(3)])
        await site.pass_time(100)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.availability) == ("away", cause)
        assert view.away_since is not None
        assert gone - 1 <= view.away_since <= gone + 1
        assert view.away_reason == f"{cause.value}: the cable is out"
        assert (view.held, view.pending) == (1, 2)
        assert view.last_seen_at is not None
        assert view.last_seen_at <= seen + 1
        outcomes = [(each.outcome, each.desired_generation, each.held_generation) for each in view.items]
        assert outcomes == [(ItemState.EXACT, 1, 1), (ItemState.PENDING, 3, 2), (ItemState.PENDING, 4, None)]
        site.drivers["lobby"].back()
        await site.pass_time(100)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.away_since, view.away_reason, view.held) == ("in_sync", None, None, 3)
        await site.close()

    run_virtual(main())


def test_a_write_that_never_arrived_is_not_shown_as_held() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()}, deadline_s=1.0)
        await site.open()
        await site.pass_time(1)
        site.panels["lobby"].online = False
        await site.fleet.upsert([item(1)])
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.state, view.items[0].held_generation, view.held) == ("away", None, 0)
        await site.close()

    run_virtual(main())
