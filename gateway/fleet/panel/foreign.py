"""Used slots of a panel that are not the gateway's: what they open, and which of them an operator knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256

from drivers.contract import IDENTIFIER, TIME_PROFILE, IdentifierSlot, Slot, item_key
from gateway.fleet.context import FleetContext
from gateway.fleet.events import ForeignFound
from gateway.fleet.panel import clocks
from gateway.fleet.panel.opening import admission_text, opening_text
from gateway.fleet.panel.state import PanelState
from gateway.fleet.views import CannotDo, ForeignSlot
from gateway.store.codec import Codec, read_fact

_ACCEPTED, _LEARNED = "known_slots", "known_foreign"
_SLOTS: Codec[Mapping[str, str]] = Codec(Mapping[str, str], "slots of others")
_EMPTY = ""
"""The content of a slot that nobody uses."""


class Foreign:
    """One panel's. What is known is remembered with its content: foreign is what is new or changed since.

    `facts`: as the store has them, by the slots' names. Schedule slots that the panel's setting `known_foreign` names are learned
    when they are seen first.
    """

    def __init__(self, state: PanelState, context: FleetContext, facts: Mapping[str, str]) -> None:
        self._state = state
        self._context = context
        self._accepted = _read(state.id, facts.get(_ACCEPTED))
        self._learned = _read(state.id, facts.get(_LEARNED))
        self._told: tuple[ForeignSlot, ...] = ()

    def slots(self) -> tuple[ForeignSlot, ...]:
        """All foreign slots: schedule slots, then identifier slots, by number."""
        image, now = self._state.image, self._context.now()
        if image is None:
            return ()
        minute = clocks.local_minute(self._context.options.readings.zone, now)
        today, by_days = minute // 1440, self._state.driver.capabilities.identifier_validity == "day"
        schedules = [number for number in sorted(self._state.foreign()) if number in image.slots]
        identifiers = sorted(self._state.foreign_identifiers())
        return (
            *[self._schedule(number, image.slots[number], opening_text(image, [number], today)) for number in schedules],
            *[
                self._identifier(
                    number, image.identifiers[number], admission_text(image, number, today, minute if by_days else int(now) // 60)
                )
                for number in identifiers
            ],
        )

    def _schedule(self, number: int, slot: Slot, opens: str | None) -> ForeignSlot:
        content = _digest(slot)
        learned = number in self._state.settings.known_foreign and self._learned.get(str(number)) == content
        return ForeignSlot(number, opens, learned or self._accepted.get(str(number)) == content)

    def _identifier(self, number: int, slot: IdentifierSlot, opens: str | None) -> ForeignSlot:
        known = self._accepted.get(item_key(IDENTIFIER, str(number))) == _digest(slot)
        return ForeignSlot(number, opens, known, IDENTIFIER)

    async def look(self) -> None:
        """The panel was seen whole. Raises StoreError."""
        named = self._state.settings.known_foreign
        fresh = {str(number): self._learned.get(str(number), self._content(number)) for number in named}
        if fresh != self._learned:
            await self._keep(_LEARNED, fresh)
            self._learned = fresh
        alarms = alarming(self.slots())
        if alarms != self._told and alarms:
            self._context.emit(ForeignFound(self._state.id, {each.name: each.opens or "" for each in alarms}))
        self._told = alarms

    async def accept(self) -> None:
        """All that are there now are known. Raises CannotDo and StoreError."""
        if not self._state.certain:
            raise CannotDo(f"{self._state.id}: what the panel holds is not known now: try again when it answers")
        held = self._state.held()
        known = {
            str(each.name): _digest((held.slots if each.kind == TIME_PROFILE else held.identifiers)[each.slot])
            for each in self.slots()
        }
        if not known:
            raise CannotDo(f"{self._state.id}: every used slot is the gateway's: there is nothing to accept")
        await self._keep(_ACCEPTED, known)
        self._accepted = known

    def facts(self) -> dict[str, str]:
        """What the store keeps of them: facts by key."""
        return {key: _text(slots) for key, slots in ((_ACCEPTED, self._accepted), (_LEARNED, self._learned)) if slots}

    def _content(self, number: int) -> str:
        slot = self._state.held().slots.get(number)
        return _EMPTY if slot is None or number not in self._state.foreign() else _digest(slot)

    async def _keep(self, fact: str, slots: Mapping[str, str]) -> None:
        await self._context.store.put_panel_fact(self._state.id, fact, _text(slots) if slots else None, self._context.now())


def alarming(slots: Iterable[ForeignSlot]) -> tuple[ForeignSlot, ...]:
    """The foreign slots that are open to somebody and that nobody knows."""
    return tuple([each for each in slots if each.opens is not None and not each.known])


@lru_cache(maxsize=1024)
def _digest(slot: Slot | IdentifierSlot) -> str:
    return sha256(json.dumps(asdict(slot), sort_keys=True).encode()).hexdigest()[:16]


def _read(panel: str, text: str | None) -> Mapping[str, str]:
    return {} if text is None else read_fact(_SLOTS, panel, text)


def _text(slots: Mapping[str, str]) -> str:
    return _SLOTS.encode(dict(sorted(slots.items())))
