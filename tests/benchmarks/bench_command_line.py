"""What a person waits for who asks for help, completes a word or asks how a large site is: the installed command, a process of
its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from tests.benchmarks.rows import Row
from tests.benchmarks.service import bench
from tests.benchmarks.workload import SiteText

PROGRAM = Path(sys.executable).with_name("panel-gateway")
_COMPLETING = {"_PANEL_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "panel-gateway sta", "COMP_CWORD": "1"}
_PATIENT_MS = 5000
"""A process with 500 simulated panels may be slow to answer."""


def _best_ms(arguments: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """The best of five."""
    took = []
    for _ in range(5):
        began = perf_counter()
        subprocess.run([PROGRAM, *arguments], env={**os.environ, **environment}, capture_output=True, check=True)
        took.append(perf_counter() - began)
    return 1000 * min(took)


async def _status_s(panels: int) -> float:
    async with bench(SiteText(panels, timeout_ms=_PATIENT_MS), 2) as ready:
        arguments = ("status", "--json", "--config", str(ready.folder / "site.toml"))
        return await asyncio.to_thread(_best_ms, arguments, {}) / 1000


def run(quick: bool) -> list[Row]:
    asked = {"--help": (("--help",), {}), "status --help": (("status", "--help"), {}), "completion": ((), _COMPLETING)}
    rows = [Row(f"panel-gateway, {what}, best of five", _best_ms(*how), "ms", goal=150) for what, how in asked.items()]
    panels = 20 if quick else 1000
    what = f"panel-gateway status --json of {panels:,} panels, best of five"
    return [*rows, Row(what, asyncio.run(_status_s(panels)), "s", goal=1.0)]
