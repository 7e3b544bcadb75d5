"""A host that ends each connection behind its reply, and units that change places between two of them: over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from drivers.contract import DOOR, Acknowledgement, Outcome, item_key
from gateway.fleet.panel.commanded import CommandedOutputs
from simulators.faults import Faults
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.fleet_site import item, link
from tests.unit.test_fleet_doors import door
from tests.unit.test_fleet_simulated import Running, gateway_on, until
from tests.unit.test_units_on_sockets import RULES, contents, states, two

KEY = item_key(DOOR, "front")
ASKED = b"\x04\x00\x14\x00\x04"
"""The serial number alone is read."""
STAGED, COMMITTED, ERASED = b"\x10\x10", b"\x10\x02\x00\x00\x02\x04\xc0\xde", b"\x06\x02\x02"
READ_BACK = b"\x03\x10"
PULSED, HELD = b"\x06\x02\x10", b"\x06\x02\x20"
HOLDS, COILS = b"\x03\x02\x20", b"\x01\x00\x00"
"""Outputs are read: what is held, what is on."""
NEVER = 1_000_000
EFFECTS = (COMMITTED, ERASED, PULSED, HELD)


class Closing(Faults):
    """Replies are whole, and the connection ends behind these (None: behind each `every`)."""

    def __init__(self, *at: int, every: int = 1) -> None:
        super().__init__()
        self._at, self._every = at, every
        self.count = 0

    def draw(self, commits: bool) -> str | None:
        self.count += 1
        ends = self.count in self._at if self._at else self.count % self._every == 0
        return "cut" if ends else None

    def shorten(self, data: bytes) -> bytes:
        return data


class Heard:
    """The requests that a panel carried out. `then` follows the first one that begins so."""

    def __init__(self, panel: OpenAccessPanel) -> None:
        self.requests: list[bytes] = []
        self._carry_out = panel.handle
        self._last: bytes = b""
        self._then: Callable[[], None] = lambda: None
        vars(panel)["handle"] = self._handle

    def follow(self, last: bytes, then: Callable[[], None]) -> None:
        self._last, self._then = last, then

    @property
    def effects(self) -> list[bytes]:
        """What a panel acts on, but for the switching off of an output, which waits for nobody."""
        return [each for each in self.begin_with(EFFECTS) if not (each.startswith(HELD) and each.endswith(b"\0\0"))]

    def begin_with(self, beginnings: Collection[bytes]) -> list[bytes]:
        return [request for request in self.requests if request.startswith(tuple(beginnings))]

    def _handle(self, request: bytes) -> bytes:
        reply = self._carry_out(request)
        self.requests.append(request)
        if self._last and request.startswith(self._last):
            self._last = b""
            self._then()
        return reply


class Closed:
    """The lobby and the vault, each behind a host that closes, held in step."""

    def __init__(self, running: Running) -> None:
        self.running, self.fleet, self.simulated = running, running.fleet, running.simulated
        self.lobby, self.vault = Heard(self._unit("lobby")), Heard(self._unit("vault"))
        self.held = contents(self._unit("vault"))

    def _unit(self, name: str) -> OpenAccessPanel:
        panel = self.simulated.panels[name]
        assert isinstance(panel, OpenAccessPanel)
        return panel

    @property
    def door(self) -> CommandedOutputs:
        return self.fleet.commanded("lobby")

    def swap(self) -> None:
        self.simulated.swap("lobby", "vault")

    def swap_behind(self, request: bytes) -> None:
        self.lobby.follow(request, self.swap)

    async def assert_found_out(self) -> None:
        await until(lambda: states(self.running)["lobby"] == "identity_changed")
        assert contents(self._unit("vault")) == self.held
        assert not any(self._unit("vault").outputs())


@asynccontextmanager
async def closed(folder: Path, kind: str = "modbus-tcp", every: int = 1) -> AsyncIterator[Closed]:
    lines = [{**line.model_dump(exclude_unset=True), "kind": kind} for line in two("open-access-panel").lines]
    settings = Settings.model_validate({"lines": lines}, strict=False)
    async with SimulatedSite(settings, paced=False) as simulated:
        for responder in simulated.responders.values():
            responder.set_faults(Closing(every=every))
        async with gateway_on(simulated, settings, folder / "store.db", RULES) as running:
            running.fleet.set_doors((door("front", 0),))
            await running.fleet.upsert([item(1, start=300), item(2, start=900)])
            await until(lambda: set(states(running).values()) == {"in_sync"})
            yield Closed(running)


@pytest.mark.parametrize(
    ("request_", "kind", "every"),
    [
        *((request, "modbus-tcp", 1) for request in (ASKED, STAGED, COMMITTED, READ_BACK)),
        (STAGED, "modbus-rtu-tcp", 1),
        (COMMITTED, "modbus-tcp", 3),
    ],
    ids=["asked", "staged", "committed", "read back", "staged, serial", "committed, three replies"],
)
async def test_a_change_is_neither_made_nor_claimed_of_the_unit_that_stands_there_meanwhile(
    request_: bytes, kind: str, every: int, tmp_path: Path
) -> None:
    async with closed(tmp_path, kind, every) as site:
        site.swap_behind(request_)
        (report,) = await site.fleet.upsert([item(1, start=240)])
        assert not report.success
        await site.assert_found_out()
        assert site.vault.effects == []


@pytest.mark.parametrize("request_", [ASKED, ERASED], ids=["asked", "erased"])
async def test_a_deletion_is_not_claimed_of_the_unit_that_stands_there_meanwhile(request_: bytes, tmp_path: Path) -> None:
    async with closed(tmp_path) as site:
        site.swap_behind(request_)
        (report,) = await site.fleet.delete([link(1)])
        assert not report.success, "the lobby opens by it as soon as its cable is back"
        await site.assert_found_out()
        assert site.vault.effects == []


Command = Callable[[CommandedOutputs], Awaitable[Acknowledgement]]
COMMANDS: dict[str, tuple[bytes, Command]] = {
    "pulse": (PULSED, lambda door: door.pulse(0, 1.0, KEY)),
    "hold": (HELD, lambda door: door.hold(0, 30.0, KEY, lambda said: None)),
}


@pytest.mark.parametrize("what", COMMANDS)
async def test_the_vault_is_not_unlocked_by_who_opens_the_lobby_right_after_the_cables_were_exchanged(
    what: str, tmp_path: Path
) -> None:
    async with closed(tmp_path) as site:
        await site.fleet.upsert([item(1, start=240)])
        site.swap()
        said = await COMMANDS[what][1](site.door)
        assert said.outcome is Outcome.NOT_SENT
        await site.assert_found_out()
        assert site.vault.effects == []


@pytest.mark.parametrize("what", COMMANDS)
async def test_a_door_counts_as_opened_where_its_own_unit_did_it(what: str, tmp_path: Path) -> None:
    sent, command = COMMANDS[what]
    async with closed(tmp_path) as site:
        assert (await command(site.door)).outcome is Outcome.ACKNOWLEDGED
        site.swap_behind(sent)
        assert (await command(site.door)).outcome is Outcome.UNCONFIRMED
        assert len(site.lobby.effects) == 2
        await site.assert_found_out()


async def test_a_door_opens_once_where_the_connection_ends_right_before_the_command(tmp_path: Path) -> None:
    """The unit was asked who it is within the last second, on the connection that ended."""
    sent, command = COMMANDS["pulse"]
    async with closed(tmp_path, every=NEVER) as site:
        for last in range(4, 14):
            site.simulated.responders["line-lobby"].set_faults(Closing(1, last))
            await site.fleet.upsert([item(1, start=240 + last)])
            before = len(site.lobby.begin_with([sent]))
            assert (await command(site.door)).outcome is Outcome.ACKNOWLEDGED
            assert len(site.lobby.begin_with([sent])) == before + 1


@pytest.mark.parametrize("every", [1, NEVER], ids=["closing host", "one cut"])
async def test_a_door_that_stands_open_is_not_reported_as_closed_by_another_unit(every: int, tmp_path: Path) -> None:
    """Closing waits for nobody, so the other unit gets it and acknowledges it."""
    async with closed(tmp_path, every=every) as site:
        responder, over = site.simulated.responders["line-lobby"], asyncio.Event()

        def swap() -> None:
            site.swap()
            over.set()

        def cut() -> None:
            responder.set_faults(Closing(1) if every == NEVER else Closing())
            site.lobby.follow(COILS, swap)

        assert (await COMMANDS["hold"][1](site.door)).outcome is Outcome.ACKNOWLEDGED
        site.lobby.follow(HOLDS, cut)
        await over.wait()
        assert (await site.door.release(0)).outcome is Outcome.UNCONFIRMED
        await site.assert_found_out()
