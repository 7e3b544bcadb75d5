"""The doors of a site: who commands them, by what output, and what is known of them. The one writer of a door's state.

A command ends with what became of it, and everybody is told: nothing is queued, and nothing is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from config.settings import DoorSettings
from drivers.clock import Clock
from drivers.contract import DOOR, Acknowledgement, Outcome, Reason, item_key
from drivers.trace import Client, client
from gateway.fleet.events import DoorAction, DoorCommanded, DoorDenied, Event
from gateway.fleet.panel.commanded import CommandedOutputs
from gateway.fleet.panel.held_output import Opening
from gateway.fleet.views import UnknownPanel

DoorState = Literal["closed", "open", "held", "unknown"]


class Outputs(Protocol):
    """The fleet, as far as doors need it."""

    def commanded(self, panel_id: str) -> CommandedOutputs:
        """Raises UnknownPanel."""
        ...

    def tell(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """A command to one door, and what became of it."""

    door: DoorSettings
    said: Acknowledgement


@dataclass(frozen=True, slots=True)
class DoorView:
    """`state`: by its commands, and `open` where its sensor says so and nothing else is known. `is_open`: whether it stands open
    by its sensor, None: that is not known. `held_by`: the user whose command holds it; None: nobody, or time profiles.
    `last_event_at`: Unix seconds of the last command. `pulse_s`: how long a command opens it that does not say so."""

    id: str
    number: int | None
    name: str
    panel: str
    output: int
    state: DoorState
    held_by: str | None
    sensor: int | None
    is_open: bool | None
    last_event_at: int | None
    pulse_s: float


@dataclass(slots=True)
class _Known:
    """What is known of one door. Instants are monotonic seconds.

    `open_until`: the end of its last pulse, `doubt_until`: of one that may have come about.
    """

    open_until: float = 0.0
    doubt_until: float = 0.0
    held_by: str | None = None
    last_event_at: int | None = None


@dataclass
class Doors:
    """`doors` are the configuration's."""

    outputs: Outputs
    clock: Clock
    doors: Sequence[DoorSettings] = ()
    _known: dict[str, _Known] = field(default_factory=dict)

    def door(self, door_id: str) -> DoorSettings | None:
        return next((door for door in self.doors if door.id == door_id), None)

    def numbered(self, number: int) -> list[DoorSettings]:
        """The door of a lock number; of 0 every door that has one, in their order."""
        numbered = [door for door in self.doors if door.number is not None and number in (0, door.number)]
        return sorted(numbered, key=lambda door: door.number or 0)

    async def change(self, doors: Sequence[DoorSettings]) -> None:
        """Other doors from now on, of which the fleet knows already. One that is gone, or is another output now, is let go of
        where somebody opened it, or is about to.
        """
        staying = {(door.id, door.panel, door.output) for door in doors}
        gone = [door for door in self.doors if (door.id, door.panel, door.output) not in staying]
        self.doors = doors
        await asyncio.gather(*(self.release(door) for door in gone if self._may_be_open(door)))
        for door in gone:
            self._known.pop(door.id, None)

    def _may_be_open(self, door: DoorSettings) -> bool:
        """Whether somebody opened it, or is about to."""
        panel, known = self._panel(door), self._of(door)
        if panel is None:
            return False
        pulses = self.clock.monotonic() < max(known.open_until, known.doubt_until)
        return pulses or panel.opened(door.output) is not None or panel.is_commanded(door.output)

    async def open(self, door: DoorSettings, seconds: float | None = None, *, remote: bool = False) -> Done:
        """Open a door once, for its own time where none is said. `remote`: in the name of a remote access server."""
        lasts = seconds or door.pulse_s
        said = await self._ask(door, lambda panel: panel.pulse(door.output, lasts, _key(door)))
        until, known = self.clock.monotonic() + lasts, self._of(door)
        if said.outcome is Outcome.ACKNOWLEDGED:
            known.open_until = max(until, known.open_until)
        elif said.outcome is Outcome.UNCONFIRMED:
            known.doubt_until = max(until, known.doubt_until)
        return self._told(door, "open", said, lasts, remote=remote)

    async def hold(self, door: DoorSettings, seconds: float, action: DoorAction = "hold") -> Done:
        """Hold a door open; a dead gateway lets go of it. A later hold replaces an earlier one."""

        def ended(said: Acknowledgement) -> None:
            self._tell(door, "emergency_close" if action == "emergency_open" else "closed", said, None, None)

        said = await self._ask(door, lambda panel: panel.hold(door.output, seconds, _key(door), ended))
        asking = client.get()
        if said.outcome is Outcome.ACKNOWLEDGED:
            self._of(door).held_by = None if asking is None else asking.user
        return self._told(door, action, said, seconds)

    async def release(self, door: DoorSettings, action: DoorAction = "release") -> Done:
        """End a hold, and a pulse where the panel can. A time profile that holds the door goes on."""
        said = await self._ask(door, lambda panel: panel.release(door.output))
        if said.outcome is Outcome.ACKNOWLEDGED:
            self._of(door).open_until = self._of(door).doubt_until = 0.0
        return self._told(door, action, said, None)

    def deny(self, number: int) -> None:
        """A remote access server lets nobody in. Nothing moves."""
        self.outputs.tell(DoorDenied(number, client.get()))

    def view(self, door: DoorSettings) -> DoorView:
        known, panel = self._of(door), self._panel(door)
        opened = None if panel is None else panel.opened(door.output)
        is_open = None if panel is None or door.sensor is None else panel.senses(door.sensor)
        state = self._state(None if panel is None else panel.is_on(door.output), opened, known)
        return DoorView(
            id=door.id,
            number=door.number,
            name=door.said,
            panel=door.panel,
            output=door.output,
            state="open" if is_open and state == "closed" else state,
            held_by=known.held_by if opened is not None and opened.again else None,
            sensor=door.sensor,
            is_open=is_open,
            last_event_at=known.last_event_at,
            pulse_s=door.pulse_s,
        )

    def _state(self, on: bool | None, opened: Opening | None, known: _Known) -> DoorState:
        now = self.clock.monotonic()
        if on is None or now < known.doubt_until:
            return "unknown"
        if on:
            return "held" if opened is None or opened.again else "open"
        return "open" if now < known.open_until else "closed"

    def _panel(self, door: DoorSettings) -> CommandedOutputs | None:
        """None: it has left the site."""
        try:
            return self.outputs.commanded(door.panel)
        except UnknownPanel:
            return None

    async def _ask(self, door: DoorSettings, ask: Callable[[CommandedOutputs], Awaitable[Acknowledgement]]) -> Acknowledgement:
        panel = self._panel(door)
        if panel is None:
            return Acknowledgement(Outcome.NOT_SENT, None, Reason.DEPARTED, "the panel has left the site")
        return await ask(panel)

    def _told(
        self, door: DoorSettings, action: DoorAction, said: Acknowledgement, seconds: float | None, *, remote: bool = False
    ) -> Done:
        self._tell(door, action, said, seconds, client.get(), remote=remote)
        return Done(door, said)

    def _tell(
        self,
        door: DoorSettings,
        action: DoorAction,
        said: Acknowledgement,
        seconds: float | None,
        asked_by: Client | None,
        *,
        remote: bool = False,
    ) -> None:
        self._of(door).last_event_at = int(self.clock.wall())
        place = (door.id, door.said, door.number, door.panel, door.output)
        self.outputs.tell(DoorCommanded(*place, action, said.outcome, said.reason, seconds, asked_by, remote))

    def _of(self, door: DoorSettings) -> _Known:
        return self._known.setdefault(door.id, _Known())


def _key(door: DoorSettings) -> str:
    """The key under which the store remembers that the door's output may be on."""
    return item_key(DOOR, door.id)
