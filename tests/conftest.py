"""Options of the conformance suite (tests/contract/test_panel_models.py): `pytest --panel MODEL --line URL --unit N` runs it on
real hardware. What would open a door is skipped there unless `--allow-opening` is given.

Property tests draw the same cases in every run; `--hypothesis-seed=random` (or a number) draws others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import skips


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("panel-gateway", "conformance of a real panel")
    group.addoption("--panel", help="name of the panel model")
    group.addoption(
        "--line", help="serial:///dev/ttyUSB0?baudrate=9600&parity=none&stopbits=1, tcp://host:502 or rtu-tcp://host:4001"
    )
    group.addoption("--unit", type=int, default=1, help="unit id of the panel")
    group.addoption("--models-dir", help="a folder of panel models beside the shipped ones")
    group.addoption("--allow-opening", action="store_true", help="run what writes open schedules and switches outputs, too")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that ran in a test leaves no log behind that writes to where the test has closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def pytest_configure(config: pytest.Config) -> None:
    skips.watch(config)
    # A busy machine fails no test: how long a case takes is limited by the time-out of its test alone.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("other cases", patient)
    settings.register_profile("same cases", patient, derandomize=True, database=None)
    settings.load_profile("same cases" if config.getoption("--hypothesis-seed") is None else "other cases")
    config.addinivalue_line("markers", "opening: writes schedules that open, sets the clock they open by, or switches outputs")
    config.addinivalue_line("markers", "simulated: needs a panel whose power and line the test can cut")
