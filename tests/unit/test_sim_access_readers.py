"""People at the readers of the simulated `open-access-panel`. Its words come from `tests/support/access_words.py`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import PanelSettings, SimulatorSettings
from simulators.open_access_panel import OpenAccessPanel
from simulators.panel import CannotRead, Reading
from tests.support.access_words import identifier, schedule, sha_words
from tests.support.master import Refused, bits_of, raise_refusal, read_pdu, single_pdu, words_of, write_pdu

TUESDAY_10 = 1_793_700_000
"""2026-11-03T10:00:00Z."""
MINUTE = TUESDAY_10 // 60
ALL_WEEK, MONDAYS = (0x7F, 0, 1440), (0x01, 0, 1440)
ONE, OTHER = "91c615e3-1040-4815-8ecb-000000000009", "91c615e3-1040-4815-8ecb-00000000000a"
CARD, CODE, PLATE, QR = 1, 2, 3, 4


class Door:
    """A panel with its clock set, and slots committed at once."""

    def __init__(self, clock: int | None = TUESDAY_10, **size: object) -> None:
        self.now = 100.0
        simulator = SimulatorSettings.model_validate(size)
        settings = PanelSettings(id="lobby", model="open-access-panel", simulator=simulator)
        self.panel = OpenAccessPanel(settings, wall=lambda: 0.0, monotonic=lambda: self.now)
        if clock is not None:
            self.set_clock(clock)

    def set_clock(self, unix: int, hours: int = 0) -> None:
        self.write(0x0100, unix >> 16, unix & 0xFFFF, *(0,) * 7, hours)

    def holding(self, address: int, count: int = 1) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(3, address, count)))

    def facts(self, address: int, count: int = 1) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(4, address, count)))

    def coils(self) -> tuple[int, ...]:
        return bits_of(self.panel.handle(read_pdu(1, 0, 8)), 8)

    def write(self, address: int, *words: int) -> None:
        raise_refusal(self.panel.handle(write_pdu(address, words)))

    def one(self, address: int, word: int) -> None:
        raise_refusal(self.panel.handle(single_pdu(6, address, word)))

    def stage(self, address: int, words: Sequence[int]) -> None:
        self.write(address, *words)

    def hold(self, *identifiers: Sequence[int], schedules: Sequence[Sequence[int]] = (), first: int = 0) -> None:
        """Schedules from slot 0 on, identifiers from slot `first` on, in one commit."""
        for slot, words in enumerate(schedules):
            self.stage(0x1000 + 64 * slot, words)
        for slot, words in enumerate(identifiers, first):
            self.stage(0x4000 + 16 * slot, words)
        self.write(0x0200, 0xC0DE, len(schedules) + len(identifiers))

    def reads(self, number: str = "1234", kind: str = "card", door: int = 0) -> str:
        reading = self.panel.read(kind, number, door)
        assert reading == Reading(reading.reason == "granted", reading.reason)
        return reading.reason

    def last_event(self) -> tuple[int, ...]:
        """Kind, identifier slot, output, reason of the newest reading in the log."""
        return [words[4:] for words in self.events() if words[4] in (1, 2)][-1]

    def events(self, first: int = 1) -> list[tuple[int, ...]]:
        self.write(0x7FFE, first >> 16, first & 0xFFFF)
        words = self.holding(0x7000, 120)
        return [words[at : at + 8] for at in range(0, 120, 8) if words[at : at + 2] != (0, 0)]


def card(slot: int, references: Sequence[int] = (0xFFFE,), **more: int) -> tuple[int, ...]:
    return identifier(slot, CARD, 1234, references, **more)


def refused(code: int, door: Door, address: int, *words: int) -> None:
    with pytest.raises(Refused) as caught:
        door.write(address, *words)
    assert caught.value.code == code


# --- whose number it is


@pytest.mark.parametrize(
    ("kind", "shown", "slot"),
    [
        ("card", "12345678", identifier(3, CARD, 12345678)),
        ("card", "00012345678", identifier(3, CARD, 12345678)),
        ("card", "00:BC:61:4E", identifier(3, CARD, 12345678)),
        ("ukey", "bc-61-4e", identifier(3, CARD, 12345678)),
        ("ukey", "18446744073709551615", identifier(3, CARD, 2**64 - 1)),
        ("card", "FF:FF:FF:FF:FF:FF:FF:FF", identifier(3, CARD, 2**64 - 1)),
        ("card", "0", identifier(3, CARD, 0)),
        ("inputCode", "00420", identifier(3, 0x0500 | CODE, 420)),
        ("inputCode", "9" * 19, identifier(3, 0x1300 | CODE, 10**19 - 1)),
        ("inputCode", "0", identifier(3, 0x0100 | CODE, 0)),
        ("license_plate", "aa 1234-bc", identifier(3, PLATE, sha_words("AA1234BC"))),
        ("license_plate", "\uff21\uff21 1234 \u0431\u0441", identifier(3, PLATE, sha_words("AA1234\u0411\u0421"))),
        ("qr", "6F9619FF-8B86", identifier(3, QR, sha_words("6f9619ff-8b86"))),
    ],
)
def test_people_are_known_however_their_number_is_written(kind: str, shown: str, slot: tuple[int, ...]) -> None:
    door = Door()
    door.hold(slot, first=3)
    assert door.reads(shown, kind) == "granted"
    assert door.last_event() == (1, 3, 0, 0)


@pytest.mark.parametrize(
    ("kind", "shown", "slot"),
    [
        ("inputCode", "0420", identifier(0, 0x0500 | CODE, 420)),
        ("inputCode", "420", identifier(0, 0x0500 | CODE, 420)),
        ("inputCode", "12345678", identifier(0, CARD, 12345678)),
        ("card", "420", identifier(0, 0x0300 | CODE, 420)),
        ("license_plate", "AA1234BD", identifier(0, PLATE, sha_words("AA1234BC"))),
        ("qr", "AA1234BC", identifier(0, PLATE, sha_words("AA1234BC"))),
        ("license_plate", "AA1234BC", identifier(0, QR, sha_words("AA1234BC"))),
    ],
)
def test_a_number_is_not_taken_for_another_one(kind: str, shown: str, slot: tuple[int, ...]) -> None:
    door = Door()
    door.hold(slot)
    assert door.reads(shown, kind) == "unknown"
    assert door.last_event() == (2, 0xFFFF, 0, 1)


@pytest.mark.parametrize(
    ("kind", "number", "told"),
    [
        ("card", "", "number: "),
        ("card", "AABBCCDD", "pairs"),
        ("card", "A:BB", "pairs"),
        ("card", "AA:BBB", "pairs"),
        ("card", "AA:BB-CC", "pairs"),
        ("card", "18446744073709551616", "64 bits"),
        ("card", "9" * 5000, "64 bits"),
        ("card", "01:00:00:00:00:00:00:00:00", "64 bits"),
        ("card", "-1", "pairs"),
        ("card", "\u0661\u0662", "pairs"),
        ("inputCode", "", "19 digits"),
        ("inputCode", "1" * 20, "19 digits"),
        ("inputCode", "12a", "19 digits"),
        ("license_plate", " - ", "nothing is left"),
        ("qr", "", "nothing is left"),
        ("qr", "\ud800", "half a character"),
        ("face_id", "1", "type: one of card"),
    ],
)
def test_what_nobody_can_show_is_told_and_not_logged(kind: str, number: str, told: str) -> None:
    door = Door()
    before = door.events()
    with pytest.raises(CannotRead, match=told):
        door.panel.read(kind, number, 0)
    assert door.events() == before


@pytest.mark.parametrize("reader", [-1, 2])
def test_a_reader_that_is_not_there(reader: int) -> None:
    with pytest.raises(CannotRead, match="0 to 1"):
        Door(outputs=2).panel.read("card", "1", reader)


@pytest.mark.parametrize("head", [0x0002, 0x0202, 0x1402, 0x0101, 0x0103, 0x0005, 0x0100])
def test_a_code_with_more_value_than_digits_or_a_card_with_digits_is_refused(head: int) -> None:
    door = Door()
    door.stage(0x4000, identifier(0, head, 420))
    refused(4, door, 0x0200, 0xC0DE, 1)
    assert door.facts(12, 3) == (3, 0x4000, 2)


# --- who is let in


@pytest.mark.parametrize(
    ("references", "more", "said"),
    [
        ((0,), {}, "granted"),
        ((1,), {}, "schedule_closed"),
        ((2,), {}, "granted"),
        ((3,), {}, "schedule_closed"),
        ((1, 3, 0xFFFF, 0), {}, "granted"),
        ((0xFFFE,), {}, "granted"),
        ((), {}, "schedule_closed"),
        ((0,), {"first": MINUTE, "last": MINUTE}, "granted"),
        ((0,), {"first": MINUTE + 1}, "not_valid_now"),
        ((0,), {"last": MINUTE - 1}, "not_valid_now"),
        ((0xFFFE,), {"last": 0}, "not_valid_now"),
        ((0,), {"passes": 0}, "no_passes"),
        ((0,), {"mask": 0}, "not_this_door"),
        ((0,), {"mask": 0x06}, "not_this_door"),
        ((1,), {"mask": 0, "passes": 0, "last": 1}, "not_valid_now"),
        ((1,), {"mask": 0, "passes": 0}, "no_passes"),
        ((1,), {"mask": 0}, "schedule_closed"),
    ],
)
def test_who_is_let_in(references: tuple[int, ...], more: dict[str, int], said: str) -> None:
    """Slot 2 is closed itself and carries the link_id of slot 0, which is open; slot 1 is closed, slot 3 is free."""
    door = Door()
    door.hold(
        card(0, references, **more),
        schedules=(schedule(0, ONE, ALL_WEEK), schedule(1, OTHER, MONDAYS), schedule(2, ONE, MONDAYS)),
    )
    assert door.reads() == said
    reasons = {"granted": 0, "not_valid_now": 3, "no_passes": 4, "schedule_closed": 5, "not_this_door": 6}
    assert door.last_event() == (1 if said == "granted" else 2, 0, 0, reasons[said])
    assert door.coils()[0] == (said == "granted")
    assert door.holding(0x0400) == (int(said == "granted"),)


@pytest.mark.parametrize("number", ["1234", "4321"])
def test_without_a_clock_nobody_is_let_in(number: str) -> None:
    door = Door(clock=None)
    door.hold(card(0))
    assert door.reads(number) == "clock_not_set"
    assert door.last_event() == (2, 0 if number == "1234" else 0xFFFF, 0, 2)
    door.set_clock(TUESDAY_10, hours=1)
    assert door.reads() == "granted"
    door.now += 3600
    assert door.reads() == "clock_not_set"


def test_a_reader_opens_its_own_door_alone_for_its_own_time() -> None:
    door = Door()
    door.hold(card(0, mask=0x0C))
    assert door.holding(0x0230, 8) == (50,) * 8
    door.one(0x0233, 5)
    assert door.reads(door=3) == "granted"
    assert door.coils() == (0, 0, 0, 1, 0, 0, 0, 0)
    assert door.last_event() == (1, 0, 3, 0)
    door.now += 0.5
    assert door.coils() == (0,) * 8
    assert door.reads(door=0) == "not_this_door"
    assert door.reads(door=2) == "granted"
    door.panel.power_cut()
    assert (door.coils(), door.holding(0x0233)) == ((0,) * 8, (5,))
    door.panel.restore()
    assert door.holding(0x0233) == (50,)


def test_a_guest_whose_passes_are_spent_stays_out_through_updates_and_power_cuts() -> None:
    door = Door()
    door.hold(card(1, passes=2, mask=3), first=1)
    assert [door.reads() for _ in range(3)] == ["granted", "granted", "no_passes"]
    door.hold(card(1, passes=2, mask=3, last=MINUTE + 5), first=1)
    door.panel.power_cut()
    door.set_clock(TUESDAY_10)
    assert (door.holding(0x0401), door.reads()) == ((2,), "no_passes")
    door.one(0x0401, 0)
    assert door.reads(door=1) == "granted"
    assert door.holding(0x0401) == (1,)


@pytest.mark.parametrize("between", [identifier(0, CARD, 4321), identifier(0, QR, 1234), (0,) * 16])
def test_a_slot_counts_anew_for_another_number(between: tuple[int, ...]) -> None:
    door = Door()
    door.hold(card(0, passes=1))
    assert door.reads() == "granted"
    door.hold(between)
    door.hold(card(0, passes=1))
    assert (door.holding(0x0400), door.reads()) == ((0,), "granted")


def test_a_count_can_be_set_to_nothing_but_0() -> None:
    door = Door()
    refused(3, door, 0x0400, 1)
    refused(3, door, 0x0400, 0, 1)
    door.write(0x0400, 0, 0)
    refused(2, door, 0x0400 + 512, 0)


def test_a_cleared_card_opens_nothing_from_that_moment_on() -> None:
    door = Door(busy_ms=200)
    door.hold(card(0, passes=9))
    door.now += 1
    assert door.reads() == "granted"
    door.hold(identifier(1, CARD, 77), first=1)
    assert door.facts(12) == (4,)
    door.one(0x0203, 0)
    assert door.reads() == "unknown"
    assert door.holding(0x4000, 16) == (0,) * 16
    assert door.holding(0x0400) == (0,)
    assert (door.facts(11), door.facts(16)) == ((2,), (1,))
    door.panel.power_cut()
    assert door.facts(16) == (1,)
    refused(3, door, 0x0203, 512)


def test_a_clear_takes_the_staged_copy_along() -> None:
    door = Door()
    door.stage(0x4000, card(0))
    door.one(0x0203, 0)
    assert door.facts(12, 6) == (0, 0xFFFF, 0, 0, 0, 0)


def test_while_busy_cards_and_schedules_go_on_from_the_old_set_together() -> None:
    """The card moves to another profile whose slot is used again: at no moment has it the old number with the new hours."""
    door = Door(busy_ms=200)
    door.hold(
        card(0, (0,), passes=1),
        identifier(1, CARD, 77, (1,)),
        schedules=(schedule(0, ONE, ALL_WEEK), schedule(1, OTHER, MONDAYS)),
    )
    door.now += 1
    door.hold(identifier(0, CARD, 77, (0,)), card(1, (1,)), schedules=(schedule(0, ONE, MONDAYS), schedule(1, OTHER, ALL_WEEK)))
    assert [door.reads(), door.reads("77"), door.reads()] == ["granted", "schedule_closed", "no_passes"]
    door.now += 1
    assert [door.reads("77"), door.reads()] == ["schedule_closed", "granted"]
    assert door.holding(0x0400, 2) == (0, 1)


def test_a_number_in_two_slots_is_let_in_by_the_one_that_opens() -> None:
    door = Door()
    door.hold(card(0, passes=0), card(1))
    assert (door.reads(), door.last_event()) == ("granted", (1, 1, 0, 0))


def test_who_would_be_let_in_can_be_asked_without_a_trace() -> None:
    door = Door(clock=None)
    hours = schedule(0, ONE, (0x7F, 540, 1080))
    door.hold(card(0, (0,), passes=1, first=MINUTE, last=MINUTE + 100), schedules=(hours,))
    before = door.panel.details()

    def would(unix: int, local: int) -> str:
        return door.panel.would_read("card", "1234", 0, unix, local).reason

    assert [would(MINUTE + late, 540) for late in (-1, 0, 100, 101)] == ["not_valid_now", "granted", "granted", "not_valid_now"]
    opened = [would(MINUTE, 1440 * 20000 + local) == "granted" for local in (539, 540, 1079, 1080)]
    assert opened == [False, True, True, False]
    assert (door.panel.details(), door.coils()) == (before, (0,) * 8)


# --- an older panel


def test_an_older_panel_has_no_readers_registers() -> None:
    door = Door(map="1.0")
    assert door.facts(0, 8) == (0x5041, 0x0100, 64, 12, 14, 512, 8, 256)
    for address in (0x0203, 0x0230):
        with pytest.raises(Refused):
            door.holding(address)
    refused(2, door, 0x0203, 0)
    refused(2, door, 0x0230, 50)
    refused(2, door, 0x0400, 0)
    assert door.holding(0x0400, 2) == (0, 0)


def test_an_older_panel_opens_every_door_of_the_mask_for_five_seconds_and_is_never_busy() -> None:
    door = Door(map="1.0", busy_ms=200)
    door.hold(card(0, mask=0x06))
    assert door.facts(12) == (2,)
    door.now += 1
    assert door.reads(door=0) == "granted"
    door.now += 4.9
    assert door.coils() == (0, 1, 1, 0, 0, 0, 0, 0)
    door.now += 0.1
    assert door.coils() == (0,) * 8


# --- the log


def test_the_log_tells_all_that_happened_in_order() -> None:
    door = Door(clock=None, events=100)
    door.hold(card(0))
    door.set_clock(TUESDAY_10)
    door.reads(door=0)
    door.now += 60
    door.one(0x0221, 30)
    door.now += 10
    door.one(0x0221, 0)
    door.panel.reset()
    door.panel.power_cut()
    none, at = 0xFFFF, TUESDAY_10
    assert [(words[2] << 16 | words[3], *words[4:]) for words in door.events()] == [
        (0, 7, none, none, 0),
        (at, 6, none, none, 0),
        (at, 1, 0, 0, 0),
        (at, 3, none, 0, 0),
        (at + 5, 4, none, 0, 0),
        (at + 60, 3, none, 1, 0),
        (at + 70, 4, none, 1, 0),
        (at + 70, 5, none, none, 0),
        (0, 5, none, none, 0),
    ]
    assert door.facts(18, 2) == (0, 9)


def test_a_hold_that_is_ended_after_a_pulse_went_off_when_it_was_ended() -> None:
    door = Door()
    door.one(0x0210, 10)
    door.one(0x0220, 60)
    door.now += 20
    door.one(0x0220, 0)
    assert [words[3] for words in door.events() if words[4] == 4] == [(TUESDAY_10 + 20) & 0xFFFF]


def test_a_full_log_forgets_the_oldest() -> None:
    door = Door(events=3)
    for _ in range(5):
        door.reads()
    assert [words[1] for words in door.events()] == [4, 5, 6]


# --- staging against a small model

SLOTS = 4


@given(st.data())
def test_committed_words_are_those_of_the_last_good_commit(data: st.DataObject) -> None:
    door = Door(schedules=SLOTS, identifiers=SLOTS)
    held: dict[tuple[str, int], tuple[int, ...]] = {}
    staged: dict[tuple[str, int], tuple[int, ...]] = {}
    for _ in range(data.draw(st.integers(1, 8))):
        kind, slot = data.draw(st.sampled_from(["schedule", "identifier"])), data.draw(st.integers(0, SLOTS - 1))
        match data.draw(st.sampled_from(["stage", "stage", "free", "commit", "drop", "cut", "clear"])):
            case "stage":
                staged[kind, slot] = (
                    schedule(slot, ONE, (data.draw(st.integers(0, 0xFF)), 0, 60))
                    if kind == "schedule"
                    else identifier(slot, CARD, data.draw(st.integers(0, 2**64 - 1)), (data.draw(st.integers(0, SLOTS - 1)),))
                )
                door.stage(0x1000 + 64 * slot if kind == "schedule" else 0x4000 + 16 * slot, staged[kind, slot])
            case "free":
                staged[kind, slot] = (0,) * (64 if kind == "schedule" else 16)
                door.stage(0x1000 + 64 * slot if kind == "schedule" else 0x4000 + 16 * slot, staged[kind, slot])
            case "commit":
                left = held | staged
                named = {words[5] for (kind, _), words in left.items() if kind == "identifier" and words[0]}
                freed = {slot for (kind, slot), words in staged.items() if kind == "schedule" and not words[0]}
                if named & freed:
                    refused(4, door, 0x0200, 0xC0DE, len(staged))
                    assert door.facts(12, 3) == (3, 0x1000 + 64 * min(named & freed), 3)
                else:
                    door.write(0x0200, 0xC0DE, len(staged))
                    held = left
                staged = {}
            case "drop":
                door.write(0x0200, 0xDEAD, 0)
                staged = {}
            case "cut":
                door.panel.power_cut()
                staged = {}
            case "clear":
                door.one(0x0202 if kind == "schedule" else 0x0203, slot)
                held.pop((kind, slot), None)
                staged.pop((kind, slot), None)
        for slot in range(SLOTS):
            assert door.holding(0x1000 + 64 * slot, 64) == held.get(("schedule", slot), (0,) * 64)
            assert door.holding(0x4000 + 16 * slot, 16) == held.get(("identifier", slot), (0,) * 16)
            assert door.holding(0xC000 + 16 * slot, 16) == (held | staged).get(("identifier", slot), (0,) * 16)
        assert door.facts(17) == (len(staged),)


def test_a_reading_of_earlier_is_logged_with_its_time_decided_by_that_hour_and_moves_nothing() -> None:
    door = Door()
    door.hold(identifier(0, CARD, 1234, references=(0,)), schedules=[schedule(0, ONE, MONDAYS)])
    assert door.reads() == "schedule_closed"
    assert door.panel.read_earlier("card", "1234", 0, 86_400.0).granted
    assert not any(door.coils())
    assert door.last_event()[0] == 1
    granted = [words for words in door.events() if words[4] == 1]
    assert granted[-1][2] << 16 | granted[-1][3] == TUESDAY_10 - 86_400
    with pytest.raises(CannotRead):
        door.panel.read_earlier("face", "1", 0, 60.0)
