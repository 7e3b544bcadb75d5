"""Recurrence and compiler: answers and compiled profiles a second, and memory."""

from __future__ import annotations

from tests.benchmarks import bench_compiler, bench_recurrence
from tests.benchmarks.rows import Row


def run(quick: bool) -> list[Row]:
    seconds, profiles = (0.02, 1000) if quick else (0.5, 100_000)
    rows = []
    for name, transitions, opens, years in bench_recurrence.speeds(seconds):
        rows.append(Row(f"next transitions, {name}", transitions, "/s", note=f"is it open {opens:,.0f}/s, years {years:,.0f}/s"))
    for name, size in bench_recurrence.memory(profiles):
        rows.append(Row(f"memory of {profiles:,} {name}", size * profiles / 2**20, "MiB"))
    for name, speed in bench_compiler.speeds(seconds):
        rows.append(Row(f"profiles compiled, {name}", speed, "/s"))
    return rows
