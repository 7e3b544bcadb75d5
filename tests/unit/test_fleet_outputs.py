from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.settings import BindingSettings, PanelSettings
from drivers.contract import ItemState, Priority, Reason
from gateway.fleet.views import UnknownPanel
from gateway.store.contract import StoreError
from tests.support.fake_panel import ACCESS_PANEL, SILENT, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual

RELAYS = replace(ACCESS_PANEL, max_schedules=0, clock="none", outputs=8)
MIDNIGHT = START - START % 86_400
NOW_MINUTE = (START - MIDNIGHT) // 60


def on_relays(
    test: Callable[[FleetSite], Awaitable[None]], *, deadman: bool = True, settings: PanelSettings | None = None
) -> None:
    async def main() -> None:
        site = FleetSite({"gate": FakePanel(replace(RELAYS, output_deadman=deadman))})
        outputs = {1: 3, 2: 3, 4: 4, 5: 5}
        site.rules = tuple([BindingSettings(link_id=link(n), panels=(f"gate:{output}",)) for n, output in outputs.items()])
        if settings is not None:
            site.settings["gate"] = settings
        await site.open()
        try:
            await test(site)
        finally:
            await site.close()

    run_virtual(main())


def is_on(site: FleetSite, output: int = 3) -> bool:
    return site.panels["gate"].outputs.get(output, 0.0) > site.clock.monotonic()


def test_an_open_profile_holds_its_output_and_the_edge_closes_it() -> None:
    async def test(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=10)])
        (result,) = report.panels
        assert (result.panel, result.success, result.outcome) == ("gate:3", True, ItemState.GATEWAY_HELD)
        assert is_on(site)
        left = 600 - (site.clock.wall() - MIDNIGHT - NOW_MINUTE * 60)
        await site.pass_time(left - 1)
        assert is_on(site)
        await site.pass_time(1.5)
        assert not is_on(site)

    on_relays(test)


def test_a_lease_never_outlasts_the_profile() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        end = MIDNIGHT + (NOW_MINUTE + 2) * 60
        while site.clock.wall() < end - 0.5:
            until = site.panels["gate"].outputs[3] - site.clock.monotonic() + site.clock.wall()
            assert until <= end + 0.1
            await site.pass_time(1)

    on_relays(test)


def test_several_profiles_are_united_and_deletion_closes_at_once() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(2, start=NOW_MINUTE, length=200)])
        (report,) = await site.fleet.delete([link(1)])
        assert (report.success, report.panels[0].outcome) == (True, ItemState.REMOVED)
        assert is_on(site)
        (report,) = await site.fleet.delete([link(2)])
        assert report.success
        assert not is_on(site)

    on_relays(test)


def test_a_manual_change_and_a_power_cut_are_put_right_within_a_poll() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(2, start=NOW_MINUTE - 60, length=30)])
        panel = site.panels["gate"]
        panel.outputs.clear()
        await site.pass_time(1.1)
        assert is_on(site)
        panel.online = False
        await site.pass_time(3)
        panel.power_cut(site.clock.monotonic())
        site.drivers["gate"].back()
        await site.pass_time(1.1)
        assert is_on(site)
        await site.fleet.delete([link(1)])
        panel.outputs[3] = float("inf")
        await site.pass_time(1.1)
        assert not is_on(site)

    on_relays(test)


def test_a_dead_panel_answers_pending() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["gate"].online = False
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        (result,) = report.panels
        assert (result.success, result.outcome, result.reason) == (False, ItemState.PENDING, Reason.QUARANTINED)
        assert result.message == f"after no_reply: {SILENT}", "it was a look at the panel as a whole that found out"

    on_relays(test)


