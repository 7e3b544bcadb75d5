"""Which test runs which line, and what processor time each takes: one run of some tests under coverage, in a copy of the tree.

    python -m tests.mutants.coverage_run OUTPUT SOURCES TESTS

The last two are JSON lists of files. It runs as a process of its own, because what it imports has to come from the copy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

_OURS = frozenset({"config", "drivers", "gateway"})


class _Recorder:
    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        _forget_results()
        self._measured.switch_context(item.nodeid)
        began = _used()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = _used() - began
            self._measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def _used() -> float:
    """Seconds of processor time, with those of children that have ended: a busy machine makes no test slow."""
    return sum(os.times()[:4])


def _forget_results() -> None:
    """A function with a cache runs for every test that asks it, not for the first one alone."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in _OURS:
            for each in list(vars(module).values()):
                if callable(clear := getattr(each, "cache_clear", None)):
                    clear()


def main(output: str, sources: list[str], tests: list[str]) -> int:
    measured = coverage.Coverage(data_file=None, config_file=False, include=sources)
    recorder = _Recorder(measured)
    measured.start()
    pytest.main(["-q", "-p", "no:cacheprovider", "-m", "not cpu and not long", *tests], plugins=[recorder])
    measured.stop()
    data = measured.get_data()
    found = {
        path: {str(line): names for line, names in data.contexts_by_lineno(full).items()}
        for path in sources
        if (full := str(Path(path).resolve())) in data.measured_files()
    }
    said = {"seconds": recorder.seconds, "failed": sorted(recorder.failed), "lines": found}
    Path(output).write_text(json.dumps(said), encoding="utf-8")
    return 0 if recorder.seconds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])))
