"""The page of the `open-access-panel`: a panel built from it is one that the gateway understands."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from config.settings import PanelSettings
from simulators.access_slots import slot_crc
from simulators.identifier_numbers import number_words
from simulators.open_access_panel import OpenAccessPanel
from tests.support.access_words import ccitt_false
from tests.support.master import raise_refusal, read_pdu, words_of, write_pdu

PAGE = resources.files("config.panel_models").joinpath("open-access-panel.md").read_text(encoding="utf-8")
GOLDEN = re.findall(r"^```golden (schedule|identifier) (\d+)(?: (\w+) (.+))?\n([0-9A-F\s]+)^```$", PAGE, re.MULTILINE)
"""Area, slot, type and number of an identifier, words."""
NOW = 1_793_700_000
"""2026-11-03T10:00:00Z, a Tuesday."""


def golden(area: str) -> dict[int, tuple[int, ...]]:
    return {int(slot): tuple(int(word, 16) for word in words.split()) for kind, slot, _, _, words in GOLDEN if kind == area}


class Panel:
    def __init__(self) -> None:
        settings = PanelSettings(id="lobby", model="open-access-panel")
        self.panel = OpenAccessPanel(settings, wall=lambda: 0.0, monotonic=lambda: 0.0)

    def write(self, address: int, *words: int) -> None:
        raise_refusal(self.panel.handle(write_pdu(address, words)))

    def holding(self, address: int, count: int) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(3, address, count)))


@pytest.fixture
def panel() -> Panel:
    """It holds every golden slot, and its clock is set."""
    panel = Panel()
    for slot, words in golden("schedule").items():
        panel.write(0x1000 + 64 * slot, *words)
    for slot, words in golden("identifier").items():
        panel.write(0x4000 + 16 * slot, *words)
    panel.write(0x0200, 0xC0DE, len(GOLDEN))
    panel.write(0x0100, NOW >> 16, NOW & 0xFFFF, *(0,) * 8)
    return panel


def test_the_page_has_its_golden_slots() -> None:
    assert {(area, kind) for area, _, kind, _, _ in GOLDEN} == {
        ("schedule", ""),
        ("identifier", "card"),
        ("identifier", "inputCode"),
        ("identifier", "license_plate"),
        ("identifier", "qr"),
    }
    assert {len(words) for words in golden("schedule").values()} == {64}
    assert {len(words) for words in golden("identifier").values()} == {16}


def test_a_panel_takes_the_golden_slots_and_gives_them_back(panel: Panel) -> None:
    for slot, words in golden("schedule").items():
        assert panel.holding(0x1000 + 64 * slot, 64) == words
        assert words[63] == ccitt_false(slot, words[:63]) == slot_crc(slot, words)
    for slot, words in golden("identifier").items():
        assert panel.holding(0x4000 + 16 * slot, 16) == words
        assert words[15] == ccitt_false(slot, words[:15]) == slot_crc(slot, words)


def test_the_people_of_the_page_are_let_in_at_the_doors_that_it_says(panel: Panel) -> None:
    doors = {"card": [True, True, False], "inputCode": [True, False, False], "license_plate": [False, True, False]}
    doors["qr"] = [True, False, False]
    for _, slot, kind, number, _ in GOLDEN[1:]:
        assert number_words(kind, number) == golden("identifier")[int(slot)][:5]
        assert [panel.panel.read(kind, number, door).granted for door in range(3)] == doors[kind]


def test_the_worked_check_word() -> None:
    ((expected, text),) = re.findall(r"^```check ([0-9A-F]{4})\n([0-9A-F\s]+)^```$", PAGE, re.MULTILINE)
    data = bytes.fromhex(text)
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    assert len(data) == 32
    assert ccitt_false(words[0], words[1:]) == int(expected, 16) == golden("identifier")[words[0]][15]
    assert tuple(words[1:]) == golden("identifier")[words[0]][:15]
