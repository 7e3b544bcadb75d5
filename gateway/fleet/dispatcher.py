"""One request: what it asks is made durable, then it waits until every place concerned is settled. Others do the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from drivers.contract import ItemState, Reason
from gateway.concurrency import Ticket, in_turns
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Targets
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.fleet.events import Asked
from gateway.fleet.results import Change, LinkReport, PanelResult, aggregate
from gateway.fleet.target import Target
from gateway.fleet.undurable import Undurable
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import DesiredChange, DesiredItem, GenerationConflict, StoreError


class Dispatcher:
    def __init__(self, desired: Desired, assignment: Assignment, context: FleetContext) -> None:
        self._desired = desired
        self._assignment = assignment
        self._context = context
        self.undurable = Undurable(desired, context, self._take_in)

    async def upsert(self, items: Sequence[RequestItem]) -> tuple[LinkReport, ...]:
        """Ask for profiles. Unchanged content makes no new generation and sends nothing. Raises StoreError."""
        began = self._context.clock.monotonic()
        async with self._context.write_lock:
            changed = [item async for item in in_turns(map(self._accepted, items)) if self._is_new(item)]
            created = {item.profile.link_id for item in changed if item.profile.link_id not in self._desired.live}
            await self._commit([(item.profile.link_id, item.profile, item.body) for item in changed])
            asked = [self._desired.live[item.profile.link_id] for item in items]
        await self._wait(await self._unsettled(asked), began)
        return tuple(
            [self._answer(item, Change.CREATED if item.link_id in created else Change.UPDATED) async for item in in_turns(asked)]
        )

    async def delete(self, link_ids: Sequence[str]) -> tuple[LinkReport, ...]:
        """Ask for profiles to go. A tombstone stays until every panel that may hold it was seen without.

        What the store refuses goes all the same, and is told as `not_durable`. Raises GenerationConflict.
        """
        began = self._context.clock.monotonic()
        concerned: dict[str, Targets] = {}
        async with self._context.write_lock:
            found, pending, unknown = await self._sorted(link_ids)
            async for link_id in in_turns(found):
                concerned[link_id] = tuple(dict.fromkeys((*self._desired.targets(link_id), *self._assignment.holders(link_id))))
            await self._delete(found)
            await self._commit([(link_id, None, "") for link_id in unknown])
            async for link_id in in_turns((*pending, *unknown)):
                concerned[link_id] = tuple(dict.fromkeys((*self._desired.wanted(link_id), *self._assignment.holders(link_id))))
            gone = {link_id: self._desired.generation(link_id) for link_id in (*found, *pending, *unknown)}
        waiting: set[Target] = set()
        async for link_id, last in in_turns(gone.items()):
            waiting.update(
                target
                for target in concerned[link_id]
                if target not in waiting and any(not result.success for result in self._removals((target,), link_id, last))
            )
        await self._wait(waiting, began)
        reports = []
        async for link_id in in_turns(link_ids):
            said = gone.pop(link_id, None)
            results = () if said is None else self._removals(concerned[link_id], link_id, said)
            in_vain = link_id in unknown and all(each.success for each in results) and not self._assignment.was_carried(link_id)
            if said is None or in_vain:
                reports.append(LinkReport(link_id, Change.NOT_FOUND, success=False))
            else:
                reports.append(self.undurable.told(self._report(link_id, Change.DELETED, results)))
        return tuple(reports)

    async def _sorted(self, link_ids: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """What is to be deleted: live items, deleted ones that a panel may still hold, and those that only a panel may know."""
        found, pending, unknown = list[str](), list[str](), list[str]()
        async for link_id in in_turns(dict.fromkeys(link_ids)):
            if link_id in self._desired.live:
                found.append(link_id)
            elif link_id in self._desired.gone:
                open_still = link_id in self.undurable or self._assignment.holders_of_deleted(link_id)
                pending += [link_id] if open_still else []
            elif self._assignment.carriers(link_id):
                unknown.append(link_id)
        return found, pending, unknown

    # durable

    def _accepted(self, item: RequestItem) -> RequestItem:
        return replace(item, profile=self._desired.accepted(item.profile, self._context.options.readings))

    def _is_new(self, item: RequestItem) -> bool:
        known = self._desired.live.get(item.profile.link_id)
        return known is None or known.profile != item.profile or known.body != item.body

    async def _commit(self, wanted: Sequence[tuple[str, TimeProfile | None, str]]) -> None:
        """One transaction; from then on the panels are asked for it."""
        if not wanted:
            return
        await self.undurable.keep()
        changes = [DesiredChange(key, self._desired.generation(key), profile, body) for key, profile, body in wanted]
        await self._take_in(await self._context.store.put_desired(changes, {}, self._context.stamp()))

    async def _delete(self, link_ids: Sequence[str]) -> None:
        try:
            await self._commit([(link_id, None, "") for link_id in link_ids])
        except GenerationConflict:
            raise
        except StoreError as refused:
            await self.undurable.begin(link_ids, refused)

    async def _take_in(self, items: Sequence[DesiredItem]) -> None:
        touched = set[str]()
        async for item in in_turns(items):
            touched |= self._assignment.absorb(item)
        self._assignment.wake(touched)
        async for item in in_turns(items):
            self._context.emit(Asked(item.link_id, item.generation, item.profile is None))

    # waiting

    async def _unsettled(self, items: Sequence[DesiredItem]) -> set[Target]:
        """Where any of these is neither held nor refused yet."""
        found: set[Target] = set()
        async for item in in_turns(items):
            found.update(
                target
                for target in self._desired.targets(item.key)
                if target not in found
                and (place := self._assignment.place(target)) is not None
                and not place.is_settled(item.key)
            )
        return found

    async def _wait(self, targets: Iterable[Target], began: float) -> None:
        places = [place for target in targets if (place := self._assignment.place(target)) is not None]
        if not places:
            return
        ticket = Ticket(len(places))
        for place in places:
            place.settle(ticket)
        await ticket.wait(began + self._context.options.deadline_s - self._context.clock.monotonic())

    # answers

    def _answer(self, asked: DesiredItem, change: Change) -> LinkReport:
        """What the panels say of what was asked for, not of what somebody else asked for since."""
        link_id = asked.link_id
        now = self._desired.live.get(link_id)
        if now is None:
            results = _overtaken(self._desired.wanted(link_id), "overtaken: it is deleted meanwhile")
            return LinkReport(link_id, change, success=False, panels=results)
        targets = self._desired.targets(link_id)
        if now.generation != asked.generation and now.profile != asked.profile:
            message = f"overtaken: generation {now.generation} is asked for meanwhile"
            return self._report(link_id, change, _overtaken(targets, message))
        places = (self._assignment.place(target) for target in targets)
        held = [place.result(link_id) for place in places if place is not None]
        return self._report(link_id, change, (*held, *map(_missing, self._desired.bindings.missing(link_id))))

    def _removals(self, targets: Iterable[Target], link_id: str, last: int) -> tuple[PanelResult, ...]:
        """What panels that were not taken out meanwhile say of a deletion, of generation `last`."""
        places = (self._assignment.place(target) for target in targets)
        return tuple([place.removal(link_id, last) for place in places if place is not None])

    def _report(self, link_id: str, change: Change, results: tuple[PanelResult, ...]) -> LinkReport:
        return LinkReport(link_id, change, aggregate(results, self._context.options.aggregate), results)


def _missing(name: str) -> PanelResult:
    """A binding names what the site does not have: nobody will hold the item there."""
    return PanelResult(name, False, ItemState.PENDING, Reason.DEPARTED, f"the binding names {name}, which is not configured")


def _overtaken(targets: Collection[Target], message: str) -> tuple[PanelResult, ...]:
    """Nobody will hold it any more."""
    return tuple([PanelResult(str(each), False, ItemState.PENDING, Reason.DEADLINE_PASSED, message) for each in targets])
