"""One request: what it asks is made durable, then it waits until every place concerned is settled. Others do the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemState, Reason, item_key, split_key
from gateway.compiler.outcome import HELD
from gateway.concurrency import Ticket, in_turns
from gateway.fleet.admission import Admission, claims
from gateway.fleet.assignment import Assignment
from gateway.fleet.bindings import Targets
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired
from gateway.fleet.events import Asked
from gateway.fleet.panel.place import Enough, Place, all_of_it
from gateway.fleet.results import Change, LinkReport, PanelResult, aggregate
from gateway.fleet.target import Target
from gateway.fleet.undurable import Undurable
from gateway.fleet.views import Judge, RefusedItem, RequestItem, Revision
from gateway.identifiers.identifier import Identifier
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import Content, DesiredChange, DesiredItem, GenerationConflict, StoreError


class Dispatcher:
    def __init__(self, desired: Desired, assignment: Assignment, context: FleetContext) -> None:
        self._desired = desired
        self._assignment = assignment
        self._context = context
        self._taking_in = asyncio.Lock()
        self.undurable = Undurable(desired, context, self._take_in)

    async def upsert(self, items: Sequence[RequestItem | RefusedItem | Revision]) -> tuple[LinkReport, ...]:
        """Ask for items. Unchanged content makes no new generation and sends nothing. Raises StoreError."""
        began = self._context.clock.monotonic()
        async with self._alone(items):
            admission = Admission(self._desired)
            admitted = [admission.admit(self._revised(item)) async for item in in_turns(items)]
            items_kept = (item for item in admitted if isinstance(item, RequestItem) and item.key not in admission.replaced)
            kept = [self._accepted(item) for item in items_kept]
            changed = [item async for item in in_turns(kept) if self._is_new(item)]
            created = {item.key for item in changed if item.key not in self._desired.live}.difference(admission.replaced.values())
            gone = [self._change(key, None, "") for key in admission.replaced if key in self._desired.live]
            await self._commit([*gone, *[self._change(item.key, item.content, item.body) for item in changed]])
            asked = {item.key: self._desired.live[item.key] for item in kept}
        if not changed and not gone and (reports := await self._held_already(admitted, asked)) is not None:
            return reports
        for is_awaited in (_is_unsettled, _is_midway):
            targets = await self._where(is_awaited, asked.values())
            if not targets:
                break
            await self._wait(dict.fromkeys(targets, all_of_it), began)
        return tuple([self._said(item, asked, created) async for item in in_turns(admitted)])

    async def _held_already(
        self, admitted: Iterable[RequestItem | RefusedItem], asked: Mapping[str, DesiredItem]
    ) -> tuple[LinkReport, ...] | None:
        """The answer to what changes nothing, where every place holds it: asking each place once is enough then. None: one does
        not."""
        reports = []
        async for item in in_turns(admitted):
            report = self._said(item, asked, ())
            if any(each.outcome not in HELD for each in report.panels):
                return None
            reports.append(report)
        return tuple(reports)

    @asynccontextmanager
    async def _alone(self, items: Sequence[RequestItem | RefusedItem | Revision]) -> AsyncIterator[None]:
        """Nobody else changes what decides about these items. Requests for others go on: they share the store's next commit."""
        keys = None if self.undurable else claims(items)
        async with self._context.write_lock.held(keys):
            if keys is None or not self.undurable:
                yield
                return
        async with self._context.write_lock:  # the store has refused a deletion meanwhile, and is told of it first
            yield

    def _revised(self, item: RequestItem | RefusedItem | Revision) -> RequestItem | RefusedItem:
        if not isinstance(item, Revision):
            return item
        known = self._desired.live.get(item.key)
        if known is None:
            return RefusedItem(split_key(item.key)[1], Change.NOT_FOUND)
        return item.revise(known)

    def _said(self, item: RequestItem | RefusedItem, asked: Mapping[str, DesiredItem], created: Container[str]) -> LinkReport:
        if isinstance(item, RefusedItem):
            return LinkReport(item.link_id, item.change, success=False)
        if item.key not in asked:  # a later item of the request has its place
            return LinkReport(item.link_id, Change.UPDATED, success=True)
        return self._answer(asked[item.key], Change.CREATED if item.key in created else Change.UPDATED)

    async def delete(self, link_ids: Sequence[str], kind: str, judge: Judge | None) -> tuple[LinkReport, ...]:
        """Ask for items of a kind to go. A tombstone stays until every panel that may hold it was seen without.

        Raises StoreError, and what `judge` raises: then nothing goes.
        """
        began = self._context.clock.monotonic()
        concerned: dict[str, Targets] = {}
        async with self._context.write_lock:
            keys = [item_key(kind, link_id) for link_id in dict.fromkeys(link_ids)]
            if judge is not None:
                async for key in in_turns(keys):
                    judge(self._desired.live.get(key))
            found, pending, unknown = await self._sorted(keys)
            async for key in in_turns(found):
                concerned[key] = tuple(dict.fromkeys((*self._desired.targets(key), *self._assignment.holders(key))))
            await self._delete([self._change(key, None, self._desired.last_words(key)) for key in (*found, *unknown)])
            async for key in in_turns((*pending, *unknown)):
                concerned[key] = tuple(dict.fromkeys((*self._desired.wanted(key), *self._assignment.holders(key))))
            gone = {key: self._desired.generation(key) for key in (*found, *pending, *unknown)}
        waiting: dict[Target, list[tuple[str, int]]] = {}
        async for key, last in in_turns(gone.items()):
            for target in concerned[key]:
                if not self._are_gone(target, [(key, last)]):
                    waiting.setdefault(target, []).append((key, last))
        await self._wait({each: partial(self._are_gone, each, keys) for each, keys in waiting.items()}, began)
        reports = []
        async for link_id in in_turns(link_ids):
            key = item_key(kind, link_id)
            said = gone.pop(key, None)
            results = () if said is None else self._removals(concerned[key], key, said)
            in_vain = key in unknown and all(each.success for each in results) and not self._assignment.was_carried(key)
            if said is None or in_vain:
                reports.append(LinkReport(link_id, Change.NOT_FOUND, success=False))
            else:
                reports.append(self.undurable.told(self._report(link_id, Change.DELETED, results), key))
        return tuple(reports)

    async def _sorted(self, keys: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """What is to be deleted: live items, deleted ones that a panel may still hold, and those that only a panel may know.

        Panels know the link_ids of time profiles, none of others.
        """
        found, pending, unknown = list[str](), list[str](), list[str]()
        async for key in in_turns(keys):
            if key in self._desired.live:
                found.append(key)
            elif key in self._desired.gone:
                open_still = key in self.undurable or self._assignment.holders(key)
                pending += [key] if open_still else []
            elif split_key(key)[0] == TIME_PROFILE and self._assignment.carriers(key):
                unknown.append(key)
        return found, pending, unknown

    # durable

    def _accepted(self, item: RequestItem) -> RequestItem:
        if not isinstance(item.content, TimeProfile):
            return item
        return RequestItem(self._desired.accepted(item.content, self._context.options.readings), item.body)

    def _is_new(self, item: RequestItem) -> bool:
        known = self._desired.live.get(item.key)
        return known is None or known.content != item.content or known.body != item.body

    def _change(self, key: str, content: Content | None, body: str) -> DesiredChange:
        kind, link_id = split_key(key)
        return DesiredChange(link_id, self._desired.generation(key), content, body, kind)

    async def _commit(self, changes: Sequence[DesiredChange]) -> None:
        """One transaction; from then on the panels are asked for it."""
        if not changes:
            return
        await self.undurable.keep()
        items = await self._context.store.put_desired(changes, {}, self._context.stamp())
        async with self._taking_in:  # in the order in which the store created them
            await self._take_in(items)

    async def _delete(self, deletions: Sequence[DesiredChange]) -> None:
        try:
            await self._commit(deletions)
        except GenerationConflict:
            raise
        except StoreError as refused:
            await self.undurable.begin(deletions, refused)

    async def _take_in(self, items: Sequence[DesiredItem]) -> None:
        touched = set[str]()
        async for item in in_turns(items):
            touched |= self._assignment.absorb(item)
        self._assignment.wake(touched)
        async for item in in_turns(items):
            self._context.emit(Asked(item.link_id, item.generation, item.content is None, item.kind, item.uid))
        if gone := {item.key for item in items if item.content is None}:
            with suppress(StoreError):  # the panels are told already
                await self._assignment.keep_leaving(gone)

    # waiting

    async def _where(self, is_awaited: Callable[[Place, str], bool], items: Iterable[DesiredItem]) -> set[Target]:
        """The targets at which any of these is awaited."""
        found: set[Target] = set()
        async for item in in_turns(items):
            found.update(
                target
                for target in self._desired.targets(item.key)
                if target not in found and (place := self._assignment.place(target)) is not None and is_awaited(place, item.key)
            )
        return found

    def _are_gone(self, target: Target, deletions: Iterable[tuple[str, int]]) -> bool:
        """Whether a place was seen without all of these, of these generations."""
        return all(result.success for key, last in deletions for result in self._removals((target,), key, last))

    async def _wait(self, waiting: Mapping[Target, Enough], began: float) -> None:
        """Wait until each place is settled or has done enough, at most until the deadline."""
        places = {place: enough for target, enough in waiting.items() if (place := self._assignment.place(target)) is not None}
        if not places:
            return
        ticket = Ticket(len(places))
        for place, enough in places.items():
            place.settle(ticket, enough)
        await ticket.wait(began + self._context.options.deadline_s - self._context.clock.monotonic())

    # answers

    def _answer(self, asked: DesiredItem, change: Change) -> LinkReport:
        """What the panels say of what was asked for, not of what somebody else asked for since."""
        key, link_id = asked.key, asked.link_id
        now = self._desired.live.get(key)
        if now is None:
            results = _overtaken(self._desired.wanted(key), "overtaken: it was deleted meanwhile")
            return LinkReport(link_id, change, success=False, panels=results, uid=asked.uid)
        targets = self._desired.targets(key)
        if now.generation != asked.generation and now.content != asked.content:
            message = f"overtaken: generation {now.generation} was asked for meanwhile"
            return self._report(link_id, change, _overtaken(targets, message), asked.uid)
        places = (self._assignment.place(target) for target in targets)
        held = _each_for_itself(tuple([place.result(key) for place in places if place is not None]), now.identifier)
        results = (*held, *map(_missing, self._desired.missing(key)))
        full = any(not each.success for each in results) and all(each.success or _is_full(each) for each in results)
        return self._report(link_id, Change.NO_ROOM if full and asked.kind == IDENTIFIER else change, results, asked.uid)

    def _removals(self, targets: Iterable[Target], key: str, last: int) -> tuple[PanelResult, ...]:
        """What panels that were not taken out meanwhile say of a deletion, of generation `last`."""
        places = (self._assignment.place(target) for target in targets)
        return tuple([place.removal(key, last) for place in places if place is not None])

    def _report(self, link_id: str, change: Change, results: tuple[PanelResult, ...], uid: int = 0) -> LinkReport:
        return LinkReport(link_id, change, aggregate(results, self._context.options.aggregate), results, uid)


def _is_unsettled(place: Place, key: str) -> bool:
    """Whether an item is neither held nor refused yet."""
    return not place.is_settled(key)


def _is_midway(place: Place, key: str) -> bool:
    return place.is_midway(key)


def _missing(name: str) -> PanelResult:
    """A binding names what the site does not have: nobody will hold the item there."""
    return PanelResult(name, False, ItemState.PENDING, Reason.DEPARTED, f"the binding names {name}, which is not configured")


def _each_for_itself(results: tuple[PanelResult, ...], identifier: Identifier | None) -> tuple[PanelResult, ...]:
    """Each panel counts the entries at its own readers: who has few of them has them at each panel, and is told so."""
    if identifier is None or identifier.passes is None or len(results) < 2:
        return results
    said = f"{identifier.passes} entries at each of {len(results)} panels"
    return tuple([replace(each, message="; ".join(filter(None, (said, each.message)))) for each in results])


def _is_full(result: PanelResult) -> bool:
    return result.outcome is ItemState.REFUSED and result.reason is Reason.NO_FREE_SLOT


def _overtaken(targets: Collection[Target], message: str) -> tuple[PanelResult, ...]:
    """The results of places that will not hold the item any more."""
    return tuple([PanelResult(str(each), False, ItemState.PENDING, Reason.DEADLINE_PASSED, message) for each in targets])
