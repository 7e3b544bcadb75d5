"""The line's benchmarks as rows of the one table."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.benchmarks.rows import Row

_VERDICT = re.compile(r"(?:ok  |MISS) (?P<what>.*): (?P<value>[0-9.]+)")
_GOALS = {"wire": (0.97, True), "dead": (1.02, False), "ptys": (1.05, False), "cpu": (0.7, False)}


def run(quick: bool) -> list[Row]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_line", *(["--exchanges", "320"] if quick else [])]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(_VERDICT.finditer(said.stdout))
    assert found, said.stderr
    rows = []
    for match in found:
        goal, at_least = _GOALS[match["what"].split()[0]]
        rows.append(Row(match["what"], float(match["value"]), "x", goal=goal, at_least=at_least))
    return rows
