"""Finding out whether the unit at a panel's place is the panel, before anything is written to it."""

from __future__ import annotations

from collections.abc import Collection

from config.settings import PanelSettings, serial_number
from drivers.contract import Acknowledgement, Outcome, PanelImage, Priority, Reason
from gateway.fleet.context import FleetContext
from gateway.fleet.events import Doubted, Replaced, Strange
from gateway.fleet.panel.entries import FACT as ENTRIES
from gateway.fleet.panel.entries import text_of
from gateway.fleet.panel.failure import Failure, failure_of
from gateway.fleet.panel.identity import Neighbour, holds_same, judge, met_twice
from gateway.fleet.panel.planner import erase
from gateway.fleet.panel.slots import adopt
from gateway.fleet.panel.state import PanelState

_ASKED_AGAIN_S = 2.0
"""How often a unit is asked that waits for its neighbours."""


class Identification:
    """One panel's. Leaves what it finds in the panel's `identity`; what has to outlast a restart is durable first.

    Methods return why the unit cannot be taken for the panel; they raise StoreError.
    """

    def __init__(self, state: PanelState, context: FleetContext) -> None:
        self._state = state
        self._context = context

    async def check(self, priority: Priority) -> Failure | None:
        """Identify the unit by its serial number. A unit without one counts as the panel until its content says otherwise."""
        state, identity = self._state, self._state.identity
        identity.connection, identity.asked_at = state.driver.connection, self._context.clock.monotonic()
        identity.checked = False  # a command to a door must not leave before the verdict is durable
        said = await state.driver.identity(priority, None)
        if isinstance(said, Acknowledgement):
            identity.forget()
            return failure_of(said)
        found = None if said.serial is None else serial_number(said.serial)
        known, fixed = identity.serial, _fixed(state.settings)
        neighbours = self._numbered(found, known)
        identity.read(found, numbered=fixed is not None or (found is not None and not met_twice(found, known, neighbours)))
        judged = judge(found, known, fixed, neighbours, met=identity.where is not None)
        if judged.another is None:
            state.identified(said)
            is_named_anew = known is not None and found != known
            return await (self._replaced(found) if is_named_anew else self._same(found))
        if judged.replaceable and state.settings.on_replacement == "fill":
            read = await state.driver.read_back(priority, None)
            if isinstance(read, Acknowledgement):
                return failure_of(read)
            if not read.slots and not read.identifiers:
                awaiting = self._awaiting(judged.another)
                if awaiting is not None:
                    return awaiting
                state.identified(said)
                return await self._replaced(found)
        return await self._stranger(judged.another, None, priority)

    def _awaiting(self, why: str) -> Failure | None:
        """Why an empty unit is not filled yet: the panel's own may answer at the place of a neighbour that was not asked."""
        state = self._state
        awaited, left_s = state.identity.awaits(state.observed.model, self._neighbours())
        if not awaited:
            return None
        names = awaited[0] if len(awaited) == 1 else f"{awaited[0]} and {len(awaited) - 1} more"
        told = f"{why}; it is empty, and is filled as the successor when {names} said which unit is there, or after five minutes"
        state.identity.refused(told)
        now = self._context.clock.monotonic()
        return Failure(Reason.IDENTITY_CHANGED, told, due=now + min(_ASKED_AGAIN_S, left_s))

    async def _same(self, found: str | None) -> Failure | None:
        identity = self._state.identity
        await self._keep("serial", found)
        if not identity.numbered and identity.stranger is not None:
            return None  # its content decides
        await self._recognise(found)
        return None

    async def _replaced(self, found: str | None) -> Failure | None:
        state, before = self._state, self._state.identity.serial
        await self._keep("serial", found)
        state.another_unit()
        if state.spent:
            await self._keep(ENTRIES, text_of(state.spent))
        await self._recognise(found)
        state.identity.note = f"replaced: serial number {before or 'unknown'} before, {found or 'none'} now"
        self._context.emit(Replaced(state.id, before, found))
        return None

    async def _recognise(self, serial: str | None) -> None:
        state = self._state
        where = f"{state.line} {state.settings.unit}"
        await self._keep("stranger", None)
        await self._keep("where", where)
        state.identity.where = where
        for each in self._numbered(serial):
            if each.departed:
                await self._context.moved(each.id, state.id)
        state.identity.recognised(serial)

    # without a number

    async def compare(self, read: PanelImage, known: PanelImage | None, priority: Priority) -> Failure | None:
        """Identify a unit without a number by what it was read to hold; `known`: the image of the panel's own that equals it."""
        state, identity = self._state, self._state.identity
        own = known is not None or any(self._same_content(image, read) for image in state.images())
        if own or identity.numbered or identity.compared or identity.accepted:
            await self.recognised()
            return None
        held = await self._owner(read, priority)
        if isinstance(held, Acknowledgement):
            return failure_of(held)
        if held is not None and not self._is_asked(held[1]):
            owner, image = held
            why = f"the unit holds exactly what {owner.id} was last seen to hold: are the ports swapped?"
            return await self._stranger(why, image, priority)
        if identity.stranger is not None:
            return await self._stranger(identity.stranger, None, priority)
        if state.images() and not state.to_be_read:
            identity.note = "the unit holds something other than what the panel was last seen to hold, and has no serial number"
            self._context.emit(Doubted(state.id, identity.note))
        await self.recognised()
        return None

    async def _owner(self, read: PanelImage, priority: Priority) -> tuple[Neighbour, PanelImage] | Acknowledgement | None:
        """The panel that was last seen to hold exactly what was read, with that. Nothing of ours is no evidence."""
        readable = all(slot.opaque is None for slot in read.slots.values())
        for each in self._alike():
            for image in each.images:
                if not any(image.allocation.values()):
                    continue
                if self._same_content(image, read):
                    return each, image
                same = False if readable else await self._state.driver.quick_look(image, priority, None)
                if isinstance(same, Acknowledgement):
                    return same
                if same:
                    return each, image
        return None

    def _same_content(self, image: PanelImage, read: PanelImage) -> bool:
        """A driver may have to write words again that are right: what is the same is compared too."""
        return holds_same(image, read) or self._state.driver.plan(image, read).empty

    def _is_asked(self, image: PanelImage) -> bool:
        """Whether an image is what the panel is asked to hold: then it does not matter whose it is."""
        return {key: item.generation for key, item in self._state.bound.items()} == image.generations

    async def recognised(self) -> None:
        """Take the unit for the panel: nothing that it holds speaks against it."""
        identity = self._state.identity
        if identity.stranger is not None:
            await self._recognise(identity.serial)
        identity.settled()

    # another unit

    async def _stranger(self, why: str, holds: PanelImage | None, priority: Priority) -> Failure:
        """`holds`: what the unit holds, where that is known."""
        state = self._state
        if why != state.identity.stranger:
            await self._keep("stranger", why)
            self._context.emit(Strange(state.id, why))
        state.identity.refused(why)
        failure = Failure(Reason.IDENTITY_CHANGED, f"{why} (`panel-gateway accept {state.id}` takes it for {state.id})", True)
        return await self._take_away(holds, priority) or failure

    async def _take_away(self, holds: PanelImage | None, priority: Priority) -> Failure | None:
        """What was deleted is erased from whatever unit says that it holds it."""
        state, deleted = self._state, self._context.deleted
        if not deleted:
            return None
        if holds is None:
            read = await state.driver.read_back(priority, None)
            if isinstance(read, Acknowledgement):
                return failure_of(read)
            holds = adopt(read, (), {}, self._context.ours, self._context.ours.owner)
        plan = state.driver.plan(erase(holds, [key for key in holds.allocation if key in deleted]), holds)
        if plan.empty:
            return None
        said = await state.driver.apply(plan, Priority.REVOCATION, None)
        return None if said.outcome is Outcome.ACKNOWLEDGED else failure_of(said)

    def _neighbours(self) -> list[Neighbour]:
        return [each for each in self._context.neighbours() if each.id != self._state.id]

    def _numbered(self, *numbers: str | None) -> list[Neighbour]:
        known = {number for number in numbers if number is not None}
        return [each for each in self._context.numbered(known) if each.id != self._state.id]

    def _alike(self) -> Collection[Neighbour]:
        """The panels whose content can be compared."""
        observed = self._state.observed
        return [each for each in self._neighbours() if each.kind == (observed.model, observed.options)]

    async def _keep(self, fact: str, value: str | None) -> None:
        """Durable, where that is news."""
        if value != self._state.identity.facts().get(fact):
            await self._context.store.put_panel_fact(self._state.id, fact, value, self._context.now())


def _fixed(settings: PanelSettings) -> str | None:
    return None if settings.serial is None else serial_number(settings.serial)
