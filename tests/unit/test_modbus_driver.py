"""What a driver claims when the panel or the line does something nasty in the middle of a transaction. In virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from config.settings import SimulatorSettings
from drivers.contract import (
    Acknowledgement,
    ClockSetting,
    Outcome,
    PanelDriver,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Reason,
    Slot,
)
from drivers.modbus.panel.layouts.open_access_schedules import slot_words
from drivers.modbus.panel.steps import Transaction
from drivers.modbus.wire.requests import Request
from simulators.domat_fc013 import DomatFc013
from simulators.ge_a_series import GeASeries
from simulators.open_access_panel import OpenAccessPanel
from tests.support.panel_wire import PanelWire, panel_on_wire
from tests.support.virtual_time import run_virtual

LINK = "91c615e3-1040-4815-8ecb-000000000009"
OLD = Slot((LINK,), (Period(31, 540, 1080),), valid_from=20759)
NEW = Slot((LINK,), (Period(31, 600, 1020), Period(32, 600, 720)), valid_from=20759)
P = Priority.GRANT
COMMIT = 0xC0DE
MONDAY_NOON = 20_759 * 86_400 + 43_200
SIMULATOR = SimulatorSettings(latency_ms=0)


def image(**slots: Slot) -> PanelImage:
    return PanelImage(slots={int(name[1:]): slot for name, slot in slots.items()})


def is_commit(request: Request) -> bool:
    return request.writes and request.address == 0x0200 and request.values[0] == COMMIT


def is_staging(request: Request) -> bool:
    return request.writes and 0x1000 <= request.address < 0x4000


async def hold(driver: PanelDriver, target: PanelImage, known: PanelImage, deadline: float | None = None) -> Acknowledgement:
    return await driver.apply(driver.plan(target, known), P, deadline)


Story = Callable[[PanelDriver, PanelWire, OpenAccessPanel], Awaitable[None]]


def told(story: Story, simulator: SimulatorSettings = SIMULATOR) -> None:
    """Run a story with a panel that holds OLD in slot 0."""

    async def run() -> None:
        driver, wire = panel_on_wire("open-access-panel", simulator=simulator)
        assert isinstance(await driver.status(P, None), PanelStatus)
        assert (await hold(driver, image(s0=OLD), PanelImage())).outcome is Outcome.ACKNOWLEDGED
        await wire.clock.sleep(20)
        wire.sent.clear()
        await story(driver, wire, cast("OpenAccessPanel", wire.panel))

    run_virtual(run())


def words(panel: OpenAccessPanel, number: int) -> tuple[int, ...]:
    return panel.schedule_words(number)


def test_the_first_transaction_is_what_the_plan_says() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        plan = driver.plan(image(s0=OLD, s1=OLD), image(s0=OLD))
        assert (await driver.apply(plan, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert tuple(request.pdu() for request in wire.sent if request.writes) == plan.frames
        assert (plan.words, plan.commits) == (64, 1)

    told(story)


def test_a_restart_between_two_staged_writes_is_noticed() -> None:
    """The panel forgets the first half of a slot; the second half alone must never be taken for the whole."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        staged = 0

        async def restart(request: Request) -> bool:
            nonlocal staged
            staged += is_staging(request)
            if staged == 2:
                staged = 3
                panel.reset()
            return True

        wire.before = restart
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert done.outcome is Outcome.ACKNOWLEDGED
        assert words(panel, 0) == slot_words(0, NEW, 14)
        assert sum(is_commit(request) for request in wire.sent) == 2

    told(story)


