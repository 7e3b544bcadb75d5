"""The simulated `open-access-panel`, register by register. Vectors are computed here or taken from its map, not from its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from config.settings import PanelSettings, SimulatorSettings
from simulators.open_access_panel import OpenAccessPanel
from tests.support.access_words import ccitt_false, identifier, sealed
from tests.support.master import Refused, bits_of, raise_refusal, read_pdu, single_pdu, words_of, write_pdu

LINK_ID = "91c615e3-1040-4815-8ecb-000000000009"
EXAMPLE_HEAD = "0001 91C6 15E3 1040 4815 8ECB 0000 0000 0009 5117 FFFF 0001 001F 021C 0438"
EXAMPLE = (*(int(word, 16) for word in EXAMPLE_HEAD.split()), *(0,) * 48, 0x700A)
MONDAY = 0x5117
NOW = 1_793_664_000
"""2026-11-03T00:00:00Z, a Tuesday."""
UNSET = (0,) * 10


def schedule(number: int, **changes: int) -> tuple[int, ...]:
    """The example with words `w<offset>` changed, sealed for a slot."""
    body = list(EXAMPLE[:63])
    for name, value in changes.items():
        body[int(name[1:])] = value
    return sealed(number, body)


def card(number: int, reference: int, **changes: int) -> tuple[int, ...]:
    body = list(identifier(number, 1, 1234, (reference,))[:15])
    for name, value in changes.items():
        body[int(name[1:])] = value
    return sealed(number, body, 16)


class Bench:
    """A panel on a table, with a clock to turn by hand."""

    def __init__(self, **size: float) -> None:
        self.now = 100.0
        simulator = SimulatorSettings.model_validate(size)
        settings = PanelSettings(id="lobby", model="open-access-panel", unit=1, simulator=simulator)
        self.panel = OpenAccessPanel(settings, wall=lambda: 0.0, monotonic=lambda: self.now)

    def holding(self, address: int, count: int = 1) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(3, address, count)))

    def facts(self, address: int, count: int = 1) -> tuple[int, ...]:
        return words_of(self.panel.handle(read_pdu(4, address, count)))

    def write(self, address: int, *words: int) -> None:
        raise_refusal(self.panel.handle(write_pdu(address, words)))

    def one(self, address: int, word: int) -> None:
        raise_refusal(self.panel.handle(single_pdu(6, address, word)))

    def push(self, slot: int, words: Sequence[int]) -> None:
        self.write(0x1000 + 64 * slot, *words)

    def commit(self, slots: int) -> None:
        self.write(0x0200, 0xC0DE, slots)

    def hold(self, slot: int, words: Sequence[int]) -> None:
        self.push(slot, words)
        self.commit(1)

    def status(self) -> tuple[int, ...]:
        """Status, refused address, reason."""
        return self.facts(12, 3)

    def set_clock(self, unix: int = NOW, offset: int = 0, changes: Sequence[int] = (0, 0, 0, 0, 0, 0), hours: int = 0) -> None:
        self.write(0x0100, unix >> 16, unix & 0xFFFF, offset & 0xFFFF, *changes, hours)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def refused(code: int, act: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(Refused) as caught:
        act(*arguments)
    assert caught.value.code == code


def test_the_documented_example_is_accepted(bench: Bench) -> None:
    assert ccitt_false(0, EXAMPLE[:63]) == 0x700A
    bench.hold(0, EXAMPLE)
    assert bench.holding(0x1000, 64) == EXAMPLE
    assert bench.holding(0x0300) == (0x700A,)
    assert bench.status() == (2, 0xFFFF, 0)
    assert bench.facts(11) == (1,)
    assert bench.facts(15, 3) == (1, 0, 0)


def test_identity_and_capacity() -> None:
    bench = Bench(schedules=192, periods=5, dates=3, identifiers=768, outputs=4)
    assert bench.facts(0, 8) == (0x5041, 0x0101, 192, 5, 3, 768, 4, 256)
    assert bench.holding(0x1000 + 64 * 191, 64) == (0,) * 64
    assert bench.holding(0x4000 + 16 * 767, 16) == (0,) * 16


@pytest.mark.parametrize(
    ("function", "address", "count"),
    [
        (4, 23, 2),
        (4, 24, 1),
        (4, 39, 2),
        (4, 46, 1),
        (3, 0, 1),
        (3, 0x010A, 1),
        (3, 0x0204, 1),
        (3, 0x0218, 1),
        (3, 0x0238, 1),
        (3, 0x0340, 1),
        (3, 0x0FFF, 2),
        (3, 0x1FFF, 2),
        (3, 0x6000, 1),
        (3, 0x7078, 1),
        (3, 0x7FFD, 2),
        (3, 0x8000, 1),
        (3, 0xA000, 1),
        (3, 0xE000, 1),
        (3, 0xFFFF, 2),
        (2, 63, 2),
        (1, 7, 2),
    ],
)
def test_an_address_not_listed_is_exception_2(bench: Bench, function: int, address: int, count: int) -> None:
    reply = bench.panel.handle(read_pdu(function, address, count))
    assert reply == bytes((function | 0x80, 2))


@pytest.mark.parametrize("address", [0x0300, 0x7000, 0x9000, 0xC000, 0x0000, 0x1FFF])
def test_writing_what_is_read_only_or_not_there_is_exception_2(bench: Bench, address: int) -> None:
    refused(2, bench.write, address, 0, 0)


def test_a_refused_write_changes_nothing(bench: Bench) -> None:
    refused(2, bench.write, 0x1000 + 64 * 63 + 60, *(7,) * 5)
    assert bench.facts(17) == (0,)


@pytest.mark.parametrize("count", [0, 126])
def test_counts_beyond_the_protocol_are_exception_3(bench: Bench, count: int) -> None:
    assert bench.panel.handle(read_pdu(3, 0x1000, count)) == b"\x83\x03"


@pytest.mark.parametrize("pdu", [b"\x07", b"\x05\x00\x00\xff\x00", b"\x0f\x00\x00\x00\x01\x01\x01", b"\x2b\x0e\x01\x00"])
def test_functions_it_lacks_are_exception_1(bench: Bench, pdu: bytes) -> None:
    assert bench.panel.handle(pdu) == bytes((pdu[0] | 0x80, 1))


@pytest.mark.parametrize("pdu", ["030000", "0310000001ff", "1010000002020001", "101000000104000100", "0610000001ff"])
def test_a_pdu_of_the_wrong_length_is_exception_3(bench: Bench, pdu: str) -> None:
    assert bench.panel.handle(bytes.fromhex(pdu)) == bytes((int(pdu[:2], 16) | 0x80, 3))


# --- staging


def test_writes_go_to_staging_and_reads_give_committed_words(bench: Bench) -> None:
    bench.push(0, EXAMPLE)
    assert bench.holding(0x1000, 64) == (0,) * 64
    assert bench.holding(0x9000, 64) == EXAMPLE
    assert bench.status() == (1, 0xFFFF, 0)
    assert bench.facts(17) == (1,)


def test_the_first_write_copies_the_committed_slot(bench: Bench) -> None:
    bench.hold(3, schedule(3))
    bench.one(0x1000 + 64 * 3 + 13, 600)
    staged = bench.holding(0x9000 + 64 * 3, 64)
    assert staged == (*schedule(3)[:13], 600, *schedule(3)[14:])
    assert bench.holding(0x9000 + 64 * 4, 64) == (0,) * 64


def test_one_write_may_straddle_slots(bench: Bench) -> None:
    both = (*schedule(0), *schedule(1))
    bench.write(0x1000, *both[:100])
    bench.write(0x1000 + 100, *both[100:])
    bench.commit(2)
    assert bench.holding(0x1000 + 60, 8) == both[60:68]
    assert bench.facts(15, 3) == (2, 0, 0)


def test_a_commit_is_all_or_none(bench: Bench) -> None:
    bench.push(0, schedule(0))
    bench.push(1, (*schedule(1)[:63], 0x1234))
    refused(4, bench.commit, 2)
    assert bench.status() == (3, 0x1040, 1)
    assert bench.facts(15, 3) == (0, 0, 0)
    assert bench.facts(11) == (0,)
    bench.push(0, schedule(0))
    assert bench.status() == (1, 0xFFFF, 0)


@pytest.mark.parametrize("number", [0, 2])
def test_a_wrong_count_is_refused_and_drops_the_staging(bench: Bench, number: int) -> None:
    bench.push(0, schedule(0))
    refused(4, bench.commit, number)
    assert bench.status() == (3, 0xFFFF, 2)
    assert bench.facts(17) == (0,)


def test_committing_nothing_changes_nothing(bench: Bench) -> None:
    bench.hold(0, EXAMPLE)
    before = bench.facts(10, 14)
    bench.commit(0)
    assert bench.facts(10, 14) == before


def test_dead_drops_what_is_staged(bench: Bench) -> None:
    bench.push(0, EXAMPLE)
    bench.write(0x0200, 0xDEAD, 0)
    assert bench.status() == (0, 0xFFFF, 0)
    assert bench.holding(0x9000, 64) == (0,) * 64


@pytest.mark.parametrize("words", [(0xDEAD, 1), (0x1234, 0), (0xC0DE,), (0xC0DE, 0, 0)])
def test_odd_commands_are_exception_3(bench: Bench, words: tuple[int, ...]) -> None:
    refused(3, bench.write, 0x0200, *words)


def test_a_single_write_is_no_commit(bench: Bench) -> None:
    refused(3, bench.one, 0x0200, 0xC0DE)


def test_staging_is_dropped_60_s_after_the_last_write_or_staged_read(bench: Bench) -> None:
    bench.push(0, EXAMPLE)
    bench.now += 59
    bench.holding(0x9000, 1)
    bench.now += 59
    assert bench.facts(17) == (1,)
    bench.holding(0x9000 + 64, 1)
    bench.holding(0x1000, 1)
    bench.now += 1
    assert bench.facts(17) == (0,)
    assert bench.status() == (0, 0xFFFF, 0)
    refused(4, bench.commit, 1)


# --- value checks


@pytest.mark.parametrize(
    "changes",
    [
        {"w0": 2},
        {"w0": 0x0101},
        {"w10": 0},
        {"w11": 13},
        {"w12": 0x0100},
        {"w13": 0x0438},
        {"w13": 0x0439},
        {"w14": 1441},
        {"w15": 1},
        {"w47": 1},
        {"w48": 15},
        {"w48": 0x8001},
        {"w49": 1},
        {"w48": 1, "w50": 1},
        {"w62": 1},
        {"w11": 2},
    ],
)
def test_bad_values_are_refused(bench: Bench, changes: dict[str, int]) -> None:
    bench.push(2, schedule(2, **changes))
    refused(4, bench.commit, 1)
    assert bench.status() == (3, 0x1080, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"w14": 1440},
        {"w9": 0, "w10": 0xFFFF},
        {"w48": 1, "w49": MONDAY},
        {"w48": 0x8000, "w62": 1},
        {"w12": 0xFF},
        {"w11": 0, "w12": 0, "w13": 0, "w14": 0},
    ],
)
def test_odd_but_good_values_are_accepted(bench: Bench, changes: dict[str, int]) -> None:
    bench.hold(2, schedule(2, **changes))
    assert bench.status() == (2, 0xFFFF, 0)


def test_less_capacity_refuses_more() -> None:
    bench = Bench(periods=1, dates=1)
    bench.hold(0, schedule(0, w48=1, w49=5))
    for changes in ({"w11": 2, "w15": 1, "w17": 1}, {"w48": 2}):
        bench.push(0, schedule(0, **changes))
        refused(4, bench.commit, 1)


def test_a_free_slot_needs_no_crc(bench: Bench) -> None:
    bench.hold(0, EXAMPLE)
    bench.one(0x1000, 0)
    bench.commit(1)
    assert bench.facts(15) == (0,)
    assert bench.holding(0x1000, 2) == (0, 0x91C6)


def test_the_crc_covers_the_slot_number(bench: Bench) -> None:
    bench.push(1, EXAMPLE)
    refused(4, bench.commit, 1)
    assert bench.status() == (3, 0x1040, 1)


# --- identifiers


def test_identifiers_are_staged_and_committed_with_schedules(bench: Bench) -> None:
    bench.push(0, schedule(0))
    bench.write(0x4000 + 16 * 5, *card(5, 0))
    bench.commit(2)
    assert bench.facts(15, 3) == (1, 1, 0)
    assert bench.holding(0x4050, 16) == bench.holding(0xC050, 16) == card(5, 0)


@pytest.mark.parametrize("changes", [{"w0": 5}, {"w0": 0x0801}, {"w0": 0x0100}, {"w6": 64}, {"w6": 0xFFFD}, {"w9": 0x0100}])
def test_bad_identifiers_are_refused(bench: Bench, changes: dict[str, int]) -> None:
    bench.write(0x4000 + 16, *card(1, 0, **changes))
    refused(4, bench.commit, 1)
    assert bench.status() == (3, 0x4010, 2)


def test_freeing_a_schedule_that_an_identifier_names_is_reason_3(bench: Bench) -> None:
    bench.push(7, schedule(7))
    bench.write(0x4000, *card(0, 7))
    bench.commit(2)
    bench.one(0x1000 + 64 * 7, 0)
    refused(4, bench.commit, 1)
    assert bench.status() == (3, 0x1000 + 64 * 7, 3)
    assert bench.facts(15) == (1,)


def test_reason_3_is_judged_on_what_the_commit_would_leave(bench: Bench) -> None:
    bench.push(7, schedule(7))
    bench.write(0x4000, *card(0, 7))
    bench.commit(2)
    bench.one(0x1000 + 64 * 7, 0)
    bench.write(0x4000, *card(0, 0xFFFE))
    bench.commit(2)
    bench.push(7, schedule(7))
    bench.commit(1)
    bench.one(0x1000 + 64 * 7, 0)
    bench.write(0x4000, *card(0, 7))
    refused(4, bench.commit, 2)
    assert bench.status()[2] == 3


# --- immediate clear, busy


def test_clear_empties_a_slot_at_once_whoever_refers_to_it(bench: Bench) -> None:
    bench.push(7, schedule(7))
    bench.write(0x4000, *card(0, 7))
    bench.commit(2)
    bench.one(0x1000 + 64 * 7 + 13, 1)
    bench.one(0x0202, 7)
    assert bench.holding(0x1000 + 64 * 7, 64) == (0,) * 64
    assert bench.facts(17) == (0,)
    assert bench.status()[0] == 0
    assert bench.facts(11) == (1,)
    bench.panel.power_cut()
    assert bench.facts(15, 2) == (0, 1)


def test_clear_leaves_other_staged_slots(bench: Bench) -> None:
    bench.push(0, schedule(0))
    bench.push(1, schedule(1))
    bench.write(0x0202, 1)
    bench.commit(1)
    assert bench.facts(15) == (1,)


def test_clear_of_a_slot_that_is_not_there(bench: Bench) -> None:
    refused(3, bench.one, 0x0202, 64)


def open_bits(bench: Bench, slots: int = 2) -> tuple[int, ...]:
    """What the panel says on the line, and what its own window says: the same."""
    bits = bits_of(bench.panel.handle(read_pdu(2, 0, slots)), slots)
    assert tuple(slot for slot, bit in enumerate(bits) if bit) == bench.panel.schedules_open_now()
    return bits


def test_busy_after_a_commit_concerns_writes_only() -> None:
    bench = Bench(busy_ms=200)
    bench.set_clock(NOW + 36_000)
    bench.hold(0, EXAMPLE)
    refused(6, bench.one, 0x1000, 0)
    refused(6, bench.write, 0x0200, 0xDEAD, 0)
    assert bench.facts(12) == (4,)
    assert bench.holding(0x1000, 64) == EXAMPLE
    bench.now += 0.2
    assert bench.facts(12) == (2,)
    bench.one(0x1000, 0)


def test_schedules_go_on_from_the_old_set_while_the_panel_is_busy() -> None:
    bench = Bench(busy_ms=200)
    bench.set_clock(NOW + 36_000)
    bench.hold(0, EXAMPLE)
    assert open_bits(bench) == (0, 0)
    bench.now += 0.2
    assert open_bits(bench) == (1, 0)
    bench.push(0, schedule(0, w12=0))
    bench.push(1, schedule(1))
    bench.write(0x4030, *card(3, 0))
    bench.commit(3)
    assert open_bits(bench) == (1, 0)
    assert bench.panel.read("card", "1234", 0).reason == "unknown"
    bench.now += 0.2
    assert open_bits(bench) == (0, 1)
    assert bench.panel.read("card", "1234", 0).reason == "granted"


def test_a_clear_is_at_once_for_what_acts_too() -> None:
    bench = Bench(busy_ms=200)
    bench.set_clock(NOW + 36_000)
    bench.hold(0, EXAMPLE)
    bench.now += 0.2
    bench.hold(1, schedule(1))
    bench.one(0x0202, 0)
    assert open_bits(bench) == (0, 0)
    bench.now += 0.2
    assert open_bits(bench) == (0, 1)
    bench.hold(1, schedule(1, w12=0))
    bench.one(0x0202, 1)
    assert open_bits(bench) == (0, 0)


def test_a_restart_while_busy_takes_what_was_committed() -> None:
    bench = Bench(busy_ms=200)
    bench.set_clock(NOW + 36_000)
    bench.hold(0, EXAMPLE)
    bench.panel.reset()
    assert open_bits(bench) == (1, 0)


# --- outputs


def test_pulses_and_holds(bench: Bench) -> None:
    bench.one(0x0210 + 2, 15)
    bench.one(0x0220 + 3, 60)
    assert bits_of(bench.panel.handle(read_pdu(1, 0, 8)), 8) == (0, 0, 1, 1, 0, 0, 0, 0)
    assert (bench.holding(0x0212), bench.holding(0x0223)) == ((15,), (60,))
    bench.now += 1.5
    assert bench.panel.outputs()[2:4] == (False, True)
    bench.now += 50
    bench.one(0x0223, 60)
    bench.now += 59
    assert bench.panel.outputs()[3]
    bench.one(0x0223, 0)
    bench.one(0x0210, 10)
    bench.one(0x0210, 0)
    assert bench.panel.outputs() == (False,) * 8


def test_outputs_are_off_after_reset_and_power_cut(bench: Bench) -> None:
    for restart in (bench.panel.reset, bench.panel.power_cut):
        bench.write(0x0220, *(60,) * 8)
        assert bench.panel.outputs() == (True,) * 8
        restart()
        assert bench.panel.outputs() == (False,) * 8


# --- clock


def test_the_clock_is_unset_at_power_on_and_everything_is_closed(bench: Bench) -> None:
    bench.hold(0, schedule(0, w9=0, w12=0x7F, w13=0, w14=1440))
    assert bench.holding(0x0100, 10) == UNSET
    assert bench.facts(40, 6) == (0,) * 6
    assert bench.panel.schedules_open_now() == ()
    bench.set_clock()
    assert bench.panel.schedules_open_now() == (0,)
    assert bits_of(bench.panel.handle(read_pdu(2, 0, 3)), 3) == (1, 0, 0)
    bench.panel.reset()
    assert bench.panel.schedules_open_now() == (0,)
    bench.panel.power_cut()
    assert bench.panel.schedules_open_now() == ()


def test_the_clock_runs_and_follows_its_changes(bench: Bench) -> None:
    first, second = NOW + 3600, NOW + 7200
    changes = (first >> 16, first & 0xFFFF, 60, second >> 16, second & 0xFFFF, -90 & 0xFFFF)
    bench.set_clock(NOW, 120, changes)
    assert bench.facts(40, 6) == (2026, 11, 3, 2, 0, 0)
    bench.now += 3599
    assert bench.facts(40, 6) == (2026, 11, 3, 2, 59, 59)
    bench.now += 1
    assert bench.facts(40, 6) == (2026, 11, 3, 2, 0, 0)
    bench.now += 3600
    assert bench.facts(40, 6) == (2026, 11, 3, 0, 30, 0)
    assert bench.holding(0x0100, 10) == ((NOW + 7200) >> 16, (NOW + 7200) & 0xFFFF, 120, *changes, 0)


def test_the_clock_is_trusted_for_so_many_hours(bench: Bench) -> None:
    bench.set_clock(hours=2)
    bench.now += 7199
    assert bench.holding(0x0109) == (2,)
    bench.now += 1
    assert bench.holding(0x0100, 10) == UNSET
    assert bench.panel.local_second() is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (0x0100, (0, 1)),
        (0x0101, (0,) * 9),
        (0x0100, UNSET),
        (0x0100, (27000, 0, 1440, 0, 0, 0, 0, 0, 0, 0)),
        (0x0100, (27000, 0, 0, 0, 0, 0, 27000, 9, 0, 0)),
        (0x0100, (27000, 0, 0, 27000, 9, 0, 27000, 9, 0, 0)),
    ],
)
def test_half_a_clock_or_no_time_is_exception_3(bench: Bench, address: int, words: tuple[int, ...]) -> None:
    refused(3, bench.write, address, *words)


def test_a_drifting_clock(bench: Bench) -> None:
    bench.set_clock()
    bench.panel.oscillator.drift_ppm = 1000
    bench.now += 10_000
    assert bench.panel.local_second() == NOW + 10_010
    assert bench.facts(8, 2) == (0, 10_000)


# --- what is open


def test_weekdays_and_minutes(bench: Bench) -> None:
    bench.hold(0, EXAMPLE)
    panel = bench.panel
    assert panel.is_open_at(0, MONDAY, 540)
    assert not panel.is_open_at(0, MONDAY, 539)
    assert panel.is_open_at(0, MONDAY, 1079)
    assert not panel.is_open_at(0, MONDAY, 1080)
    assert [panel.is_open_at(0, MONDAY + day, 600) for day in range(8)] == [True] * 5 + [False] * 2 + [True]
    assert not panel.is_open_at(0, MONDAY - 3, 600)
    assert panel.open_by_link(LINK_ID, MONDAY * 1440 + 540)
    assert not panel.open_by_link(LINK_ID, MONDAY * 1440)
    assert not panel.open_by_link(LINK_ID.replace("9", "8"), MONDAY * 1440 + 540)


def test_own_dates_replace_the_weekday(bench: Bench) -> None:
    periods = (0x1F, 540, 1080, 0x80, 60, 120, 0x81, 120, 180)
    words = (*EXAMPLE[:9], 0, 0xFFFF, 3, *periods, *(0,) * 27, 2, MONDAY, MONDAY + 5)
    bench.hold(0, sealed(0, words))
    assert bench.panel.day_windows(0, MONDAY) == ((60, 120), (120, 180))
    assert bench.panel.day_windows(0, MONDAY + 1) == ((540, 1080),)
    assert bench.panel.day_windows(0, MONDAY + 5) == ((60, 120), (120, 180))
    assert bench.panel.day_windows(0, MONDAY + 7) == ((540, 1080), (120, 180))


def test_a_bitmap_counts_from_valid_from(bench: Bench) -> None:
    bitmap = (0x8000, *(0,) * 12, 0x0001)
    words = (*EXAMPLE[:9], MONDAY, 0xFFFF, 1, 0x80, 0, 1440, *(0,) * 33, 0x8000, *bitmap)
    bench.hold(0, sealed(0, words))
    opened = [day for day in range(MONDAY - 300, MONDAY + 600) if bench.panel.day_windows(0, day)]
    assert opened == [MONDAY, MONDAY + 223]


def test_the_last_day_and_the_range(bench: Bench) -> None:
    bench.hold(0, schedule(0, w9=MONDAY, w10=MONDAY + 1))
    assert [bool(bench.panel.day_windows(0, MONDAY + day)) for day in (-7, 0, 1, 2)] == [False, True, True, False]
    bench.hold(1, schedule(1, w9=0, w10=0xFFFF, w12=0x7F))
    assert bench.panel.day_windows(1, 0xFFFE)
    assert not bench.panel.day_windows(1, 0xFFFF)
    assert not bench.panel.day_windows(1, 0x10000)


# --- power, filling up, events


def test_what_a_power_cut_and_a_reset_leave(bench: Bench) -> None:
    bench.hold(0, EXAMPLE)
    bench.now += 500
    bench.push(1, schedule(1))
    for count, restart in enumerate((bench.panel.power_cut, bench.panel.reset), 1):
        bench.push(1, schedule(1))
        restart()
        assert bench.facts(8, 4) == (0, 0, count, 1)
        assert bench.facts(12, 6) == (0, 0xFFFF, 0, 1, 0, 0)
        assert bench.holding(0x1000, 64) == EXAMPLE


def test_restore_is_total_loss(bench: Bench) -> None:
    bench.hold(0, EXAMPLE)
    bench.panel.restore()
    assert bench.facts(8, 12) == (0, 0, 0, 0, 0, 0xFFFF, 0, 0, 0, 0, 0, 0)


def test_a_full_panel_has_strangers_in_every_free_slot(bench: Bench) -> None:
    bench.hold(5, schedule(5))
    assert bench.panel.fill_up() == 63
    assert bench.facts(15) == (64,)
    assert set(bench.panel.used_schedules()) == set(range(64))
    bench.one(0x1000, 1)
    bench.commit(1)


def test_the_event_window_starts_where_it_is_told(bench: Bench) -> None:
    for kind in range(20):
        bench.panel.record_event(kind, identifier=3, output=1, reason=0)
    assert bench.facts(18, 2) == (0, 20)
    assert bench.holding(0x7000, 10) == (0, 1, 0, 0, 0, 3, 1, 0, 0, 2)
    bench.write(0x7FFE, 0, 19)
    assert bench.holding(0x7FFE, 2) == (0, 19)
    assert bench.holding(0x7000, 24) == (0, 19, 0, 0, 18, 3, 1, 0, 0, 20, 0, 0, 19, 3, 1, 0, *(0,) * 8)
