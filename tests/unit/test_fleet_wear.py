"""Panels whose storage wears out: what is renewed keeps to `commit_spacing_s`, what is withdrawn does not wait for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.settings import PanelSettings
from drivers.contract import PanelCapabilities, PanelImage, Period, Slot
from gateway.compiler.compiler import BoundProfile, CompileOptions
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import FleetSite, item, link, one_slot_each
from tests.support.virtual_time import run_virtual

SPACING_S = 3600.0
RENEWED_EVERY_S = 120


def renewed(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Mapping[str, tuple[int, ...]],
    now: float,
    options: CompileOptions,
    held: PanelImage | None = None,
) -> PanelImage:
    """Other words for the same profile every two minutes, as where dates are written."""
    image = one_slot_each(profiles, capabilities, allocation, now, options, held)
    days = 1 + int(now // RENEWED_EVERY_S) % 127
    slots = {number: Slot(slot.link_ids, (Period(days, 0, 60),)) for number, slot in image.slots.items()}
    outcomes = {link_id: replace(outcome, renew_at=int(now) + RENEWED_EVERY_S) for link_id, outcome in image.outcomes.items()}
    return replace(image, slots=slots, outcomes=outcomes)


def test_renewals_do_not_wear_out_a_panel_whose_commits_shall_be_an_hour_apart() -> None:
    async def main() -> None:
        panel = FakePanel(replace(ACCESS_PANEL, storage="flash"))
        settings = PanelSettings(id="lobby", model="open-access-panel", commit_spacing_s=SPACING_S)
        site = FleetSite({"lobby": panel}, compile=renewed, settings={"lobby": settings})
        await site.open()
        await site.fleet.upsert([item(1), item(2)])
        written = len(panel.transactions)
        await site.pass_time(SPACING_S - 10)
        assert len(panel.transactions) == written, "nothing is renewed before its time"
        await site.pass_time(20)
        assert len(panel.transactions) == written + 1, "then it is"
        await site.pass_time(5 * SPACING_S)
        assert written + 5 <= len(panel.transactions) <= written + 6
        before = len(panel.transactions)
        (report,) = await site.fleet.delete([link(1)])
        assert report.success, "what is withdrawn does not wait"
        assert site.held("lobby").keys() == {link(2)}
        assert len(panel.transactions) == before + 1
        await site.close()

    run_virtual(main())


def test_renewals_of_a_panel_that_does_not_wear_out_do_not_wait() -> None:
    async def main() -> None:
        panel = FakePanel(replace(ACCESS_PANEL, storage="ram"))
        settings = PanelSettings(id="lobby", model="open-access-panel", commit_spacing_s=SPACING_S)
        site = FleetSite({"lobby": panel}, compile=renewed, settings={"lobby": settings})
        await site.open()
        await site.fleet.upsert([item(1)])
        written = len(panel.transactions)
        await site.pass_time(SPACING_S)
        assert len(panel.transactions) - written > 20
        await site.close()

    run_virtual(main())
