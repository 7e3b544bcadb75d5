"""Apartments and call forwards: kept and listed, one for an address and one for a number, and no business of any panel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.api.errors import ApiError
from gateway.api.items import read_apartment, read_forward
from gateway.fleet.results import Change
from gateway.fleet.views import RequestItem
from gateway.store.contract import APARTMENT, FORWARD
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, link
from tests.support.virtual_time import run_virtual


def flat(number: int, room: int | None, name: str = "flat") -> RequestItem:
    address = None if room is None else {"building": 1, "unit": 2, "floor": 3, "room": room}
    body = {"link_id": link(number), "apartment_name": name, "apartment_address": address}
    return read_apartment({key: value for key, value in body.items() if value is not None}, {}, "item")


def call(number: int, forwarded: int | str) -> RequestItem:
    return read_forward({"link_id": link(number), "forward_number": forwarded, "forward_entity_list": ["sip:1"]}, {}, "item")


def on_site(test: Callable[[FleetSite], Awaitable[None]]) -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel()})
        await site.open()
        await test(site)
        await site.close()

    run_virtual(main())


def listed(site: FleetSite, kind: str) -> list[str]:
    return [each.link_id for each in site.fleet.items(kind)]


@pytest.mark.parametrize(("kind", "make"), [(APARTMENT, flat), (FORWARD, call)])
def test_what_is_sent_under_another_link_id_with_the_same_place_is_the_same_one(kind: str, make: Any) -> None:
    async def test(site: FleetSite) -> None:
        reports = await site.fleet.upsert([make(1, 4), make(2, 5)])
        assert [(each.change, each.success, each.panels) for each in reports] == [(Change.CREATED, True, ())] * 2
        (report,) = await site.fleet.upsert([make(3, 4)])
        assert (report.change, report.success) == (Change.UPDATED, True)
        assert listed(site, kind) == [link(2), link(3)]
        await site.close()
        await site.open()
        assert listed(site, kind) == [link(2), link(3)], "also after a restart"
        reports = await site.fleet.upsert([make(4, 5), make(2, 6)])
        assert [each.success for each in reports] == [True, True]
        assert listed(site, kind) == [link(2), link(3), link(4)], "who moves away in the same request stays"
        reports = await site.fleet.upsert([make(5, 7), make(6, 7)])
        assert [each.success for each in reports] == [True, True]
        assert listed(site, kind)[3:] == [link(6)]
        (gone,) = await site.fleet.delete([link(6)], kind)
        assert (gone.change, gone.success) == (Change.DELETED, True)
        (again,) = await site.fleet.delete([link(6)], kind)
        assert (again.change, again.success) == (Change.NOT_FOUND, False)

    on_site(test)


def test_apartments_without_an_address_stay_side_by_side() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([flat(1, None), flat(2, None)])
        await site.fleet.upsert([flat(1, None, "other")])
        assert listed(site, APARTMENT) == [link(1), link(2)]

    on_site(test)


def test_a_forward_is_known_by_its_number_however_that_is_sent() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([call(1, 101)])
        await site.fleet.upsert([call(2, "101")])
        assert listed(site, FORWARD) == [link(2)]

    on_site(test)


@pytest.mark.parametrize("room", [-1, 100, "4", 1.5])
def test_an_address_that_nobody_has_is_refused(room: Any) -> None:
    with pytest.raises(ApiError) as error:
        flat(1, room)
    assert (error.value.detail or "").startswith("item.apartment_address.room")