def test_a_restart_that_leaves_a_slot_valid_by_chance_is_no_success() -> None:
    """Were the second half alone to have the right check word, only the counters tell; then the slot is read whole."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        async def restart_and_commit_something_else(request: Request) -> bool:
            if is_commit(request):
                wire.before = None
                panel.reset()
                spoilt = replace(NEW, periods=(Period(127, 0, 1440),))
                forged = (*slot_words(0, spoilt, 14)[:63], slot_words(0, NEW, 14)[63])
                panel._memory.schedules.store(0, forged)
            return True

        wire.before = restart_and_commit_something_else
        wire.false_echo = is_commit
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert done.outcome is Outcome.UNCONFIRMED
        assert done.image is None
        assert done.reason is Reason.VERIFY_FAILED

    told(story)


def test_a_late_answer_to_the_begin_command_is_no_commit() -> None:
    """Both are two words at one address: their replies look the same."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        wire.false_echo = is_commit
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert done.outcome is Outcome.UNCONFIRMED
        assert done.image is None
        assert words(panel, 0) == slot_words(0, OLD, 14)

    told(story)


def test_a_commit_whose_answer_is_lost_is_looked_at() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        wire.lose_reply = is_commit
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert done.outcome is Outcome.ACKNOWLEDGED
        assert words(panel, 0) == slot_words(0, NEW, 14)
        assert sum(is_commit(request) for request in wire.sent) == 1

    told(story)


def test_a_commit_that_never_arrived_is_unconfirmed_and_not_repeated() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        async def swallow(request: Request) -> bool:
            return not is_commit(request)

        wire.before = swallow
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert (done.outcome, done.reason, done.image) == (Outcome.UNCONFIRMED, Reason.NO_REPLY, None)
        assert words(panel, 0) == slot_words(0, OLD, 14)
        assert sum(is_commit(request) for request in wire.sent) == 1

    told(story)


def test_a_narrowing_is_acknowledged_when_the_panel_has_taken_it_over() -> None:
    """A panel that was open by the old words says on the line that it is closed once it is acknowledged."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        assert (await driver.set_clock(ClockSetting(MONDAY_NOON, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == (0,)
        closed = Slot((LINK,), (Period(64, 540, 1080),), valid_from=20759)
        assert (await hold(driver, image(s0=closed), image(s0=OLD))).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == ()

    told(story, SimulatorSettings(latency_ms=0, busy_ms=200))


def test_a_panel_that_stays_busy_was_sent_nothing() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        panel._busy_until = wire.clock.monotonic() + 60
        done = await hold(driver, image(s0=NEW), image(s0=OLD), wire.clock.monotonic() + 1)
        assert (done.outcome, done.reason, done.image) == (Outcome.NOT_SENT, Reason.DEADLINE_PASSED, image(s0=OLD))

    told(story)


def test_a_refused_commit_says_why_and_leaves_the_old() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        many = Slot((LINK,), tuple(Period(1, 60 * hour, 60 * hour + 30) for hour in range(5)))
        known = image(s0=OLD)
        done = await hold(driver, image(s0=OLD, s2=many), known)
        assert (done.outcome, done.reason, done.image) == (Outcome.REJECTED, Reason.PANEL_REJECTED, known)
        assert done.message is not None
        assert "0x1080: a value is not allowed" in done.message
        assert words(panel, 0) == slot_words(0, OLD, 14)

    told(story, SimulatorSettings(latency_ms=0, periods=4))


def test_after_a_removal_a_refusal_leaves_something_to_be_read() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        many = Slot((LINK,), tuple(Period(1, 60 * hour, 60 * hour + 30) for hour in range(5)))
        done = await hold(driver, image(s2=many), image(s0=OLD))
        assert (done.outcome, done.image) == (Outcome.REJECTED, None)
        assert words(panel, 0)[0] == 0

    told(story, SimulatorSettings(latency_ms=0, periods=4))


def test_staging_that_timed_out_is_done_again() -> None:
    """The line was so busy that more than 60 s passed between two frames."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        async def wait_once(request: Request) -> bool:
            if is_commit(request):
                wire.before = None
                await wire.clock.sleep(61)
            return True

        wire.before = wait_once
        assert (await hold(driver, image(s0=NEW), image(s0=OLD))).outcome is Outcome.ACKNOWLEDGED
        assert words(panel, 0) == slot_words(0, NEW, 14)

    told(story)


