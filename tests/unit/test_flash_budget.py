"""Storage that wears out under panels that answer late, badly or not at all, and under gateways that are killed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

import pytest

from config.settings import PanelSettings
from drivers.contract import Outcome, PanelImage, Period, Priority, Reason, Slot
from simulators.domat_fc013 import DomatFc013
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link
from tests.support.panel_wire import panel_on_wire
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_reconciler import only

DAY_S = 86_400.0
P = Priority.GRANT


def weak(cycles: int = 36_525, **settings: object) -> FleetSite:
    """Flash of this many cycles over ten years: by default five writes of its own a day for the table."""
    panel = FakePanel(replace(ACCESS_PANEL, endurance=cycles))
    chosen = PanelSettings.model_validate({"id": "lobby", "model": "open-access-panel", **settings})
    return FleetSite({"lobby": panel}, settings={"lobby": chosen}, deadline_s=1.0)


def test_a_panel_that_never_confirms_is_not_written_to_death() -> None:
    async def main() -> None:
        site = weak()
        site.drift_share = 0.1
        await site.open()
        await site.pass_time(1)
        panel = site.panels["lobby"]
        panel.faults.extend(["verify"] * 10_000)
        await site.fleet.upsert([item(1)])
        panel.slots.clear()
        for _ in range(12):
            panel.slots.clear()
            await site.pass_time(DAY_S / 48)
        assert len(panel.transactions) <= 1 + 5 + 2, "what a day gives, and what six hours earn"
        view = site.fleet.panel("lobby")
        assert view is not None
        assert (view.items[0].reason, view.state) == (Reason.ENDURANCE_SPENT, "drifted")
        assert "panel_gateway_failures_total" in site.metrics.exposition().decode()
        assert 'reason="endurance_spent"' in site.metrics.exposition().decode()
        await site.close()

    run_virtual(main())


def test_new_hours_and_deletions_are_written_though_nothing_is_left() -> None:
    async def main() -> None:
        site = weak()
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        panel = site.panels["lobby"]
        for _ in range(20):
            await site.fleet.reinit("lobby")
            await site.pass_time(60)
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.endurance is not None
        assert view.endurance.left < 2
        assert len(panel.transactions) < 10
        assert (view.last_error or "").startswith("endurance_spent")
        assert all(report.success for report in await site.fleet.upsert([item(1, start=600), item(3)]))
        assert only(await site.fleet.delete([link(2)])).success
        assert site.held("lobby") == {link(1): (600, 660), link(3): (540, 600)}
        await site.close()

    run_virtual(main())


def test_somebody_who_erases_a_panel_every_minute_does_not_make_the_gateway_wear_it_out() -> None:
    async def main() -> None:
        site = weak()
        site.drift_share = 0.1
        await site.open()
        await site.fleet.upsert([item(1)])
        panel = site.panels["lobby"]
        for _ in range(120):
            panel.slots.clear()
            await site.pass_time(60)
        assert len(panel.transactions) <= 1 + 5 + 1
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("how", ["kill", "close"])
def test_a_gateway_that_restarts_all_the_time_repeats_no_more_than_one_that_runs(how: str) -> None:
    async def main() -> None:
        site = weak()
        panel = site.panels["lobby"]
        panel.faults.extend(["verify"] * 10_000)
        await site.open()
        await site.fleet.upsert([item(1)])
        for _ in range(60):
            panel.slots.clear()
            await (site.kill() if how == "kill" else site.close())
            await site.open()
            await site.pass_time(30)
        assert len(panel.transactions) <= 1 + 5 + 1
        view = site.fleet.panel("lobby")
        assert view is not None
        assert view.writes["flash"] >= len(panel.transactions), "what left is counted over restarts"
        await site.close()

    run_virtual(main())


def test_a_panel_that_comes_and_goes_is_not_written_each_time() -> None:
    async def main() -> None:
        site = weak(cycles=365_250)
        await site.open()
        await site.pass_time(1)
        panel = site.panels["lobby"]
        panel.faults.extend(["verify"] * 10_000)
        await site.fleet.upsert([item(1)])
        for _ in range(70):
            panel.slots.clear()
            panel.online = False
            site.drivers["lobby"]._silent()
            await site.pass_time(0.5)
            site.drivers["lobby"].back()
            await site.pass_time(0.5)
        assert len(panel.transactions) <= 9, "each pause is twice the one before"
        await site.close()

    run_virtual(main())


def test_a_deletion_does_not_wait_behind_writes_that_nobody_saw() -> None:
    async def main() -> None:
        site = weak()
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        panel = site.panels["lobby"]
        panel.faults.extend(["lost_request"] * 12)
        await site.fleet.upsert([item(3)])
        await site.pass_time(3600)
        panel.faults.clear()
        assert only(await site.fleet.delete([link(1)])).success
        assert link(1) not in site.held("lobby")
        await site.close()

    run_virtual(main())


@pytest.mark.parametrize("killed", [False, True])
def test_a_panel_that_an_operator_erases_lets_people_in_again_at_once_however_much_that_cost(killed: bool) -> None:
    """A panel that frees each slot by itself spends the writes of days on it. `killed`: the gateway, in between."""

    async def main() -> None:
        site = weak()
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        panel = site.panels["lobby"]
        panel.cycles_of_an_erasure = 40
        await site.fleet.reinit("lobby")
        if killed:
            for _ in range(1000):
                if not panel.slots:
                    break
                await site.pass_time(0.001)
            await site.kill()
            assert not panel.slots
            await site.open()
        await site.pass_time(5)
        assert site.held("lobby").keys() == {link(1), link(2)}
        written = len(panel.transactions)
        await site.fleet.reinit("lobby")
        await site.pass_time(3600)
        assert len(panel.transactions) == written, "the next one waits, and the panel is as it was"
        assert site.held("lobby").keys() == {link(1), link(2)}
        await site.close()

    run_virtual(main())


async def nothing_left() -> FleetSite:
    """Two profiles are held, and somebody has erased the panel as often as its storage allows."""
    site = weak()
    site.drift_share = 0.1
    await site.open()
    await site.fleet.upsert([item(1), item(2)])
    for _ in range(10):
        site.panels["lobby"].slots.clear()
        await site.pass_time(60)
    await site.pass_time(DAY_S / 4)
    assert site.held("lobby").keys() == {link(1), link(2)}
    view = site.fleet.panel("lobby")
    assert view is not None
    assert view.endurance is not None
    assert view.endurance.left < 1
    return site


@pytest.mark.parametrize("fault", ["lost_request", "rejected"])
def test_a_deletion_that_was_cut_off_before_it_was_stored_is_no_repeat(fault: Literal["lost_request", "rejected"]) -> None:
    """It cost nothing: the door is not open for hours until the next write is earned."""

    async def main() -> None:
        site = await nothing_left()
        site.panels["lobby"].faults.extend([fault])
        assert not only(await site.fleet.delete([link(1)])).success
        await site.pass_time(10)
        assert site.held("lobby").keys() == {link(2)}
        await site.close()

    run_virtual(main())


def test_a_deletion_that_did_not_come_true_is_repeated_though_nothing_is_left_ever_more_rarely() -> None:
    async def main() -> None:
        site = await nothing_left()
        panel = site.panels["lobby"]
        number, slot = next((number, slot) for number, slot in panel.slots.items() if link(1) in slot.link_ids)
        before = len(panel.transactions)
        panel.faults.extend(["verify"] * 10_000)
        await site.fleet.delete([link(1)])
        tries = []
        for _ in range(1200):
            panel.slots[number] = slot
            await site.pass_time(1)
            tries.append(len(panel.transactions) - before)
        assert tries[60] >= 4, "within a minute"
        assert tries[-1] <= 12, "each pause is twice the one before"
        panel.faults.clear()
        panel.slots[number] = slot
        await site.pass_time(1300)
        assert site.held("lobby").keys() == {link(2)}
        await site.close()

    run_virtual(main())


def test_a_word_that_was_stored_without_an_answer_is_not_stored_twice() -> None:
    """Domat: every word is a cell of its EEPROM."""

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        panel = cast("DomatFc013", wire.panel)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        wire.lose_reply = lambda request: request.writes and 54 <= request.address < 138
        plan = driver.plan(PanelImage(slots={0: Slot((), (Period(31, 540, 1080),))}), known)
        assert (await driver.apply(plan, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert sum(driver.write_counts().values()) == panel.eeprom_writes + 1, (
            "each word that was stored, and the bit before them"
        )
        words = [request.address for request in wire.sent if request.writes]
        assert len(driver.write_counts()) < sum(driver.write_counts().values()) <= 2 * len(driver.write_counts())
        assert words.count(23) <= 1

    run_virtual(run())
