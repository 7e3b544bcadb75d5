"""One request: what it asks is made durable, then it waits until every panel concerned is settled. Others do the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from drivers.contract import ItemState, Reason
from gateway.concurrency import Ticket, in_turns
from gateway.fleet.context import FleetContext
from gateway.fleet.desired import Desired, same_times, split_target
from gateway.fleet.events import Asked
from gateway.fleet.panel.compilation import compile_ahead, keep_prepared, kept_allocation
from gateway.fleet.panel.outputs import OutputKeeper
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.slots import Allocation
from gateway.fleet.panel.state import Prepared
from gateway.fleet.results import Change, LinkReport, PanelResult, aggregate
from gateway.fleet.views import RequestItem
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import DesiredChange, DesiredItem, GenerationConflict

_CONFLICTS = 5
_NOT_YET = 2**62
_AHEAD = 8192
"""Profiles, panel by panel, that are compiled before a request is durable."""
_AHEAD_S = 0.5
"""So long at most: who asks for something else waits meanwhile, revocations too."""


class Dispatcher:
    def __init__(
        self,
        desired: Desired,
        context: FleetContext,
        workers: Mapping[str, Reconciler],
        outputs: Mapping[str, OutputKeeper],
        wake: Callable[[Iterable[str]], None],
        forget: Callable[[Iterable[str]], None],
    ) -> None:
        self._desired = desired
        self._context = context
        self._workers = workers
        self._outputs = outputs
        self._wake = wake
        self._forget = forget

    async def upsert(self, items: Sequence[RequestItem]) -> tuple[LinkReport, ...]:
        """Ask for profiles. Unchanged content makes no new generation and sends nothing. Raises StoreError."""
        began = self._context.clock.monotonic()
        asked, created = await self._make_durable(items)
        await self._wait(await self._open_targets(asked), began)
        return tuple(
            [
                self._answer(profile, Change.CREATED if profile.link_id in created else Change.UPDATED)
                async for profile in in_turns(asked)
            ]
        )

    async def delete(self, link_ids: Sequence[str]) -> tuple[LinkReport, ...]:
        """Ask for profiles to go. A tombstone stays until every panel that may hold it was seen without. Raises StoreError."""
        began = self._context.clock.monotonic()
        concerned: dict[str, tuple[str, ...]] = {}
        async with self._context.write_lock:
            found = [link_id for link_id in dict.fromkeys(link_ids) if link_id in self._desired.live]
            async for link_id in in_turns(found):
                bound = self._desired.targets(link_id)
                carriers = self._desired.carriers(link_id).intersection(self._desired.panels)
                concerned[link_id] = bound + tuple(sorted(carriers.difference(bound)))
            await self._commit([(link_id, None, "") for link_id in found], {})
            gone = {link_id: self._desired.generation(link_id) for link_id in found}
        places: set[str] = set()
        async for link_id, last in in_turns(gone.items()):
            fresh = [place for place in concerned[link_id] if place not in places and self._exists(place)]
            places.update(place for place in fresh if not self._removed(place, link_id, last).success)
        await self._wait(places, began)
        reports = []
        async for link_id in in_turns(link_ids):
            said = gone.pop(link_id, None)
            if said is None:
                reports.append(LinkReport(link_id, Change.NOT_FOUND, success=False))
            else:
                results = tuple(self._removed(place, link_id, said) for place in concerned[link_id] if self._exists(place))
                reports.append(self._report(link_id, Change.DELETED, results))
        return tuple(reports)

    # durable

    def _is_new(self, item: RequestItem) -> bool:
        known = self._desired.live.get(item.profile.link_id)
        return known is None or known.profile != item.profile or known.body != item.body

    def _keeps_its_times(self, item: RequestItem) -> bool:
        known = self._desired.live.get(item.profile.link_id)
        return known is not None and same_times(known.profile, item.profile)

    async def _make_durable(self, items: Sequence[RequestItem]) -> tuple[list[DesiredItem], Collection[str]]:
        """What is desired of these items now, and which of their link_ids came to be by them."""
        async with self._context.write_lock:
            changed = [item async for item in in_turns(items) if self._is_new(item)]
            prepared = await self._compile([item async for item in in_turns(changed) if not self._keeps_its_times(item)])
            wanted = [(item.profile.link_id, item.profile, item.body) for item in changed]
            created = await self._commit(wanted, self._reserve(prepared))
            for panel, image in prepared.items():
                keep_prepared(self._desired.panels[panel], image)
            return [self._desired.live[item.profile.link_id] for item in items], created

    async def _commit(
        self, wanted: Sequence[tuple[str, TimeProfile | None, str]], allocations: Mapping[str, Allocation]
    ) -> Collection[str]:
        """One transaction with the slots; met by somebody else's change, it is made again on top of that.

        Returns the link_ids that were not live before.
        """
        context, desired = self._context, self._desired
        if not wanted:
            return ()
        for attempt in range(_CONFLICTS):
            missing = {link for link, _, _ in wanted if link not in desired.live}
            changes = [DesiredChange(link, desired.generation(link), profile, body) for link, profile, body in wanted]
            try:
                done = await context.store.put_desired(changes, allocations, context.now())
                break
            except GenerationConflict:
                if attempt + 1 == _CONFLICTS:
                    raise
                await self._absorb(await context.store.changes(desired.revision))
        for panel, allocation in allocations.items():
            desired.panels[panel].allocation = allocation
        await self._absorb(done)
        self._forget(desired.forgettable([profile.link_id for profile in done]))
        async for profile in in_turns(done):
            context.emit(Asked(profile.link_id, profile.generation, profile.profile is None))
        return missing

    async def _absorb(self, profiles: Sequence[DesiredItem]) -> None:
        now, touched = self._context.clock.wall(), set[str]()
        async for profile in in_turns(profiles):
            touched |= self._desired.absorb((profile,), now)
        self._wake(touched)

    async def _compile(self, items: Sequence[RequestItem]) -> dict[str, Prepared]:
        """Panels concerned whose content is known, as they will be with these items: so that their slots are durable with them.

        What is too much for that is left to the panels' workers, which choose the slots later.
        """
        coming: dict[str, dict[str, DesiredItem]] = {}
        async for place, item in in_turns(enumerate(items)):
            profile = self.provisional(item, place)
            for target in self._desired.wanted(profile.link_id):
                panel, output = split_target(target)
                if output is None and self._desired.panels[panel].observed.image is not None:
                    coming.setdefault(panel, {})[profile.link_id] = profile
        prepared: dict[str, Prepared] = {}
        if sum(map(len, coming.values())) > _AHEAD:
            return prepared
        until = asyncio.get_running_loop().time() + _AHEAD_S
        for place, (panel, profiles) in enumerate(coming.items()):
            if asyncio.get_running_loop().time() > until:
                break
            if place:
                await asyncio.sleep(0)
            try:
                ahead = compile_ahead(self._desired.panels[panel], self._context, profiles)
            except Exception as defect:
                self._workers[panel].report(defect)
                continue
            if ahead is not None:
                prepared[panel] = ahead
        return prepared

    def _reserve(self, prepared: Mapping[str, Prepared]) -> dict[str, Allocation]:
        """The slots of these panels, where they are others than before."""
        allocations: dict[str, Allocation] = {}
        for panel, ahead in prepared.items():
            state = self._desired.panels[panel]
            allocation = kept_allocation(state, ahead.image.allocation, self._desired)
            if allocation != state.allocation:
                allocations[panel] = allocation
        return allocations

    def provisional(self, item: RequestItem, place: int) -> DesiredItem:
        link_id = item.profile.link_id
        known = self._desired.live.get(link_id)
        sequence = known.sequence if known is not None else _NOT_YET + place
        generation = self._desired.generation(link_id) + 1
        return DesiredItem(link_id, sequence, generation, 0, item.profile, "", 0.0)

    # waiting

    async def _open_targets(self, profiles: Sequence[DesiredItem]) -> set[str]:
        """Where any of these is neither held nor refused yet."""
        targets: set[str] = set()
        async for profile in in_turns(profiles):
            link_id = profile.link_id
            targets.update(
                target for target in self._desired.targets(link_id) if target not in targets and self._is_open(target, link_id)
            )
        return targets

    def _is_open(self, target: str, link_id: str) -> bool:
        panel, output = split_target(target)
        if output is not None:
            return not self._outputs[panel].is_settled(output, link_id)
        state = self._desired.panels[panel]
        return not state.holds(link_id) and not state.refuses(link_id)

    async def _wait(self, places: Collection[str], began: float) -> None:
        if not places:
            return
        split = {split_target(place) for place in places if self._exists(place)}
        panels = {panel for panel, output in split if output is None}
        keepers: dict[str, set[int]] = {}
        for panel, output in split:
            if output is not None:
                keepers.setdefault(panel, set()).add(output)
        ticket = Ticket(len(panels) + len(keepers))
        for panel in panels:
            self._workers[panel].settle(ticket)
        for panel, outputs in keepers.items():
            self._outputs[panel].settle(ticket, outputs)
        await ticket.wait(began + self._context.options.deadline_s - self._context.clock.monotonic())

    # answers

    def _answer(self, asked: DesiredItem, change: Change) -> LinkReport:
        """Of what was asked for, not of what somebody else asked for since."""
        link_id = asked.link_id
        now = self._desired.live.get(link_id)
        if now is None:
            results = _overtaken(self._desired.wanted(link_id), "overtaken: it is deleted meanwhile")
            return LinkReport(link_id, change, success=False, panels=results)
        if now.generation != asked.generation and now.profile != asked.profile:
            message = f"overtaken: generation {now.generation} is asked for meanwhile"
            return self._report(link_id, change, _overtaken(self._desired.targets(link_id), message))
        return self._report(link_id, change, self._results(link_id))

    def _results(self, link_id: str) -> tuple[PanelResult, ...]:
        return tuple([self._result(target, link_id) for target in self._desired.targets(link_id)])

    def _exists(self, target: str) -> bool:
        """Whether the panel was not taken out of the configuration meanwhile."""
        return split_target(target)[0] in self._desired.panels

    def _result(self, target: str, link_id: str) -> PanelResult:
        panel, output = split_target(target)
        if output is not None:
            return self._outputs[panel].result(output, link_id)
        return self._desired.panels[panel].result(link_id)

    def _removed(self, target: str, link_id: str, last: int) -> PanelResult:
        """What a panel or output says of a deletion, of generation `last`. What was asked for since is no part of it."""
        panel, output = split_target(target)
        if output is None:
            return self._desired.panels[panel].removal(link_id, last)
        result = self._outputs[panel].result(output, link_id)
        return replace(result, outcome=ItemState.REMOVED) if result.success else result

    def _report(self, link_id: str, change: Change, results: tuple[PanelResult, ...]) -> LinkReport:
        return LinkReport(link_id, change, aggregate(results, self._context.options.aggregate), results)


def _overtaken(targets: Collection[str], message: str) -> tuple[PanelResult, ...]:
    """Nobody will hold it any more."""
    return tuple([PanelResult(each, False, ItemState.PENDING, Reason.DEADLINE_PASSED, message) for each in targets])
