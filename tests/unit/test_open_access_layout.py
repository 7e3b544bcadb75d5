"""Slots of the open access panel: exact words, and that every word comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.panel_model import load_models
from drivers.contract import PanelImage, Period, Slot
from drivers.modbus.panel.layouts import build_layout
from drivers.modbus.panel.layouts.open_access import OpenAccessLayout
from drivers.modbus.panel.layouts.open_access_schedules import decode_slot, slot_words
from drivers.modbus.panel.output_driver import capabilities_of
from drivers.modbus.panel.steps import StepKind

LINK = "91c615e3-1040-4815-8ecb-000000000009"
WORK_WEEK = Slot((LINK,), (Period(31, 540, 1080),), valid_from=20759)


def layout() -> OpenAccessLayout:
    model = load_models(None)["open-access-panel"]
    built = build_layout(model, capabilities_of(model))
    assert isinstance(built, OpenAccessLayout)
    return built


def image(**slots: Slot) -> PanelImage:
    return PanelImage(slots={int(name[1:]): slot for name, slot in slots.items()})


def written(target: PanelImage, known: PanelImage) -> list[tuple[StepKind, int, tuple[int, ...]]]:
    return [(step.kind, step.request.address, step.request.values) for step in layout().transaction(target, known).steps]


def test_the_documented_example() -> None:
    words = slot_words(0, WORK_WEEK, 14)
    head = "0001 91C6 15E3 1040 4815 8ECB 0000 0000 0009 5117 FFFF 0001 001F 021C 0438"
    assert words == (*(int(word, 16) for word in head.split()), *(0,) * 48, 0x700A)


def test_a_new_slot_is_written_whole() -> None:
    assert written(image(s2=WORK_WEEK), PanelImage()) == [
        (StepKind.BEGIN, 0x0200, (0xDEAD, 0)),
        (StepKind.STAGE, 0x1080, slot_words(2, WORK_WEEK, 14)),
        (StepKind.COMMIT, 0x0200, (0xC0DE, 1)),
    ]


def test_one_changed_minute_is_two_words() -> None:
    later = replace(WORK_WEEK, periods=(Period(31, 540, 1081),))
    check = slot_words(0, later, 14)[63]
    assert written(image(s0=later), image(s0=WORK_WEEK)) == [
        (StepKind.BEGIN, 0x0200, (0xDEAD, 0)),
        (StepKind.STAGE, 0x100E, (1081,)),
        (StepKind.STAGE, 0x103F, (check,)),
        (StepKind.COMMIT, 0x0200, (0xC0DE, 1)),
    ]


def test_panels_with_the_same_changes_share_their_frames_but_not_what_they_hold() -> None:
    alone = image(s0=WORK_WEEK)
    beside = image(s0=WORK_WEEK, s5=replace(WORK_WEEK, valid_to=30000))
    first, second = (layout().transaction(replace(held, slots={**held.slots, 1: WORK_WEEK}), held) for held in (alone, beside))
    assert first.steps is second.steps
    assert (first.known, second.known) == (alone, beside)


def test_a_removal_is_one_write_and_comes_first() -> None:
    assert written(PanelImage(), image(s3=WORK_WEEK)) == [(StepKind.ERASE, 0x0202, (3,))]
    kinds = [kind for kind, _, _ in written(image(s1=WORK_WEEK), image(s0=WORK_WEEK))]
    assert kinds == [StepKind.ERASE, StepKind.BEGIN, StepKind.STAGE, StepKind.COMMIT]


def test_slots_side_by_side_share_frames() -> None:
    steps = written(image(s0=WORK_WEEK, s1=WORK_WEEK, s2=WORK_WEEK), PanelImage())
    assert [(address, len(words)) for kind, address, words in steps if kind is StepKind.STAGE] == [
        (0x1000, 123),
        (0x107B, 69),
    ]


def test_an_untouched_neighbour_is_not_staged() -> None:
    """Unchanged words are sent along only inside slots that change anyway: the panel counts every slot it was sent words for."""
    other = replace(WORK_WEEK, periods=(Period(3, 540, 1080),))
    known = image(s0=WORK_WEEK, s1=WORK_WEEK, s2=WORK_WEEK)
    touched = {
        address // 64 for kind, address, _ in written(image(s0=other, s1=WORK_WEEK, s2=other), known) if kind is StepKind.STAGE
    }
    assert touched == {0x1000 // 64, 0x1080 // 64}


def test_the_same_image_needs_nothing() -> None:
    assert written(image(s0=WORK_WEEK), image(s0=WORK_WEEK)) == []


@pytest.mark.parametrize(
    ("word", "value"),
    [(0, 2), (10, 0), (11, 13), (20, 7), (48, 15), (62, 1), (63, 0)],
    ids=["state", "never valid", "periods", "beyond the periods", "dates", "beyond the dates", "check word"],
)
def test_what_the_gateway_would_not_write_is_opaque(word: int, value: int) -> None:
    words = list(slot_words(0, WORK_WEEK, 14))
    words[word] = value
    slot = decode_slot(0, tuple(words), 14)
    assert slot is not None
    assert slot.opaque == tuple(words)
    assert slot.link_ids == (LINK,)


def test_a_slot_that_was_copied_to_another_place_is_opaque() -> None:
    slot = decode_slot(1, slot_words(0, WORK_WEEK, 14), 14)
    assert slot is not None
    assert slot.opaque is not None


def test_a_free_slot_is_none_whatever_its_words() -> None:
    assert decode_slot(0, (0, *range(1, 64)), 14) is None


def test_dates_that_fit_no_list_become_a_bitmap() -> None:
    dates = tuple(range(20759, 20759 + 223, 8))
    slot = Slot((LINK,), (Period(128, 0, 1440),), 20759, 20759 + 223, (dates,))
    words = slot_words(5, slot, 14)
    assert words[48] == 0x8000
    assert words[49] == 0b1000_0000_1000_0000
    assert decode_slot(5, words, 14) == slot


def test_dates_that_fit_neither_are_refused() -> None:
    slot = Slot((LINK,), (Period(128, 0, 1440),), 20759, None, (tuple(range(20759, 20759 + 225)),))
    with pytest.raises(ValueError, match="bitmap"):
        slot_words(0, slot, 14)


periods = st.builds(
    lambda days, start, length: Period(days, start, min(1440, start + length)),
    st.integers(1, 255),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
dates = st.integers(1, 60_000).flatmap(
    lambda first: st.tuples(
        st.just(first), st.sets(st.integers(first, first + 223), max_size=40).map(lambda days: tuple(sorted(days)))
    )
)
slots = st.builds(
    lambda link, some, span, last: Slot(
        (str(link),), tuple(some), span[0], last if last is None else max(last, span[0]), (span[1],) if span[1] else ()
    ),
    st.uuids(),
    st.lists(periods, max_size=12),
    dates,
    st.none() | st.integers(1, 0xFFFE),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 191), slots)
def test_every_slot_comes_back(number: int, slot: Slot) -> None:
    assert decode_slot(number, slot_words(number, slot, 14), 14) == slot


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 8), slots, max_size=4), st.dictionaries(st.integers(0, 8), slots, max_size=4))
def test_the_staged_words_make_the_target(target: dict[int, Slot], known: dict[int, Slot]) -> None:
    """What is written, laid over what is held, is the target; nothing else is touched."""
    one, other = PanelImage(slots=known), PanelImage(slots=target)
    held = dict(layout().encode(one))
    transaction = layout().transaction(other, one)
    for step in transaction.steps:
        if step.kind is StepKind.ERASE:
            held = {at: word for at, word in held.items() if (at - 0x1000) // 64 != step.request.values[0]}
        if step.kind is StepKind.STAGE:
            assert step.request.count <= 123
            held |= dict(enumerate(step.request.values, step.request.address))
    assert held == dict(layout().encode(other))
