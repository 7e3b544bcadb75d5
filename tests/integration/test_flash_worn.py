"""Panels that carry out what they store and then answer nothing for 1.5 s, under a gateway that is killed: in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.settings import Settings
from drivers.contract import TIME_PROFILE
from simulators.faults import FaultRates, Faults
from tests.support.fleet_site import START, item, link
from tests.support.minutes import opened
from tests.support.virtual_site import VirtualSite, run_site
from tests.support.worn_cells import worn_cells

SLOTS = {"open-access-panel": range(12), "ge-a-series": range(1, 17), "domat-fc013": range(1)}
DEAF = FaultRates(deaf_after_commit=1.0, away_ms=1500)


def site_of(model: str, folder: Path) -> VirtualSite:
    panel = {"id": "panel", "model": model, "unit": 1}
    line = {"kind": "modbus-rtu-tcp", "id": "line", "host": "127.0.0.1", "port": 1, "baudrate": 57_600, "panels": [panel]}
    bindings = [{"link_id": "*", "panels": ["@all"]}]
    return VirtualSite(Settings.model_validate({"lines": [line], "bindings": bindings}, strict=False), folder, START)


@pytest.mark.parametrize("model", SLOTS)
def test_a_panel_that_is_deaf_after_each_write_to_its_storage_is_written_ever_more_rarely(model: str, tmp_path: Path) -> None:
    """However often the gateway starts anew; what is taken away goes at once all the same."""

    async def run() -> None:
        site = site_of(model, tmp_path)
        panel = site.panels["panel"]
        cells = worn_cells(panel)
        await site.open()
        (report,) = await site.fleet.upsert([item(1)])
        assert report.success
        before = cells.total()
        cells.clear()
        site.hosts["line"].responder.set_faults(Faults(DEAF, 1))
        await site.fleet.upsert([item(1, start=600)])
        await asyncio.sleep(70)
        assert 1 <= max(cells.values()) <= 8, "no 27 in 70 s"
        for _ in range(10):
            await site.kill()
            await site.open()
            await asyncio.sleep(20)
        assert max(cells.values()) <= 12, "each pause is twice the one before, also over a restart"
        view = site.fleet.panel("panel")
        assert view is not None
        assert sum(view.writes.values()) >= before + cells.total(), "what left is counted"
        written = cells.copy()
        await site.fleet.delete([link(1)], TIME_PROFILE)
        await asyncio.sleep(5)
        assert cells != written
        await asyncio.sleep(600)
        today = START // 86_400
        assert not any(opened(panel, SLOTS[model], day) for day in range(today, today + 8))
        await site.close()

    run_site(run())
