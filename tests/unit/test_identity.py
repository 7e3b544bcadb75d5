"""Which device answers: known before anything is written to it, and another device is never taken for the panel."""

from __future__ import annotations

from itertools import permutations

import pytest

from config.settings import PanelSettings, SimulatorSettings
from drivers.contract import Acknowledgement, Outcome, PanelIdentity, PanelStatus, Priority, Reason
from simulators.modbus_slave import DEVICE_BUSY, ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ModbusRefusal
from simulators.models import MODELS, build_panel
from simulators.open_access_panel import OpenAccessPanel
from tests.support.panel_wire import PanelWire, panel_on_wire
from tests.support.virtual_time import run_virtual

P = Priority.GRANT
STRANGER = "unit 1 does not answer like an open-access-panel (identity register 0): is the model right?"


def asked(panel_says: object = None, serial: int | None = None) -> tuple[object, object, PanelWire]:
    """What identity and status say of a panel whose reads are replaced by `panel_says`, or whose serial number is `serial`."""

    async def run() -> tuple[object, object, PanelWire]:
        driver, wire = panel_on_wire("open-access-panel")
        panel = wire.panel
        assert isinstance(panel, OpenAccessPanel)
        with pytest.MonkeyPatch.context() as patch:
            if panel_says is not None:
                patch.setattr(panel, "read_words", panel_says)
            if serial is not None:
                panel.serial = serial
            return await driver.identity(P, None), await driver.status(P, None), wire

    return run_virtual(run())


SERIAL_AT = 20


def refusing(code: int) -> object:
    def refuse(function: int, address: int, count: int) -> tuple[int, ...]:
        raise ModbusRefusal(code)

    return refuse


def test_a_look_leaves_a_panels_serial_number_out_and_counts_its_commits() -> None:
    identity, status, wire = asked(serial=0x5041_0000_0001_BEEF)
    assert identity == PanelIdentity(serial="504100000001BEEF", commit_count=0)
    assert isinstance(status, PanelStatus)
    told = wire.sent[1]
    assert told.address + told.count <= SERIAL_AT, "a look reads what may change, not what the panel is"
    assert status.commit_count == 0, "who else commits is noticed at each look"


@pytest.mark.parametrize("serial", [0, 0xFFFF_FFFF_FFFF_FFFF])
def test_two_unmarked_panels_are_not_taken_for_the_same_one(serial: int) -> None:
    identity, _, _ = asked(serial=serial)
    assert identity == PanelIdentity(serial=None, commit_count=0)


@pytest.mark.parametrize(
    "says",
    [
        lambda function, address, count: (0,) * count,
        lambda function, address, count: (0x5041, 0x0200, *(0,) * count)[:count],
        refusing(ILLEGAL_FUNCTION),
        refusing(ILLEGAL_ADDRESS),
    ],
    ids=["zeros", "another map", "no such function", "no such register"],
)
def test_a_device_of_another_kind_is_told_as_such(says: object) -> None:
    for said in asked(says)[:2]:
        assert isinstance(said, Acknowledgement)
        assert (said.outcome, said.reason, said.image) == (Outcome.REJECTED, Reason.WRONG_DEVICE, None)
        assert said.message is not None
        assert said.message.replace("register 1)", "register 0)") == STRANGER


@pytest.mark.parametrize("model", ["ge-a-series", "domat-fc013", "waveshare-relay-8ch"])
@pytest.mark.parametrize("code", [ILLEGAL_FUNCTION, ILLEGAL_ADDRESS])
def test_a_device_that_lacks_what_the_model_has_is_told_as_another_kind(model: str, code: int) -> None:
    async def run() -> object:
        driver, wire = panel_on_wire(model)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire.panel, "read_words", refusing(code))
            patch.setattr(wire.panel, "read_bits", refusing(code))
            return await driver.status(P, None)

    said = run_virtual(run())
    assert isinstance(said, Acknowledgement)
    assert (said.outcome, said.reason) == (Outcome.REJECTED, Reason.WRONG_DEVICE)
    assert f"unit 1 does not answer like a {model} (exception {code:#04x}): is the model right?" == said.message


@pytest.mark.parametrize("simulator", [SimulatorSettings(), SimulatorSettings(map="1.0", schedules=192, events=4096)])
@pytest.mark.parametrize(("configured", "stands"), [*permutations(sorted(MODELS.keys() - {"uhppote"}), 2)])
def test_no_shipped_model_is_taken_for_another_one(configured: str, stands: str, simulator: SimulatorSettings) -> None:
    """Nothing is written before both readings, and no output is switched."""

    async def run() -> tuple[object, object]:
        driver, wire = panel_on_wire(configured)
        settings = PanelSettings(id="it", model=stands, simulator=simulator)
        wire.panel = build_panel(settings, wire.clock.wall, wire.clock.monotonic)
        return await driver.status(P, None), await driver.identity(P, None)

    said = [each for each in run_virtual(run()) if isinstance(each, Acknowledgement)]
    assert {each.reason for each in said} == {Reason.WRONG_DEVICE}
    assert all("is the model right?" in (each.message or "") for each in said)


def test_a_panel_that_is_busy_is_not_called_a_stranger() -> None:
    for said in asked(refusing(DEVICE_BUSY))[:2]:
        assert isinstance(said, Acknowledgement)
        assert said.reason is not Reason.WRONG_DEVICE


def test_a_panel_that_cannot_tell_is_not_asked() -> None:
    async def run() -> None:
        driver, wire = panel_on_wire("waveshare-relay-8ch")
        assert await driver.identity(P, None) == PanelIdentity()
        assert wire.sent == []

    run_virtual(run())