def test_an_output_that_does_not_fall_off_is_refused_unless_allowed() -> None:
    async def refused(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        (result,) = report.panels
        assert (result.success, result.outcome, result.reason) == (False, ItemState.REFUSED, Reason.NOT_REPRESENTABLE)
        assert not is_on(site)

    async def allowed(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        assert report.success
        assert site.panels["gate"].outputs[3] == float("inf")

    on_relays(refused, deadman=False)
    settings = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True)
    on_relays(allowed, deadman=False, settings=settings)


def test_what_an_earlier_run_left_on_is_switched_off_when_nothing_is_bound_any_more() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        assert site.panels["gate"].outputs[3] == float("inf")
        site.panels["gate"].online = False
        await site.fleet.delete([link(1)])
        await site.crash(lose_lazy=True)
        site.panels["gate"].online = True
        await site.open()
        await site.pass_time(2)
        assert not is_on(site)
        assert not site.store.allocations["gate:3"]

    on_relays(test, deadman=False, settings=PanelSettings(id="gate", model="relays", allow_unattended_outputs=True))


def test_stopping_switches_off_unless_told_to_hold() -> None:
    async def stop(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        await site.close()
        assert is_on(site) == (site.settings["gate"].on_stop == "hold")
        await site.open()
        await site.pass_time(2)
        assert is_on(site)

    on_relays(stop, settings=PanelSettings(id="gate", model="relays", on_stop="hold"))
    on_relays(stop, settings=PanelSettings(id="gate", model="relays"))


def test_nothing_is_held_until_the_wall_clock_is_trusted() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        await site.close()
        site.clock.wall_offset -= 1000
        await site.open()
        await site.pass_time(2)
        assert not site.fleet.clock().trusted
        assert not is_on(site)
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        assert (report.success, report.panels[0].reason) == (False, Reason.CLOCK_NOT_SET)
        site.clock.wall_offset += 1000
        await site.pass_time(10)
        assert site.fleet.clock().trusted
        assert is_on(site)

    on_relays(test)


def end_of(length: int) -> int:
    """When a profile that lasts `length` minutes from NOW_MINUTE closes."""
    return MIDNIGHT + (NOW_MINUTE + length) * 60


async def seconds_off(site: FleetSite, seconds: float, output: int = 3) -> float:
    """How long of the coming `seconds` an output was off."""
    steps = [0.0]
    for _ in range(int(seconds / 0.1)):
        await site.pass_time(0.1)
        steps.append(0.0 if is_on(site, output) else 0.1)
    return sum(steps)


UNATTENDED = PanelSettings(id="gate", model="relays", allow_unattended_outputs=True)


def test_a_closing_waits_neither_for_a_look_nor_for_a_grant() -> None:
    async def edge(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2), item(5, start=NOW_MINUTE + 1, length=60)])
        site.drivers["gate"].queued_s = {Priority.VERIFICATION: 25.0, Priority.GRANT: 25.0}
        await site.pass_time(end_of(2) - site.clock.wall() - 1.5)
        assert (is_on(site), is_on(site, 5)) == (True, True)
        await site.pass_time(1.6)
        assert not is_on(site)

    async def deleted_while_another_opens(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(4, start=NOW_MINUTE + 2, length=60)])
        site.drivers["gate"].queued_s = {Priority.VERIFICATION: 25.0, Priority.GRANT: 25.0}
        await site.pass_time(end_of(2) - site.clock.wall() + 5)
        (report,) = await site.fleet.delete([link(1)])
        assert not report.success, "not read yet"
        assert (is_on(site), is_on(site, 4)) == (False, False)
        await site.pass_time(30)
        assert is_on(site, 4)

    async def edge_while_another_opens(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2), item(4, start=NOW_MINUTE + 1, length=60)])
        site.drivers["gate"].queued_s = {Priority.GRANT: 75.0}
        await site.pass_time(end_of(2) - site.clock.wall() + 0.1)
        assert not is_on(site)

    for test in (edge, deleted_while_another_opens, edge_while_another_opens):
        on_relays(test, deadman=False, settings=UNATTENDED)
        on_relays(test)


