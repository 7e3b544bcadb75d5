"""A line is cut in the middle of a change, and another unit stands behind it when it comes back: real sockets and ptys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from config.panel_model import load_models
from config.settings import ModbusRtuLine, PanelSettings, Settings
from drivers.clock import SystemClock
from drivers.contract import (
    Acknowledgement,
    ClockSetting,
    Outcome,
    PanelDriver,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Period,
    Priority,
    Slot,
)
from drivers.modbus.line import ModbusLine
from simulators.crash import Crashes
from simulators.faults import Faults
from simulators.line import SerialLine
from simulators.models import build_panel
from simulators.open_access_panel import OpenAccessPanel
from simulators.responder import Responder, swap
from simulators.site import SimulatedSite
from tests.support.fleet_site import item, link
from tests.unit.test_fleet_simulated import gateway_on, until
from tests.unit.test_units_on_sockets import RULES, states, two

COMMIT = 0


class CutOnce(Faults):
    """One request is carried out and answered by the end of the line: the request number `at`, or the first commit.

    `then` happens before anybody comes back.
    """

    def __init__(self, at: int, then: Callable[[], None], fault: str = "cut") -> None:
        super().__init__()
        self._at, self._then, self._fault = at, then, fault
        self.count = 0
        self.is_over = False

    def draw(self, commits: bool) -> str | None:
        self.count += 1
        strikes = commits if self._at == COMMIT else self.count == self._at
        if self.is_over or not strikes:
            return None
        self.is_over = True
        self._then()
        return self._fault


def alone(settings: Settings) -> Settings:
    """One request at a time: what is on its way to the old unit when a line is cut is nobody's fault."""
    lines = [
        line.model_copy(update={"panels": tuple(each.model_copy(update={"pipeline": 1}) for each in line.panels)})
        for line in settings.lines
    ]
    return settings.model_copy(update={"lines": tuple(lines)})


@pytest.mark.parametrize(
    ("model", "at"),
    [
        *(("open-access-panel", at) for at in (COMMIT, 1, 2, 4)),
        *(("ge-a-series", at) for at in (COMMIT, 4)),
        *(("domat-fc013", at) for at in (COMMIT, 4)),
    ],
)
async def test_no_hours_of_the_lobby_get_into_the_vault_when_cables_change_places_in_the_middle_of_a_change(
    model: str, at: int, tmp_path: Path
) -> None:
    settings = alone(two(model))
    async with (
        SimulatedSite(settings) as simulated,
        gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running,
    ):
        await running.fleet.upsert([item(1, start=300), item(2, start=900)])
        await until(lambda: set(states(running).values()) == {"in_sync"})
        vault = simulated.panels["vault"]
        written = vault.traffic.writes
        cut = CutOnce(at, lambda: simulated.swap("lobby", "vault"))
        simulated.responders["line-lobby"].set_faults(cut)
        (report,) = await running.fleet.upsert([item(1, start=240)])
        assert cut.is_over
        assert not report.success
        await until(lambda: states(running)["lobby"] == "identity_changed")
        assert vault.traffic.writes == written, "it was written before it was asked who it is"


async def test_a_change_that_was_cut_is_finished_at_once_where_the_same_unit_comes_back(tmp_path: Path) -> None:
    settings = alone(two("open-access-panel"))
    async with (
        SimulatedSite(settings) as simulated,
        gateway_on(simulated, settings, tmp_path / "store.db", RULES) as running,
    ):
        await running.fleet.upsert([item(1, start=300), item(2, start=900)])
        for at in (COMMIT, 1, 4):
            cut = CutOnce(at, lambda: None)
            simulated.responders["line-lobby"].set_faults(cut)
            (report,) = await running.fleet.upsert([item(1, start=240 + at)])
            assert cut.is_over
            assert report.success, f"nobody has to ask again (request {at})"


class TwoAdapters:
    """Two serial adapters with a unit each. Pulled out and plugged in the other way round, each path leads to the other unit."""

    def __init__(self, folder: Path, model: str) -> None:
        self.paths = [folder / "one", folder / "other"]
        clock, panel = SystemClock(), PanelSettings(id="lobby", model=model)
        self.panels = [
            build_panel(each, clock.wall, clock.monotonic) for each in (panel, panel.model_copy(update={"id": "vault"}))
        ]
        self.responders = [Responder([each]) for each in self.panels]
        self._crashes = Crashes()
        self._settings = ModbusRtuLine(id="bus", port=str(self.paths[0]), panels=(panel,))
        self._ports = [self._port(number) for number in (0, 1)]
        self.line = ModbusLine(self._settings, clock)
        self.driver: PanelDriver = self.line.add_panel(panel, load_models(None))

    def _port(self, number: int) -> SerialLine:
        return SerialLine(self._settings, self.responders[number], self._crashes, self.paths[number], False)

    async def __aenter__(self) -> TwoAdapters:
        for port in self._ports:
            await port.start()
        await self.line.bus.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.line.bus.stop(1)
        for port in self._ports:
            await port.stop()
        self._crashes.check()

    def exchange(self) -> None:
        """To be called from inside an exchange: the pulling out follows it."""
        here, there = (responder.at(1) for responder in self.responders)
        assert here is not None
        assert there is not None
        swap(self.responders[0], here, self.responders[1], there)
        self._again = asyncio.ensure_future(self._plug())

    async def change_places(self) -> None:
        self.exchange()
        await self._again

    async def _plug(self) -> None:
        await self._ports[0].stop()
        self._ports[0] = self._port(0)
        await self._ports[0].start()


def image(*numbers: int) -> PanelImage:
    slots = {number: Slot((link(number),), (Period(127, 480, 1080),)) for number in numbers}
    return PanelImage(slots, allocation={link(number): (number,) for number in numbers})


