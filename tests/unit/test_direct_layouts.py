"""Panels without a commit: after every single word of a change, the panel is open only where the old or the new image is.

The words are acted on by an interpreter of its own here, not by the layouts' decoders.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.panel_model import PanelModel, load_models, parse_model
from drivers.contract import PanelImage, Period, Slot
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.panel.layouts.ge_calendars import calendar_frames, calendar_writes
from drivers.modbus.panel.layouts.layout import Layout
from drivers.modbus.panel.output_driver import capabilities_of
from drivers.modbus.panel.steps import StepKind
from drivers.modbus.wire.requests import Request
from tests.support.plain_panel import PLAIN_DAYS, PLAIN_RECORDS

MODELS = dict(load_models(None)) | {model.name: model for model in map(parse_model, (PLAIN_DAYS, PLAIN_RECORDS))}
MINUTES = range(0, 1440, 30)
Memory = dict[int, int]
Open = frozenset[tuple[int, int, int]]
"""(schedule, list or weekday, minute)."""


def layout_of(model: PanelModel) -> Layout:
    layout = build_layout(model, capabilities_of(model))
    assert layout is not None
    return layout


def writes(model: PanelModel, target: PanelImage, known: PanelImage) -> list[Request]:
    return [step.request for step in layout_of(model).transaction(target, known).steps if step.kind is StepKind.WRITE]


def ticks(events: list[tuple[int, bool]]) -> frozenset[int]:
    """Half hours at which the value of the latest event says open; of several events at one time the last counts."""
    opened: set[int] = set()
    ordered = sorted(enumerate(events), key=lambda event: (event[1][0], event[0]))
    for (_, (time, is_open)), following in zip(ordered, [*ordered[1:], None], strict=True):
        if is_open:
            end = following[1][0] if following else 1440
            opened.update(minute for minute in MINUTES if time <= minute < end)
    return frozenset(opened)


def ge_list_open(memory: Mapping[int, int], schedule: int, day_list: int) -> frozenset[int]:
    start = 20003 + 290 * (schedule - 1) + 32 * day_list
    entries = [(memory[at], memory.get(at + 1, 0)) for at in range(start, start + 32, 2)]
    return ticks([(60 * (time >> 8) + (time & 255), value == 1) for time, value in entries if time != 0xFFFF])


def ge_date(memory: Mapping[int, int], day: tuple[int, int]) -> int | None:
    """The calendar in which two date words stand."""
    for calendar, first in enumerate((10004, 10187)):
        if any((memory[at], memory[at + 1]) == day for at in range(first, first + 180, 2)):
            return calendar
    return None


DATES = {
    20812: (0x0519, 0x0C7E),
    20813: (0x061A, 0x0C7E),
    20814: (0x071B, 0x0C7E),
    20815: (0x011C, 0x0C7E),
    20819: (0x0501, 0x017F),
}
"""2026-12-25 to 28 and 2027-01-01, by hand."""


def ge_open(memory: Mapping[int, int]) -> Open:
    """By schedule, and by weekday list or date (7.. in the order of DATES)."""
    lists = {(schedule, index): ge_list_open(memory, schedule, index) for schedule in (1, 2) for index in range(9)}
    days = {day: day for day in range(7)}
    for index, words in enumerate(DATES.values(), 7):
        calendar = ge_date(memory, words)
        days[index] = (words[0] >> 8) - 1 if calendar is None else 7 + calendar
    return frozenset((s, day, minute) for s in (1, 2) for day, index in days.items() for minute in lists[s, index])


def domat_open(memory: Mapping[int, int]) -> Open:
    opened: set[tuple[int, int, int]] = set()
    for day in range(7):
        start = 54 + 12 * day
        entries = [(memory.get(at, 0), memory[at + 1]) for at in range(start, start + 12, 2)]
        opened |= {(0, day, minute) for minute in ticks([(time, mode == 0) for time, mode in entries if mode < 0x8000])}
    return frozenset(opened)


def days_open(memory: Mapping[int, int]) -> Open:
    """PLAIN_DAYS: two slots of 7 x 3 pairs from 100, stride 50."""
    opened = set()
    for slot in (1, 2):
        for day in range(7):
            first = 100 + 50 * (slot - 1) + 6 * day
            pairs = [(memory[at], memory[at + 1]) for at in range(first, first + 6, 2)]
            opened |= {(slot, day, minute) for minute in MINUTES if any(start <= minute < end for start, end in pairs)}
    return frozenset(opened)


def records_open(memory: Mapping[int, int]) -> Open:
    """PLAIN_RECORDS: slots of 16 from 0x400: state, valid from, valid to, then 4 x (days, start, end) in BCD, ends inclusive."""
    opened = set()
    for slot in range(4):
        first = 0x400 + 16 * slot
        if memory.get(first) != 0xA5:
            continue
        for record in range(first + 3, first + 15, 3):
            days, start, end = memory.get(record, 0), memory.get(record + 1, 0), memory.get(record + 2, 0)
            opened |= {
                (slot, day, minute)
                for day in range(7)
                if days >> day & 1
                for minute in MINUTES
                if start <= int(f"{minute // 60:02}{minute % 60:02}", 16) <= end
            }
    return frozenset(opened)


INTERPRETERS = {"ge-a-series": ge_open, "domat-fc013": domat_open, "plain-days": days_open, "plain-records": records_open}
SLOTS = {"ge-a-series": (1, 2), "domat-fc013": (0,), "plain-days": (1, 2), "plain-records": (0, 3)}
MOST = {"ge-a-series": 3, "domat-fc013": 2, "plain-days": 3, "plain-records": 4}

half_hours = st.integers(0, 47)


def periods(most: int, bits: int) -> st.SearchStrategy[tuple[Period, ...]]:
    """At most `most` periods, each on some days."""
    one = st.builds(
        lambda days, start, length: Period(days, 30 * start, min(1440, 30 * (start + length))),
        st.integers(1, (1 << bits) - 1),
        half_hours,
        st.integers(1, 20),
    )
    return st.lists(one, min_size=1, max_size=most).map(tuple)


def images(name: str) -> st.SearchStrategy[PanelImage]:
    bits = 9 if name == "ge-a-series" else 7
    slot = st.builds(lambda some: Slot((), some), periods(MOST[name], bits))
    slots = st.dictionaries(st.sampled_from(SLOTS[name]), slot, max_size=len(SLOTS[name]))
    if name != "ge-a-series":
        return slots.map(lambda some: PanelImage(slots=some))
    groups = st.dictionaries(st.sampled_from(sorted(DATES)), st.integers(0, 1), max_size=5).map(
        lambda by_day: tuple(tuple(sorted(day for day in by_day if by_day[day] == group)) for group in (0, 1))
    )
    return st.builds(lambda some, dates: PanelImage(slots=some, special_days=dates), slots, groups)


def memory_of(name: str, image: PanelImage) -> Memory:
    """A panel's memory that holds the image, from its factory state on."""
    memory = factory(name)
    return memory | dict(layout_of(MODELS[name]).encode(image))


