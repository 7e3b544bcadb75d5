"""Panels of event lists on their simulators, which keep the makers' rules of writing: any image after any other."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.panel_model import load_models
from drivers.contract import ClockSetting, Outcome, PanelImage, Period, Priority, Slot
from drivers.modbus.panel.output_driver import capabilities_of
from drivers.modbus.wire.requests import Request
from simulators.domat_fc013 import DomatFc013
from simulators.ge_a_series import GeASeries
from tests.support.panel_wire import panel_on_wire
from tests.support.virtual_time import run_virtual
from tests.unit.compiler_oracle import record
from tests.unit.test_direct_layouts import DATES, SLOTS, images

P = Priority.GRANT


def minutes_asked(image: PanelImage, number: int, day: int) -> frozenset[int]:
    """What an image opens on a day, by its own words."""
    groups = [7 + index for index, group in enumerate(image.special_days) if day in group]
    bit = groups[0] if groups else (day + 3) % 7
    periods = image.slots[number].periods if number in image.slots else ()
    return frozenset(minute for one in periods if one.days >> bit & 1 for minute in range(one.start, one.end))


@pytest.mark.parametrize("name", ["ge-a-series", "domat-fc013"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_one_image_after_another(name: str, data: st.DataObject) -> None:
    story = [data.draw(images(name)) for _ in range(3)]

    async def run() -> None:
        driver, wire = panel_on_wire(name)
        panel = cast("GeASeries | DomatFc013", wire.panel)
        known = await driver.read_back(P, None)
        assert isinstance(known, PanelImage)
        for target in story:
            done = await driver.apply(driver.plan(target, known), P, None)
            assert done.outcome is Outcome.ACKNOWLEDGED, done
            for number in SLOTS[name]:
                for day in (*DATES, *range(20_760, 20_767)):
                    opened = frozenset(m for start, end in panel.day_windows(number, day) for m in range(start, end))
                    assert opened == minutes_asked(target, number, day), (number, day)
            read = await driver.read_back(P, None)
            assert isinstance(read, PanelImage)
            assert driver.plan(target, read).empty
            known = read

    run_virtual(run())


def test_ninety_dates_move_through_both_calendars() -> None:
    """Full calendars, then each shifted by a third, then swapped: each counts as asked, the simulator refuses one in both."""
    first, second = tuple(range(20_800, 20_980, 2)), tuple(range(20_801, 20_981, 2))
    slot = Slot((), (Period(128, 540, 600), Period(256, 660, 720)))

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        known = PanelImage()
        for groups in ((first, second), (first[30:], second[30:]), (second, first), (second[:1],), ()):
            target = PanelImage(slots={3: slot} if groups else {}, special_days=groups)
            done = await driver.apply(driver.plan(target, known), P, None)
            assert done.outcome is Outcome.ACKNOWLEDGED, done
            for day in range(20_795, 20_985):
                opened = frozenset(m for start, end in panel.day_windows(3, day) for m in range(start, end))
                assert opened == minutes_asked(target, 3, day), day
            known = target

    run_virtual(run())


def test_a_date_is_closed_while_its_calendar_is_put_in_order() -> None:
    """Somebody else's calendar, unsorted: its places wait for each other, so a date is in none for a moment."""
    every_day = {1: Slot((), (Period(127, 0, 1440),))}
    target = PanelImage(slots=every_day, special_days=((20_790, 20_800, 20_812),))

    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        panel = cast("GeASeries", wire.panel)
        unsorted = PanelImage(slots=every_day, special_days=((20_812, 20_800, 20_790),))
        assert (await driver.apply(driver.plan(unsorted, PanelImage()), P, None)).outcome is Outcome.ACKNOWLEDGED

        async def before(request: Request) -> bool:
            assert not any(panel.is_open_at(1, day, 600) for day in (20_790, 20_800, 20_812))
            return True

        wire.before = before
        assert (await driver.apply(driver.plan(target, unsorted), P, None)).outcome is Outcome.ACKNOWLEDGED

    run_virtual(run())


def test_the_gateway_owns_daylight_saving() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("ge-a-series")
        wire.panel.handle(bytes.fromhex("10 C369 0003 06 0001 0078 0001"))
        setting = ClockSetting(int(wire.clock.wall()), 120)
        assert (await driver.set_clock(setting, P, None)).outcome is Outcome.ACKNOWLEDGED
        assert wire.panel.handle(bytes.fromhex("03 C369 0003")) == bytes.fromhex("03 06 0000 0078 0000")

    run_virtual(run())


@pytest.mark.parametrize("name", ["open-access-panel", "ge-a-series", "domat-fc013", "waveshare-relay-8ch"])
def test_the_compiler_is_tried_with_the_records_that_ship(name: str) -> None:
    """Outputs and the log are left aside: they are no schedule's business."""
    mine, shipped = record(name), capabilities_of(load_models(None)[name])
    assert replace(mine, outputs=0, event_log=0) == replace(shipped, outputs=0, event_log=0), [
        field.name for field in fields(mine) if getattr(mine, field.name) != getattr(shipped, field.name)
    ]