async def met(driver: PanelDriver) -> None:
    """Whichever unit is there is asked who it is, as soon as the line is open."""
    async with asyncio.timeout(30):
        while not isinstance(await driver.status(Priority.GRANT, None), PanelStatus):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert isinstance(await driver.identity(Priority.GRANT, None), PanelIdentity)


@pytest.mark.parametrize("at", [COMMIT, 1, 2])
async def test_a_change_ends_with_the_connection_it_began_on_when_usb_adapters_change_names(at: int, tmp_path: Path) -> None:
    async with TwoAdapters(tmp_path, "open-access-panel") as site:
        await met(site.driver)
        known = await site.driver.read_back(Priority.GRANT, None)
        assert isinstance(known, PanelImage)
        site.responders[0].set_faults(CutOnce(at, site.exchange, "lose"))
        said = await site.driver.apply(site.driver.plan(image(1, 2), known), Priority.GRANT, None)
        assert said.outcome in (Outcome.UNCONFIRMED, Outcome.NOT_SENT)
        assert site.panels[1].traffic.writes == 0
        await met(site.driver)
        anew = await site.driver.apply(site.driver.plan(image(1, 2), known), Priority.GRANT, None)
        assert anew.outcome is Outcome.ACKNOWLEDGED, "the unit was asked who it is"


@pytest.mark.parametrize("model", ["waveshare-relay-8ch", "open-access-panel"])
async def test_a_lease_that_was_cut_is_not_given_to_the_relay_behind_the_next_connection(model: str, tmp_path: Path) -> None:
    async with TwoAdapters(tmp_path, model) as site:
        await met(site.driver)
        site.responders[0].set_faults(CutOnce(1, site.exchange, "lose"))
        said = await site.driver.set_output(3, True, 60, Priority.GRANT, None)
        assert said.outcome is Outcome.UNCONFIRMED
        again = await site.driver.set_output(3, True, 60, Priority.GRANT, None)
        assert again.outcome is Outcome.NOT_SENT
        assert site.panels[1].traffic.writes == 0
        off = await site.driver.set_output(3, False, None, Priority.REVOCATION, None)
        assert off.outcome is Outcome.ACKNOWLEDGED, "closing waits for nobody"


async def test_two_units_with_one_number_are_not_taken_for_each_other_by_it(tmp_path: Path) -> None:
    async with TwoAdapters(tmp_path, "open-access-panel") as site:
        one, other = site.panels
        assert isinstance(one, OpenAccessPanel)
        assert isinstance(other, OpenAccessPanel)
        other.serial = one.serial
        await met(site.driver)
        site.responders[0].set_faults(CutOnce(1, site.exchange, "lose"))
        assert not isinstance(await site.driver.read_outputs(Priority.VERIFICATION, None), Acknowledgement)
        said = await site.driver.set_output(3, True, 60, Priority.GRANT, None)
        assert said.outcome is Outcome.NOT_SENT
        assert other.traffic.writes == 0


READINGS: dict[str, tuple[int, Callable[[PanelDriver], Awaitable[object]]]] = {
    "a quick look": (1, lambda driver: driver.quick_look(image(1), Priority.GRANT, None)),
    "a look at words": (1, lambda driver: driver.look_at(image(1), driver.stretches(image(1))[0], Priority.GRANT, None)),
    "all it holds": (1, lambda driver: driver.read_back(Priority.GRANT, None)),
    "outputs": (1, lambda driver: driver.read_outputs(Priority.VERIFICATION, None)),
    "entries": (1, lambda driver: driver.read_passes([0, 1], Priority.GRANT, None)),
    "the clock": (2, lambda driver: driver.set_clock(now(), Priority.GRANT, None)),
    "a change": (4, lambda driver: driver.apply(driver.plan(image(1, 2), image(1)), Priority.GRANT, None)),
}
"""What is read, with the request at which the line is cut."""


def now() -> ClockSetting:
    return ClockSetting(int(SystemClock().wall()), 0)


@pytest.mark.parametrize("what", READINGS)
async def test_a_reading_that_another_unit_may_have_given_confirms_nothing(what: str, tmp_path: Path) -> None:
    """The other unit holds the same and has the same time, so that every word is as it must be."""
    at, call = READINGS[what]
    async with TwoAdapters(tmp_path, "open-access-panel") as site:
        for slots in (image(1, 2) if what == "a change" else image(1), image(1)):
            await site.change_places()
            await met(site.driver)
            assert (await site.driver.set_clock(now(), Priority.GRANT, None)).outcome is Outcome.ACKNOWLEDGED
            done = await site.driver.apply(site.driver.plan(slots, PanelImage()), Priority.GRANT, None)
            assert done.outcome is Outcome.ACKNOWLEDGED
        cut = CutOnce(at, site.exchange, "lose")
        site.responders[0].set_faults(cut)
        said = await call(site.driver)
        assert cut.is_over
        assert isinstance(said, Acknowledgement)
        assert said.outcome is Outcome.UNCONFIRMED


async def test_the_last_reading_of_a_change_is_the_same_units_too(tmp_path: Path) -> None:
    """It tells whether the words that were seen to be right will last."""
    target = PanelImage({0: Slot((), (Period(127, 480, 1080),))})
    async with TwoAdapters(tmp_path, "domat-fc013") as site:
        last = -1
        for expected in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED):
            await site.change_places()
            await met(site.driver)
            known = await site.driver.read_back(Priority.GRANT, None)
            assert isinstance(known, PanelImage)
            cut = CutOnce(last, site.exchange, "lose")
            site.responders[0].set_faults(cut)
            said = await site.driver.apply(site.driver.plan(target, known), Priority.GRANT, None)
            assert said.outcome is expected
            last = cut.count
