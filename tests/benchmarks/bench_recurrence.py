"""Recurrence: questions answered a second, and the memory of many profiles.

python -m tests.benchmarks.bench_recurrence [--seconds S] [--profiles N]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from zoneinfo import ZoneInfo

from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Readings, Repeat, TimeProfile, WeekOrder

READINGS = Readings(ZoneInfo("Europe/Kyiv"))
MONDAY_NINE = 1_793_602_800
HOUR, DAY = 3600, 86_400

RULES: dict[str, Repeat | None] = {
    "once": None,
    "daily": Repeat(Frequency.DAY),
    "working days": Repeat(Frequency.WEEK, 1, True, weekdays=frozenset(range(5))),
    "every third week": Repeat(Frequency.WEEK, 3, True, weekdays=frozenset({0, 5})),
    "1st and 15th": Repeat(Frequency.MONTH, 1, True, month_days=frozenset({1, 15})),
    "last day off": Repeat(Frequency.MONTH, 1, True, nth=NthDay(WeekOrder.LAST, DayType.DAY_OFF)),
    "yearly": Repeat(Frequency.YEAR),
    "quarterly, yearly rule": Repeat(
        Frequency.YEAR, 1, True, months=frozenset({1, 4, 7, 10}), nth=NthDay(WeekOrder.FIRST, DayType.WEEK_DAY)
    ),
}


def profile(number: int, repeat: Repeat | None) -> TimeProfile:
    start = MONDAY_NINE + number % 500 * DAY
    return TimeProfile(f"00000000-0000-4000-8000-{number:012x}", f"profile {number}", False, start, start + 9 * HOUR, repeat)


def answers_a_second(ask: Callable[[int], object], seconds: float) -> float:
    """Asks about one instant after the other, spread over three years; counts CPU time."""
    instants = itertools.cycle(range(MONDAY_NINE, MONDAY_NINE + 1095 * DAY, 17 * HOUR + 13))
    asked, begin = 0, process_time()
    while process_time() - begin < seconds:
        for instant in itertools.islice(instants, 50):
            ask(instant)
        asked += 50
    return asked / (process_time() - begin)


def year_of_periods(subject: Recurrence, instant: int) -> int:
    return sum(1 for _ in subject.open_periods(instant, instant + 365 * DAY))


def speeds(seconds: float) -> Iterator[tuple[str, float, float, float]]:
    """Name; next transitions, is-it-opens, and years of open periods, a second."""
    for name, repeat in RULES.items():
        subject = Recurrence(profile(0, repeat), READINGS)
        yield (
            name,
            answers_a_second(subject.next_transition, seconds),
            answers_a_second(subject.is_open, seconds),
            answers_a_second(partial(year_of_periods, subject), seconds),
        )


def memory(count: int) -> Iterator[tuple[str, float]]:
    """Bytes a profile: its values, its recurrence, and what the recurrence holds once it has been asked."""
    repeats = list(RULES.values())
    gc.collect()
    tracemalloc.start()
    profiles = [profile(number, repeats[number % len(repeats)]) for number in range(count)]
    held = tracemalloc.get_traced_memory()[0]
    yield "time profiles", held / count
    recurrences = [Recurrence(item, READINGS) for item in profiles]
    built = tracemalloc.get_traced_memory()[0]
    yield "recurrences, never asked", (built - held) / count
    for recurrence in recurrences:
        recurrence.is_open(MONDAY_NINE)
    yield "recurrences, asked", (tracemalloc.get_traced_memory()[0] - held) / count
    tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Recurrence: speed and memory.")
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU seconds for each figure")
    parser.add_argument("--profiles", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{'rule':24}{'next transition/s':>20}{'is open/s':>12}{'years of periods/s':>20}")
    for name, transitions, opens, years in speeds(options.seconds):
        print(f"{name:24}{transitions:20,.0f}{opens:12,.0f}{years:20,.0f}")
    print(f"\n{'memory':32}{'bytes each':>12}{f'{options.profiles:,} take':>18}")
    for name, size in memory(options.profiles):
        print(f"{name:32}{size:12,.0f}{size * options.profiles / 2**20:14,.1f} MiB")


if __name__ == "__main__":
    main()
