"""What a person waits for who asks for help or completes a word: the installed command, a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from tests.benchmarks.rows import Row

PROGRAM = Path(sys.executable).with_name("panel-gateway")
_COMPLETING = {"_PANEL_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "panel-gateway sta", "COMP_CWORD": "1"}


def _best_ms(arguments: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """The best of five."""
    took = []
    for _ in range(5):
        began = perf_counter()
        subprocess.run([PROGRAM, *arguments], env={**os.environ, **environment}, capture_output=True, check=True)
        took.append(perf_counter() - began)
    return 1000 * min(took)


def run(quick: bool) -> list[Row]:
    asked = {"--help": (("--help",), {}), "status --help": (("status", "--help"), {}), "completion": ((), _COMPLETING)}
    return [Row(f"panel-gateway, {what}, best of five", _best_ms(*how), "ms", goal=150) for what, how in asked.items()]
