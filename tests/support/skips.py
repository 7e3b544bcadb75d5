"""Which tests may be skipped: where `PANEL_GATEWAY_SKIPS` is set, a run with any other skip fails.

The variable holds reasons, one a line; `.ci/run` sets it, having installed every tool that a test needs.
"""

from __future__ import annotations

import os
import shutil

import pytest

VARIABLE = "PANEL_GATEWAY_SKIPS"


def tool(name: str, package: str) -> str:
    """The path of a program that a test runs; without it the test is skipped, naming the Debian package to install."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


class SkipWatch:
    """Fails a run that skipped a test for a reason that is not in `allowed`."""

    def __init__(self, allowed: str) -> None:
        self._allowed = {line.strip() for line in allowed.splitlines() if line.strip()}
        self._unlisted: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, nodeid: str, longrepr: object) -> None:
        reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")
        if reason not in self._allowed:
            self._unlisted.append(f"{nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._unlisted:
            terminalreporter.section(f"skips that {VARIABLE} does not list", red=True)
            for line in self._unlisted:
                terminalreporter.write_line(line)


def watch(config: pytest.Config) -> None:
    """Watch the whole run. Workers of a parallel run report to the one process that counts."""
    if VARIABLE in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipWatch(os.environ[VARIABLE]), "skip-watch")
