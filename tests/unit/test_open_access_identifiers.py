"""Identifier slots of the open access panel: exact words, and that every word comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import IdentifierSlot, PanelImage, Period, Slot
from drivers.modbus.panel.layouts.open_access_identifiers import decode_identifier, identifier_words
from drivers.modbus.panel.steps import StepKind
from gateway.identifiers.number import IdentifierType, number_of
from tests.unit.test_open_access_layout import layout
from tests.unit.test_open_access_page import GOLDEN

OFFICE = Slot(("91c615e3-1040-4815-8ecb-000000000009",), (Period(31, 540, 1080),), valid_from=20759)


def slot_of(kind: IdentifierType, sent: str, **more: object) -> IdentifierSlot:
    number = number_of(kind, sent)
    slot = IdentifierSlot(space=number.space, number=number.value, digits=number.digits)
    return replace(slot, **more)  # type: ignore[arg-type]


PAGE = {
    "card": slot_of("card", "12345678", schedules=(0,), outputs=(0, 1), valid_from=0x01C82160, valid_to=0x01D0267F),
    "inputCode": slot_of("inputCode", "00420", schedules=None, outputs=(0,), passes=3),
    "license_plate": slot_of("license_plate", "AA 1234-BC", schedules=(0, 4), outputs=(1,)),
    "qr": slot_of("qr", "6F9619FF-8B86-D011-B42D-00CF4FC964FF", schedules=(0,), outputs=(0,), passes=1),
}


@pytest.mark.parametrize(("slot", "kind", "text"), [(slot, kind, words) for area, slot, kind, _, words in GOLDEN if kind])
def test_the_page_s_people_are_written_word_for_word(slot: str, kind: str, text: str) -> None:
    words = tuple(int(word, 16) for word in text.split())
    assert identifier_words(int(slot), PAGE[kind]) == words
    assert decode_identifier(int(slot), words) == PAGE[kind]


def test_a_reference_is_written_as_never_where_there_is_none() -> None:
    assert identifier_words(0, slot_of("card", "1"))[5:9] == (0xFFFF,) * 4
    assert identifier_words(0, slot_of("card", "1", schedules=None))[5:9] == (0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF)


def test_a_limit_of_entries_is_never_written_as_none() -> None:
    assert identifier_words(0, slot_of("card", "1", passes=65_534))[14] == 65_534
    assert identifier_words(0, slot_of("card", "1", passes=None))[14] == 0xFFFF
    with pytest.raises(ValueError, match="65535 passes"):
        identifier_words(0, slot_of("card", "1", passes=65_535))


WORDS = st.lists(st.integers(0, 0xFFFF), min_size=16, max_size=16).map(tuple)


@given(st.integers(0, 767), WORDS)
def test_words_that_the_gateway_would_not_write_are_kept_as_they_are(number: int, words: tuple[int, ...]) -> None:
    slot = decode_identifier(number, words)
    if slot is None:
        assert words[0] & 0xFF == 0, "the low byte says what it is"
    else:
        assert identifier_words(number, slot) == words
        assert slot.known_by == decode_identifier(number, (*words[:15], 0)).known_by  # type: ignore[union-attr]


def written(target: PanelImage, known: PanelImage) -> list[tuple[StepKind, int, int]]:
    steps = layout().transaction(target, known).steps
    return [(step.kind, step.request.address, step.request.count) for step in steps]


def test_a_schedule_and_its_card_change_in_one_commit() -> None:
    card = slot_of("card", "1", schedules=(0,), outputs=(0,))
    target = PanelImage(slots={0: OFFICE}, identifiers={0: card, 1: replace(card, number=2)})
    transaction = layout().transaction(target, PanelImage())
    assert written(target, PanelImage()) == [
        (StepKind.BEGIN, 0x0200, 2),
        (StepKind.STAGE, 0x1000, 64),
        (StepKind.STAGE, 0x4000, 32),
        (StepKind.COMMIT, 0x0200, 2),
    ]
    assert transaction.steps[-1].request.values == (0xC0DE, 3)


def test_a_card_goes_by_one_write() -> None:
    card = slot_of("card", "1", schedules=None, outputs=(0,))
    held = PanelImage(identifiers={3: card})
    assert [
        (step.kind, step.request.address, step.request.values) for step in layout().transaction(PanelImage(), held).steps
    ] == [(StepKind.ERASE, 0x0203, (3,))]


def test_only_the_words_that_differ_travel() -> None:
    card = slot_of("card", "1", schedules=(0,), outputs=(0,))
    moved = PanelImage(identifiers={3: replace(card, schedules=(1,))})
    assert written(moved, PanelImage(identifiers={3: card})) == [
        (StepKind.BEGIN, 0x0200, 2),
        (StepKind.STAGE, 0x4000 + 48 + 5, 11),
        (StepKind.COMMIT, 0x0200, 2),
    ]
    assert not layout().transaction(moved, moved).steps