def test_a_deadline_in_the_middle_of_staging_leaves_the_old() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        wire.exchange_s = 0.1
        done = await hold(driver, image(s0=NEW, s1=OLD), image(s0=OLD), wire.clock.monotonic() + 0.15)
        assert (done.outcome, done.reason, done.image) == (Outcome.NOT_SENT, Reason.DEADLINE_PASSED, image(s0=OLD))
        wire.exchange_s = 0.001
        assert (await hold(driver, image(s0=OLD, s1=OLD), image(s0=OLD))).outcome is Outcome.ACKNOWLEDGED
        assert words(panel, 0) == slot_words(0, OLD, 14)

    told(story)


def slot_with_check_word_0() -> Slot:
    for number in range(1 << 20):
        slot = Slot((f"91c615e3-1040-4815-8ecb-{number:012x}",), (Period(31, 540, 1080),))
        if slot_words(3, slot, 14)[63] == 0:
            return slot
    raise AssertionError("no such slot")


def test_a_used_slot_whose_check_word_is_0_is_found_and_its_removal_proved() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        held = image(s0=OLD, s3=slot_with_check_word_0())
        assert (await hold(driver, held, image(s0=OLD))).outcome is Outcome.ACKNOWLEDGED
        read = await driver.read_back(P, None)
        assert isinstance(read, PanelImage)
        assert dict(read.slots) == dict(held.slots)
        assert read.allocation == {LINK: (0,), held.slots[3].link_ids[0]: (3,)}
        wire.false_echo = lambda request: request.address == 0x0202
        assert (await hold(driver, image(s0=OLD), held)).outcome is Outcome.UNCONFIRMED
        wire.false_echo = lambda request: False
        assert (await hold(driver, image(s0=OLD), held)).outcome is Outcome.ACKNOWLEDGED

    told(story)


def test_an_erased_slot_and_a_foreign_one_are_seen_by_a_quick_look() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        assert await driver.quick_look(image(s0=OLD), P, None) is True
        assert len(wire.sent) == 2
        panel._memory.schedules.store(5, slot_words(5, NEW, 14))
        assert await driver.quick_look(image(s0=OLD), P, None) is False
        panel._memory.clear_schedule(0)
        assert await driver.quick_look(image(s0=OLD), P, None) is False

    told(story)


def test_a_changed_register_reads_back_as_what_it_is() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        spoilt = [*slot_words(0, OLD, 14)]
        spoilt[13] = 541
        panel._memory.schedules.store(0, spoilt)
        read = await driver.read_back(P, None)
        assert isinstance(read, PanelImage)
        assert read.slots[0].opaque == tuple(spoilt)
        plan = driver.plan(image(s0=OLD), read)
        assert plan.words == 1
        assert (await driver.apply(plan, P, None)).outcome is Outcome.ACKNOWLEDGED

    told(story)


def test_a_clock_that_needs_its_table_again_is_due() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("open-access-panel", {"clock_trusted_hours": 10})
        now = int(wire.clock.wall())
        setting = ClockSetting(now, 120, ((now + 7200, 180), (now + 90_000, 120)))
        assert (await driver.set_clock(setting, P, None)).outcome is Outcome.ACKNOWLEDGED
        for hours, due in ((1.9, False), (2.1, True)):
            await wire.clock.sleep(now + hours * 3600 - wire.clock.wall())
            status = await driver.status(P, None)
            assert isinstance(status, PanelStatus)
            assert status.clock_due == due
        now = int(wire.clock.wall())
        assert (await driver.set_clock(ClockSetting(now, 180), P, None)).outcome is Outcome.ACKNOWLEDGED
        for hours, due in ((4.9, False), (5.1, True)):
            await wire.clock.sleep(now + hours * 3600 - wire.clock.wall())
            status = await driver.status(P, None)
            assert isinstance(status, PanelStatus)
            assert status.clock is not None
            assert status.clock_due == due
            assert status.clock_due_at is not None
            assert abs(status.clock_due_at - now - 5 * 3600) < 2
        await wire.clock.sleep(6 * 3600)
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is None

    run_virtual(run())


