"""Compiler: profiles compiled a second, and the slowest of many that a client may send.

python -m tests.benchmarks.bench_compiler [--seconds S]
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter, process_time

from drivers.contract import PanelCapabilities
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.schedules.time_profile import Frequency, Readings, Repeat, TimeProfile
from tests.benchmarks.bench_recurrence import DAY, HOUR, MONDAY_NINE, READINGS, RULES, profile
from tests.unit.compiler_oracle import record

PANEL = record("open-access-panel")
SHAPES: dict[str, tuple[Repeat | None, int]] = {
    "weekly rule": (RULES["working days"], 9 * HOUR),
    "materialised over a year, monthly": (Repeat(Frequency.MONTH), 9 * HOUR),
    "materialised, three days every two weeks": (Repeat(Frequency.WEEK, 2), 57 * HOUR),
}


def never_seen(repeat: Repeat | None, length: int, first: int = 0) -> Iterator[TimeProfile]:
    """Profiles that differ in their start, so that nothing is remembered of them."""
    number = first
    while True:
        each = profile(number, repeat)
        yield replace(each, date_to=each.date_from + length, name=str(number))
        number += 1


def compile_one(each: TimeProfile, capabilities: PanelCapabilities = PANEL, readings: Readings = READINGS) -> None:
    compile_panel([BoundProfile(each, 1)], capabilities, {}, MONDAY_NINE - DAY, CompileOptions(readings))


def profiles_a_second(profiles: Iterator[TimeProfile], seconds: float) -> float:
    compiled, begin = 0, process_time()
    while process_time() - begin < seconds:
        compile_one(next(profiles))
        compiled += 1
    return compiled / (process_time() - begin)


def speeds(seconds: float) -> Iterator[tuple[str, float]]:
    """What, and profiles compiled a second of CPU time, none seen before."""
    for name, (repeat, length) in SHAPES.items():
        yield name, profiles_a_second(never_seen(repeat, length), seconds)


def full_panel(changed: int) -> tuple[float, float]:
    """Milliseconds to compile a panel of 64 weekly profiles: when nothing changed, and when some did."""
    profiles = [BoundProfile(each, 1) for _, each in zip(range(64), never_seen(*SHAPES["weekly rule"]), strict=False)]
    options = CompileOptions(READINGS)
    image = compile_panel(profiles, PANEL, {}, MONDAY_NINE, options)
    others = never_seen(*SHAPES["weekly rule"], first=1_000)
    touched = [BoundProfile(replace(next(others), link_id=old.profile.link_id), 2) for old in profiles[:changed]] + profiles[
        changed:
    ]
    times = []
    for each in (profiles, touched):
        gc.collect()
        begin = perf_counter()
        compile_panel(each, PANEL, image.allocation, MONDAY_NINE, options, image)
        times.append(1000 * (perf_counter() - begin))
    return times[0], times[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    seconds = parser.parse_args().seconds
    for name, speed in speeds(seconds):
        print(f"{name:45} {speed:10,.0f} profiles/s")
    same, changed = full_panel(1)
    print(f"{'panel of 64, nothing changed':45} {same:10.2f} ms")
    print(f"{'panel of 64, one changed':45} {changed:10.2f} ms")


if __name__ == "__main__":
    main()
