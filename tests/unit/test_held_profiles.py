"""The union of many profiles on one output: right at every instant, and cheap however many there are."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import BindingSettings, PanelSettings
from drivers.contract import TIME_PROFILE
from gateway.fleet.panel import held_profiles
from gateway.fleet.panel.held_profiles import HeldProfiles
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.store.contract import DesiredItem
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import START, FleetSite, item, link, profile
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_outputs import RELAYS

READINGS = Readings(ZoneInfo("UTC"))
DAY = 86_400


def bound(*profiles: TimeProfile) -> dict[str, DesiredItem]:
    return {each.link_id: DesiredItem(each.link_id, 1, 1, 1, each, "", 0.0) for each in profiles}


def brute(items: dict[str, DesiredItem], at: float) -> bool:
    return any(Recurrence(each.profile, READINGS).is_open(at) for each in items.values() if each.profile is not None)


_PROFILES = st.lists(
    st.builds(profile, st.integers(1, 6), st.integers(0, 1000), st.integers(1, 400)),
    max_size=5,
    unique_by=lambda each: each.link_id,
)


def test_a_lease_over_the_edge_of_one_profile_into_another_ends_with_the_second() -> None:
    minute = START % DAY // 60
    union = HeldProfiles()
    union.follow(bound(profile(1, minute - 1, 3), profile(2, minute + 2, 3)), READINGS)
    assert union.closes_within(START, 600) == START - START % 60 + 300


def test_no_lease_ends_where_one_of_many_profiles_takes_over_from_another() -> None:
    """The door would be closed for a moment, at the edge of a profile that another one goes on from."""
    minute = START % DAY // 60
    spans = [(19, 19), (7, 27), (28, 29), (3, 6), (-2, 5), (9, 24), (10, 22), (13, 29)]
    union = HeldProfiles()
    union.follow(bound(*(profile(number, minute + start, length) for number, (start, length) in enumerate(spans, 1))), READINGS)
    assert union.closes_within(START, 900) is None
    assert union.closes_within(START, 3600) == START + 57 * 60


@settings(max_examples=20, deadline=None)
@given(_PROFILES, _PROFILES, st.lists(st.integers(1, 5 * 3600), min_size=1, max_size=8), st.integers(60, 4000))
def test_it_is_open_whenever_one_of_its_profiles_is(
    first: list[TimeProfile], second: list[TimeProfile], waits: list[int], seconds: int
) -> None:
    union, now = HeldProfiles(), START
    for profiles in (first, second):
        items = bound(*profiles)
        union.follow(items, READINGS)
        for wait in waits:
            now += wait
            assert union.is_open(now) is brute(items, now)
            edges = [Recurrence(each.profile, READINGS).next_transition(now) for each in items.values() if each.profile]
            assert union.edge == min((edge for edge in edges if edge is not None), default=None)
            minutes = range(now + 60 - now % 60, now + seconds + 1, 60)
            closings = (at for at in minutes if at in _edges(items, at) and not brute(items, at))
            assert union.closes_within(now, seconds) == next(closings, None)


def _edges(items: dict[str, DesiredItem], at: int) -> set[int | None]:
    return {Recurrence(each.profile, READINGS).next_transition(at - 1) for each in items.values() if each.profile is not None}


class Counted(Recurrence):
    asked = 0

    def next_transition(self, after: float) -> int | None:
        Counted.asked += 1
        return super().next_transition(after)


def test_an_edge_and_a_lease_cost_the_profiles_that_have_one_now_and_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand profiles on one output held the loop for a fifth of a second at each edge, and longer for each lease."""
    monkeypatch.setattr(held_profiles, "Recurrence", Counted)
    union, items = HeldProfiles(), bound(*(profile(number, start=number, length=30) for number in range(1000)))
    union.follow(items, READINGS)
    behind = [union.behind]
    union.is_open(START)
    assert [*behind, union.behind] == [True, False]
    Counted.asked, now = 0, float(START)
    for _ in range(50):
        now = union.edge or now
        union.is_open(now)
        union.closes_within(now, 120)
    assert Counted.asked < 50 * 12
    Counted.asked = 0
    one = next(iter(items))
    changed = items[one].profile
    assert changed is not None
    union.follow({**items, one: replace(items[one], content=replace(changed, date_to=changed.date_to + 60))}, READINGS)
    assert not union.behind
    union.is_open(now)
    assert Counted.asked == 1, "a change costs what is changed"


def test_outputs_open_and_close_on_time_while_many_profiles_of_another_one_are_worked_out() -> None:
    async def main() -> None:
        rules = {"*": "gate:3", link(0): "gate:1"}
        site = FleetSite({"gate": FakePanel(replace(RELAYS, output_deadman=False))})
        site.rules = tuple([BindingSettings(link_id=each, panels=(place,)) for each, place in rules.items()])
        site.settings["gate"] = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True)
        await site.open()
        opens = START - START % 60 + 60
        start = opens % DAY // 60
        await site.fleet.upsert([item(0, start, 5)])
        await site.pass_time(opens - site.clock.wall() + 1)
        assert set(site.panels["gate"].outputs) == {1, 3}
        reports = await site.fleet.upsert([item(number, start, 60) for number in range(1, 301)])
        assert all(report.success for report in reports)
        assert set(site.panels["gate"].outputs) == {1, 3}
        await site.pass_time(opens + 5 * 60 - site.clock.wall() + 0.5)
        assert set(site.panels["gate"].outputs) == {3}
        await site.fleet.delete([link(number) for number in range(1, 301)], TIME_PROFILE)
        assert site.panels["gate"].outputs == {}
        await site.close()

    run_virtual(main())