def test_a_failed_closing_is_tried_again_however_long_a_look_takes() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        site.drivers["gate"].queued_s = {Priority.VERIFICATION: 100.0}
        await site.pass_time(end_of(2) - site.clock.wall() - 0.5)
        site.panels["gate"].deaf.extend([True, True])
        await site.pass_time(3.5)
        assert not site.panels["gate"].deaf
        assert not is_on(site)

    on_relays(test, deadman=False, settings=UNATTENDED)


def test_a_running_lease_is_prolonged_though_looks_and_grants_wait() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100), item(4, start=NOW_MINUTE + 2, length=60)])
        site.drivers["gate"].queued_s = {Priority.VERIFICATION: 500.0, Priority.GRANT: 500.0}
        assert await seconds_off(site, 600) == 0.0

    on_relays(test, settings=PanelSettings(id="gate", model="x", hold_lease_s=10))


def test_a_store_that_refuses_keeps_nothing_open_and_lets_no_lease_end_but_opens_nothing_new() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=20), item(4, start=NOW_MINUTE, length=5)])

        async def refuse(*_: object) -> None:
            raise StoreError("disk full")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site.store, "put_allocation", refuse)
            (report,) = await site.fleet.upsert([item(5, start=NOW_MINUTE, length=100)])
            assert (report.panels[0].outcome, report.panels[0].message) == (ItemState.PENDING, "the store refused: disk full")
            assert await seconds_off(site, end_of(5) - site.clock.wall() - 2, 4) == 0.0
            await site.pass_time(2.1)
            assert (is_on(site), is_on(site, 4), is_on(site, 5)) == (True, False, False)
        await site.pass_time(1.1)
        assert is_on(site, 5)

    on_relays(test)
    on_relays(test, deadman=False, settings=UNATTENDED)


def test_a_lease_cut_for_the_end_of_a_profile_follows_the_profile_and_the_wall_clock() -> None:
    async def extended(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        await site.pass_time(end_of(2) - site.clock.wall() - 25)
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=60)])
        assert await seconds_off(site, 200) == 0.0

    async def set_back(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE - 60, length=62)])
        await site.pass_time(end_of(2) - site.clock.wall() - 25)
        site.clock.wall_offset -= 60  # not behind the last write
        assert await seconds_off(site, 80) == 0.0

    async def cut_short(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        await site.pass_time(end_of(1) - site.clock.wall() + 20)
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        await site.pass_time(0.1)
        assert site.panels["gate"].outputs[3] <= end_of(2) - site.clock.wall_offset

    for poll_ms in (1000, 50_000):
        for test in (extended, set_back, cut_short):
            on_relays(test, settings=PanelSettings(id="gate", model="x", poll_ms=poll_ms))


def test_a_lease_that_begins_late_does_not_outlast_the_profile() -> None:
    async def test(site: FleetSite) -> None:
        site.drivers["gate"].queued_s = {Priority.GRANT: wait_s, Priority.REVOCATION: wait_s}
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        while site.clock.wall() < end_of(2) + 1:
            assert site.panels["gate"].outputs.get(3, 0.0) <= end_of(2) - site.clock.wall_offset
            await site.pass_time(0.1)

    for tenths in range(0, 40, 3):
        wait_s = tenths / 10
        on_relays(test)


def test_without_a_trusted_clock_the_keeper_does_not_run_hot() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=100)])
        await site.close()
        site.clock.wall_offset -= 1000
        asked, wall = [0], site.clock.wall

        def counted() -> float:
            asked[0] += 1
            return wall()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site.clock, "wall", counted)
            await site.open()
            await site.pass_time(10)
        assert not site.fleet.clock().trusted
        assert asked[0] < 1000

    on_relays(test)


def test_a_lease_that_is_over_a_moment_before_the_profile_closes_leaves_nothing_pending() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        await site.pass_time(end_of(2) - site.clock.wall() - 0.3)
        assert not is_on(site)
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=2)])
        assert report.success

    on_relays(test, settings=PanelSettings(id="gate", model="x", poll_ms=50))


# ---- explanations ----


