"""Reading a panel image: weekday masks, special days, validity, chains."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from drivers.contract import PanelCapabilities, PanelImage, Period, Slot
from gateway.compiler.image import is_open, lies_within

CARD = PanelCapabilities(max_schedules=8, max_special_day_groups=1, max_days_in_special_day_group=14, last_date=65534)
MONDAY = 20759  # 2026-11-02
LINK = "a"


def image(*slots: Slot, special_days: tuple[tuple[int, ...], ...] = ()) -> PanelImage:
    return PanelImage(slots=dict(enumerate(slots)), special_days=special_days)


def at(day: int, minute: int) -> int:
    return day * 1440 + minute


def test_a_period_counts_on_its_weekdays_from_start_to_end() -> None:
    work_week = image(Slot((LINK,), (Period(0b0011111, 540, 1080),), valid_from=MONDAY))
    assert is_open(work_week, CARD, at(MONDAY, 540), LINK)
    assert is_open(work_week, CARD, at(MONDAY + 4, 1079), LINK)
    assert not is_open(work_week, CARD, at(MONDAY, 539), LINK)
    assert not is_open(work_week, CARD, at(MONDAY, 1080), LINK)
    assert not is_open(work_week, CARD, at(MONDAY + 5, 600), LINK)
    assert not is_open(work_week, CARD, at(MONDAY - 3, 600), LINK)


def test_on_its_own_date_a_slot_counts_only_what_has_the_groups_bit() -> None:
    slot = Slot((LINK,), (Period(0b1111111, 0, 1440), Period(1 << 7, 60, 120)), special_days=((MONDAY,),))
    assert is_open(image(slot), CARD, at(MONDAY, 60), LINK)
    assert not is_open(image(slot), CARD, at(MONDAY, 120), LINK)
    assert is_open(image(slot), CARD, at(MONDAY + 1, 120), LINK)
    added = replace(CARD, special_days_effect="add")
    assert is_open(image(slot), added, at(MONDAY, 120), LINK)


def test_a_date_of_the_panel_swaps_every_slot() -> None:
    panel = replace(CARD, special_days_scope="panel", max_special_day_groups=2)
    slots = (Slot((LINK,), (Period(1, 0, 1440), Period(1 << 8, 60, 120))), Slot(("b",), (Period(1, 0, 1440),)))
    both = image(*slots, special_days=((), (MONDAY,)))
    assert is_open(both, panel, at(MONDAY, 60), LINK)
    assert not is_open(both, panel, at(MONDAY, 0), LINK)
    assert not is_open(both, panel, at(MONDAY, 60), "b")
    assert is_open(both, panel, at(MONDAY + 7, 0), "b")


def test_a_chain_counts_for_who_refers_to_its_head() -> None:
    head = Slot((LINK,), (Period(1, 0, 60),), link=1)
    tail = Slot((), (Period(1, 120, 180),), link=0)
    assert is_open(image(head, tail), CARD, at(MONDAY, 130), LINK)
    assert not is_open(image(head, tail), CARD, at(MONDAY, 60), LINK)


def test_what_cannot_be_read_or_said_is_closed() -> None:
    always = Slot((LINK,), (Period(127, 0, 1440),))
    assert not is_open(image(replace(always, opaque=(1, 2))), CARD, at(MONDAY, 0), LINK)
    assert not is_open(image(always), CARD, at(65535, 0), LINK)
    assert not is_open(image(always), CARD, at(MONDAY, 0), "b")
    assert is_open(image(always), CARD, at(MONDAY, 0))


def test_the_allocation_names_slots_that_do_not_say_whose_they_are() -> None:
    nameless = PanelImage(slots={3: Slot((), (Period(127, 0, 1440),))}, allocation={LINK: (3, 4)})
    assert is_open(nameless, CARD, at(MONDAY, 0), LINK)
    assert not is_open(nameless, CARD, at(MONDAY, 0), "b")


DAYS = st.integers(MONDAY, MONDAY + 20)
PERIODS = st.builds(
    lambda days, start, length: Period(days, start * 360, (start + length) * 360),
    st.integers(1, 511),
    st.integers(0, 2),
    st.integers(1, 2),
)
SLOTS = st.builds(
    Slot,
    st.just((LINK,)),
    st.lists(PERIODS, max_size=3).map(tuple),
    st.none() | DAYS,
    st.none() | DAYS,
    st.lists(st.lists(DAYS, max_size=2).map(tuple), max_size=2).map(tuple),
)
IMAGES = st.builds(
    lambda slots, special: image(*slots, special_days=tuple(special)),
    st.lists(SLOTS, max_size=2),
    st.lists(st.lists(DAYS, max_size=2).map(tuple), max_size=2),
)
PANELS = st.builds(
    lambda scope, effect, first: replace(CARD, special_days_scope=scope, special_days_effect=effect, first_date=first),
    st.sampled_from(["schedule", "panel"]),
    st.sampled_from(["replace", "add"]),
    st.sampled_from([None, MONDAY + 3]),
)


@given(IMAGES, IMAGES, PANELS)
@example(image(Slot((LINK,), (Period(127, 0, 360),))), image(), replace(CARD, first_date=MONDAY + 3))
@example(image(Slot((LINK,), (Period(127, 0, 360),))), image(Slot((LINK,), (Period(63, 0, 360),))), CARD)
def test_an_image_lies_within_another_where_no_minute_says_otherwise(
    one: PanelImage, other: PanelImage, panel: PanelCapabilities
) -> None:
    minutes = range(at(MONDAY - 10, 0), at(MONDAY + 40, 0), 360)
    seen = all(not is_open(one, panel, minute) or is_open(other, panel, minute) for minute in minutes)
    assert lies_within(one, other, panel) is seen
    assert lies_within(one, one, panel)
    assert lies_within(PanelImage(), one, panel)
