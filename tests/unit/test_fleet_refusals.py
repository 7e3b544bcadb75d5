"""A panel that refuses a profile: whose refusals count, and for how long."""

from __future__ import annotations

from collections import deque

import pytest

from drivers.contract import TIME_PROFILE, ItemState, Reason
from tests.support.fleet_site import FleetSite, item, link
from tests.unit.test_fleet_midway import shown
from tests.unit.test_fleet_reconciler import on_site, only


def test_a_profile_that_was_put_right_is_written_though_the_one_before_it_was_given_up() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.refuses.add(link(1))
        await site.fleet.upsert([item(1)])
        await site.pass_time(300)
        assert (shown(site).refused, shown(site).pending) == (1, 0), "given up"
        panel.refuses.clear()
        report = only(await site.fleet.upsert([item(1, start=600)]))
        assert report.success
        assert site.held("lobby") == {link(1): (600, 660)}

    on_site(test)


def test_a_changed_profile_has_all_its_attempts_though_others_were_spent_on_the_one_before_it() -> None:
    """Each of eight versions is refused by a panel that is busy with something else."""

    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.refuses.add(link(1))
        for version in range(8):
            result = only(await site.fleet.upsert([item(1, start=600 + version)])).panels[0]
            await site.pass_time(2)
            assert (result.outcome, result.reason) == (ItemState.PENDING, Reason.PANEL_REJECTED)
            assert (shown(site).refused, shown(site).pending) == (0, 1), "not given up yet"
        panel.refuses.clear()
        await site.pass_time(600)
        assert site.held("lobby") == {link(1): (607, 667)}

    on_site(test)


def test_a_profile_that_is_given_up_is_not_pushed_at_the_panel_again_and_again() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        panel.refuses.add(link(1))
        await site.fleet.upsert([item(1)])
        await site.pass_time(300)
        said = only(await site.fleet.upsert([item(1)])).panels[0]
        assert (said.success, said.outcome) == (False, ItemState.REFUSED)
        assert said.message == "given up after 5 refusals by the panel: commit refused"
        panel.refuses.clear()
        await site.fleet.upsert([item(2)])
        await site.pass_time(3600)
        assert site.held("lobby") == {link(2): (540, 600)}

    on_site(test)


def test_a_panel_that_answers_and_refuses_deletions_says_what_it_still_opens_and_for_how_long_too_long() -> None:
    async def test(site: FleetSite) -> None:
        panel = site.panels["lobby"]
        await site.fleet.upsert([item(1), item(2)])
        panel.faults = deque(["rejected"] * 100)
        await site.fleet.delete([link(1)], TIME_PROFILE)
        await site.pass_time(20)
        await site.fleet.delete([link(2)], TIME_PROFILE)
        await site.pass_time(5)
        seen = shown(site)
        assert seen.still_granting == 2
        assert seen.lag_s == seen.revocation_lag_s >= 25
        told = [f"{link(number)} is to be removed, and may still open every day 09:00-10:00" for number in (1, 2)]
        assert set(told) <= set(seen.warnings)
        panel.faults.clear()
        await site.pass_time(300)
        assert (shown(site).still_granting, shown(site).revocation_lag_s, shown(site).warnings) == (0, 0.0, ())

    on_site(test)


@pytest.mark.parametrize(("deleted", "named", "told"), [(3, 3, 3), (4, 3, 4), (6, 3, 4)])
def test_of_many_deletions_that_a_panel_refuses_a_few_are_named_and_the_others_are_counted(
    deleted: int, named: int, told: int
) -> None:
    async def test(site: FleetSite) -> None:
        numbers = range(1, deleted + 1)
        await site.fleet.upsert([item(number) for number in numbers])
        site.panels["lobby"].faults = deque(["rejected"] * 100)
        await site.fleet.delete([link(number) for number in numbers], TIME_PROFILE)
        await site.pass_time(20)
        warnings = shown(site).warnings
        assert (sum(any(link(number) in each for number in numbers) for each in warnings), len(warnings)) == (named, told)
        site.panels["lobby"].faults.clear()
        await site.pass_time(300)

    on_site(test)
