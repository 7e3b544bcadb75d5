"""Panels of event lists that fail, forget or were set by somebody else at the worst moment: nothing opens that nobody asked for,
and nothing is claimed that a power cut or the next weekday would take back.
"""

from __future__ import annotations

from typing import cast

import pytest

from config.panel_model import load_models
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
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request
from simulators.domat_fc013 import DomatFc013
from simulators.ge_a_series import GeASeries
from tests.support.panel_wire import PanelWire, panel_on_wire
from tests.support.virtual_time import run_virtual

P = Priority.GRANT
LINK = "91c615e3-1040-4815-8ecb-000000000009"
WORK_WEEK = PanelImage(slots={0: Slot((LINK,), (Period(31, 540, 1080),))})
EVERY_DAY = PanelImage(slots={1: Slot((LINK,), (Period(127, 540, 1080),))})
EMPTY = PanelImage()
MONDAY = 20_759
STATUS_AT, MODE_AT, CLOCK_AT, TABLE_AT = 3, 23, 49, 54
VALUES_AT, SAVE_AT = 500, 50_034


def at(hour: int) -> ClockSetting:
    return ClockSetting(MONDAY * 86_400 + hour * 3600, 0)


def domat(wire: PanelWire) -> DomatFc013:
    return cast("DomatFc013", wire.panel)


def ge(wire: PanelWire) -> GeASeries:
    return cast("GeASeries", wire.panel)


def done(said: Acknowledgement) -> bool:
    return said.outcome is Outcome.ACKNOWLEDGED


def test_a_week_table_does_not_act_before_it_is_written() -> None:
    """Presence mode off, the factory table behind it; the line dies with the first word of the table."""

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        assert done(await driver.set_clock(at(5), P, None))
        domat(wire).write_word(MODE_AT, 0x8004)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)

        async def before(request: Request) -> bool:
            return not (request.writes and request.address >= TABLE_AT)

        wire.before = before
        assert (await driver.apply(driver.plan(WORK_WEEK, known), P, None)).outcome is Outcome.UNCONFIRMED
        for _ in range(24):
            await wire.clock.sleep(3600)
            assert domat(wire).schedules_open_now() == ()
        wire.before = None
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert done(await driver.apply(driver.plan(WORK_WEEK, known), P, None))
        assert domat(wire).read_words(3, MODE_AT, 1)[0] == 0x0008

    run_virtual(run())


def test_a_weekday_that_is_not_the_dates_is_no_time() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        assert done(await driver.set_clock(at(12), P, None))
        words = list(domat(wire).read_words(3, CLOCK_AT, 4))
        words[1] = words[1] & 0x00FF | 0x0700
        domat(wire).write_words(CLOCK_AT, words)
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is None
        assert done(await driver.set_clock(at(12), P, None))
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock is not None

    run_virtual(run())


@pytest.mark.parametrize("clock_first", [False, True])
def test_words_that_a_reset_kept_from_eeprom_are_written_again(clock_first: bool) -> None:
    """A restart behind the EEPROM bit, and then silence: the table reads right and is gone after a power cut. Setting the clock
    sets the bit again, and must not hide that."""

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        writes = 0

        async def before(request: Request) -> bool:
            nonlocal writes
            table = request.writes and request.address >= TABLE_AT
            if table and writes == 0:
                domat(wire).reset()
            writes += table
            return table or writes == 0

        wire.before = before
        assert (await driver.apply(driver.plan(WORK_WEEK, known), P, None)).outcome is Outcome.UNCONFIRMED
        wire.before = None
        if clock_first:
            await driver.set_clock(at(12), P, None)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert done(await driver.apply(driver.plan(WORK_WEEK, known), P, None))
        domat(wire).power_cut()
        assert domat(wire).day_windows(0, MONDAY) == ((540, 1080),)

    run_virtual(run())


MORNING = PanelImage(slots={1: Slot((LINK,), (Period(127, 480, 540),))})
NIGHT = PanelImage(slots={1: Slot((LINK,), (Period(127, 1200, 1260),))})
MORNING_FRAMES, SAVE = 22, (SAVE_AT, (2,))
"""Seven frames of values off, seven of times, seven of values on, one to save."""


@pytest.mark.parametrize("frame", range(2, MORNING_FRAMES + 1))
def test_a_restart_in_the_middle_of_a_change_is_neither_built_upon_nor_saved(frame: int) -> None:
    """What was not saved is gone: values are on again, or stand at other times than they were meant for."""
    allowed = {*range(480, 540), *range(1200, 1260)}

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.apply(driver.plan(MORNING, EMPTY), P, None))
        wire.sent.clear()
        wide: list[int] = []

        def opened() -> set[int]:
            return {m for day in range(7) for start, end in ge(wire).day_windows(1, MONDAY + day) for m in range(start, end)}

        async def before(request: Request) -> bool:
            if request.writes:
                wide.append(len(opened() - allowed))
                if len(wide) == frame:
                    ge(wire).reset()
            return True

        wire.before = before
        assert len(driver.plan(NIGHT, MORNING).frames) == MORNING_FRAMES
        said = await driver.apply(driver.plan(NIGHT, MORNING), P, None)
        assert (said.outcome, said.reason) == (Outcome.UNCONFIRMED, Reason.VERIFY_FAILED)
        assert SAVE not in wire.writes() or frame == MORNING_FRAMES
        assert sum(map(bool, wide)) <= 4
        assert opened() == set(range(480, 540))
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert done(await driver.apply(driver.plan(NIGHT, known), P, None))
        ge(wire).power_cut()
        assert opened() == set(range(1200, 1260))

    run_virtual(run())


