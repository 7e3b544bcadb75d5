"""What the compiler decides, case by case: slots, refusals, unions, renewals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import ItemState, PanelCapabilities, PanelImage, Period, Reason
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.compiler.explain import explain
from gateway.compiler.image import is_open
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from tests.unit.compiler_oracle import record

KYIV = ZoneInfo("Europe/Kyiv")
READINGS = Readings(KYIV)
OPTIONS = CompileOptions(READINGS)
OPEN_PANEL, GE, DOMAT, UHPPOTE = (record(n) for n in ("open-access-panel", "ge-a-series", "domat-fc013", "uhppote"))
OUTPUTS = record("waveshare-relay-8ch")
MONDAY = 20759  # 2026-11-02


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KYIV).timestamp())


NOW = at("2026-11-01T00:00")


def profile(link_id: str, start: str, end: str, repeat: Repeat | None = None) -> TimeProfile:
    return TimeProfile(link_id, link_id, False, at(start), at(end), repeat)


def weekly(
    link_id: str, clock: str = "09:00", until: str = "18:00", days: str = "01234", begin: str = "2026-10-05"
) -> TimeProfile:
    rule = Repeat(Frequency.WEEK, 1, True, weekdays=frozenset(map(int, days)))
    return profile(link_id, f"{begin}T{clock}", f"{begin}T{until}", rule)


def bound(*profiles: TimeProfile, generation: int = 1) -> list[BoundProfile]:
    return [BoundProfile(each, generation) for each in profiles]


def compiled(
    profiles: list[BoundProfile],
    capabilities: PanelCapabilities = OPEN_PANEL,
    now: float = NOW,
    options: CompileOptions = OPTIONS,
    held: PanelImage | None = None,
) -> PanelImage:
    return compile_panel(profiles, capabilities, held.allocation if held else {}, now, options, held)


def states(image: PanelImage) -> dict[str, str]:
    return {link_id: outcome.outcome.value for link_id, outcome in image.outcomes.items()}


# ---- what a slot says ----


def test_the_documented_slot_of_a_work_week() -> None:
    (slot,) = compiled(bound(weekly("a", begin="2026-11-02"))).slots.values()
    assert (slot.periods, slot.valid_from, slot.valid_to) == ((Period(0b0011111, 540, 1080),), 0x5117, None)


def test_a_weekly_slot_does_not_depend_on_the_day_of_compiling() -> None:
    early, late = (compiled(bound(weekly("a", begin="2026-11-02")), now=NOW + day * 86_400) for day in (0, 100))
    assert early.slots == late.slots


def test_a_slot_begins_on_no_day_that_the_panel_does_not_know() -> None:
    days = (2, 4)  # Wednesdays and Fridays: the calendar of the panel begins on a Saturday
    rules = (Repeat(Frequency.WEEK, 1, True, frozenset(days)), Repeat(Frequency.DAY, end=at("2100-01-01T00:00")))
    images = [compiled(bound(profile("a", "1990-01-03T09:00", "1990-01-03T18:00", rule)), UHPPOTE) for rule in rules]
    begins = [slot.valid_from for image in images for slot in image.slots.values()]
    assert (UHPPOTE.first_date, begins) == (10957, [10961, 10957])


def test_a_window_over_midnight_is_split_and_its_first_day_is_written_as_a_date() -> None:
    night = profile("a", "2026-11-02T22:00", "2026-11-03T06:00", Repeat(Frequency.DAY))
    (slot,) = compiled(bound(night)).slots.values()
    assert slot.periods == (Period(0b1111111, 0, 360), Period(0b11111111, 1320, 1440))
    assert slot.special_days == ((MONDAY,),)


def test_three_days_every_two_weeks_take_one_slot_with_the_off_weeks_as_closed_dates() -> None:
    shifts = profile("a", "2026-11-02T09:00", "2026-11-04T18:00", Repeat(Frequency.WEEK, 2))
    image = compiled(bound(shifts))
    (slot,) = image.slots.values()
    assert all(period.days < 128 for period in slot.periods)
    assert slot.special_days[0][:3] == (MONDAY + 7, MONDAY + 8, MONDAY + 9)


def test_three_different_days_that_move_through_the_week_take_three_slots() -> None:
    shifts = profile("a", "2026-11-02T09:00", "2026-11-04T18:00", Repeat(Frequency.DAY, 5, True))
    image = compiled(bound(shifts))
    assert sorted(slot.periods for slot in image.slots.values()) == [
        (Period(128, 0, 1080),),
        (Period(128, 0, 1440),),
        (Period(128, 540, 1440),),
    ]
    assert image.outcomes["a"].outcome is ItemState.MATERIALISED


def test_few_dates_years_ahead_are_all_written() -> None:
    few = profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.YEAR, end=at("2035-12-31T00:00")))
    image = compiled(bound(few))
    assert image.outcomes["a"].outcome is ItemState.EXACT
    assert len(image.slots[0].special_days[0]) == 10


def test_days_of_different_plans_are_chained_where_the_panel_chains() -> None:
    shifts = profile("a", "2026-10-05T09:00", "2026-10-07T18:00", Repeat(Frequency.WEEK))
    image = compiled(bound(shifts), UHPPOTE)
    assert image.outcomes["a"].outcome is ItemState.EXACT
    assert [slot.link for slot in image.slots.values()] == [3, 4, None]
    assert image.allocation["a"] == (2, 3, 4)


# ---- nothing to hold, and refusals ----


@pytest.mark.parametrize("capabilities", [OPEN_PANEL, GE, DOMAT, UHPPOTE, OUTPUTS])
def test_what_never_comes_is_exact_without_a_slot(capabilities: PanelCapabilities) -> None:
    past = profile("a", "2026-10-01T09:00", "2026-10-01T18:00")
    never = profile("b", "2026-12-01T09:00", "2026-12-01T09:00", Repeat(Frequency.DAY))
    image = compiled(bound(past, never), capabilities)
    assert states(image) == {"a": "exact", "b": "exact"}
    assert image.slots == {}
    assert image.generations == {"a": 1, "b": 1}
    assert image.outcomes["a"].message


def test_a_profile_far_ahead_takes_no_slot_until_the_horizon_nears() -> None:
    image = compiled(bound(profile("a", "2029-11-02T09:00", "2029-11-02T18:00")))
    assert image.slots == {}
    assert image.outcomes["a"].valid_until == at("2027-12-06T00:00")
    assert (image.outcomes["a"].renew_at or 0) > NOW


def test_a_window_below_a_minute_is_refused() -> None:
    blink = profile("a", "2026-11-02T09:00:10", "2026-11-02T09:01:00", Repeat(Frequency.DAY))
    outcome = compiled(bound(blink)).outcomes["a"]
    assert (outcome.outcome, outcome.reason) == (ItemState.REFUSED, Reason.BELOW_RESOLUTION)
    assert outcome.refusal is not None
    assert outcome.refusal.limit == "resolution_s"


def test_seconds_are_rounded_inwards_and_that_is_no_narrowing() -> None:
    image = compiled(bound(profile("a", "2026-11-02T09:00:10", "2026-11-02T18:00:50")))
    assert image.outcomes["a"].outcome is ItemState.EXACT
    assert image.slots[0].periods[0].start == 541
    assert image.slots[0].periods[0].end == 1080


@pytest.mark.parametrize(
    ("changed", "narrow", "limit"),
    [
        ({"resolution_s": 900}, "resolution", "resolution_s"),
        ({"last_minute": "23:59"}, "last_minute", "last_minute"),
        ({"end_minute": "unknown"}, "last_minute", "end_minute"),
        ({"max_time_periods_per_day": 1, "max_slots_per_profile": 1}, "periods", "max_time_periods_per_day"),
    ],
)
def test_cuts_need_leave(changed: dict[str, Any], narrow: str, limit: str) -> None:
    capabilities = replace(OPEN_PANEL, **changed)
    night = bound(profile("a", "2026-10-05T21:50", "2026-10-06T06:05", Repeat(Frequency.DAY)))
    refused = compiled(night, capabilities, options=replace(OPTIONS, narrow=frozenset())).outcomes["a"]
    assert refused.refusal is not None
    assert (refused.outcome, refused.refusal.limit) == (ItemState.REFUSED, limit)
    cut = compiled(night, capabilities, options=replace(OPTIONS, narrow=frozenset({narrow}))).outcomes["a"]
    assert cut.outcome is ItemState.NARROWED
    assert cut.cuts


def test_a_panel_without_schedules_refuses_a_profile_and_names_no_date() -> None:
    outcome = compiled(bound(weekly("a")), OUTPUTS).outcomes["a"]
    assert (outcome.outcome, outcome.reason) == (ItemState.REFUSED, Reason.NOT_REPRESENTABLE)
    assert outcome.message == "the panel has no schedules; bind its outputs"


def test_a_refusal_names_limit_day_and_interval() -> None:
    shifts = profile("a", "2026-11-02T09:00", "2026-11-04T18:00", Repeat(Frequency.WEEK, 2))
    refusal = compiled(bound(shifts), GE).outcomes["a"].refusal
    assert refusal is not None
    assert (refusal.limit, refusal.day, refusal.interval) == ("max_special_day_groups", MONDAY + 2, (0, 1080))


def test_a_closing_in_a_missing_hour_is_refused_where_the_panel_may_miss_it() -> None:
    night = bound(weekly("a", "01:00", "03:30", "6"))
    refusal = compiled(night, DOMAT).outcomes["a"].refusal
    assert refusal is not None
    assert refusal.limit == "events_on_clock_step"
    assert states(compiled(night, replace(DOMAT, events_on_clock_step="evaluates"))) == {"a": "exact"}
    assert states(compiled(bound(weekly("a", "01:00", "03:30", "5")), DOMAT)) == {"a": "exact"}


# ---- slots ----


def test_unchanged_profiles_keep_slots_and_new_ones_take_the_lowest_free() -> None:
    a, b, c = (weekly(name) for name in "abc")
    first = compiled(bound(a, b, c), options=replace(OPTIONS, taken=frozenset({1})))
    assert first.allocation == {"a": (0,), "b": (2,), "c": (3,)}
    without_b = compiled(bound(a, c), options=replace(OPTIONS, taken=frozenset({1})), held=first)
    assert without_b.allocation == {"a": (0,), "c": (3,)}
    with_d = compiled(bound(a, c, weekly("d")), options=replace(OPTIONS, taken=frozenset({1})), held=without_b)
    assert with_d.allocation == {"a": (0,), "c": (3,), "d": (2,)}


def test_a_changed_profile_stays_in_its_slot() -> None:
    first = compiled(bound(weekly("a"), weekly("b")))
    changed = compiled([BoundProfile(weekly("a", "10:00"), 2), *bound(weekly("b"))], held=first)
    assert changed.allocation == first.allocation
    assert changed.slots[0] != first.slots[0]
    assert changed.slots[1] == first.slots[1]


def test_the_youngest_finds_no_slot_and_gets_it_when_something_past_gives_it_back() -> None:
    small = replace(OPEN_PANEL, max_schedules=1)
    once, later = profile("a", "2026-11-02T09:00", "2026-11-02T18:00"), weekly("b")
    first = compiled(bound(once, later), small)
    assert states(first) == {"a": "exact", "b": "refused"}
    assert first.outcomes["b"].reason is Reason.NO_FREE_SLOT
    second = compiled(bound(once, later), small, now=at("2026-11-02T18:00"), held=first)
    assert states(second) == {"a": "exact", "b": "exact"}
    assert second.allocation == {"a": (), "b": (0,)}


def test_time_alone_changes_nothing_until_renewal_is_due() -> None:
    monthly = bound(profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.MONTH)))
    first = compiled(monthly)
    renewal = first.outcomes["a"].renew_at
    assert renewal is not None
    assert compiled(monthly, now=renewal - 1, held=first) == first
    renewed = compiled(monthly, now=renewal, held=first)
    assert (renewed.outcomes["a"].valid_until or 0) > (first.outcomes["a"].valid_until or 0)
    assert renewed.allocation == first.allocation


# ---- unions ----


def test_one_table_is_the_union_and_everybody_in_it_is_exact() -> None:
    image = compiled(bound(weekly("a"), weekly("b", "17:00", "20:00", "56"), weekly("c", "10:00", "11:00", "0")), DOMAT)
    assert states(image) == {"a": "exact", "b": "exact", "c": "exact"}
    assert image.slots[0].link_ids == ("a", "b", "c")
    assert image.slots[0].periods == (Period(0b0011111, 540, 1080), Period(0b1100000, 1020, 1200))


def test_six_events_leave_five_and_the_youngest_is_refused() -> None:
    names = {"a": ("08:00", "09:00"), "b": ("10:00", "11:00"), "c": ("12:00", "13:00")}
    image = compiled(bound(*(weekly(name, *clocks) for name, clocks in names.items())), DOMAT)
    assert states(image) == {"a": "exact", "b": "exact", "c": "refused"}
    refusal = image.outcomes["c"].refusal
    assert refusal is not None
    assert refusal.limit == "max_time_periods_per_day"
    assert "c" not in image.generations


def test_what_is_acknowledged_stays_and_the_changed_one_goes() -> None:
    a, b = weekly("a", "08:00", "09:00"), weekly("b", "10:00", "11:00")
    held = compiled(bound(a, b), DOMAT)
    wider = replace(weekly("a", "06:00", "07:00"), repeat=Repeat(Frequency.DAY, 2, True))
    image = compiled([BoundProfile(wider, 2), *bound(b)], DOMAT, held=held)
    assert states(image) == {"a": "refused", "b": "exact"}
    assert image.slots[0].link_ids == ("b",)
    assert not is_open(image, DOMAT, MONDAY * 1440 + 490)


def test_a_profile_inside_the_table_of_others_needs_no_place() -> None:
    sometimes = profile("b", "2026-11-02T10:00", "2026-11-02T11:00", Repeat(Frequency.WEEK, 2))
    together = compiled(bound(weekly("a"), sometimes), DOMAT)
    assert states(together) == {"a": "exact", "b": "exact"}
    assert states(compiled(bound(sometimes), DOMAT, held=together)) == {"b": "refused"}


def test_a_table_that_goes_stale_only_with_leave() -> None:
    ending = bound(replace(weekly("a"), repeat=Repeat(Frequency.WEEK, 1, True, frozenset({0}), end=at("2026-12-01T00:00"))))
    assert states(compiled(ending, DOMAT)) == {"a": "refused"}
    outcome = compiled(ending, DOMAT, options=replace(OPTIONS, allow_stale=True)).outcomes["a"]
    assert outcome.outcome is ItemState.MATERIALISED
    assert outcome.valid_until == at("2026-12-07T00:00")
    assert outcome.renew_at == at("2026-12-04T00:00")


def test_a_start_that_the_panel_cannot_say_is_written_when_it_comes() -> None:
    night = profile("a", "2026-11-02T22:00", "2026-11-03T06:00", Repeat(Frequency.DAY))
    outcome = compiled(bound(night), DOMAT).outcomes["a"]
    assert (outcome.outcome, outcome.reason) == (ItemState.PENDING, Reason.NOT_STARTED)
    assert outcome.renew_at == at("2026-11-02T22:00")
    assert states(compiled(bound(night), DOMAT, now=at("2026-11-02T22:00"))) == {"a": "exact"}


def test_a_date_of_one_schedule_carries_the_plan_of_all_others() -> None:
    once = profile("b", "2026-11-02T20:00", "2026-11-02T21:00")
    image = compiled(bound(weekly("a"), once), GE)
    assert states(image) == {"a": "exact", "b": "exact"}
    assert image.special_days == ((MONDAY,),)
    assert image.slots[1].periods == (Period(0b10011111, 540, 1080),)
    assert is_open(image, GE, MONDAY * 1440 + 1200, "b")
    assert not is_open(image, GE, (MONDAY + 7) * 1440 + 1200, "b")


def test_a_newcomer_with_other_days_is_refused_and_the_calendars_stay() -> None:
    once = [profile(name, f"2026-11-0{day}T09:00", f"2026-11-0{day}T1{day}:00") for name, day in (("a", 2), ("b", 3), ("c", 4))]
    held = compiled(bound(*once[:2]), GE)
    image = compiled(bound(*once), GE, now=NOW + 3600, held=held)
    assert states(image) == {"a": "exact", "b": "exact", "c": "refused"}
    assert (image.slots, image.special_days) == (held.slots, held.special_days)
    freed = compiled(bound(*once[1:]), GE, held=image)
    assert states(freed) == {"b": "exact", "c": "exact"}
    assert freed.special_days == ((MONDAY + 2,), (MONDAY + 1,))


# ---- explanations ----


def test_an_explanation_finds_the_first_difference() -> None:
    old, new = weekly("a"), weekly("a", "10:00")
    held, wanted = compiled(bound(old)), compiled([BoundProfile(new, 2)])
    nine = at("2026-11-02T09:30")
    late = explain(new, READINGS, nine, wanted, held, OPEN_PANEL)
    assert (late.compiled, late.held, late.differs_at) == (False, True, "held")
    assert late.message == "generation 2 asked, 1 held"
    same = explain(new, READINGS, nine, wanted, wanted, OPEN_PANEL)
    assert (same.compiled, same.held, same.differs_at) == (False, False, None)


def test_an_explanation_of_what_is_not_compiled() -> None:
    monthly = profile("a", "2026-11-02T09:00", "2026-11-02T18:00", Repeat(Frequency.MONTH))
    beyond = at("2028-01-02T10:00")
    image = compiled(bound(monthly))
    found = explain(monthly, READINGS, beyond, image, None, OPEN_PANEL)
    assert (found.compiled, found.held, found.differs_at) == (False, None, "compiled")
    refused = compiled(bound(monthly), DOMAT)
    found = explain(monthly, READINGS, at("2026-11-02T10:00"), refused, PanelImage(), DOMAT)
    assert (found.compiled, found.held, found.differs_at) == (None, False, "compiled")


@pytest.mark.parametrize("others", [(), ("b",)], ids=["alone", "beside another"])
@pytest.mark.parametrize("capabilities", [OPEN_PANEL, GE, DOMAT])
def test_what_leaves_goes_though_nobody_can_tell_what_is_in_its_slot(
    capabilities: PanelCapabilities, others: tuple[str, ...]
) -> None:
    """A write to it was cut off: its slot reads as nothing that was ever asked for."""
    held = compiled(bound(*(weekly(each) for each in ("a", *others))), capabilities)
    (number,) = held.allocation["a"]
    slots = {**held.slots, number: replace(held.slots[number], periods=(), opaque=(1, 2, 3))}
    known = () if capabilities is DOMAT else others
    outcomes, generations = {each: held.outcomes[each] for each in known}, {each: held.generations[each] for each in known}
    cut_off = replace(held, slots=slots, outcomes=outcomes, generations=generations)
    image = compiled(bound(*map(weekly, others)), capabilities, held=cut_off)
    assert "a" not in image.allocation
    assert all(slot.opaque is None and "a" not in slot.link_ids for slot in image.slots.values())
    assert set(image.allocation) == set(others)