def factory(name: str) -> Memory:
    if name == "ge-a-series":
        lists = [20003 + 290 * s + 32 * d for s in range(16) for d in range(9)]
        memory = {at + i: 0 if i < 2 else (0xFFFF, 0)[i % 2] for at in lists for i in range(32)}
        return memory | {20001 + 290 * s: 0 for s in range(16)} | {a + i: 0xFFFF for a in (10004, 10187) for i in range(180)}
    if name == "domat-fc013":
        return {54 + i: (0, 2, 0, 0x8002, 0, 0x8002, 0, 0x8002, 0, 0x8002, 0, 0x8002)[i % 12] for i in range(84)}
    if name == "plain-days":
        return dict.fromkeys(range(100, 200), 0)
    return dict.fromkeys(range(0x400, 0x440), 0)


@pytest.mark.parametrize("name", sorted(INTERPRETERS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_step_is_within_old_and_new(name: str, data: st.DataObject) -> None:
    model, interpret = MODELS[name], INTERPRETERS[name]
    known, target = data.draw(images(name)), data.draw(images(name))
    memory = memory_of(name, known)
    allowed = interpret(memory) | interpret(memory_of(name, target))
    for request in writes(model, target, known):
        for offset, word in enumerate(request.values):
            memory[request.address + model.addressing.base + offset] = word
            excess = interpret(memory) - allowed
            calendar = name == "ge-a-series" and request.address < 20000
            assert not excess or (calendar and offset + 1 < request.count), (request, sorted(excess)[:3])
    assert interpret(memory) == interpret(memory_of(name, target))
    layout = layout_of(model)
    assert all(memory[at] == word for at, word in layout.encode(target).items())


@pytest.mark.parametrize("name", sorted(INTERPRETERS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_reads_back_and_needs_no_more(name: str, data: st.DataObject) -> None:
    target = data.draw(images(name))
    layout = layout_of(MODELS[name])
    read = layout.decode(memory_of(name, target))
    assert all(slot.opaque is None for slot in read.slots.values())
    assert writes(MODELS[name], target, read) == []
    assert writes(MODELS[name], read, target) == []


@pytest.mark.parametrize("name", sorted(INTERPRETERS))
def test_what_nobody_here_wrote_is_opaque_and_can_be_replaced(name: str) -> None:
    """A word of the first used slot spoilt: it is taken for what it is, left alone, or overwritten word by word."""
    number = SLOTS[name][0]
    image = PanelImage(slots={number: Slot((), (Period(31, 540, 1080),))})
    layout = layout_of(MODELS[name])
    spoilt = memory_of(name, image)
    address = next(at for at, word in sorted(layout.encode(image).items()) if word in (540, 0x0900, 0x021C))
    spoilt[address] = 0x3C3C
    read = layout.decode(spoilt)
    assert read.slots[number].opaque is not None
    assert writes(MODELS[name], read, read) == []
    for target in (image, PanelImage()):
        memory = dict(spoilt)
        for request in writes(MODELS[name], target, read):
            memory |= dict(enumerate(request.values, request.address + MODELS[name].addressing.base))
        again = layout.decode(memory)
        assert writes(MODELS[name], target, again) == []
        assert {n for n, slot in again.slots.items() if slot.opaque is not None} == set()


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 400), max_size=90), st.sets(st.integers(0, 400), max_size=90))
def test_a_calendar_never_loses_a_date_that_stays(old: set[int], new: set[int]) -> None:
    held, wanted = sorted(old), sorted(new)
    places = {**dict(enumerate(held))}
    for position, dates in calendar_frames(held, wanted):
        assert 1 <= len(dates) <= 61
        places |= dict(enumerate(dates, position))
        assert old & new <= set(places.values())
    assert [places[at] for at in range(len(wanted))] == wanted


@st.composite
def calendars(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two without a common date, in any order."""
    days = draw(st.lists(st.integers(0, 200), unique=True, max_size=100))
    cut = draw(st.integers(max(0, len(days) - 90), min(90, len(days))))
    return days[:cut], days[cut:]


@settings(max_examples=200, deadline=None)
@given(calendars(), calendars())
def test_no_date_ever_stands_in_both_calendars(old: tuple[list[int], list[int]], new: tuple[list[int], list[int]]) -> None:
    wanted = tuple(map(sorted, new))
    places = tuple(map(list, old))
    for index, place, dates in calendar_writes(old, wanted):
        assert place <= len(places[index]), "no gap"
        assert dates or place == len(places[index]) - 1, "from the end, so that nothing moves up"
        places[index][place : place + max(1, len(dates))] = dates
        assert not set(places[0]) & set(places[1])
        assert max(map(len, places)) <= 90
    assert places == wanted


def test_one_changed_minute_is_one_word() -> None:
    """Opening or closing a minute later: the least a panel with entries of one word can be sent."""
    for name, number in (("ge-a-series", 1), ("domat-fc013", 0), ("plain-days", 1), ("plain-records", 0)):
        one = PanelImage(slots={number: Slot((), (Period(1, 540, 1080),))})
        for period in (Period(1, 540, 1081), Period(1, 541, 1080), Period(1, 540, 1079)):
            requests = writes(MODELS[name], PanelImage(slots={number: Slot((), (period,))}), one)
            assert [request.count for request in requests] == [1], name


def test_entries_are_removed_alone_and_those_that_open_first() -> None:
    two = PanelImage(slots={1: Slot((), (Period(1, 540, 720), Period(1, 780, 1080)))})
    one = PanelImage(slots={1: Slot((), (Period(1, 540, 720),))})
    requests = writes(MODELS["ge-a-series"], one, two)
    assert [(request.function, request.address + 1, request.values) for request in requests] == [
        (0x06, 20010, (0,)),
        (0x06, 20009, (0xFFFF,)),
        (0x06, 20011, (0xFFFF,)),
    ]


def test_a_factory_table_is_written_whole() -> None:
    """The Domat's own table opens at 06:00: nothing of it may stay."""
    opening = {54 + 12 * d + i: word for d in range(7) for i, word in enumerate((360, 0, 1320, 2, 0, 2, 0, 2, 0, 2, 0, 2))}
    layout = layout_of(MODELS["domat-fc013"])
    read = layout.decode(opening)
    assert read.slots[0].opaque is not None
    memory = dict(opening)
    for request in writes(MODELS["domat-fc013"], PanelImage(), read):
        memory |= dict(enumerate(request.values, request.address))
    assert domat_open(memory) == frozenset()
    assert layout.decode(memory) == PanelImage()
