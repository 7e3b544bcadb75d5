"""Panels that take a change word by word, and a change that is under way or cut off in the middle: real drivers, virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.settings import Settings
from drivers.contract import TIME_PROFILE, ItemState
from gateway.fleet.views import PanelView
from simulators.faults import FaultRates, Faults
from simulators.modbus_slave import WRITES
from simulators.panel import SimulatedPanel
from tests.support.fleet_site import START, item, link
from tests.support.minutes import opened, span
from tests.support.virtual_site import VirtualSite, run_site

SLOTS = {"ge-a-series": range(1, 17), "domat-fc013": range(1)}
TODAY = START // 86_400
SILENT = FaultRates(lose_request=1.0)


def site_of(model: str, folder: Path, *others: str) -> VirtualSite:
    """`panel` on `line`, and others of the same model on lines of their own names."""
    lines = [
        {
            "kind": "modbus-rtu-tcp",
            "id": name,
            "host": "127.0.0.1",
            "port": port,
            "baudrate": 57_600,
            "panels": [{"id": "panel" if name == "line" else name, "model": model, "unit": 1}],
        }
        for port, name in enumerate(("line", *others), 1)
    ]
    bindings = [{"link_id": "*", "panels": ["@all"]}]
    return VirtualSite(Settings.model_validate({"lines": lines, "bindings": bindings}, strict=False), folder, START)


def is_open(panel: SimulatedPanel, start: int, end: int) -> bool:
    """Whether it opens at any of these minutes, on any day of the week."""
    return any(opened(panel, SLOTS[panel.model], day) & span(start, end) for day in range(TODAY, TODAY + 7))


def is_whole(panel: SimulatedPanel, start: int, end: int) -> bool:
    """Whether it opens at all of these minutes, each day."""
    return all(opened(panel, SLOTS[panel.model], day) & span(start, end) == span(start, end) for day in range(TODAY, TODAY + 7))


def shown(site: VirtualSite) -> PanelView:
    view = site.fleet.panel("panel")
    assert view is not None
    return view


def silent_after(site: VirtualSite, writes: int) -> None:
    """The line goes silent for some seconds behind that many writes from now on."""
    panel, responder = site.panels["panel"], site.hosts["line"].responder
    handle, left = panel.handle, [writes]

    def counted(pdu: bytes) -> bytes:
        reply = handle(pdu)
        left[0] -= pdu[0] in WRITES
        if left[0] == 0 and pdu[0] in WRITES:
            responder.set_faults(Faults(SILENT))
            asyncio.get_running_loop().call_later(2.5, responder.set_faults, Faults())
        return reply

    vars(panel)["handle"] = counted


@pytest.mark.parametrize("model", SLOTS)
@pytest.mark.parametrize("writes", [1, 4])
def test_hours_that_a_panel_was_half_rid_of_are_not_said_to_be_gone(model: str, writes: int, tmp_path: Path) -> None:
    """Others that were gone for good had been in the same table."""

    async def run() -> None:
        site = site_of(model, tmp_path)
        panel = site.panels["panel"]
        await site.open()
        await site.fleet.upsert([item(1, start=60), item(2, start=300)])
        await asyncio.sleep(60)
        assert is_whole(panel, 60, 120)
        assert is_whole(panel, 300, 360)
        assert all(report.success for report in await site.fleet.delete([link(2)], TIME_PROFILE))
        await asyncio.sleep(60)
        silent_after(site, writes)
        (report,) = await site.fleet.delete([link(1)], TIME_PROFILE)
        assert not (report.success and is_open(panel, 60, 120))
        for _ in range(200):
            await asyncio.sleep(0.3)
            told = any(each.link_id == link(1) for each in shown(site).items)
            assert told or not is_open(panel, 60, 120), "the list names what the panel still opens by"
        await asyncio.sleep(600)
        assert not is_open(panel, 60, 120)
        await site.close()

    run_site(run())


def is_said_to_hold(site: VirtualSite, number: int) -> bool:
    return any(each.link_id == link(number) and each.outcome is ItemState.EXACT for each in shown(site).items)


@pytest.mark.parametrize("model", SLOTS)
def test_hours_are_not_said_to_be_held_while_the_table_that_they_are_in_is_written_for_others(model: str, tmp_path: Path) -> None:
    """A table that is written word by word opens less until the last one is there: a client that asks meanwhile waits for it."""

    async def run() -> None:
        site, less = site_of(model, tmp_path), 0
        panel = site.panels["panel"]
        await site.open()
        await site.fleet.upsert([item(1, start=600)])
        await asyncio.sleep(60)
        others = asyncio.create_task(site.fleet.upsert([item(2, start=300)]))
        again = asyncio.create_task(asyncio.sleep(0))
        while not (others.done() and again.done()):
            await asyncio.sleep(0.01)
            assert is_whole(panel, 600, 660) or not is_said_to_hold(site, 1)
            less += not is_whole(panel, 600, 660)
            if less == 1:
                again = asyncio.create_task(same(site))
        assert bool(less) is (model == "domat-fc013"), "only one of them has one table for all"
        assert is_said_to_hold(site, 1)
        await site.close()

    async def same(site: VirtualSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=600)])
        assert report.success
        assert is_whole(site.panels["panel"], 600, 660)

    run_site(run())


def test_an_answer_waits_until_a_table_is_whole_again_that_holds_what_was_asked(tmp_path: Path) -> None:
    """Another panel keeps the answer back, and meanwhile somebody else's hours are written beside these."""

    async def run() -> None:
        site = site_of("domat-fc013", tmp_path, "other")
        panel = site.panels["panel"]
        await site.open()
        await asyncio.sleep(60)
        site.hosts["other"].responder.set_faults(Faults(SILENT))
        first = asyncio.create_task(site.fleet.upsert([item(1, start=600)]))
        await asyncio.sleep(1.5)  # just before the other panel is given up
        assert is_whole(panel, 600, 660)
        assert not first.done()
        others = asyncio.create_task(site.fleet.upsert([item(2, start=300)]))
        (report,) = await first
        assert {each.panel: each.success for each in report.panels} == {"panel": True, "other": False}
        assert is_whole(panel, 600, 660)
        assert is_whole(panel, 300, 360), "the write that had begun has ended"
        await others
        await site.close()

    run_site(run())
