"""How many frames each model takes for what happens all the time, and that a frame that is spared spares no truth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from config.settings import SimulatorSettings
from drivers.contract import Acknowledgement, ClockSetting, Outcome, PanelDriver, PanelImage, Period, Priority, Slot
from drivers.modbus.panel.layouts.open_access_schedules import slot_words
from drivers.modbus.wire.requests import Request
from simulators.open_access_panel import OpenAccessPanel
from tests.support.panel_wire import PanelWire, panel_on_wire
from tests.support.virtual_time import run_virtual

LINK = "91c615e3-1040-4815-8ecb-000000000009"
P = Priority.GRANT
STAGING = range(0x1000, 0x4000)

STATUS, CONTENT, CLOCK, FIRST, MINUTE, LOOK, REMOVAL = "status", "content", "clock", "first", "minute", "look", "removal"

LEAST: dict[str, dict[str, int]] = {
    # status: facts, clock table, the clock it acts on. content: counts of commits and of used slots. clock: the write, both
    # clocks. first: the slot, commit, what the panel says of it, the slot. minute: minute and check word are apart. look: counts,
    # check words. removal: the command, the slot's state.
    "open-access-panel": {STATUS: 3, CONTENT: 2, CLOCK: 3, FIRST: 4, MINUTE: 5, LOOK: 2, REMOVAL: 2},
    # The older map does not tell whether it acts on a commit: a command that has to wait for that asks it.
    "open-access-panel 1.0": {STATUS: 3, CONTENT: 2, CLOCK: 3, FIRST: 4, MINUTE: 6, LOOK: 2, REMOVAL: 2},
    # No word tells which schedules are used, so all are read. What is written is saved, and proved by values in force, too. What
    # may not be saved is read with the count of restarts behind it.
    "ge-a-series": {STATUS: 4, CONTENT: 43, CLOCK: 10, FIRST: 13, MINUTE: 9, LOOK: 41, REMOVAL: 14},
    # Two bits, without which nothing lasts or acts, are read around each change, and the value in force after it.
    "domat-fc013": {STATUS: 2, CONTENT: 1, CLOCK: 6, FIRST: 14, MINUTE: 8, LOOK: 3, REMOVAL: 11},
}
"""Model -> frames for each thing. A number here only ever gets smaller."""


def image(model: str, end: int) -> PanelImage:
    """Mondays from 9:00 on; one slot of a panel that keeps link_ids."""
    if model == "open-access-panel":
        return PanelImage(slots={0: Slot((LINK,), (Period(1, 540, end),), valid_from=20759)})
    return PanelImage(slots={1 if model == "ge-a-series" else 0: Slot((), (Period(1, 540, end),))})


@pytest.mark.parametrize("kind", LEAST)
def test_nothing_takes_more_frames_than_it_must(kind: str) -> None:
    model, _, version = kind.partition(" ")

    async def run() -> None:
        driver, wire = panel_on_wire(model, simulator=SimulatorSettings(latency_ms=0, map="1.0" if version else "1.1"))
        counted: dict[str, int] = {}

        def count(what: str) -> None:
            counted[what] = len(wire.sent)
            wire.sent.clear()

        async def change(target: PanelImage, known: PanelImage) -> None:
            done = await driver.apply(driver.plan(target, known), P, None)
            assert done.outcome is Outcome.ACKNOWLEDGED, done

        await driver.status(P, None)
        count(STATUS)
        empty = await driver.read_back(P, None)
        assert isinstance(empty, PanelImage)
        count(CONTENT)
        await driver.set_clock(ClockSetting(int(wire.clock.wall()), 0), P, None)
        count(CLOCK)
        await change(image(model, 1080), empty)
        count(FIRST)
        await change(image(model, 1079), image(model, 1080))
        count(MINUTE)
        assert await driver.quick_look(image(model, 1079), P, None) is True
        count(LOOK)
        await change(PanelImage(), image(model, 1079))
        count(REMOVAL)
        assert counted == LEAST[kind]

    run_virtual(run())


def test_the_page_has_these_numbers() -> None:
    page = (Path(__file__).parents[2] / "drivers" / "README.md").read_text("utf-8")
    for kind, least in LEAST.items():
        model, _, version = kind.partition(" ")
        row = f"| `{model}`{f', map {version}' if version else ''} | " + " | ".join(map(str, least.values())) + " |"
        assert row in page, row


Story = Callable[[PanelDriver, PanelWire, OpenAccessPanel], Awaitable[None]]
OLD, NEW = image("open-access-panel", 1080), image("open-access-panel", 1020)


def told(story: Story, **simulator: object) -> None:
    """Run a story with a panel that holds OLD and has nothing staged, which the driver knows."""

    async def run() -> None:
        driver, wire = panel_on_wire("open-access-panel", simulator=SimulatorSettings(latency_ms=0).model_copy(update=simulator))
        await driver.status(P, None)
        assert (await hold(driver, OLD, PanelImage())).outcome is Outcome.ACKNOWLEDGED
        await wire.clock.sleep(20)
        wire.sent.clear()
        await story(driver, wire, cast("OpenAccessPanel", wire.panel))

    run_virtual(run())


async def hold(driver: PanelDriver, target: PanelImage, known: PanelImage, deadline: float | None = None) -> Acknowledgement:
    return await driver.apply(driver.plan(target, known), P, deadline)


def commands(wire: PanelWire) -> list[tuple[int, ...]]:
    """What was written to the commit register."""
    return [values for address, values in wire.writes() if address == 0x0200]


@pytest.mark.parametrize("slot", [0, 5])
def test_what_somebody_else_has_staged_is_never_committed(slot: int) -> None:
    """In the slot that is being changed too, where the number of staged slots is right all the same."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        always = slot_words(slot, replace(OLD.slots[0], periods=(Period(127, 0, 1440),)), 14)
        panel.write_words(0x1000 + 64 * slot, always)
        assert (await hold(driver, NEW, OLD)).outcome is Outcome.ACKNOWLEDGED
        assert commands(wire) == [(0xC0DE, 1), (0xDEAD, 0), (0xC0DE, 1)]
        assert panel.used_schedules() == {0: LINK}
        assert panel.schedule_words(0) == slot_words(0, NEW.slots[0], 14)

    told(story)


