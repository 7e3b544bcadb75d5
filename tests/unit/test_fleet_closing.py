"""What a site would suffer from a time profile that is changed while nothing may be opened: nobody knows the time, the clock of
the panel is not trusted, or the store may be an older one. Hours that were taken away close, and no others open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from drivers.clock import Sync
from drivers.contract import PanelCapabilities, Reason
from gateway.compiler.compiler import compile_panel
from gateway.fleet.clock_trust import Rules
from gateway.fleet.views import RequestItem
from gateway.store.contract import StoreFull
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.unit.compiler_oracle import record
from tests.unit.test_fleet_doubt import kept, put_back
from tests.unit.test_fleet_reconciler import only
from tests.unit.test_fleet_untrusted import DAY, DOMAT, GE, MODELS, lose_trust, opened

Doubt = Callable[[FleetSite], Awaitable[None]]


async def clock_withheld(site: FleetSite) -> None:
    """The panel's clock runs on and differs; the host's is trusted, and not synchronised now."""
    site.clock.sync = Sync.UNSYNCHRONISED
    site.panels["lobby"].clock_offset_s = 7300
    await site.pass_time(3700)
    assert site.fleet.clock().trusted
    assert site.panels["lobby"].clock_offset_s == 7300


async def clock_refused(site: FleetSite) -> None:
    site.panels["lobby"].clock_offset_s, site.panels["lobby"].takes_clock = 7300, False
    await site.pass_time(3700)


async def older_store(site: FleetSite) -> None:
    await put_back(site, kept(site))


async def both(site: FleetSite) -> None:
    await older_store(site)
    await lose_trust(site)


ALL = (lose_trust, clock_withheld, clock_refused, older_store, both)
DOUBTS = pytest.mark.parametrize("doubt", ALL, ids=lambda each: each.__name__)
KINDS = pytest.mark.parametrize(
    ("doubt", "capabilities"),
    [*[(doubt, ACCESS_PANEL) for doubt in ALL], *[(clock_withheld, each) for each in (GE, DOMAT, record("uhppote"))]],
    ids=[*[doubt.__name__ for doubt in ALL], "ge-a-series", "domat-fc013", "uhppote"],
)
"""Each doubt at a panel with slots of its own for each time profile, and a doubt at each other model."""


def held(
    test: Callable[[FleetSite], Awaitable[None]], doubt: Doubt, capabilities: PanelCapabilities, *items: RequestItem
) -> None:
    """The panel holds the items, then `doubt` begins; afterwards all is well again."""

    async def main() -> None:
        panel = FakePanel(capabilities, labelled=capabilities is ACCESS_PANEL)
        site = FleetSite({"lobby": panel}, clock=VirtualClock(START), compile=compile_panel, deadline_s=3.0)
        site.clock_rules = Rules(released_at=START - 30 * DAY)
        await site.open()
        await site.pass_time(1)
        assert all(report.success for report in await site.fleet.upsert(items))
        await doubt(site)
        await test(site)
        await site.close()

    run_virtual(main())


async def all_is_well(site: FleetSite) -> None:
    panel = site.panels["lobby"]
    panel.takes_clock, site.clock.sync = True, Sync.SYNCHRONISED
    await site.fleet.believe()
    await site.pass_time(700)
    await site.fleet.sync("lobby")
    await site.pass_time(20)
    assert panel.clock_offset_s == 0


MORNING, NOON = item(1, 540, 60), item(2, 720, 60)


@KINDS
def test_more_hours_are_not_opened_and_those_that_stay_go_on(doubt: Doubt, capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        assert not only(await site.fleet.upsert([item(1, 480, 180)])).success
        await site.pass_time(60)
        assert opened(site) == [(540, 600), (720, 780)]
        await all_is_well(site)
        assert opened(site) == [(480, 660), (720, 780)]

    held(test, doubt, capabilities, MORNING, NOON)


@KINDS
def test_fewer_hours_are_closed_at_once(doubt: Doubt, capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        known = site.fleet.clock().trusted and site.panels["lobby"].clock_offset_s == 0
        assert only(await site.fleet.upsert([item(1, 550, 20)])).success is known, "it counts only by a clock that is right"
        assert opened(site) == [(550, 570), (720, 780)]
        transactions = len(site.panels["lobby"].transactions)
        await site.pass_time(600)
        assert len(site.panels["lobby"].transactions) == transactions, "once"
        await all_is_well(site)
        assert opened(site) == [(550, 570), (720, 780)]
        assert only(await site.fleet.upsert([item(1, 550, 20)])).success

    held(test, doubt, capabilities, MORNING, NOON)


@KINDS
def test_hours_that_move_close_where_they_were_and_open_later_where_they_are(
    doubt: Doubt, capabilities: PanelCapabilities
) -> None:
    async def test(site: FleetSite) -> None:
        assert not only(await site.fleet.upsert([item(1, 570, 60)])).success
        assert opened(site) == [(720, 780)], "who shares a table with them keeps theirs"
        await all_is_well(site)
        assert opened(site) == [(570, 630), (720, 780)]

    held(test, doubt, capabilities, MORNING, NOON)


@DOUBTS
def test_each_of_several_changes_counts_for_itself(doubt: Doubt) -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, 480, 180), item(2, 720, 30), item(3, 1000, 60), item(4, 1200, 60)])
        assert only(await site.fleet.delete([link(5)])).success, "a deletion is one"
        assert opened(site) == [(540, 600), (720, 750)]

    held(test, doubt, ACCESS_PANEL, MORNING, NOON, item(3, 900, 60), item(5, 60, 60))


def test_fewer_hours_do_not_wait_for_slots_of_others_that_cannot_be_stored() -> None:
    async def test(site: FleetSite) -> None:
        panel, put = site.panels["lobby"], site.store.put_allocation

        async def full(*arguments: object) -> None:
            raise StoreFull("the medium is full")

        vars(site.store).update(put_allocation=full)
        reports = await site.fleet.upsert([item(1, 550, 20), item(3, 900, 60)])
        assert [each.reason for report in reports for each in report.panels] == [None, Reason.BUS_UNAVAILABLE]
        assert opened(site) == [(550, 570), (720, 780)]
        vars(site.store).update(put_allocation=put)
        await site.pass_time(60)
        assert len(panel.slots) == 3

    async def nothing(site: FleetSite) -> None:
        """The store is refused to only later."""

    held(test, nothing, ACCESS_PANEL, MORNING, NOON)


@MODELS
@pytest.mark.parametrize("hours", [(550, 20), (650, 60)], ids=["fewer", "others"])
def test_hours_that_an_older_store_does_not_know_close_when_others_are_asked_for(
    hours: tuple[int, int], capabilities: PanelCapabilities
) -> None:
    """The panel holds what was asked for after the copy was made."""

    async def test(site: FleetSite) -> None:
        older = kept(site)
        assert only(await site.fleet.upsert([item(1, 480, 180)])).success
        await put_back(site, older)
        assert opened(site) == [(480, 660), (720, 780)], "nobody knows whether it is right"
        await site.fleet.upsert([item(1, *hours)])
        assert (480, 660) not in opened(site)
        assert all(start >= 480 and end <= 780 for start, end in opened(site))
        await all_is_well(site)
        assert opened(site) == sorted([(hours[0], sum(hours)), (720, 780)])

    async def nothing(site: FleetSite) -> None:
        """The older store is found later."""

    held(test, nothing, capabilities, MORNING, NOON)


@MODELS
def test_other_settings_of_the_site_take_nothing_away_while_nobody_knows_the_time(capabilities: PanelCapabilities) -> None:
    async def test(site: FleetSite) -> None:
        site.horizon_days = 300
        site.fleet.set_options(site.options())
        await site.pass_time(60)
        assert opened(site) == [(540, 600), (720, 780)]
        await site.fleet.upsert([item(2, 730, 20)])
        assert opened(site) == [(540, 600), (730, 750)], "what is taken away then goes all the same"
        await all_is_well(site)
        assert opened(site) == [(540, 600), (730, 750)]

    held(test, lose_trust, capabilities, MORNING, NOON)
