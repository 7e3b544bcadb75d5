"""Hours day by day: they are those that a minute-by-minute look finds, for profiles, people and panels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from drivers.contract import IdentifierSlot, PanelCapabilities, Slot
from gateway.compiler.calendar import calendar, identifier_days, image_days, profile_days
from gateway.compiler.explain_identifier import first_no, lets_in
from gateway.compiler.image import is_open
from gateway.compiler.table import MINUTES, DayPlan
from gateway.schedules.local_time import DAY_S, local_second
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from tests.unit.compiler_oracle import Asked
from tests.unit.strategies import sites
from tests.unit.test_compile_identifiers import person
from tests.unit.test_compiler import DOMAT, NOW, OPEN_PANEL, READINGS, at, bound, compiled, profile, weekly

TODAY = local_second(READINGS.zone, NOW) // DAY_S
NIGHTS = weekly("a", "22:00", "23:30")
OVER_MIDNIGHT = profile("a", "2026-11-06T22:00", "2026-11-09T06:00", Repeat(Frequency.WEEK, 2, True))


def covers(plan: DayPlan, minute: int) -> bool:
    return any(start <= minute < end for start, end in plan)


@settings(max_examples=40, deadline=None)
@given(sites())
def test_a_profile_asks_for_the_whole_minutes_that_a_judge_finds(site: tuple[TimeProfile, Readings]) -> None:
    asked, readings = site
    first = local_second(readings.zone, asked.date_from) // DAY_S - 2
    days = profile_days(Recurrence(asked, readings), first, 12)
    judge = Asked(asked, readings)
    edges = {0, 719, MINUTES - 1, *(clock % DAY_S // 60 + off for clock in judge.clocks for off in (-1, 0, 1))}
    for day, plan in enumerate(days, first):
        assert plan == tuple(sorted(plan))
        for minute in {edge % MINUTES for edge in edges}:
            assert covers(plan, minute) is judge.is_open(day * MINUTES + minute), (day, minute)


@pytest.mark.parametrize("panel", [OPEN_PANEL, DOMAT], ids=["open", "domat"])
@pytest.mark.parametrize("asked", [NIGHTS, OVER_MIDNIGHT, profile("a", "2026-11-03T09:00", "2026-11-03T10:00")])
def test_a_panel_is_open_on_the_minutes_that_its_image_opens(asked: TimeProfile, panel: PanelCapabilities) -> None:
    image = compiled(bound(asked), panel)
    days = image_days(image, panel, "a", READINGS.zone, TODAY, 30)
    assert days is not None
    for day, plan in enumerate(days, TODAY):
        for minute in range(0, MINUTES, 15):
            assert covers(plan, minute) is is_open(image, panel, day * MINUTES + minute, "a")


@pytest.mark.parametrize(
    "panel", [replace(OPEN_PANEL, identifier_validity="minute"), replace(OPEN_PANEL, identifier_validity="day")]
)
@pytest.mark.parametrize("schedules", [None, (), (0, 1)])
def test_a_panel_lets_somebody_in_on_the_minutes_that_its_image_says(
    panel: PanelCapabilities, schedules: tuple[int, ...] | None
) -> None:
    image = compiled([*bound(NIGHTS), *bound(weekly("b", "06:00", "08:00", "56"))])
    clock = (TODAY + 2) * MINUTES + 430 if panel.identifier_validity == "day" else (NOW + 2 * DAY_S) // 60 + 430
    slot = IdentifierSlot(space="card", number=1, schedules=schedules, valid_from=clock, valid_to=clock + 7 * MINUTES)
    image = replace(image, identifiers={4: slot}, allocation={**image.allocation, "identifier:p": (4,)})
    days = image_days(image, panel, "identifier:p", READINGS.zone, TODAY, 12)
    assert days is not None
    for day, plan in enumerate(days, TODAY):
        for minute in range(0, MINUTES, 10):
            instant = NOW // 60 + (day - TODAY) * MINUTES + minute
            says = lets_in(image, panel, "identifier:p", instant, day * MINUTES + minute)
            assert covers(plan, minute) is says, (day, minute)


def test_what_a_slot_says_that_nobody_can_read_is_not_known() -> None:
    image = compiled(bound(NIGHTS))
    opaque = replace(image, slots={number: Slot(slot.link_ids, opaque=(1,)) for number, slot in image.slots.items()})
    named = IdentifierSlot(space="card", number=1, schedules=tuple(image.slots))
    opaque = replace(opaque, identifiers={0: named}, allocation={**image.allocation, "identifier:p": (0,)})
    for key in ("a", "identifier:p"):
        assert image_days(opaque, OPEN_PANEL, key, READINGS.zone, TODAY, 3) is None


@pytest.mark.parametrize("profiles", [None, (), ("a",), ("a", "gone")])
@pytest.mark.parametrize("passes", [None, 0, 3])
def test_a_person_asks_for_their_profiles_together_within_their_validity(
    profiles: tuple[str, ...] | None, passes: int | None
) -> None:
    start, end = at("2026-11-03T22:30"), at("2026-11-05T23:00")
    asked = person("p", profiles=profiles, passes=passes, valid_from=start, valid_to=end).identifier
    recurrence, closed = Recurrence(NIGHTS, READINGS), [()] * 8
    days = identifier_days(
        asked, lambda link_id: profile_days(recurrence, TODAY, 8) if link_id == "a" else closed, READINGS.zone, TODAY, 8
    )
    for day, plan in enumerate(days):
        for minute in range(0, MINUTES, 15):
            instant = NOW + day * DAY_S + minute * 60
            opens = {"a"} if recurrence.is_open(instant) else set[str]()
            expected = first_no(asked, opens.__contains__, instant) is None
            assert covers(plan, minute) is expected, (day, minute)


def test_a_short_form_loses_no_day() -> None:
    plans: list[DayPlan] = [((day % 5 * 60, 720),) if day % 7 else () for day in range(90)]
    short = calendar(TODAY, plans)
    others = dict(short.changes)
    assert [others.get(day, short.week[(day + 3) % 7]) for day in range(TODAY, TODAY + 90)] == plans
