"""What the audit and the metrics are told: what somebody lost and how long that took, what a panel has no place for, and why."""

from __future__ import annotations

from typing import TypeVar

import pytest

from drivers.contract import Availability, ItemState, Reason
from gateway.fleet.events import Failed, Pushed, Refused, Revoked
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_reconciler import on_site

T = TypeVar("T")


def told(site: FleetSite, kind: type[T]) -> list[T]:
    """The events of one kind since this was asked last."""
    found: list[T] = [event for event in site.told if isinstance(event, kind)]
    site.told[:] = [event for event in site.told if not isinstance(event, kind)]
    return found


def leave(site: FleetSite) -> None:
    site.panels["lobby"].online = False
    site.drivers["lobby"].feed.set(Availability.QUARANTINED)


def test_the_audit_names_who_lost_a_door_and_how_long_the_oldest_of_it_took() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2), item(3)])
        assert told(site, Revoked) == [], "nobody lost anything"
        await site.pass_time(1000)
        leave(site)
        await site.fleet.upsert([item(2, start=600), item(4)])
        await site.pass_time(20)
        await site.fleet.delete([link(1)])
        await site.pass_time(30)
        site.drivers["lobby"].back()
        await site.pass_time(5)
        assert site.held("lobby").keys() == {link(2), link(3), link(4)}
        (revoked,) = told(site, Revoked)
        assert (revoked.panel, set(revoked.link_ids)) == ("lobby", {link(1), link(2)})
        assert revoked.lag_s == pytest.approx(50, abs=1)

    on_site(test)


def test_what_is_opened_or_read_again_is_not_told_to_be_taken_away() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        await site.fleet.sync("lobby")
        await site.pass_time(5)
        await site.fleet.upsert([item(1), item(2)])
        assert told(site, Revoked) == []
        assert [(push.panel, set(push.link_ids), push.words) for push in told(site, Pushed)] == [
            ("lobby", {link(1)}, 64),
            ("lobby", {link(2)}, 64),
        ]

    on_site(test)


def test_the_audit_says_how_long_a_panel_took_to_be_written() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        site.drivers["lobby"].latency_s = 3.0
        await site.fleet.upsert([item(2)])
        _, push = told(site, Pushed)
        assert push.seconds == pytest.approx(3.0, abs=0.1)

    on_site(test)


def test_a_profile_that_a_panel_refuses_is_told_once_and_again_when_it_was_changed() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["lobby"].refuses.add(link(1))
        await site.fleet.upsert([item(1), item(2)])
        await site.pass_time(300)
        (refused,) = told(site, Refused)
        assert (refused.panel, {key: said.outcome for key, said in refused.outcomes.items()}) == (
            "lobby",
            {link(1): ItemState.REFUSED},
        )
        assert {failed.reason for failed in told(site, Failed)} == {Reason.PANEL_REJECTED}
        await site.fleet.upsert([item(1), item(3)])
        await site.fleet.sync("lobby")
        await site.pass_time(3600)
        assert told(site, Refused) == [], "that is known"
        await site.fleet.upsert([item(1, start=600)])
        await site.pass_time(300)
        (again,) = told(site, Refused)
        assert again.outcomes.keys() == {link(1)}

    on_site(test)


def test_a_panel_without_room_is_told_of_each_profile_once() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(number) for number in range(1, 10)])
        (refused,) = told(site, Refused)
        assert {key: said.reason for key, said in refused.outcomes.items()} == {link(9): Reason.NO_FREE_SLOT}
        await site.fleet.upsert([item(10)])
        (refused,) = told(site, Refused)
        assert refused.outcomes.keys() == {link(10)}
        await site.pass_time(4000)
        assert told(site, Refused) == []

    on_site(test)
