"""The simulated room controller: table over midnight, modes, BCD clock, EEPROM, reading limits and the mirror."""

from __future__ import annotations

import pytest

from simulators.domat_fc013 import DomatFc013
from tests.support.sim_bench import Bench, refused

MONDAY = 20759
NOON = MONDAY * 86_400 + 43_200
CLOCK = (0x0000, 0x0112, 0x1102, 0x0026)
"""12:00:00, Monday, 2 November 2026."""
DAY = 12


@pytest.fixture
def bench() -> Bench:
    return Bench("domat-fc013", wall=NOON)


def domat(bench: Bench) -> DomatFc013:
    assert isinstance(bench.panel, DomatFc013)
    return bench.panel


def table(day: int) -> int:
    return 54 + DAY * day


def unlock(bench: Bench) -> None:
    bench.one(3, 1)


def automatic(bench: Bench) -> None:
    bench.one(23, 0x8008)


def closed_week(bench: Bench) -> None:
    for day in range(7):
        bench.write(table(day), 0, 2, *(0, 0x8002) * 5)


def test_the_factory_table_opens_at_six(bench: Bench) -> None:
    assert bench.words(54, 12) == (360, 0, 480, 1, 840, 0, 1320, 2, 360, 0x8000, 360, 0x8000)
    assert domat(bench).day_windows(0, MONDAY) == ((360, 480), (840, 1320))
    assert bench.words(1, 3) == (0x0505, 0x0013, 0)


def test_the_table_acts_in_automatic_mode_only(bench: Bench) -> None:
    assert bench.words(23) == (1,)
    assert domat(bench).schedules_open_now() == (0,)
    automatic(bench)
    assert bench.words(23) == (8,)
    assert bench.words(25) == (2,)
    assert domat(bench).schedules_open_now() == ()
    bench.now += 2 * 3600
    assert bench.words(25) == (1,)
    assert domat(bench).schedules_open_now() == (0,)
    bench.now += 8 * 3600
    assert bench.words(25) == (4,)


def test_a_mode_may_outlive_a_clock_step_until_the_next_event(bench: Bench) -> None:
    domat(bench).edge_only = True
    unlock(bench)
    automatic(bench)
    bench.write(49, 0x0000, 0x0115, 0x1102, 0x0026)
    assert bench.words(25) == (2,), "off as at noon, though the table says on at 15:00"
    bench.now += 7 * 3600
    bench.write(49, 0x0000, 0x0115, 0x1102, 0x0026)
    bench.one(23, 0x8008)
    assert bench.words(25) == (1,)
    bench.write(49, 0x0000, 0x0123, 0x1102, 0x0026)
    assert bench.words(25) == (1,)
    bench.now += 7 * 3600
    assert bench.words(25) == (1,), "06:00 is on"
    bench.now += 2 * 3600
    assert bench.words(25) == (2,)


def test_a_mode_without_its_bit_is_ignored_and_confirmed(bench: Bench) -> None:
    bench.one(23, 8)
    assert bench.words(23) == (1,)
    refused(3, bench.one, 23, 0x8003)
    bench.one(23, 0x8004)
    assert (bench.words(23), bench.words(25)) == ((4,), (4,))
    bench.one(23, 0x8010)
    assert bench.words(25) == (1,)


def test_values_carry_over_midnight(bench: Bench) -> None:
    closed_week(bench)
    bench.write(table(5), 0, 2, 1320, 0)
    bench.one(table(6) + 1, 0x8002)
    bench.one(table(0) + 1, 0x8002)
    bench.write(table(1), 120, 2)
    saturday = MONDAY + 5
    assert domat(bench).day_windows(0, saturday) == ((1320, 1440),)
    assert domat(bench).day_windows(0, saturday + 1) == ((0, 1440),)
    assert domat(bench).day_windows(0, saturday + 2) == ((0, 1440),)
    assert domat(bench).day_windows(0, saturday + 3) == ((0, 120),)


def test_a_week_without_events_is_off(bench: Bench) -> None:
    for day in range(7):
        bench.write(table(day), *(0, 0x8000) * 6)
    assert all(domat(bench).day_windows(0, MONDAY + day) == () for day in range(7))
    automatic(bench)
    assert bench.words(25) == (4,)


def test_events_in_any_order_the_later_of_two_at_one_time(bench: Bench) -> None:
    closed_week(bench)
    bench.write(table(0), 600, 0, 0, 2, 720, 1, 600, 2, 540, 0, 660, 0x8000)
    assert domat(bench).day_windows(0, MONDAY) == ((540, 600),)


@pytest.mark.parametrize(("offset", "word"), [(0, 1440), (0, 0xFFFF), (1, 3), (1, 0x8003), (1, 0xFFFF)])
def test_table_words_that_make_no_sense(bench: Bench, offset: int, word: int) -> None:
    refused(3, bench.one, table(3) + offset, word)


def test_a_bad_word_spoils_the_whole_write(bench: Bench) -> None:
    refused(3, bench.write, table(0), 0, 2, 1440, 0)
    assert bench.words(table(0), 2) == (360, 0)


# --- EEPROM


