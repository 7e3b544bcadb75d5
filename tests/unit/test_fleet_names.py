"""What is sent again with another name or another wire body: listed anew, and no word travels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.compiler.compiler import compile_panel
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import Frequency, Repeat
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import on_site, only


def test_a_body_that_says_the_same_in_other_words_is_listed_as_it_was_sent_last() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        before = len(panel.transactions) + len(panel.readings)
        report = only(await site.fleet.upsert([RequestItem(item(1).profile, '{"said": "otherwise"}')]))
        assert report.success
        assert [profile.body for profile in site.fleet.profiles()] == ['{"said": "otherwise"}']
        assert len(panel.transactions) + len(panel.readings) == before
        await site.close()
        await site.open()
        assert [profile.body for profile in site.fleet.profiles()] == ['{"said": "otherwise"}']

    on_site(test)


@pytest.mark.long
def test_a_new_name_moves_no_word_not_even_of_dates_compiled_long_ago() -> None:
    async def main() -> None:
        site = FleetSite({"lobby": FakePanel(), "gate": FakePanel()}, compile=compile_panel)
        await site.open()
        dated = replace(item(1).profile, repeat=Repeat(Frequency.DAY, interval=3, custom=True))
        await site.fleet.upsert([RequestItem(dated, "{}")])
        await site.pass_time(7 * 86_400)
        site.panels["gate"].online = False
        before = {name: list(panel.transactions) for name, panel in site.panels.items()}
        report = only(await site.fleet.upsert([RequestItem(replace(dated, name="another"), '{"name": "another"}')]))
        assert report.success, "what the panels hold is what is asked"
        assert [result.still_grants for result in report.panels] == [None, None]
        assert [profile.body for profile in site.fleet.profiles()] == ['{"name": "another"}']
        site.drivers["gate"].back()
        await site.pass_time(20)
        assert before == {name: panel.transactions for name, panel in site.panels.items()}
        for name in site.panels:
            view = site.fleet.panel(name)
            assert view is not None
            assert (view.state, view.items[0].desired_generation) == ("in_sync", view.items[0].held_generation)
        await site.close()

    run_virtual(main())


def test_a_name_given_together_with_another_profile_that_changes() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1), item(2)])
        written = len(site.panels["lobby"].transactions)
        renamed = RequestItem(replace(item(1).profile, name="another"), "{}")
        reports = await site.fleet.upsert([renamed, item(2, start=600)])
        assert all(report.success for report in reports)
        assert site.held("lobby") == {link(1): (540, 600), link(2): (600, 660)}
        assert len(site.panels["lobby"].transactions) == written + 1

    on_site(test)
