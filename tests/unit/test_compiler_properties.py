"""Compiled images against the brute-force judge, over random profiles, zones and panels, on the panel's own wall clock.

COMPILER_EXAMPLES sets how many cases a property sees; COMPILER_MINUTES=all looks at every minute of the days chosen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.contract import ItemState, PanelCapabilities, PanelImage
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.schedules.time_profile import Readings, TimeProfile
from tests.unit.compiler_oracle import (
    MINUTES,
    Asked,
    complaints,
    days_of_interest,
    differing,
    earliest_minute,
    local_second,
    minutes_of_interest,
    wider,
)
from tests.unit.compiler_strategies import any_panel
from tests.unit.strategies import moments, profiles, readings, sites

pytestmark = pytest.mark.cpu

EXAMPLES = int(os.environ.get("COMPILER_EXAMPLES", "40"))
ALL_MINUTES = os.environ.get("COMPILER_MINUTES") == "all"

drawn = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

narrows = st.sets(st.sampled_from(["resolution", "periods", "last_minute"])).map(frozenset)
extra_days = st.lists(st.integers(-3, 900), max_size=6)


def watched(asked: Sequence[Asked], image: PanelImage, days: Sequence[int], first: int) -> list[int]:
    clock = range(MINUTES) if ALL_MINUTES else minutes_of_interest(asked, image)
    return [minute for day in days for at in clock if (minute := day * MINUTES + at) >= first]


def wrong(asked: Asked, image: PanelImage, capabilities: PanelCapabilities, link_id: str, minutes: list[int]) -> list[int]:
    """Minutes at which a profile is not held as asked; a table that is shared may be open for others."""
    shared = capabilities.scope == "panel"
    return [m for m in differing(asked, image, capabilities, link_id, minutes) if not shared or asked.is_open(m)]


def check_outcome(
    profile: TimeProfile, asked: Asked, image: PanelImage, capabilities: PanelCapabilities, site: Readings, minutes: list[int]
) -> None:
    outcome = image.outcomes[profile.link_id]
    last = (capabilities.last_date if capabilities.last_date is not None else 10**6) * MINUTES + MINUTES
    first = (capabilities.first_date or 0) * MINUTES
    known = [minute for minute in minutes if first <= minute < last]
    if outcome.outcome is ItemState.EXACT:
        assert not wrong(asked, image, capabilities, profile.link_id, known)
    if outcome.outcome is ItemState.MATERIALISED:
        assert outcome.valid_until is not None
        until = local_second(site, outcome.valid_until) // 60
        assert not wrong(asked, image, capabilities, profile.link_id, [m for m in known if m < until])
    if outcome.outcome in (ItemState.PENDING, ItemState.REFUSED):
        assert outcome.reason is not None
        assert image.allocation[profile.link_id] == ()
    if outcome.outcome is ItemState.REFUSED:
        assert outcome.refusal is not None
        assert hasattr(capabilities, outcome.refusal.limit)
        vague = "not fit" in (outcome.message or "not fit") or outcome.refusal.limit == "events_on_clock_step"
        assert not vague or outcome.refusal.limit in (outcome.message or "")


def right_until(image: PanelImage, link_id: str, site: Readings) -> float:
    """The local minute at which a weekly table goes stale, where the panel may hold one that does."""
    outcome = image.outcomes[link_id]
    stale = outcome.valid_until is not None and "stale" in (outcome.message or "")
    return local_second(site, outcome.valid_until) // 60 if stale and outcome.valid_until is not None else float("inf")


@drawn
@given(st.data(), sites(2000, 2060), any_panel, st.sampled_from([10, 60, 400]), narrows, extra_days, st.booleans())
def test_one_profile_is_never_wider_and_as_right_as_it_says(
    data: st.DataObject,
    site: tuple[TimeProfile, Readings],
    capabilities: PanelCapabilities,
    horizon_days: int,
    narrow: frozenset[str],
    extra: list[int],
    allow_stale: bool,
) -> None:
    profile, readings_ = site
    now = data.draw(moments(profile, readings_.zone))
    options = CompileOptions(readings_, horizon_days, allow_stale, narrow)
    image = compile_panel([BoundProfile(profile, 1)], capabilities, {}, now, options)
    assert not complaints(image, capabilities)
    asked = Asked(profile, readings_)
    days = days_of_interest(profile, readings_, image, now, extra)
    first = earliest_minute(readings_, now)
    until = right_until(image, profile.link_id, readings_)
    assert not wider([asked], image, capabilities, [m for m in watched([asked], image, days, first) if m < until])
    here = -(-local_second(readings_, now) // 60)
    check_outcome(profile, asked, image, capabilities, readings_, watched([asked], image, days, max(first, here)))
    again = compile_panel([BoundProfile(profile, 1)], capabilities, image.allocation, now + 60, options, image)
    if profile.link_id in image.generations:
        assert again == image


@st.composite
def sets_of_profiles(draw: st.DrawFn) -> tuple[list[TimeProfile], Readings, int]:
    """One to five profiles of a site, and a moment near one of them."""
    chosen = draw(readings())
    drawn_profiles = draw(st.lists(profiles(chosen.zone, 2020, 2027), min_size=1, max_size=5))
    numbered = [replace(profile, link_id=f"p{number}") for number, profile in enumerate(drawn_profiles)]
    return numbered, chosen, draw(moments(draw(st.sampled_from(numbered)), chosen.zone))


def settled(outcome: ItemState) -> bool:
    return outcome in (ItemState.EXACT, ItemState.NARROWED, ItemState.MATERIALISED)


@settings(drawn, max_examples=max(8, EXAMPLES // 5))
@given(sets_of_profiles(), any_panel, narrows, extra_days, st.integers(0, 500))
def test_profiles_side_by_side_and_their_changes(
    case: tuple[list[TimeProfile], Readings, int],
    capabilities: PanelCapabilities,
    narrow: frozenset[str],
    extra: list[int],
    later_days: int,
) -> None:
    chosen, readings_, now = case
    options = CompileOptions(readings_, 400, narrow=narrow, taken=frozenset({capabilities.first_id + 1}))
    bound = [BoundProfile(profile, 1) for profile in chosen]
    image = check_together(bound, capabilities, {}, now, options, None, extra)
    assert compile_panel(bound, capabilities, image.allocation, now, options, image).slots == image.slots

    # One more comes in: nothing that is acknowledged is taken away, and slots do not move.
    newcomer = BoundProfile(replace(chosen[0], link_id="new", date_from=chosen[0].date_from - 7200), 1)
    grown = check_together([*bound, newcomer], capabilities, image.allocation, now + 30, options, image, extra)
    for link_id in image.generations:
        assert grown.generations.get(link_id) == 1
        assert grown.allocation[link_id] == image.allocation[link_id]
        before, after = image.outcomes[link_id], grown.outcomes[link_id]
        assert before.outcome is after.outcome or after.outcome is ItemState.EXACT
        if before.valid_until is not None and after.outcome is not ItemState.EXACT:
            assert after.valid_until is not None
            assert after.valid_until >= before.valid_until

    # One leaves, time passes, the rest is renewed.
    left = [each for each in [*bound, newcomer] if each.profile.link_id != "p0"]
    check_together(left, capabilities, grown.allocation, now + later_days * 86_400, options, grown, extra)


def check_together(
    bound: list[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Mapping[str, tuple[int, ...]],
    now: int,
    options: CompileOptions,
    held: PanelImage | None,
    extra: list[int],
) -> PanelImage:
    image = compile_panel(bound, capabilities, allocation, now, options, held)
    assert not complaints(image, capabilities, options.taken)
    assert set(image.outcomes) == set(image.allocation) == {each.profile.link_id for each in bound}
    profiles = [each.profile for each in bound if isinstance(each.profile, TimeProfile)]
    asked = {each.link_id: Asked(each, options.readings) for each in profiles}
    days = days_of_interest(profiles[-1], options.readings, image, now, extra)
    first = earliest_minute(options.readings, now)
    minutes = watched(list(asked.values()), image, days, first)
    assert not wider(asked.values(), image, capabilities, minutes)
    here = -(-local_second(options.readings, now) // 60)
    due = [minute for minute in minutes if minute >= here]
    for each in profiles:
        check_outcome(each, asked[each.link_id], image, capabilities, options.readings, due)
    return image
