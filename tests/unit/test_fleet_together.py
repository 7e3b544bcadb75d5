"""Requests that come together: each waits for the disk once, and none is decided by what another one changes."""

from __future__ import annotations

import asyncio

from drivers.contract import IDENTIFIER, TIME_PROFILE
from gateway.fleet.results import Change
from gateway.store.contract import StoreFull
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_identifiers import person

COMMIT_S = 1.0


async def site() -> FleetSite:
    """A slow disk, and a panel that is bound to nothing that is asked."""
    made = FleetSite({"lobby": FakePanel(ACCESS_PANEL)}, store=MemoryStore(commit_s=COMMIT_S), rules=())
    await made.open()
    await made.pass_time(10)
    return made


def test_many_clients_wait_for_the_disk_once_not_for_one_another() -> None:
    async def main() -> None:
        made = await site()
        began = made.clock.monotonic()
        answers = await asyncio.gather(*[made.fleet.upsert([item(number)]) for number in range(20)])
        assert all(report.success for (report,) in answers)
        assert made.clock.monotonic() - began < 2 * COMMIT_S
        assert [each.sequence for each in made.fleet.items(TIME_PROFILE)] == list(range(1, 21)), "listed as after a restart"
        await made.close()

    run_virtual(main())


def test_changes_of_one_item_are_carried_out_in_the_order_they_came() -> None:
    async def main() -> None:
        made = await site()
        answers = await asyncio.gather(*[made.fleet.upsert([item(1, start)]) for start in (60, 120, 180)])
        assert [report.change for (report,) in answers] == [Change.CREATED, Change.UPDATED, Change.UPDATED]
        (kept,) = made.fleet.items(TIME_PROFILE)
        assert kept.profile is not None
        assert kept.profile.date_from == item(1, 180).profile.date_from
        await made.close()

    run_virtual(main())


def test_two_people_who_are_given_the_same_card_at_once_do_not_both_get_it() -> None:
    async def main() -> None:
        made = await site()
        asked = [
            made.fleet.upsert([person(1, "4711")]),
            made.fleet.upsert([person(2, "4711")]),
            made.fleet.upsert([person(3, "4712")]),
        ]
        answers = await asyncio.gather(*asked)
        assert [report.change for (report,) in answers] == [Change.CREATED, Change.NUMBER_TAKEN, Change.CREATED]
        assert [each.link_id for each in made.fleet.items(IDENTIFIER)] == [link(101), link(103)]
        await made.close()

    run_virtual(main())


def test_a_deletion_comes_between_the_requests_before_and_after_it() -> None:
    async def main() -> None:
        made = await site()
        await made.fleet.upsert([item(1)])
        before, deletion, after = await asyncio.gather(
            made.fleet.upsert([item(1, 60)]), made.fleet.delete([link(1)]), made.fleet.upsert([item(1, 120)])
        )
        assert [before[0].change, deletion[0].change, after[0].change] == [Change.UPDATED, Change.DELETED, Change.CREATED]
        (kept,) = made.fleet.items(TIME_PROFILE)
        assert kept.profile is not None
        assert kept.profile.date_from == item(1, 120).profile.date_from
        await made.close()

    run_virtual(main())


def test_a_deletion_that_the_store_refused_is_stored_once_by_those_who_come_together_after_it() -> None:
    async def main() -> None:
        made = await site()
        await made.fleet.upsert([item(1)])
        deletion = asyncio.create_task(made.fleet.delete([link(1)]))
        others = [asyncio.create_task(made.fleet.upsert([item(number)])) for number in (2, 3)]
        await made.pass_time(COMMIT_S / 2)
        made.store.refuse = StoreFull("no room")
        await made.pass_time(COMMIT_S)
        made.store.refuse = None
        (report,) = await deletion
        assert not report.durable
        answers = await asyncio.gather(*others)
        assert all(report.success for (report,) in answers)
        assert made.store.desired[link(1)].content is None
        assert [each.link_id for each in made.fleet.items(TIME_PROFILE)] == [link(2), link(3)]
        await made.close()

    run_virtual(main())