OVERNIGHT = PanelImage(slots={1: Slot((LINK,), (Period(8, 864, 1440), Period(16, 0, 864)))})
OVERNIGHT_HOURS = {(3, minute) for minute in range(864, 1440)} | {(4, minute) for minute in range(864)}
"""By weekday, 0 on Monday."""


@pytest.mark.parametrize("frame", range(1, 6))
def test_hours_over_midnight_lose_no_end_to_a_panel_that_restarts_and_hears_a_word_the_second_time(frame: int) -> None:
    """A panel that restarts hears nothing for a moment, and a line sends again what may be sent again: `on` without its `off`."""

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert len(driver.plan(OVERNIGHT, EMPTY).frames) == 5
        writes = 0

        def opened() -> set[tuple[int, int]]:
            days = ((day, ge(wire).day_windows(1, MONDAY + day)) for day in range(7))
            return {(day, minute) for day, windows in days for start, end in windows for minute in range(start, end)}

        async def before(request: Request) -> bool:
            nonlocal writes
            assert opened() <= OVERNIGHT_HOURS
            writes += request.writes
            if request.writes and writes == frame:
                ge(wire).reset()
                return request.repeatable
            return True

        wire.before = before
        await driver.apply(driver.plan(OVERNIGHT, EMPTY), P, None)
        assert isinstance(await driver.status(P, None), PanelStatus)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        await driver.apply(driver.plan(OVERNIGHT, known), P, None)
        assert opened() == OVERNIGHT_HOURS

    run_virtual(run())


@pytest.mark.parametrize("second", [1, 2, 3, 5, 8, 13])
def test_a_controller_that_restarts_twice_in_the_middle_of_a_change_opens_nothing_that_nobody_asked_for(second: int) -> None:
    """The first restart ends the storing; the next one brings old times back below values that are on."""
    hours = ((0, 13), (666, 700)), ((228, 1128),)
    old, new = (PanelImage(slots={0: Slot((LINK,), tuple(Period(127, *each) for each in windows))}) for windows in hours)
    allowed = {minute for windows in hours for each in windows for minute in range(*each)}

    async def run(first: int) -> bool:
        """Returns whether the change was over before the first restart."""
        driver, wire = panel_on_wire("domat-fc013")
        read = await driver.read_back(P, None)
        assert isinstance(read, PanelImage)
        assert done(await driver.apply(driver.plan(old, read), P, None))
        panel, writes = domat(wire), 0
        await wire.clock.sleep(60)

        async def before(request: Request) -> bool:
            nonlocal writes
            opened = {m for day in range(7) for start, end in panel.day_windows(0, MONDAY + day) for m in range(start, end)}
            assert opened <= allowed, sorted(opened - allowed)
            writes += request.writes
            if request.writes and writes in (first, first + second):
                panel.reset()
            return True

        wire.before = before
        await driver.apply(driver.plan(new, old), P, None)
        assert isinstance(await driver.read_back(P, None), PanelImage)
        return writes < first

    first = 1
    while not run_virtual(run(first)):
        first += 1
    assert first > 14


def test_what_a_restart_left_of_a_change_is_taken_back_before_it_is_read() -> None:
    """The line fails, and the panel restarts before it is asked again; then somebody else's word stands in it."""

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.apply(driver.plan(MORNING, EMPTY), P, None))
        writes = 0

        async def before(request: Request) -> bool:
            nonlocal writes
            writes += request.writes
            if writes == 10:
                ge(wire).reset()
            return writes < 12

        wire.before = before
        assert (await driver.apply(driver.plan(NIGHT, MORNING), P, None)).outcome is Outcome.UNCONFIRMED
        wire.before = None
        wire.sent.clear()
        assert done(await driver.save(P, None))
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert driver.plan(MORNING, known).empty
        assert SAVE not in wire.writes()

    run_virtual(run())


