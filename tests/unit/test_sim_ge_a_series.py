"""The simulated lighting panel: tables, calendars, clock, flash, and each of its own exceptions."""

from __future__ import annotations

import pytest

from simulators.ge_a_series import GeASeries
from tests.support.sim_bench import Bench, refused

EMPTY = (0xFFFF, 0xFFFF)
MONDAY = 20759
"""2026-11-02."""
NOON = MONDAY * 86_400 + 43_200
CHRISTMAS = 20812
CHRISTMAS_WORDS = (0x0519, 0x0C7E)
"""Friday 25, December 2026."""
NEW_YEAR_WORDS = (0x0501, 0x017F)
COMMAND, CLOCK = 50034, 50035


def number(register: int) -> int:
    """PDU address of a register number."""
    return register - 1


def entry(schedule: int, day: int, index: int) -> int:
    """PDU address of an entry's time; day 1 Monday .. 7 Sunday, 8 and 9 calendars; everything counts from 1."""
    return number(20001 + 290 * (schedule - 1) + 2 + 32 * (day - 1) + 2 * (index - 1))


@pytest.fixture
def bench() -> Bench:
    return Bench("ge-a-series", wall=NOON)


def ge(bench: Bench) -> GeASeries:
    assert isinstance(bench.panel, GeASeries)
    return bench.panel


def nine_to_six(bench: Bench, schedule: int, day: int) -> None:
    bench.write(entry(schedule, day, 2), 0x0900, 1, 0x1200, 0)


def test_the_factory_table_is_closed(bench: Bench) -> None:
    assert bench.words(entry(16, 9, 1), 32) == (0, 0, *EMPTY * 15)
    assert bench.words(number(20001), 4) == (0, 0, 0, 0)
    assert bench.words(number(10001), 7) == (0, 0, 0, *EMPTY * 2)
    assert all(ge(bench).day_windows(schedule, MONDAY) == () for schedule in range(1, 17))


