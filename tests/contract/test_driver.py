"""What every panel driver promises, kept by the real drivers on simulated panels and by the fake that the fleet's tests use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from drivers.contract import (
    Acknowledgement,
    Availability,
    ClockSetting,
    Outcome,
    PanelDriver,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Reason,
    Slot,
)
from drivers.modbus.wire.requests import Request
from tests.support.board_wire import board_on_wire
from tests.support.fake_panel import FakeDriver, FakePanel
from tests.support.panel_wire import panel_on_wire
from tests.support.virtual_time import VirtualClock, run_virtual

P = Priority.GRANT
LINK = "91c615e3-1040-4815-8ecb-000000000009"
MODELS = ["open-access-panel", "ge-a-series", "domat-fc013", "waveshare-relay-8ch"]
BOARD = "uhppote"
"""It has no commit to be counted, no leases (a door that is held stays open), and opens a door for its own time only: the tests
of these are not for it, here and in `test_panel_models.py`."""
NOON = ClockSetting(instant=1_793_620_800, offset_minutes=120)
T = TypeVar("T")


@dataclass
class Subject:
    driver: PanelDriver
    silence: Callable[[], None]
    """From now on the panel answers nothing."""
    clock: VirtualClock

    def image(self, start: int = 540) -> PanelImage:
        """One slot that is open on weekdays, from minute `start` on."""
        number = self.driver.capabilities.first_id
        return PanelImage(slots={number: Slot((LINK,), (Period(31, start, 1080),))})


def fake() -> Subject:
    clock = VirtualClock()
    panel = FakePanel()

    def silence() -> None:
        panel.online = False

    return Subject(FakeDriver(panel, clock), silence, clock)


def real(model: str) -> Subject:
    driver, wire = panel_on_wire(model)

    async def deaf(request: object) -> bool:
        return False

    def silence() -> None:
        wire.before = deaf

    return Subject(driver, silence, wire.clock)


def controller() -> Subject:
    driver, wire = board_on_wire()

    def silence() -> None:
        wire.before = lambda request: False

    return Subject(driver, silence, wire.clock)


def subject_of(name: str) -> Subject:
    return fake() if name == "fake" else controller() if name == BOARD else real(name)


def keeps(name: str, promise: Callable[[Subject], Awaitable[None]]) -> None:
    async def main() -> None:
        await promise(subject_of(name))

    run_virtual(main())


every_driver = pytest.mark.parametrize("name", ["fake", *MODELS, BOARD])
with_schedules = pytest.mark.parametrize("name", ["fake", *MODELS[:3], BOARD])
with_outputs = pytest.mark.parametrize("name", ["fake", "open-access-panel", "waveshare-relay-8ch"])


async def held(subject: Subject) -> PanelImage:
    read = await subject.driver.read_back(P, None)
    assert isinstance(read, PanelImage), read
    return read


async def begun(subject: Subject) -> PanelImage:
    """What the panel holds once it was looked at; its clock is set."""
    assert isinstance(await subject.driver.status(P, None), PanelStatus)
    await subject.driver.set_clock(NOON, P, None)
    return await held(subject)


def acknowledged(said: object) -> bool:
    return isinstance(said, Acknowledgement) and said.outcome is Outcome.ACKNOWLEDGED


@with_schedules
def test_what_was_acknowledged_is_what_is_read_back(name: str) -> None:
    async def promise(subject: Subject) -> None:
        driver, target = subject.driver, subject.image()
        before = await begun(subject)
        done = await driver.apply(driver.plan(target, before), P, None)
        assert (done.outcome, done.image) == (Outcome.ACKNOWLEDGED, target)
        assert driver.plan(target, await held(subject)).empty
        assert await driver.quick_look(target, P, None) is True
        assert await driver.quick_look(subject.image(600), P, None) is False

    keeps(name, promise)


@with_schedules
def test_a_slot_that_the_target_lacks_is_erased(name: str) -> None:
    async def promise(subject: Subject) -> None:
        driver, target = subject.driver, subject.image()
        await driver.apply(driver.plan(target, await begun(subject)), P, None)
        assert acknowledged(await driver.apply(driver.plan(PanelImage(), await held(subject)), P, None))
        assert driver.plan(PanelImage(), await held(subject)).empty

    keeps(name, promise)


@every_driver
def test_nothing_to_do_is_an_empty_plan(name: str) -> None:
    async def promise(subject: Subject) -> None:
        before = await begun(subject)
        plan = subject.driver.plan(before, before)
        assert plan.empty
        assert (plan.frames, plan.words, plan.commits) == ((), 0, 0)

    keeps(name, promise)


def readings(driver: PanelDriver, deadline: float | None) -> dict[str, Awaitable[object]]:
    return {
        "status": driver.status(P, deadline),
        "read_back": driver.read_back(P, deadline),
        "quick_look": driver.quick_look(PanelImage(), P, deadline),
        "set_clock": driver.set_clock(NOON, P, deadline),
        "identity": driver.identity(P, deadline),
    }


NOT_ASKED: dict[str, set[str]] = {
    "waveshare-relay-8ch": {"read_back", "quick_look", "identity", "set_clock"},
    "ge-a-series": {"identity"},
    "domat-fc013": {"identity"},
}
"""What a model answers without an exchange: it holds no schedules, has no clock, cannot tell who it is."""


@every_driver
def test_a_silent_panel_is_told_as_a_value_and_is_never_a_success(name: str) -> None:
    async def promise(subject: Subject) -> None:
        await begun(subject)
        subject.silence()
        for reading, asked in readings(subject.driver, None).items():
            said = await asked
            if reading not in NOT_ASKED.get(name, set()):
                assert isinstance(said, Acknowledgement), reading
                assert said.outcome in (Outcome.UNCONFIRMED, Outcome.NOT_SENT), reading
                assert (said.image, said.reason is None) == (None, False), reading

    keeps(name, promise)


@every_driver
def test_nothing_starts_after_its_deadline(name: str) -> None:
    async def promise(subject: Subject) -> None:
        await begun(subject)
        await subject.clock.sleep(1)
        for reading, asked in readings(subject.driver, subject.clock.monotonic() - 0.5).items():
            said = await asked
            if reading not in NOT_ASKED.get(name, set()):
                assert isinstance(said, Acknowledgement), reading
                assert (said.outcome, said.reason) == (Outcome.NOT_SENT, Reason.DEADLINE_PASSED), reading

    keeps(name, promise)


@with_schedules
def test_a_change_that_did_not_start_in_time_leaves_the_panel_as_it_was(name: str) -> None:
    async def promise(subject: Subject) -> None:
        driver = subject.driver
        before = await begun(subject)
        await subject.clock.sleep(1)
        done = await driver.apply(driver.plan(subject.image(), before), P, subject.clock.monotonic() - 0.5)
        assert (done.outcome, done.reason) == (Outcome.NOT_SENT, Reason.DEADLINE_PASSED)
        assert driver.plan(before, await held(subject)).empty

    keeps(name, promise)


@every_driver
def test_who_a_panel_is_can_be_asked_at_any_time(name: str) -> None:
    async def promise(subject: Subject) -> None:
        told = await subject.driver.identity(P, None)
        assert isinstance(told, PanelIdentity)
        assert told.serial is None or set(told.serial) not in ({"0"}, {"F"})

    keeps(name, promise)


@pytest.mark.parametrize("name", ["fake", "open-access-panel"])
def test_commits_are_counted(name: str) -> None:
    async def promise(subject: Subject) -> None:
        driver = subject.driver
        before = await driver.identity(P, None)
        await driver.apply(driver.plan(subject.image(), await begun(subject)), P, None)
        after = await driver.identity(P, None)
        assert isinstance(before, PanelIdentity)
        assert isinstance(after, PanelIdentity)
        assert before.commit_count is not None
        assert after == PanelIdentity(before.serial, before.commit_count + 1)

    keeps(name, promise)


@every_driver
def test_a_panel_that_is_not_quarantined_is_not_looked_for(name: str) -> None:
    async def promise(subject: Subject) -> None:
        subject.driver.hasten()
        assert subject.driver.quarantined_until is None
        assert subject.driver.availability.current is not Availability.QUARANTINED

    keeps(name, promise)


@with_schedules
def test_a_unit_with_fewer_schedules_than_its_model_says_so(name: str) -> None:
    async def promise(subject: Subject) -> None:
        subject.driver.restrict({"max_schedules": 1, "of_a_later_release": 3})
        assert subject.driver.capabilities.max_schedules == 1

    keeps(name, promise)


@with_outputs
def test_an_output_is_on_for_its_lease_and_no_longer(name: str) -> None:
    async def promise(subject: Subject) -> None:
        driver = subject.driver
        assert acknowledged(await driver.set_output(3, True, 10, P, None))
        read = await driver.read_outputs(P, None)
        assert isinstance(read, tuple)
        assert [number for number, on in enumerate(read) if on] == [3]
        await subject.clock.sleep(11)
        assert await driver.read_outputs(P, None) == (False,) * len(read)
        assert acknowledged(await driver.set_output(3, True, 10, P, None))
        assert acknowledged(await driver.set_output(3, False, None, P, None))
        assert await driver.read_outputs(P, None) == (False,) * len(read)

    keeps(name, promise)


@with_outputs
def test_an_output_that_the_panel_has_not_is_refused(name: str) -> None:
    async def promise(subject: Subject) -> None:
        for said in (await subject.driver.set_output(8, True, 10, P, None), await subject.driver.pulse(8, 10, P, None)):
            assert (said.outcome, said.reason) == (Outcome.REJECTED, Reason.PANEL_REJECTED)

    keeps(name, promise)


@with_outputs
def test_a_pulse_that_the_panel_cannot_time_is_refused_and_not_shortened(name: str) -> None:
    async def promise(subject: Subject) -> None:
        longest = subject.driver.longest_pulse
        assert longest > 0
        said = await subject.driver.pulse(2, longest + 1, P, None)
        assert (said.outcome, said.reason) == (Outcome.REJECTED, Reason.PANEL_REJECTED)
        assert acknowledged(await subject.driver.pulse(2, longest, P, None))

    keeps(name, promise)


@with_outputs
def test_a_pulse_at_a_panel_that_answers_nothing_is_unconfirmed(name: str) -> None:
    async def promise(subject: Subject) -> None:
        assert isinstance(await subject.driver.status(P, None), PanelStatus)
        subject.silence()
        said = await subject.driver.pulse(2, 20, P, None)
        assert (said.outcome, said.reason) == (Outcome.UNCONFIRMED, Reason.NO_REPLY)

    keeps(name, promise)


@pytest.mark.parametrize(
    ("model", "arrives", "outcome"),
    [
        ("open-access-panel", True, Outcome.ACKNOWLEDGED),
        ("open-access-panel", False, Outcome.UNCONFIRMED),
        ("waveshare-relay-8ch", True, Outcome.UNCONFIRMED),
    ],
)
def test_a_pulse_whose_reply_is_lost_is_sent_once_and_counts_where_the_panel_shows_it(
    model: str, arrives: bool, outcome: Outcome
) -> None:
    """A relay that is on does not say for how long, nor since when: nothing is claimed of it."""

    async def main() -> None:
        driver, wire = panel_on_wire(model)
        assert isinstance(await driver.status(P, None), PanelStatus)
        wire.lose_reply = lambda request: request.writes

        async def on_its_way(request: Request) -> bool:
            return arrives or not request.writes

        wire.before = on_its_way
        assert (await driver.pulse(2, 20, P, None)).outcome is outcome
        assert len(wire.writes()) == 1
        assert wire.panel.outputs()[2] is arrives

    run_virtual(main())


def test_a_shorter_pulse_that_runs_already_is_not_taken_for_the_one_that_was_asked_for() -> None:
    async def main() -> None:
        driver, wire = panel_on_wire("open-access-panel")
        assert acknowledged(await driver.pulse(2, 20, P, None))

        async def writes_are_lost(request: Request) -> bool:
            return not request.writes

        wire.before = writes_are_lost
        assert (await driver.pulse(2, 300, P, None)).outcome is Outcome.UNCONFIRMED

    run_virtual(main())


@with_outputs
def test_a_pulse_ends_by_itself(name: str) -> None:
    async def promise(subject: Subject) -> None:
        assert acknowledged(await subject.driver.pulse(2, 20, P, None))
        await subject.clock.sleep(3)
        read = await subject.driver.read_outputs(P, None)
        assert isinstance(read, tuple)
        assert not any(read)

    keeps(name, promise)