def test_a_held_output_is_explained_by_what_it_was_seen_to_do() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=10)])
        now = int(site.clock.wall())
        assert await explained(site, now) == (True, True, None, "held by the gateway")
        assert await explained(site, now + 1200) == (False, None, None, "held by the gateway")
        assert await explained(site, now, "gate:4") == (None, None, None, "not bound to this panel")
        await site.pass_time(1200)
        assert await explained(site, int(site.clock.wall())) == (False, False, None, "held by the gateway")

    on_relays(test)


def test_an_output_that_is_not_held_is_explained_with_its_refusal() -> None:
    async def test(site: FleetSite) -> None:
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE, length=10)])
        (result,) = report.panels
        why = f"the output would stay on if the gateway died: {clock_of(MIDNIGHT)}"
        assert (result.message or "").startswith(why), "as the compiler says it: with day and interval"
        plan = await site.fleet.plan([item(1, start=NOW_MINUTE, length=10)], None)
        assert plan.items[0].panels[0].message == result.message
        now = int(site.clock.wall())
        assert await explained(site, now) == (None, None, "compiled", result.message)
        compiled, held, differs_at, message = await explained(site, now, "gate:77")
        assert (compiled, held, differs_at) == (None, None, None)
        assert message == "the panel has 8 outputs", "which has nothing to do with a date"

    on_relays(test, deadman=False)


def test_a_deleted_profile_is_explained_where_its_output_cannot_be_switched_off() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.upsert([item(1, start=NOW_MINUTE, length=10)])
        site.panels["gate"].online = False
        (report,) = await site.fleet.delete([link(1)])
        assert not report.success
        assert await explained(site, int(site.clock.wall()), "gate:3") == (None, None, None, "deleted")

    on_relays(test)


def test_nothing_is_promised_for_an_output_while_the_time_is_not_known() -> None:
    async def test(site: FleetSite) -> None:
        asked = item(1, start=NOW_MINUTE, length=10)
        plan = await site.fleet.plan([asked], None)
        assert [each.outcome for each in plan.items[0].panels] == [ItemState.GATEWAY_HELD]
        await site.fleet.upsert([item(4)])
        await site.close()
        site.clock.wall_offset -= 1000
        await site.open()
        plan = await site.fleet.plan([asked], None)
        (cell,) = plan.items[0].panels
        assert (cell.outcome, cell.reason) == (ItemState.PENDING, Reason.CLOCK_NOT_SET)
        assert cell.message

    on_relays(test)


async def explained(
    site: FleetSite, at: int, panel: str | None = None
) -> tuple[bool | None, bool | None, str | None, str | None]:
    report = await site.fleet.explain(link(1), at, panel)
    assert report is not None
    (found,) = report.panels
    return found.compiled, found.held, found.differs_at, found.message


def clock_of(midnight: int) -> str:
    day = datetime.fromtimestamp(midnight, UTC).date()
    return f"{day.isoformat()} {NOW_MINUTE // 60:02}:{NOW_MINUTE % 60:02}-"


def test_an_output_that_the_panel_has_not_got_cannot_be_bound_or_planned_for() -> None:
    async def test(site: FleetSite) -> None:
        for name in ("gate:8", "gate:9999"):
            with pytest.raises(UnknownPanel, match=name):
                await site.fleet.bind(link(1), ["gate:7", name])
            with pytest.raises(UnknownPanel, match=name):
                await site.fleet.plan([item(1)], [name])
        assert site.fleet.bindings() == {}
        assert site.store.overrides == {}

    on_relays(test)


def test_an_output_that_was_bound_and_is_missing_by_now_is_refused_not_passed_over() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.bind(link(1), ["gate:7"])
        await site.fleet.remove_panel("gate")
        site.panels["gate"].capabilities = replace(RELAYS, outputs=4)
        await site.add("gate")
        (report,) = await site.fleet.upsert([item(1, start=NOW_MINUTE)])
        (result,) = report.panels
        assert (report.success, result.panel, result.outcome) == (False, "gate:7", ItemState.REFUSED)
        assert result.message == "the panel has 4 outputs"

    on_relays(test)