def test_a_day_list(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    panel = ge(bench)
    assert panel.day_windows(1, MONDAY) == ((540, 1080),)
    assert panel.day_windows(1, MONDAY + 1) == ()
    assert panel.day_windows(2, MONDAY) == ()
    assert (panel.is_open_at(1, MONDAY, 540), panel.is_open_at(1, MONDAY, 1080)) == (True, False)
    assert bench.bits(number(501), 16) == (1, *(0,) * 15)
    assert bench.words(number(20002)) == (1,)
    assert panel.schedules_open_now() == (1,)


def test_nothing_goes_on_over_midnight(bench: Bench) -> None:
    bench.write(entry(1, 1, 2), 0x1600, 1)
    assert ge(bench).day_windows(1, MONDAY) == ((1320, 1440),)
    assert ge(bench).day_windows(1, MONDAY + 1) == ()
    bench.one(entry(1, 2, 1) + 1, 1)
    assert ge(bench).day_windows(1, MONDAY + 1) == ((0, 1440),)


def test_order_does_not_matter_but_the_later_of_two_at_one_time(bench: Bench) -> None:
    bench.write(entry(1, 1, 2), 0x1200, 0, 0x0900, 1, 0x1000, 1, 0x1000, 0)
    assert ge(bench).day_windows(1, MONDAY) == ((540, 960),)


def test_the_byte_order_of_times_is_an_option() -> None:
    bench = Bench("ge-a-series", wall=NOON, time_bytes="minute_hour")
    bench.write(entry(1, 1, 2), 0x1E09, 1)
    assert ge(bench).day_windows(1, MONDAY) == ((570, 1440),)


def test_the_first_entry_stays_at_midnight(bench: Bench) -> None:
    refused(0x89, bench.one, entry(1, 1, 1), 0x0100)
    refused(0x89, bench.one, entry(1, 1, 1), 0xFFFF)
    bench.write(entry(1, 1, 1), 0, 1, 0x0900, 0)
    assert ge(bench).day_windows(1, MONDAY) == ((0, 540),)


def test_an_entry_is_removed_by_a_single_write_only(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    refused(0x89, bench.write, entry(1, 1, 3), 0xFFFF)
    refused(0x89, bench.write, entry(1, 1, 3), 0xFFFF, 0xFFFF)
    refused(0x86, bench.write, entry(1, 1, 2), 0x0900, 1, 0xFFFF, 0xFFFF)
    bench.one(entry(1, 1, 3), 0xFFFF)
    assert bench.words(entry(1, 1, 1), 8) == (0, 0, 0x0900, 1, *EMPTY * 2)
    assert ge(bench).day_windows(1, MONDAY) == ((540, 1440),)
    bench.write(entry(1, 1, 2), 0x0900, 0, *EMPTY)


@pytest.mark.parametrize("words", [(0x1800, 0), (0x0960, 0), (0x0900, 2), (0x0900, 0xFFFF)])
def test_entries_that_make_no_sense(bench: Bench, words: tuple[int, int]) -> None:
    refused(3, bench.write, entry(1, 1, 2), *words)
    assert bench.words(entry(1, 1, 2), 2) == EMPTY


def test_calendars_swap_the_day_of_all_schedules(bench: Bench) -> None:
    nine_to_six(bench, 1, 5)
    bench.write(entry(2, 8, 2), 0x0A00, 1)
    bench.write(entry(2, 9, 2), 0x0B00, 1)
    bench.write(number(10187), *CHRISTMAS_WORDS)
    assert ge(bench).day_windows(1, CHRISTMAS) == ()
    assert ge(bench).day_windows(2, CHRISTMAS) == ((660, 1440),)
    refused(3, bench.write, number(10004), *CHRISTMAS_WORDS)
    bench.write(number(10187), *EMPTY)
    bench.write(number(10004), *CHRISTMAS_WORDS)
    assert ge(bench).day_windows(2, CHRISTMAS) == ((600, 1440),)
    assert ge(bench).day_windows(1, CHRISTMAS + 7) == ((540, 1080),)
    assert bench.words(number(10003), 5) == (1, *CHRISTMAS_WORDS, *EMPTY)
    assert bench.words(number(10186)) == (0,)


def test_deleting_a_date_moves_later_ones_up(bench: Bench) -> None:
    bench.write(number(10004), *CHRISTMAS_WORDS, *NEW_YEAR_WORDS)
    refused(0x86, bench.write, number(10004), *EMPTY, *EMPTY)
    bench.write(number(10004), *EMPTY)
    assert bench.words(number(10003), 5) == (1, *NEW_YEAR_WORDS, *EMPTY)
    bench.write(number(10006), *EMPTY)
    assert bench.words(number(10003)) == (1,)


def test_what_calendars_refuse(bench: Bench) -> None:
    refused(0x83, bench.words, number(10005))
    refused(0x83, bench.words, number(10003), 2)
    refused(0x84, bench.write, number(10004), 0x0519)
    refused(0x84, bench.one, number(10005), 0x0C7E)
    refused(0x85, bench.write, number(10003), 1)
    refused(0x89, bench.write, number(10001), 1)
    refused(0x89, bench.write, number(10006), *CHRISTMAS_WORDS)
    for words in ((0x0419, 0x0C7E), (0x051E, 0x027E), (0x0519, 0x0D7E), (0xFF19, 0x0C7E)):
        refused(3, bench.write, number(10004), *words)


def test_dates_span_ten_years(bench: Bench) -> None:
    bench.write(number(10004), *CHRISTMAS_WORDS)
    refused(3, bench.write, number(10006), 0x051A, 0x0C88)
    bench.write(number(10006), 0x0419, 0x0C88)
    assert bench.words(number(10003)) == (2,)


def test_ninety_dates(bench: Bench) -> None:
    first = CHRISTMAS + 7
    words = [word for day in range(90) for word in date_words(first + day)]
    bench.write(number(10004), *words[:122])
    bench.write(number(10004) + 122, *words[122:])
    assert bench.words(number(10003)) == (90,)
    assert bench.words(number(10183) - 1, 2) == date_words(first + 89)
    refused(0x85, bench.write, number(10184) + 2, 1)


def date_words(day: int) -> tuple[int, int]:
    """The words of days in January to April 2027, counted here by hand."""
    month, left = 1, day - 20819
    for length in (31, 28, 31):
        if left < length:
            break
        month, left = month + 1, left - length
    return ((day + 3) % 7 + 1) << 8 | left + 1, month << 8 | 127


# --- values


def test_a_value_out_of_service_is_frozen(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.coil(number(601), 0xFF00)
    bench.now += 8 * 3600
    assert bench.bits(number(501)) == (1,)
    assert bench.words(number(20001), 2) == (1, 1)
    bench.coil(number(501), 0x0000)
    bench.now += 24 * 3600
    assert bench.bits(number(501)) == (0,)
    bench.one(number(20001), 0)
    assert bench.bits(number(601)) == (0,)
    assert ge(bench).day_windows(1, MONDAY) == ((540, 1080),)


def test_a_forced_value_holds_until_the_next_event(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.one(number(20002), 0)
    assert bench.bits(number(501)) == (0,)
    bench.coils(number(501), 1, 1)
    assert bench.bits(number(501), 2) == (1, 1)
    bench.now += 6 * 3600
    assert bench.bits(number(501), 2) == (0, 1)
    bench.now += 6 * 3600
    assert bench.bits(number(501), 2) == (0, 0)


def test_a_panel_that_acts_on_edges_alone_keeps_its_values_over_a_clock_step(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    evening = (0x1400, 0x0000, 0x0102, 0x0B7E)
    ge(bench).edge_only = True
    bench.write(CLOCK, *evening)
    assert ge(bench).schedules_open_now() == (1,)
    bench.now += 4 * 3600
    assert ge(bench).schedules_open_now() == ()


def test_outputs_are_coils_and_off_at_power_on(bench: Bench) -> None:
    bench.coils(number(65), 1, 1)
    assert bench.bits(number(64), 3) == (0, 1, 1)
    assert bench.panel.outputs()[64:] == (True, True)
    refused(2, bench.bits, number(66), 2)
    refused(2, bench.coils, number(66), 1, 1)
    refused(2, bench.coil, number(617), 0xFF00)
    refused(3, bench.coil, number(1), 0x5500)
    refused(1, bench.bits, 0, 1, 2)
    bench.panel.power_cut()
    assert bench.panel.outputs() == (False,) * 66


# --- clock, flash, power


def test_the_clock_is_written_as_a_whole(bench: Bench) -> None:
    assert bench.words(CLOCK, 4) == (0x0C00, 0x0000, 0x0102, 0x0B7E)
    bench.write(CLOCK, 0x173B, 0x3B32, 0x0203, 0x0B7E)
    bench.now += 1
    assert bench.words(CLOCK, 4) == (0x0000, 0x0032, 0x0304, 0x0B7E)
    refused(0x84, bench.write, CLOCK, 0x0100, 0x0000)
    refused(0x84, bench.one, CLOCK, 0x0100)
    refused(0x83, bench.words, CLOCK, 1)
    refused(0x83, bench.words, CLOCK + 1, 2)
    for words in ((0x1800, 0, 0x0203, 0x0B7E), (0, 0, 0x0303, 0x0B7E), (0, 0x0064, 0x0203, 0x0B7E), (0, 0, 0x021F, 0x0B7E)):
        refused(3, bench.write, CLOCK, *words)


def test_what_is_not_saved_is_gone_after_a_power_cut_and_the_clock_goes_on(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.one(COMMAND, 2)
    nine_to_six(bench, 1, 2)
    bench.write(number(10004), *CHRISTMAS_WORDS)
    bench.write(number(50026), 1, 2, 3)
    bench.now += 60
    bench.panel.power_cut()
    assert ge(bench).day_windows(1, MONDAY) == ((540, 1080),)
    assert ge(bench).day_windows(1, MONDAY + 1) == ()
    assert bench.words(number(10003)) == (0,)
    assert bench.words(number(50026), 3) == (0, 0, 0)
    assert bench.words(CLOCK, 2) == (0x0C01, 0x0000)
    assert bench.words(number(50033)) == (1,)
    assert ge(bench).saves == 1


def test_loading_brings_the_old_table_back(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.write(COMMAND, 1)
    assert ge(bench).day_windows(1, MONDAY) == ()
    refused(3, bench.one, COMMAND, 4)
    refused(0x89, bench.words, COMMAND)
    refused(0x85, bench.one, number(50033), 0)


def test_a_saved_schedule_out_of_service_wakes_up_frozen(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.one(number(20001), 1)
    bench.one(COMMAND, 2)
    bench.panel.reset()
    bench.now += 8 * 3600
    assert bench.bits(number(501)) == (1,)


def test_saving_is_what_makes_durable(bench: Bench) -> None:
    assert bench.panel.makes_durable(bytes.fromhex("06C3720002"))
    assert bench.panel.makes_durable(bytes.fromhex("10C3720001020002"))
    assert not bench.panel.makes_durable(bytes.fromhex("06C3720001"))


def test_restore(bench: Bench) -> None:
    nine_to_six(bench, 1, 1)
    bench.one(COMMAND, 2)
    bench.panel.restore()
    assert ge(bench).day_windows(1, MONDAY) == ()
    assert bench.words(number(50033)) == (0,)


@pytest.mark.parametrize("register", [10000, 10367, 20000, 24641, 50025, 50029, 50034, 50040])
def test_addresses_that_are_not_there(bench: Bench, register: int) -> None:
    refused(2, bench.words, number(register))
    refused(2, bench.one, number(register), 0)
    refused(1, bench.words, number(20001), 1, 4)