def test_what_a_change_that_failed_has_staged_is_dropped_before_the_next_one() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        wire.exchange_s = 0.1
        failed = await hold(driver, NEW, OLD, wire.clock.monotonic() + 0.15)
        assert failed.outcome is Outcome.NOT_SENT
        other = PanelImage(slots={**OLD.slots, 3: replace(OLD.slots[0])})
        assert (await hold(driver, other, OLD)).outcome is Outcome.ACKNOWLEDGED
        assert commands(wire)[0] == (0xDEAD, 0)
        assert panel.schedule_words(0) == slot_words(0, OLD.slots[0], 14)

    told(story)


def test_a_commit_that_the_panel_does_not_act_on_is_waited_for_with_either_map() -> None:
    for version in ("1.0", "1.1"):

        async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
            began = wire.clock.monotonic()
            assert (await hold(driver, NEW, OLD)).outcome is Outcome.ACKNOWLEDGED
            assert not panel._busy
            assert wire.clock.monotonic() - began > 0.2

        told(story, busy_ms=200, map=version)


def test_a_panel_that_never_acts_on_a_commit_is_not_acknowledged() -> None:
    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        assert (await hold(driver, NEW, OLD)).outcome is Outcome.UNCONFIRMED

    told(story, busy_ms=5000)


def test_a_commit_without_an_answer_is_not_proved_by_what_the_panel_says_of_an_earlier_one() -> None:
    """The staged words were lost by the line as well: the status tells of the commit before."""

    async def story(driver: PanelDriver, wire: PanelWire, panel: OpenAccessPanel) -> None:
        async def swallowed(request: Request) -> bool:
            return not request.writes or request.address in STAGING

        wire.before = swallowed
        wire.false_echo = lambda request: request.writes and request.address in STAGING
        assert (await hold(driver, NEW, OLD)).outcome is Outcome.UNCONFIRMED
        assert panel.schedule_words(0) == slot_words(0, OLD.slots[0], 14)

    told(story)