@pytest.mark.parametrize(("model", "address"), [("open-access-panel", 0x0100), ("ge-a-series", 50_035), ("domat-fc013", 49)])
def test_a_clock_is_never_set_to_the_time_of_a_write_that_a_bad_line_lost(model: str, address: int) -> None:
    """A line that repeats the same words would set the time of their first try."""

    async def run() -> None:
        driver, wire = panel_on_wire(model)
        tries: list[Request] = []

        async def lost_at_first(request: Request) -> bool:
            if request.writes and request.address == address:
                tries.append(request)
                if len(tries) == 1:
                    await wire.clock.sleep(10)
                    return False
            return True

        wire.before = lost_at_first
        wire.panel.oscillator.jump(-600)
        assert (await driver.set_clock(ClockSetting(int(wire.clock.wall()), 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert len(tries) == 2
        assert not any(request.repeatable for request in tries)
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is not None
        day, second = status.clock
        assert abs(day * 86_400 + second - wire.clock.wall()) <= 2

    run_virtual(run())


def test_what_wears_out_is_counted() -> None:
    """A commit and an erasure on flash, each word that reaches EEPROM: table, presence mode, clock, and the bit before them."""

    async def run() -> None:
        driver, wire = panel_on_wire("open-access-panel")
        assert (await hold(driver, image(s0=OLD), PanelImage())).outcome is Outcome.ACKNOWLEDGED
        assert (await hold(driver, PanelImage(), image(s0=OLD))).outcome is Outcome.ACKNOWLEDGED
        assert driver.write_counts() == {"flash": 2}
        driver, wire = panel_on_wire("domat-fc013")
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert (await hold(driver, image(s0=Slot((), (Period(31, 540, 1080),))), known)).outcome is Outcome.ACKNOWLEDGED
        assert sum(driver.write_counts().values()) == cast("DomatFc013", wire.panel).eeprom_writes + 1
        assert (await driver.set_clock(ClockSetting(int(wire.clock.wall()), 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert sum(driver.write_counts().values()) == cast("DomatFc013", wire.panel).eeprom_writes + 5
        assert driver.write_counts()["eeprom:49"] == 1

    run_virtual(run())


def test_a_panel_that_has_room_for_dates_again_gets_them() -> None:
    async def run() -> None:
        driver, _ = panel_on_wire("open-access-panel")
        whole = driver.capabilities
        driver.restrict({"max_days_in_special_day_group": 0})
        assert driver.capabilities != whole
        driver.restrict({"max_days_in_special_day_group": whole.max_days_in_special_day_group})
        assert driver.capabilities == whole

    run_virtual(run())


def test_a_panel_without_room_for_dates_has_none_in_a_bitmap_either() -> None:
    async def run() -> None:
        driver, _ = panel_on_wire("open-access-panel", simulator=SimulatorSettings(latency_ms=0, dates=0))
        assert isinstance(await driver.status(P, None), PanelStatus)
        found = driver.capabilities
        assert (found.max_special_day_groups, found.max_days_in_special_day_group, found.special_day_bitmap_days) == (0, 0, 0)

    run_virtual(run())


@pytest.mark.parametrize(("model", "address"), [("open-access-panel", 0x0100), ("ge-a-series", 50_035), ("domat-fc013", 49)])
def test_a_clock_is_never_ahead_by_the_time_that_a_frame_before_had_waited(model: str, address: int) -> None:
    """The first frame waits in the line's queue for 8 s, those behind it for nothing."""

    async def run() -> None:
        driver, wire = panel_on_wire(model)
        tries: list[Request] = []

        async def wait_once(request: Request) -> bool:
            if request.writes and request.address == address:
                tries.append(request)
                await wire.clock.sleep(8 if len(tries) == 1 else 0)
            return True

        wire.before = wait_once
        wire.panel.oscillator.jump(-600)
        assert (await driver.set_clock(ClockSetting(int(wire.clock.wall()), 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert len(tries) == 1, "it left with the time of then, and a second one has nothing to put right"
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is not None
        assert status.clock_read_at is not None
        assert abs(86_400 * status.clock[0] + status.clock[1] - status.clock_read_at) <= 2

    run_virtual(run())


def test_a_clock_behind_a_line_that_is_always_busy_is_set() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")

        async def wait(request: Request) -> bool:
            await wire.clock.sleep(60 if request.writes else 0)
            return True

        wire.before = wait
        wire.panel.oscillator.jump(-600)
        assert (await driver.set_clock(ClockSetting(int(wire.clock.wall()), 0), P, None)).outcome is Outcome.ACKNOWLEDGED

    run_virtual(run())


# --- lists of events


WEEK = PanelImage(slots={1: Slot((LINK,), (Period(127, 540, 1080),))})


def test_a_save_that_was_not_seen_is_told_and_made_when_asked_for() -> None:
    """A save without an answer: the tables in use say the new, flash perhaps the old. One frame leaves, and is counted."""

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        assert (await driver.save(P, None)).outcome is Outcome.ACKNOWLEDGED
        assert await driver.read_back(P, None) == PanelImage()
        saves = panel.saves

        async def swallow_saves(request: Request) -> bool:
            return not (request.writes and request.address == 50034)

        wire.before = swallow_saves
        done = await hold(driver, WEEK, PanelImage())
        assert (done.outcome, done.image) == (Outcome.UNCONFIRMED, None)
        assert panel.saves == saves
        wire.before = None
        assert driver.plan(WEEK, cast("PanelImage", await driver.read_back(P, None))).empty
        assert (panel.saves, driver.unsaved) == (saves, True)
        assert (await driver.save(P, None)).outcome is Outcome.ACKNOWLEDGED
        assert (panel.saves, driver.unsaved) == (saves + 1, False)
        panel.power_cut()
        assert driver.plan(WEEK, cast("PanelImage", await driver.read_back(P, None))).empty
        assert driver.write_counts() == {"flash": 3}

    run_virtual(run())


def test_a_value_that_a_clock_step_left_behind_is_put_right() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        panel.edge_only = True
        midnight = 20_759 * 86_400
        assert (await driver.set_clock(ClockSetting(midnight + 12 * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert (await hold(driver, WEEK, PanelImage())).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == (1,)
        assert (await driver.set_clock(ClockSetting(midnight + 20 * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == ()
        assert (await driver.set_clock(ClockSetting(midnight + 10 * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == (1,)

    run_virtual(run())


def test_a_mode_that_a_clock_step_left_behind_is_put_right() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        panel = cast("DomatFc013", wire.panel)
        panel.edge_only = True
        table = PanelImage(slots={0: Slot((LINK,), (Period(127, 540, 1080),))})
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert (await hold(driver, table, known)).outcome is Outcome.ACKNOWLEDGED
        midnight = 20_759 * 86_400
        for hour, opened in ((10, (0,)), (20, ()), (12, (0,)), (8, ())):
            assert (await driver.set_clock(ClockSetting(midnight + hour * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
            assert panel.schedules_open_now() == opened, hour
        assert panel.read_words(3, 23, 1)[0] == 0x0008

    run_virtual(run())


def test_a_mode_that_does_not_follow_is_forced_once_for_each_write_and_not_at_every_look() -> None:
    """Every forcing wears one cell of the EEPROM."""

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013", {"comfort_in_force": 2})
        table = PanelImage(slots={0: Slot((LINK,), (Period(127, 540, 1080),))})
        midnight = 20_759 * 86_400
        assert (await driver.set_clock(ClockSetting(midnight + 12 * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert (await hold(driver, table, known)).outcome is Outcome.UNCONFIRMED
        forced = sum(address == 23 for address, _ in wire.writes())
        for _ in range(10):
            assert (await hold(driver, table, table)).outcome is not Outcome.REJECTED
            await driver.quick_look(table, P, None)
            await driver.read_back(P, None)
        assert sum(address == 23 for address, _ in wire.writes()) == forced

    run_virtual(run())


def test_a_revocation_ends_a_value_that_was_forced() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        assert (await driver.set_clock(ClockSetting(20_759 * 86_400 + 12 * 3600, 0), P, None)).outcome is Outcome.ACKNOWLEDGED
        assert (await hold(driver, WEEK, PanelImage())).outcome is Outcome.ACKNOWLEDGED
        panel.write_bit(500, 0xFF00)
        assert (await hold(driver, PanelImage(), WEEK)).outcome is Outcome.ACKNOWLEDGED
        assert panel.schedules_open_now() == ()

    run_virtual(run())


def test_a_schedule_out_of_service_is_found_and_put_right() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        assert (await hold(driver, WEEK, PanelImage())).outcome is Outcome.ACKNOWLEDGED
        panel.write_bit(600, 0xFF00)
        assert await driver.quick_look(WEEK, P, None) is False
        read = await driver.read_back(P, None)
        assert isinstance(read, PanelImage)
        assert read.slots[1].opaque is not None
        assert (await hold(driver, WEEK, read)).outcome is Outcome.ACKNOWLEDGED
        assert await driver.quick_look(WEEK, P, None) is True

    run_virtual(run())


def test_a_week_table_that_does_not_act_is_unknown_and_made_to_act() -> None:
    table = PanelImage(slots={0: Slot((LINK,), (Period(31, 540, 1080),))})

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        panel = cast("DomatFc013", wire.panel)
        factory = await driver.read_back(P, None)
        assert isinstance(factory, PanelImage)
        assert factory.slots[0].opaque is not None
        assert (await hold(driver, table, factory)).outcome is Outcome.ACKNOWLEDGED
        assert driver.plan(table, cast("PanelImage", await driver.read_back(P, None))).empty
        written = driver.write_counts()["eeprom:23"]
        panel.write_word(23, 0x8001)
        assert await driver.quick_look(table, P, None) is False
        read = await driver.read_back(P, None)
        assert isinstance(read, PanelImage)
        assert read.slots[0].opaque == ()
        assert len(panel.schedules_open_now()) == 1
        assert (await hold(driver, table, read)).outcome is Outcome.ACKNOWLEDGED
        assert await driver.quick_look(table, P, None) is True
        assert driver.write_counts()["eeprom:23"] > written

    run_virtual(run())


def test_word_numbers_may_be_one_more_than_addresses() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013", {"first_word": 1})
        table = PanelImage(slots={0: Slot((LINK,), (Period(1, 540, 1080),))})
        factory = await driver.read_back(P, None)
        assert isinstance(factory, PanelImage)
        assert (await hold(driver, table, factory)).outcome is Outcome.ACKNOWLEDGED
        assert cast("DomatFc013", wire.panel).day_windows(0, 20_759) == ((540, 1080),)
        assert min(address for address, _ in wire.writes() if address > 30) == 53

    run_virtual(run())


def test_a_status_in_between_does_not_hide_a_restart() -> None:
    """Somebody else reads the counters after the restart: the transaction still compares with those it began with."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        async def restart(request: Request) -> bool:
            if is_commit(request):
                wire.before = None
                panel.reset()
                panel._memory.schedules.store(
                    0, (*slot_words(0, replace(NEW, valid_from=1), 14)[:63], slot_words(0, NEW, 14)[63])
                )
                panel._memory.stage(panel._memory.schedules, 0, [1])
                panel._memory._status = 2
                assert isinstance(await driver.status(P, None), PanelStatus)
            return True

        wire.before = restart
        wire.false_echo = is_commit
        done = await hold(driver, image(s0=NEW), image(s0=OLD))
        assert (done.outcome, done.image) == (Outcome.UNCONFIRMED, None)

    told(story)


def test_removing_an_entry_or_a_date_is_not_repeated() -> None:
    async def run() -> None:
        driver, _ = panel_on_wire("ge-a-series")
        held = PanelImage(slots={1: Slot((LINK,), (Period(128, 540, 1080),))}, special_days=((20_812,),))
        steps = driver.plan(PanelImage(), held).operations
        removals = [s.request for t in steps if isinstance(t, Transaction) for s in t.steps if 0xFFFF in s.request.values]
        assert len(removals) == 3
        assert not any(request.repeatable for request in removals)

    run_virtual(run())
