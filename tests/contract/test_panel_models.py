"""What every panel model must do, on its simulator over RTU and Modbus TCP, or on the real panel named on the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.panel_model import PanelModel, load_models, parse_model
from drivers.contract import Acknowledgement, ClockSetting, Outcome, PanelImage, PanelStatus, Period, Reason
from simulators.faults import FaultRates
from tests.contract.panel_rig import (
    PLAIN,
    Case,
    P,
    Rig,
    expected_windows,
    full,
    hosts_time,
    is_bank,
    lines_of,
    rig_for,
    slot,
    slot_numbers,
    week,
)

EMPTY = PanelImage()
SMALLEST_CHANGE = {"open-access-panel": 2}
"""Words for one changed minute: the minute and the slot's check word; elsewhere the minute alone."""
LATENESS_S = 200
CUT_TIMEOUT_MS, WHOLE_TIMEOUT_MS = 150.0, 1000.0
"""Where replies are lost their time has to run out, over and over; elsewhere a busy machine has time for its own."""
STRIKES = {
    "power gone before the commit": FaultRates(power_cut_before_commit=1),
    "power gone after the commit": FaultRates(power_cut_after_commit=1),
    "replies lost": FaultRates(lose=1),
    "restarts": FaultRates(reset=1),
}


NEEDS: dict[str, Callable[[PanelModel], bool]] = {
    "rig": lambda model: True,
    "schedules": lambda model: model.schedule is not None,
    "clocked": lambda model: model.clock is not None and model.name not in PLAIN,
    "counted": lambda model: model.counters.resets is not None or model.counters.uptime_s is not None,
    "identified": lambda model: any(check.equals for check in model.identity),
    "pulsing": lambda model: model.outputs is not None and model.outputs.pulse is not None,
}
"""Fixture -> the models that its tests are for. A plain register bank's clock stands still."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    if option("--panel"):
        folder = Path(option("--models-dir")) if option("--models-dir") else None
        models = dict(load_models(folder))
        cases = [Case(option("--panel"), option("--line"), option("--unit"), folder)]
    else:
        models = dict(load_models(None)) | {name: parse_model(text) for name, text in PLAIN.items()}
        cases = [Case(model, line) for model in models for line in lines_of(model)]
    needs = [NEEDS[name] for name in metafunc.fixturenames if name in NEEDS]
    fitting = [case for case in cases if all(need(models[case.model]) for need in needs)]
    metafunc.parametrize("case", fitting, ids=str)


@pytest.fixture
async def rig(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    cut = request.node.get_closest_marker("simulated") is not None
    if not case.simulated:
        if cut:
            pytest.skip("needs a panel whose power and line the test can cut")
        if request.node.get_closest_marker("opening") and not request.config.getoption("--allow-opening"):
            pytest.skip("would open: --allow-opening runs it")
    async with asyncio.timeout(LATENESS_S):
        async with rig_for(case, tmp_path, CUT_TIMEOUT_MS if cut else WHOLE_TIMEOUT_MS) as made:
            yield made


@pytest.fixture
def schedules(rig: Rig) -> Rig:
    """A rig whose panel holds schedules."""
    return rig


@pytest.fixture
def clocked(rig: Rig) -> Rig:
    """A rig whose panel has a clock that runs."""
    return rig


@pytest.fixture
def counted(rig: Rig) -> Rig:
    """A rig whose panel counts its restarts or its uptime."""
    return rig


@pytest.fixture
def identified(rig: Rig) -> Rig:
    """A rig whose panel says what it is."""
    return rig


@pytest.fixture
def pulsing(rig: Rig) -> Rig:
    """A rig whose panel can pulse an output."""
    return rig


async def status_of(rig: Rig) -> PanelStatus:
    status = await rig.driver.status(P, None)
    assert isinstance(status, PanelStatus), status
    return status


def acknowledged(done: Acknowledgement) -> bool:
    return done.outcome is Outcome.ACKNOWLEDGED


async def test_it_says_what_it_is(rig: Rig) -> None:
    status = await status_of(rig)
    record = rig.driver.capabilities
    assert set(status.capacity) == set(rig.model.capacity)
    assert all(getattr(record, name) == value for name, value in status.capacity.items())
    assert (status.uptime_s is None) == (rig.model.counters.uptime_s is None)
    assert (status.reset_count is None) == (rig.model.counters.resets is None)


@pytest.mark.simulated
async def test_another_device_is_not_taken_for_it(identified: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = identified
    monkeypatch.setattr(rig.simulator(), "read_words", lambda function, address, count: (0,) * count)
    for said in (await rig.driver.status(P, None), await rig.driver.identity(P, None)):
        assert isinstance(said, Acknowledgement)
        assert (said.outcome, said.reason) == (Outcome.REJECTED, Reason.WRONG_DEVICE)


@pytest.mark.opening
async def test_written_and_read_back(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    target, known = week(rig), await rig.read()
    assert acknowledged(done := await rig.hold(target, known)), done
    assert done.image == target
    assert rig.says(await rig.read(), target)
    assert await rig.driver.quick_look(target, P, None) is True
    assert await rig.driver.quick_look(EMPTY, P, None) is False
    assert rig.driver.plan(target, target).empty
    if rig.panel is not None and not is_bank(rig):
        opens = rig.driver.capabilities.missing_reference == "open"  # a slot that was never written is no closed one then
        for number in target.slots if opens else slot_numbers(rig):
            for day in range(20759, 20759 + 14):
                assert _windows(rig, number, day) == expected_windows(target, number, day), (number, day)


def _windows(rig: Rig, number: int, day: int) -> tuple[tuple[int, int], ...]:
    """What the simulated panel's registers open, touching pieces joined."""
    windows: list[tuple[int, int]] = []
    for start, end in sorted(getattr(rig.simulator(), "day_windows")(number, day)):  # noqa: B009
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, end))
    return tuple(windows)


