"""Reads one panel's log of events, behind everything urgent, and hands on what it tells, once each and with the right person."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from config.locks import lock_number
from config.settings import serial_number
from drivers.contract import (
    Acknowledgement,
    LoggedEvent,
    LoggedKind,
    LogPage,
    Outcome,
    PanelImage,
    Priority,
    Reason,
)
from gateway.compiler.moment import instant_of
from gateway.fleet.context import FleetContext
from gateway.fleet.panel.failure import Failure, failure_of
from gateway.fleet.panel.holders import HandOver, Holders, Person, person_of, slots_of, whose
from gateway.fleet.panel.log_place import LogPlace, Lost, first_of, kind_of, met, place_of, taken
from gateway.fleet.panel.state import PanelState
from gateway.store.contract import StoreError
from gateway.store.events import SiteEvent

LOG = logging.getLogger(__name__)

FACT = "log"
"""The durable fact of a panel that says how far its log was read, and who held slots then."""
FREED = "freed"
"""The fact that says who held the slots which were taken away since, or are about to be."""
POLL_S = 2.0
_DEFECT_S = 60.0
_PAGES = 4
"""Pages that are made durable together."""
_ANOTHER = Failure(Reason.UNEXPECTED_REPLY, "another unit answers than the one that was looked at")
_GIVES_NONE = "its log tells of further events and gives none of them"
Owners = Sequence[tuple[PanelImage, Mapping[int, str]]]
"""Images, with the key of the identifier in each slot; the first that has a slot counts."""


class EventReader:
    """One panel's. `fact` and `freed`: what the store has of it. `report` is told of a defect."""

    def __init__(self, state: PanelState, context: FleetContext, fact: str | None, freed: str | None = None) -> None:
        self._state = state
        self._context = context
        facts = {} if fact is None else json.loads(fact)
        self._place: LogPlace | None = place_of(facts) if facts else None
        self._holders = Holders(facts, commits=not self._names_numbers)
        self._holders.free({} if freed is None else dict(json.loads(freed)))
        self._kept_freed = freed
        self._keeping = asyncio.Lock()
        self._handing: HandOver | None = None
        self._going: Mapping[int, Person] = {}
        """Who loses a slot by what is about to be written, or is being written."""
        self._unsure = not self._names_numbers
        """A slot may have been somebody's whom nobody remembers: since the start the log was not read to its end yet."""
        self._stopped, self._woken = asyncio.Event(), asyncio.Event()
        self.report: Callable[[Exception], None] = lambda defect: None
        self.look_again: Callable[[], None] = lambda: None
        """Called where another unit answers than the one that was looked at."""

    @property
    def fact(self) -> str | None:
        return None if self._place is None else self._fact_of(self._place)

    def _fact_of(self, place: LogPlace) -> str:
        return _text(place.facts() | self._holders.facts())

    @property
    def freed(self) -> str | None:
        freed = self._holders.freed
        return _text(freed) if freed else None

    @property
    def _has_log(self) -> bool:
        return bool(self._state.driver.capabilities.event_log)

    @property
    def _names_numbers(self) -> bool:
        """Whether events say who is meant whatever becomes of slots."""
        return self._state.driver.capabilities.log_names == "number"

    async def run(self) -> None:
        """Read every few seconds, and when the panel tells of something new, until `stop`."""
        self._state.driver.on_news = self._woken.set
        while not self._stopped.is_set() and self._has_log:
            self._woken.clear()
            pause_s = POLL_S
            try:
                await self.read()
            except StoreError as error:
                LOG.warning("events are left in the panel", extra={"panel": self._state.id, "error": str(error)})
            except Exception as defect:
                self.report(defect)
                pause_s = _DEFECT_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    def stop(self) -> None:
        self._stopped.set()
        self._woken.set()

    # reading

    async def read(self) -> None:
        """Read what is new. Raises StoreError: then it is read again."""
        unit = self._unit()
        if unit is None:
            if self._state.unreachable() is not None:  # that is told then, and the log may be read once it is back
                self._state.log_read(None)
            return
        settled = self._holders.settled(self._going) if self._state.certain else None
        end = await self._state.driver.read_log(None, Priority.BACKGROUND, None)
        if isinstance(end, Acknowledgement):
            self._not_read(failure_of(end), unit)
            return
        if self._unit() != unit or not self._is_panels(end):
            return
        self._state.sensed(end.inputs, self._context.clock.monotonic())
        await self._meet(end)
        while self._place is not None and self._place.taken < end.last and not self._stopped.is_set():
            if not await self._read_on(self._place, end, unit):
                return
        self._state.log_read(None)
        caught_up = settled is not None and self._place is not None and self._place.taken >= end.last
        self._unsure = self._unsure and not caught_up
        if settled and self._place is not None and caught_up:
            self._holders.caught_up(settled)
            async with self._keeping:
                await self._keep(self._place, ())
            await self._keep_freed()

    async def _meet(self, end: LogPage) -> None:
        """Find out whether the log that ends so is the one that was read before."""
        async with self._keeping:
            place, lost = met(self._place, end)
            if place == self._place:
                return
            if self._place is None or place.serial != self._place.serial:
                self._holders = Holders(commits=not self._names_numbers)
                await self._keep_freed()  # before the place: who lost a slot of the other unit never had one of this
            await self._keep(place, () if lost is None else (lost,))

    async def _read_on(self, place: LogPlace, end: LogPage, unit: object) -> bool:
        """Some pages, made durable together; False: nothing more can be read now."""
        found: list[LoggedEvent | Lost] = []
        reached, checked, failure = place, False, Failure(Reason.UNEXPECTED_REPLY, _GIVES_NONE)
        for _ in range(_PAGES):
            page = await self._state.driver.read_log(first_of(reached, checked=checked), Priority.BACKGROUND, None)
            if isinstance(page, Acknowledgement):
                failure = failure_of(page)
                break
            if self._unit() != unit or page.serial != place.serial:
                break
            before, (reached, news) = reached, taken(reached, page)
            found += news
            checked = reached.taken > before.taken
            if not checked or reached.taken >= end.last:
                break
        if reached == place:
            self._not_read(failure, unit)
            return False
        async with self._keeping:
            if self._place is not place:  # the log turned out meanwhile to be another one than these pages are from
                return False
            await self._keep(reached, found)
        self._state.log_read(None)  # where some of it is read, it goes on
        return True

    def _not_read(self, failure: Failure, unit: object) -> None:
        """What there is to read cannot be read now, though the unit may be spoken to."""
        if self._unit() == unit:
            self._state.log_read(failure)

    async def _keep(self, place: LogPlace, found: Sequence[LoggedEvent | Lost]) -> None:
        """Make events durable together with the place; only then they count as read. Raises StoreError."""
        named = {slot for each in found if isinstance(each, LoggedEvent) and (slot := self._whom(each)) is not None}
        owners = self._owners(named) if named else ()
        events = [self._told(place, each, owners) for each in found]
        await self._context.keep_events(events, {self._state.id: (FACT, self._fact_of(place))})
        self._place = place
        self._holders.taken(place.taken)

    def _unit(self) -> object | None:
        """Which unit answers on which connection; None: nobody, or another one than the panel."""
        state, identity = self._state, self._state.identity
        known = identity.checked and identity.stranger is None and state.unreachable() is None
        if not known or not self._has_log or identity.connection != state.driver.connection:
            return None
        return (identity.connection, identity.serial)

    def _is_panels(self, page: LogPage) -> bool:
        """Whether the unit that answered is the panel by its number; where it is not, the panel is looked at anew."""
        identity = self._state.identity
        if page.serial is None or serial_number(page.serial) == identity.serial:
            return True
        identity.forget()
        self.look_again()
        return False

    # what it means

    def _told(self, place: LogPlace, found: LoggedEvent | Lost, owners: Owners) -> SiteEvent:
        panel, now = self._state.id, self._context.now()
        if isinstance(found, Lost):
            self._holders.missed(found.count)
            return SiteEvent(now, "events_lost", panel, {"count": found.count, "why": found.why})
        if found.kind is LoggedKind.COMMITTED:
            self._holders.committed(found.sequence)
        facts: dict[str, Any] = {"sequence": found.sequence}
        for name in ("output", "slot"):
            if (value := getattr(found, name)) is not None:
                facts[name] = value
        if found.output is not None:
            facts["lock"] = lock_number(self._context.doors, panel, found.output)
        if found.why is not None:
            facts["reason"] = found.why
        instant = self._instant(found)
        if instant is None:
            facts["clock"] = "unset"
        met = self._whom(found)
        person = None if met is None else self._holders.of(met, found.sequence, self._now(met, owners))
        if person is not None and found.sequence > place.strange:
            facts["identifier"] = person
        unknown = found.card is not None and person is None and self._context.ours.owner(("card", found.card, 0)) is None
        if unknown:
            facts["number"] = str(found.card)
        return SiteEvent(now if instant is None else instant, kind_of(found, unknown=unknown), panel, facts)

    def _instant(self, found: LoggedEvent) -> int | None:
        if found.local_second is None:
            return found.instant
        return instant_of(self._context.options.readings.zone, found.local_second)

    def _whom(self, event: LoggedEvent) -> int | None:
        """The slot (or number, where events name these) of the person that an event is about."""
        return event.card if self._names_numbers else event.slot

    def _owners(self, met: Set[int]) -> Owners:
        """Who has these slots (or numbers) by what the panel holds, or may hold; where nothing is known of that, by what the
        store has given out. What was given out and is not written yet is nobody's.
        """
        held = [(image, self._held(image, met)) for image in self._state.images()]
        if held or self._names_numbers:
            return held
        return [(PanelImage(), whose(self._state.allocation, {each for each in met if self._holders.last(each) is None}))]

    def _held(self, image: PanelImage, met: Set[int] | None = None) -> dict[int, str]:
        """See `slots_of`; by number where events name these."""
        if not self._names_numbers:
            return slots_of(image, met)
        numbers = {slot: each.number for slot, each in image.identifiers.items() if met is None or each.number in met}
        return {numbers[slot]: key for slot, key in slots_of(image, numbers.keys()).items()}

    def _now(self, met: int, owners: Owners) -> Person | None:
        """Who has a slot, or a number, at present."""
        image, key = next(((image, held[met]) for image, held in owners if met in held), (PanelImage(), None))
        return None if key is None else self._person(met, key, image)

    def _person(self, met: int, key: str, image: PanelImage) -> Person | None:
        """Who has an identifier as an image holds it: something newer may be asked for. None where that is not certain."""
        item, generation = self._context.ours.item(key), image.generations.get(key)
        if item is None or generation in (None, item.generation):
            return person_of(item)
        if (before := self._state.bygone.get(key, {}).get(generation)) is not None:
            return person_of(before)
        number = met if self._names_numbers else image.identifiers[met].number
        other = item.identifier is not None and item.identifier.number.value != number
        return None if other else person_of(item)

    # slots that change hands

    async def prepare(self, before: PanelImage, after: PanelImage, priority: Priority, *, writes: bool = True) -> Failure | None:
        """A transaction is about to begin: who held a slot until then is durable before somebody else gets it.

        `writes`: something is written for it; where nothing is, slots change hands with this call. What takes away waits for no
        panel, and is not held up by a store that refuses. Raises StoreError.
        """
        self._going = {}
        if not self._has_log or not (before.identifiers or after.identifiers):
            return None
        had, gets = self._held(before), self._held(after)
        changed = {key for key, generation in before.generations.items() if after.generations.get(key) != generation}
        persons = {
            slot: person
            for slot, key in had.items()
            if (gets.get(slot) != key or key in changed) and (person := self._person(slot, key, before)) is not None
        }
        freed = {slot: person for slot, person in persons.items() if slot not in gets}
        self._going = freed if writes else {}
        self._holders.free(freed)
        await self._keep_freed()
        handed: dict[int, Person | None] = {
            slot: person
            for slot, key in gets.items()
            if (had.get(slot) != key or key in changed)
            and ((person := persons.get(slot) or self._holders.last(slot)) is not None or (self._unsure and slot not in had))
            and person != self._person(slot, key, after)
        }
        return await self._hand_over(handed, priority, writes=writes) if handed or self._place is None else None

    async def _hand_over(self, handed: Mapping[int, Person | None], priority: Priority, *, writes: bool) -> Failure | None:
        end = await self._state.driver.read_log(None, priority, None)
        urgent = priority is Priority.REVOCATION
        if isinstance(end, Acknowledgement) and not urgent:
            return failure_of(end)
        try:
            if isinstance(end, LogPage) and self._is_panels(end):
                await self._meet(end)
            elif not urgent:
                return _ANOTHER
            else:
                handed = dict.fromkeys(handed)  # whose events come next is not certain
            if handed and self._place is not None:
                after = end.last if isinstance(end, LogPage) else self._place.taken
                self._handing = self._holders.hand_over(after, handed)
                if not writes and isinstance(end, LogPage):  # no commit will show it
                    self._handing.at = after + 1
                async with self._keeping:
                    await self._keep(self._place, ())
        except StoreError:
            if not urgent:
                self.ended(Outcome.NOT_SENT)
                raise
        return None

    def seen(self, image: PanelImage) -> None:
        """The panel was read to hold this, which its state does not know yet. Who held a slot that is empty by now is
        remembered.
        """
        if self._has_log:
            gets = self._held(image)
            lost = {slot: (key, before) for before in self._state.images() for slot, key in self._held(before).items()}
            persons = {slot: self._person(slot, *found) for slot, found in lost.items() if slot not in gets}
            self._holders.free({slot: person for slot, person in persons.items() if person is not None})

    async def _keep_freed(self) -> None:
        """Let the store know who held slots that are nobody's now: a process that is killed knows it when it comes again, before
        they are somebody else's. What the store refuses holds nothing up.
        """
        if (freed := self.freed) != self._kept_freed:
            with contextlib.suppress(StoreError):  # a process that goes on knows it
                await self._context.store.put_panel_fact(self._state.id, FREED, freed, self._context.now(), durable=False)
                self._kept_freed = freed

    def ended(self, outcome: Outcome) -> None:
        """What `prepare` was told of is over, and this became of it."""
        self._going = {}
        handing, self._handing = self._handing, None
        if handing is None:
            return
        if outcome in (Outcome.NOT_SENT, Outcome.REJECTED):
            self._holders.withdraw(handing)
        else:
            handing.over = True


def _text(facts: object) -> str:
    return json.dumps(facts, separators=(",", ":"))