def test_without_the_bit_the_table_is_gone_after_a_power_cut(bench: Bench) -> None:
    bench.write(table(0), 0, 2)
    assert bench.words(table(0), 2) == (0, 2)
    bench.panel.power_cut()
    assert bench.words(table(0), 2) == (360, 0)


def test_with_the_bit_it_stays_and_the_bit_itself_goes(bench: Bench) -> None:
    unlock(bench)
    automatic(bench)
    bench.write(table(0), 0, 2)
    assert domat(bench).eeprom_writes == 3
    bench.panel.power_cut()
    assert bench.words(table(0), 2) == (0, 2)
    assert bench.words(23) == (8,)
    assert bench.words(3) == (0,)
    bench.write(table(0), 60, 0)
    bench.panel.reset()
    assert bench.words(table(0), 2) == (0, 2)


def test_ram_words_are_not_saved_later(bench: Bench) -> None:
    bench.write(table(0), 0, 2)
    unlock(bench)
    bench.write(table(1), 0, 2)
    bench.panel.power_cut()
    assert (bench.words(table(0), 2), bench.words(table(1), 2)) == ((360, 0), (0, 2))


def test_writes_to_eeprom_are_what_makes_durable(bench: Bench) -> None:
    assert not bench.panel.makes_durable(bytes.fromhex("0600360000"))
    unlock(bench)
    assert bench.panel.makes_durable(bytes.fromhex("0600360000"))
    assert not bench.panel.makes_durable(bytes.fromhex("0600030000"))


def test_restore(bench: Bench) -> None:
    unlock(bench)
    closed_week(bench)
    bench.panel.restore()
    assert bench.words(table(6), 2) == (360, 0)


# --- clock


def test_the_clock_is_bcd_and_runs_through_power_cuts(bench: Bench) -> None:
    assert bench.words(49, 4) == CLOCK
    unlock(bench)
    bench.write(49, 0x5958, 0x0723, 0x1231, 0x0028)
    assert bench.words(49, 4) == (0x5958, 0x0723, 0x1231, 0x0028)
    bench.panel.power_cut()
    bench.now += 2
    assert bench.words(49, 4) == (0x0000, 0x0100, 0x0101, 0x0029)


def test_without_the_bit_the_clock_is_not_set_and_nobody_says_so(bench: Bench) -> None:
    bench.write(49, 0x5958, 0x0723, 0x1231, 0x0028)
    assert bench.words(49, 4) == CLOCK


def test_single_clock_words(bench: Bench) -> None:
    unlock(bench)
    bench.one(49, 0x3015)
    assert bench.words(49, 4) == (0x3015, *CLOCK[1:])


@pytest.mark.parametrize(
    "words",
    [
        (0x006A, 0x0112, 0x1102, 0x0026),
        (0x0060, 0x0112, 0x1102, 0x0026),
        (0x0000, 0x0124, 0x1102, 0x0026),
        (0x0000, 0x0812, 0x1102, 0x0026),
        (0x0000, 0x0012, 0x1102, 0x0026),
        (0x0000, 0x0112, 0x1131, 0x0026),
        (0x0000, 0x0112, 0x1302, 0x0026),
        (0x0000, 0x0112, 0x1102, 0x0126),
    ],
)
def test_times_that_do_not_exist(bench: Bench, words: tuple[int, ...]) -> None:
    unlock(bench)
    refused(3, bench.write, 49, *words)


def test_it_acts_on_the_weekday_that_was_set(bench: Bench) -> None:
    unlock(bench)
    automatic(bench)
    closed_week(bench)
    bench.write(table(4), 0, 0)
    bench.write(49, 0x0000, 0x0512, 0x1102, 0x0026)
    assert bench.words(50) == (0x0512,)
    assert domat(bench).schedules_open_now() == (0,)
    bench.now += 12 * 3600
    assert bench.words(50) == (0x0600,)
    assert domat(bench).schedules_open_now() == ()


# --- addresses


def test_at_most_fifty_words_a_read_and_a_mirror(bench: Bench) -> None:
    bench.now += 70_000
    assert bench.words(88, 50) == bench.words(256 + 88, 50)
    refused(3, bench.words, 54, 51)
    assert bench.words(1000, 2) == (1, 70_000 - 65_536)
    bench.panel.reset()
    assert bench.words(1001) == (0,)
    for address, count in ((0, 1), (137, 2), (138, 1), (256, 1), (393, 2), (394, 1), (999, 2), (1001, 2), (1002, 1)):
        refused(2, bench.words, address, count)
    for address in (0, 1, 2, 25, 138, 257 + 53, 1000):
        refused(2, bench.one, address, 0)
    refused(1, bench.words, 1, 1, 4)
    refused(1, bench.coil, 0, 0xFF00)


def test_addresses_may_be_one_less() -> None:
    bench = Bench("domat-fc013", wall=NOON, first_word=1)
    assert bench.words(0) == (0x0505,)
    assert bench.words(53, 2) == (360, 0)
    bench.one(22, 0x8008)
    assert bench.words(22) == (8,)
    assert bench.words(999, 2) == (0, 0)