@pytest.mark.opening
async def test_one_changed_minute(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    known = week(rig)
    assert acknowledged(await rig.hold(known, await rig.read()))
    number = slot_numbers(rig)[0]
    for periods in ((Period(1, 540, 1079), Period(30, 540, 1080)), (Period(1, 541, 1079), Period(30, 540, 1080))):
        day = slot(rig, number, periods)
        if rig.driver.capabilities.day_model != "per_day":
            day = slot(rig, number, tuple(replace(period, days=31) for period in periods[:1]))
        target = PanelImage(slots={**known.slots, number: day})
        plan = rig.driver.plan(target, known)
        assert plan.words == SMALLEST_CHANGE.get(rig.model.name, 1), plan.frames
        assert acknowledged(await rig.driver.apply(plan, P, None))
        assert rig.says(await rig.read(), target)
        known = target


@pytest.mark.opening
async def test_removed(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    target = week(rig)
    assert acknowledged(await rig.hold(target, await rig.read()))
    number = slot_numbers(rig)[0]
    rest = PanelImage(slots={n: one for n, one in target.slots.items() if n != number})
    assert acknowledged(await rig.hold(rest, target))
    assert number not in (await rig.read()).slots
    assert acknowledged(await rig.hold(EMPTY, rest))
    assert (await rig.read()).slots == {}


@pytest.mark.opening
async def test_a_full_table(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    target = full(rig)
    assert acknowledged(done := await rig.hold(target, await rig.read())), done
    read = await rig.read()
    assert rig.says(read, target)
    assert all(one.opaque is None for one in read.slots.values())


@pytest.mark.simulated
async def test_a_refusal_is_rejected_and_the_old_stays(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    known = week(rig)
    assert acknowledged(await rig.hold(known, await rig.read()))
    number = slot_numbers(rig)[0]
    target = PanelImage(slots={**known.slots, number: slot(rig, number, (Period(3, 600, 660),))})
    rig.faults(FaultRates(refuse=1, refusals=(4,)))
    refused = await rig.hold(target, known)
    rig.faults()
    assert refused.outcome is Outcome.REJECTED
    assert refused.reason is Reason.PANEL_REJECTED
    assert refused.image in (None, known)
    assert rig.says(await rig.read(), known)


@pytest.mark.simulated
@pytest.mark.parametrize("strike", STRIKES)
async def test_never_a_mix_and_never_a_false_success(schedules: Rig, strike: str) -> None:
    """The power goes at the commit or the save, replies are lost, the panel restarts: old or new, and no false claim."""
    rig = schedules
    await status_of(rig)
    known = week(rig)
    assert acknowledged(await rig.hold(known, await rig.read()))
    number = slot_numbers(rig)[0]
    target = PanelImage(slots={**known.slots, number: slot(rig, number, (Period(31, 480, 1140),))})
    rig.faults(STRIKES[strike])
    done = await rig.hold(target, known)
    rig.faults()
    await rig.back()
    read = await rig.read()
    if done.outcome is Outcome.ACKNOWLEDGED:
        assert rig.says(read, target)
    elif done.outcome is Outcome.UNCONFIRMED:
        assert done.image is None
    if rig.driver.capabilities.atomic:
        assert rig.says(read, target) or rig.says(read, known)
    if strike == "power gone before the commit" and (rig.model.write.commit or rig.model.write.save) and not is_bank(rig):
        assert done.outcome is Outcome.UNCONFIRMED
        assert rig.says(read, known)
    assert acknowledged(await rig.hold(target, read))
    assert rig.says(await rig.read(), target)


@pytest.mark.simulated
async def test_a_power_cut_after_the_acknowledgement_takes_nothing_back(schedules: Rig) -> None:
    rig = schedules
    await status_of(rig)
    target = week(rig)
    assert acknowledged(await rig.hold(target, await rig.read()))
    rig.simulator().power_cut()
    assert rig.says(await rig.read(), target)


@pytest.mark.simulated
async def test_a_restart_shows(counted: Rig) -> None:
    rig = counted
    before = await status_of(rig)
    rig.simulator().reset()
    after = await status_of(rig)
    if rig.model.counters.resets is not None:
        assert after.reset_count != before.reset_count
    else:
        assert after.uptime_s == 0


def some_time() -> ClockSetting:
    now = int(time.time())
    return ClockSetting(now, 120, ((now + 86_400, 180), (now + 10 * 86_400, 120)))


@pytest.mark.opening
async def test_the_clock(rig: Rig) -> None:
    """A real panel is left at the host's own time: schedules open by its clock."""
    if rig.driver.capabilities.clock != "rw":
        assert (await rig.driver.set_clock(ClockSetting(int(time.time()), 0), P, None)).outcome is Outcome.REJECTED
        return
    setting = some_time() if rig.case.simulated else hosts_time()
    assert acknowledged(done := await rig.driver.set_clock(setting, P, None)), done
    if is_bank(rig):
        return
    status = await status_of(rig)
    assert status.clock is not None
    assert status.clock_read_at is not None
    assert abs(86_400 * status.clock[0] + status.clock[1] - (status.clock_read_at + 60 * setting.offset_minutes)) <= 2
    assert not status.clock_due


@pytest.mark.simulated
async def test_a_clock_that_went_wrong_is_seen_and_set(clocked: Rig) -> None:
    rig = clocked
    setting = ClockSetting(int(time.time()), 60)
    assert acknowledged(await rig.driver.set_clock(setting, P, None))
    rig.simulator().oscillator.jump(3600)
    status = await status_of(rig)
    assert status.clock is not None
    assert status.clock_read_at is not None
    ahead = 86_400 * status.clock[0] + status.clock[1] - (status.clock_read_at + 3600)
    assert 3590 <= ahead <= 3610
    assert acknowledged(await rig.driver.set_clock(ClockSetting(int(time.time()), 60), P, None))


@pytest.mark.opening
async def test_outputs(rig: Rig) -> None:
    outputs = rig.driver.capabilities.outputs
    if not outputs:
        refused = await rig.driver.set_output(0, True, None, P, None)
        assert refused.outcome is Outcome.REJECTED
        return
    await status_of(rig)
    lease = 30 if rig.driver.capabilities.output_deadman else None
    assert acknowledged(await rig.driver.set_output(1, True, lease, P, None))
    assert await rig.driver.read_outputs(P, None) == tuple(index == 1 for index in range(outputs))
    assert acknowledged(await rig.driver.set_output(1, True, lease, P, None))
    assert acknowledged(await rig.driver.set_output(1, False, None, P, None))
    assert await rig.driver.read_outputs(P, None) == (False,) * outputs
    beyond = await rig.driver.set_output(outputs, True, lease, P, None)
    assert beyond.outcome is Outcome.REJECTED


@pytest.mark.simulated
async def test_a_pulse_is_never_repeated(pulsing: Rig) -> None:
    rig = pulsing
    await rig.driver.status(P, None)  # a line that may echo is read first
    before = rig.simulator().traffic.writes
    rig.faults(FaultRates(lose=1))
    done = await rig.driver.pulse(0, 50, P, None)
    rig.faults()
    assert done.outcome is Outcome.UNCONFIRMED
    assert rig.simulator().traffic.writes == before + 1
    await rig.back()
    assert rig.simulator().outputs()[0]


@pytest.mark.simulated
async def test_a_panel_that_is_away(rig: Rig) -> None:
    """Silence is a value with its reason, never an exception; nothing is claimed."""
    rig.simulator().off()
    status = await rig.driver.status(P, None)
    assert isinstance(status, Acknowledgement)
    assert status.reason in (Reason.NO_REPLY, Reason.QUARANTINED)
    if rig.driver.capabilities.max_schedules:
        done = await rig.hold(week(rig), EMPTY)
        assert done.outcome in (Outcome.NOT_SENT, Outcome.UNCONFIRMED)
        assert isinstance(await rig.driver.quick_look(EMPTY, P, None), Acknowledgement)


def test_adding_a_model_takes_a_file_only(tmp_path: Path) -> None:
    """The plain models of this suite are TOML and nothing else."""
    for name, text in PLAIN.items():
        (tmp_path / f"{name}.toml").write_text(text)
    assert set(load_models(tmp_path)) == {*load_models(None), *PLAIN}
