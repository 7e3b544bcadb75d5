"""Days of a whole site in virtual time, one for each seed.

    python -m tests.benchmarks.soak_site [--seeds 20] [--first 1] [--hours 24]

Requests, kills, wrong clocks, panels and lines that fail, a medium that fills up, drawn at random; judged by what simulated
panels open: `tests/support/open_minutes.py` says exactly what is allowed. Prints figures of each seed; status 1 when anything
was found.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.support.site_history import SiteHistory
from tests.support.site_record import Record
from tests.support.virtual_site import run_site

_GROWTH_MIB = 24
_FIRST_SEEDS = 3


def soaked(seed: int, hours: float) -> Record:
    async def run(folder: Path) -> Record:
        return await SiteHistory(folder, seed, hours).run()

    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        return run_site(run(Path(name)))


def memory_mib() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak_site", description="Days of a site in virtual time.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    lies, sizes = 0, list[float]()
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        began = time.monotonic()
        record = soaked(seed, chosen.hours)
        sizes.append(memory_mib())
        lies += len(record.lies)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(record.counts.items()))
        print(f"seed {seed}: {time.monotonic() - began:.0f} s, {sizes[-1]:.0f} MiB; most writes of a cell {record.most_written}")
        print(f"    {counts}", *(f"    LIE {lie}" for lie in record.lies[:10]), sep="\n", flush=True)
    grown = max(sizes[_FIRST_SEEDS:], default=0) - max(sizes[:_FIRST_SEEDS])
    print(f"{lies} untrue, wider or lost; memory grew by {max(0.0, grown):.0f} MiB")
    return 1 if lies or grown > _GROWTH_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
