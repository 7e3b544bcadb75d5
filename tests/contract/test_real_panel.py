"""The conformance suite on a panel that it takes for a real one: what it may do unasked, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import ModbusTcpLine, PanelSettings, Settings
from drivers.contract import Outcome, PanelImage
from simulators.clock import Windows
from simulators.panel import SimulatedPanel
from simulators.site import SimulatedSite
from tests.contract import test_panel_models as conformance
from tests.contract.panel_rig import CannotPutBack, Case, hosts_time, rig_for, week

ROOT = Path(__file__).parents[2]
MONDAY = 20_759


@asynccontextmanager
async def as_if_real(model: str) -> AsyncIterator[tuple[Case, SimulatedPanel]]:
    line = ModbusTcpLine(id="line", host="127.0.0.1", port=0, panels=(PanelSettings(id="panel", model=model, unit=3),))
    async with SimulatedSite(Settings(lines=(line,))) as site:
        yield Case(model, f"tcp://127.0.0.1:{site.lines['line'][1]}", unit=3), site.panels["panel"]


def windows(panel: SimulatedPanel) -> list[Windows]:
    slots = range(1, 17) if panel.model == "ge-a-series" else range(1) if panel.model == "domat-fc013" else range(64)
    return [panel.day_windows(slot, day) for slot in slots for day in range(MONDAY, MONDAY + 7)]


@pytest.mark.parametrize("model", ["open-access-panel", "ge-a-series"])
async def test_what_was_found_is_put_back(model: str, tmp_path: Path) -> None:
    async with as_if_real(model) as (case, panel):
        empty = windows(panel)
        async with rig_for(case, tmp_path) as rig:
            assert (await rig.hold(week(rig), await rig.read())).outcome is Outcome.ACKNOWLEDGED
            found = windows(panel)
            assert found != empty
            async with rig_for(case, tmp_path) as inner:
                assert (await inner.hold(PanelImage(), await inner.read())).outcome is Outcome.ACKNOWLEDGED
                assert windows(panel) == empty
            assert windows(panel) == found
        assert windows(panel) == empty


async def test_a_table_in_force_is_put_back(tmp_path: Path) -> None:
    async with as_if_real("domat-fc013") as (case, panel):
        panel.write_words(23, (0x8008,))
        found = windows(panel)
        async with rig_for(case, tmp_path) as rig:
            assert (await rig.hold(week(rig), await rig.read())).outcome is Outcome.ACKNOWLEDGED
            assert windows(panel) != found
        assert windows(panel) == found


async def test_what_cannot_be_put_back_is_not_touched(tmp_path: Path) -> None:
    """A table that does not act reads as unknown: writing it would bring it into force for good."""
    async with as_if_real("domat-fc013") as (case, panel):
        with pytest.raises(CannotPutBack):
            async with rig_for(case, tmp_path):
                pytest.fail("ran")
        assert panel.traffic.writes == 0


@pytest.fixture
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host that is at home far from any other's zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("kolkata")
@pytest.mark.parametrize("model", ["open-access-panel", "ge-a-series"])
async def test_the_clock_is_left_at_the_hosts_time(model: str, tmp_path: Path) -> None:
    async with as_if_real(model) as (case, panel):
        async with rig_for(case, tmp_path) as rig:
            await conformance.test_the_clock(rig)
        shown = panel.local_second()
        assert shown is not None
        assert abs(shown - time.time() - 5.5 * 3600) < 60


def test_the_hosts_time_knows_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Kyiv")
        time.tzset()
        setting = hosts_time()
    time.tzset()
    assert setting.offset_minutes in (120, 180)
    assert len(setting.changes) == 2
    assert {offset for _, offset in setting.changes} == {120, 180}
    assert all(at % 86_400 == 3600 for at, _ in setting.changes)
    assert setting.changes[1][1] == setting.offset_minutes


@pytest.mark.parametrize("model", ["open-access-panel", "waveshare-relay-8ch"])
async def test_unasked_it_writes_nothing(model: str) -> None:
    """An unset clock keeps every schedule closed: it is not set either."""
    async with as_if_real(model) as (case, panel):
        suite = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_panel_models.py"),
            *("--panel", model, "--line", case.line, "--unit", str(case.unit)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PANEL_GATEWAY_SKIPS"},
        )
        said = (await suite.communicate())[0].decode()
        assert suite.returncode == 0, said
        assert panel.local_second() is None
        assert panel.traffic.writes == 0
        assert panel.traffic.reads > 0
