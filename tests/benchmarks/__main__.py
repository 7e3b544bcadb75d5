"""All benchmarks, one table.

    python -m tests.benchmarks [--quick] [--profile] [NAME ...]

Names are those of the modules without `bench_`. Ends with status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable

from tests.benchmarks.rows import Row, table

MODULES = (
    "schedules",
    "line_use",
    "one_item",
    "fan_out",
    "wide",
    "clients",
    "many_panels",
    "people",
    "doors",
    "events",
    "page",
    "uhppote",
    "scale",
    "hostile",
    "matrix",
    "command_line",
)


def entry(name: str) -> Callable[[bool], list[Row]]:
    """The module's `run(quick)`."""
    found: Callable[[bool], list[Row]] = importlib.import_module(f"tests.benchmarks.bench_{name}").run
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="All benchmarks, one table.")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs; figures mean nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--profile", action="store_true", help="show under each figure where the gateway spent its CPU time")
    chosen = parser.parse_args()
    if chosen.profile:
        os.environ["BENCH_PROFILE"] = "1"
    unknown = set(chosen.names) - set(MODULES)
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in chosen.names or MODULES:
        found = entry(name)(chosen.quick)
        print(table(found), end="\n\n", flush=True)
        rows += found
    print(table(rows))
    return 1 if any(row.met is False for row in rows) and not chosen.quick else 0


if __name__ == "__main__":
    sys.exit(main())