def test_what_is_read_while_a_panel_restarts_is_no_mixture_of_what_was_written_and_what_was_saved() -> None:
    """The line fails before the new times are saved; the old ones come back while the table is read."""

    async def run(frame: int) -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.apply(driver.plan(MORNING, EMPTY), P, None))

        async def unsaved(request: Request) -> bool:
            return (request.address, request.values) != SAVE

        wire.before = unsaved
        assert (await driver.apply(driver.plan(NIGHT, MORNING), P, None)).outcome is Outcome.UNCONFIRMED
        frames = 0

        async def restart(request: Request) -> bool:
            nonlocal frames
            frames += 1
            if frames == frame:
                ge(wire).reset()
            return True

        wire.before = restart
        known = await driver.read_back(P, None)
        if isinstance(known, Acknowledgement):
            known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert frames > frame
        assert driver.plan(MORNING, known).empty

    for frame in range(1, 9):
        run_virtual(run(frame))


def test_one_changed_minute_needs_no_look_at_the_counters() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.apply(driver.plan(MORNING, EMPTY), P, None))
        wire.sent.clear()
        longer = PanelImage(slots={1: Slot((LINK,), (Period(1, 480, 541), Period(126, 480, 540)))})
        assert done(await driver.apply(driver.plan(longer, MORNING), P, None))
        assert not any(request.address == 50_032 for request in wire.sent)

    run_virtual(run())


ALWAYS = PanelImage(slots={0: Slot((LINK,), (Period(127, 0, 1440),))})


def another_driver(wire: PanelWire) -> PanelDriver:
    """As after a restart of the gateway."""
    return ModbusPanelDriver(PanelUnit(load_models(None)["domat-fc013"], 1, wire, wire.clock))


def test_a_gateway_that_restarted_does_not_believe_words_that_may_be_in_ram_alone() -> None:
    """The panel restarts right before the first word of a revocation, and the gateway before it can look."""

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert done(await driver.apply(driver.plan(ALWAYS, known), P, None))

        async def before(request: Request) -> bool:
            if request.writes:
                wire.before = None
                domat(wire).reset()
            return True

        wire.before = before
        assert (await driver.apply(driver.plan(WORK_WEEK, ALWAYS), P, None)).outcome is Outcome.UNCONFIRMED
        driver = another_driver(wire)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert not driver.plan(WORK_WEEK, known).empty
        assert done(await driver.set_clock(at(12), P, None))
        assert done(await driver.apply(driver.plan(WORK_WEEK, known), P, None))
        assert driver.plan(WORK_WEEK, cast("PanelImage", await driver.read_back(P, None))).empty
        domat(wire).power_cut()
        assert domat(wire).day_windows(0, MONDAY) == ((540, 1080),)

    run_virtual(run())


def test_a_gateway_that_restarted_writes_nothing_where_all_is_as_it_was_acknowledged() -> None:
    longer = PanelImage(slots={0: Slot((LINK,), (Period(1, 540, 1081), Period(30, 540, 1080)))})

    async def run() -> None:
        driver, wire = panel_on_wire("domat-fc013")
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert done(await driver.apply(driver.plan(WORK_WEEK, known), P, None))
        driver = another_driver(wire)
        assert await driver.quick_look(WORK_WEEK, P, None) is True
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        assert driver.plan(longer, known).words == 1

    run_virtual(run())


def test_a_value_that_outlived_its_deletion_is_put_right_before_anything_is_claimed() -> None:
    """The deletion is written and saved, then the line fails: the panel goes on with an old value until its next event."""

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.set_clock(at(20), P, None))
        assert done(await driver.apply(driver.plan(EVERY_DAY, EMPTY), P, None))
        ge(wire).write_bit(VALUES_AT, 0xFF00)

        async def before(request: Request) -> bool:
            return request.address != VALUES_AT

        wire.before = before
        said = await driver.apply(driver.plan(EMPTY, EVERY_DAY), P, None)
        assert said.outcome is Outcome.UNCONFIRMED
        assert isinstance(await driver.read_back(P, None), Acknowledgement), "nothing is claimed while values cannot be read"
        wire.before = None
        assert await driver.read_back(P, None) == EMPTY
        assert ge(wire).schedules_open_now() == ()

    run_virtual(run())


def test_daylight_saving_stays_off_after_a_power_cut() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        assert done(await driver.set_clock(at(20), P, None))
        wire.panel.handle(bytes.fromhex("10 C369 0003 06 0001 0078 0001"))
        wire.panel.handle(bytes.fromhex("06 C372 0002"))
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert status.clock_due, "the time is right, the panel's own rules are on"
        assert done(await driver.set_clock(at(20), P, None))
        wire.panel.power_cut()
        assert wire.panel.handle(bytes.fromhex("03 C369 0003")) == bytes.fromhex("03 06 0000 0078 0000")
        status = await driver.status(P, None)
        assert isinstance(status, PanelStatus)
        assert not status.clock_due

    run_virtual(run())


def test_a_lease_that_a_board_cannot_hold_is_refused() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("waveshare-relay-8ch", {"longest_timed_on": 100})
        said = await driver.set_output(3, True, 60, P, None)
        assert (said.outcome, said.reason) == (Outcome.REJECTED, Reason.PANEL_REJECTED)
        assert done(await driver.set_output(3, True, 10, P, None))
        assert wire.panel.outputs()[3]

    run_virtual(run())
