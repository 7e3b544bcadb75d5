"""A panel's table of schedules as a place where items are bound: what it says of each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from drivers.contract import ItemOutcome, ItemState, PanelImage, Reason, is_identifier, set_key
from gateway.compiler.explain import Explanation, explain
from gateway.compiler.explain_identifier import explain_identifier, lets_in
from gateway.compiler.image import is_open
from gateway.compiler.outcome import HELD
from gateway.compiler.sets import names_set, set_generation
from gateway.concurrency import Ticket, in_turns
from gateway.fleet.context import FleetContext
from gateway.fleet.panel import clocks
from gateway.fleet.panel.compilation import compile_asked, compile_bound
from gateway.fleet.panel.days import days_of
from gateway.fleet.panel.failure import AT_WORK, CLOCK_NOT_SET, Failure
from gateway.fleet.panel.opening import granted_text, granting
from gateway.fleet.panel.place import Enough, PlaceDays, PlacePlan, staying, told
from gateway.fleet.panel.reconciler import Reconciler
from gateway.fleet.panel.state import PanelState
from gateway.fleet.results import PanelResult
from gateway.fleet.target import Target
from gateway.fleet.views import ExplainPanel, PlanItemPanel, PlanPanel
from gateway.store.contract import DesiredItem

_ANOTHER_DEVICE = frozenset({Reason.WRONG_DEVICE, Reason.IDENTITY_CHANGED})
_GIVEN_UP = ItemOutcome(ItemState.REFUSED, Reason.PANEL_REJECTED, "given up after refusals")


class Table:
    """The place of what is bound to a whole panel; see `place.Place`."""

    def __init__(self, state: PanelState, context: FleetContext, reconciler: Reconciler) -> None:
        self._state = state
        self._context = context
        self._reconciler = reconciler
        self._target = Target(state.id)

    def bind(self, item: DesiredItem) -> None:
        self._state.bind(item)

    def unbind(self, key: str, now: float) -> None:
        self._state.unbind(key, now)

    def settle(self, ticket: Ticket, enough: Enough) -> None:
        self._reconciler.settle(ticket, enough)

    # what it says of an item

    def is_settled(self, key: str) -> bool:
        return self.holds(key) or self.refuses(key)

    def holds(self, key: str) -> bool:
        """Whether the panel was seen to hold the present generation of what is bound."""
        return self._is_sure() and self._holds_whole(key)

    def _is_sure(self) -> bool:
        """Whether the panel is known to act by what it was seen to hold."""
        return self._state.certain and not self._state.clock_missing and self._context.trust.trusted()

    def lacking(self) -> list[str]:
        """What is bound and not held; of a panel that cannot be spoken to, what was not held when it was seen last."""
        bound = self._state.bound
        if self._state.unreachable() is not None:
            return [key for key in bound if not self.held_last(key)]
        if not self._is_sure():
            return list(bound)
        return [key for key in bound if not self._holds_whole(key)]

    def _holds_whole(self, key: str) -> bool:
        """Whether a panel that is sure holds that, and no part of it is being written."""
        return self._held_whole(key) is not None

    def _held_whole(self, key: str) -> ItemOutcome | None:
        """How a panel that is sure holds that; None: it does not, or a part of it is being written."""
        return None if self._state.is_midway(key) else self._held_last(key)

    def is_midway(self, key: str) -> bool:
        return self._state.is_midway(key) and self.held_last(key)

    def held_last(self, key: str) -> bool:
        """Whether it held that when it was seen last."""
        return self._held_last(key) is not None

    def _held_last(self, key: str) -> ItemOutcome | None:
        """How it held that when it was seen last; None: it did not."""
        wanted, images = self._state.bound.get(key), self._state.images()
        if wanted is None or not _are_of(images, wanted):
            return None
        outcome = images[0].outcomes.get(key)
        if outcome is None or outcome.outcome not in HELD or self._over(outcome):
            return None
        named = wanted.identifier
        is_whole = self._is_referred_to(key) if named is None else self._carries_named(named.profiles or ())
        return outcome if is_whole else None

    def _is_referred_to(self, key: str) -> bool:
        """Whether the identifiers that name a time profile refer to the slot that it has now."""
        named_by = self._context.ours.naming(key)
        if not named_by:
            return True
        image, bound = self._state.images()[0], self._state.bound
        naming = (item for each in named_by if (item := bound.get(each)) is not None)
        return all(self._refers(item, key) for item in naming if image.generations.get(item.key) == item.generation)

    def _refers(self, item: DesiredItem, key: str) -> bool:
        """Whether an identifier refers to the slot of a profile that it names, or of the set that this is a member of."""
        image, named = self._state.images()[0], () if item.identifier is None else item.identifier.profiles or ()
        together = names_set(named, self._state.driver.capabilities)
        meant = set_key(named) if together else key
        numbers, outcome = image.allocation.get(meant), image.outcomes.get(meant)
        if not numbers:
            return True
        if together and outcome is not None and outcome.outcome in HELD and not self._carries_named(named):
            return False
        slots = (image.identifiers[number] for number in image.allocation.get(item.key, ()))
        return all(slot.schedules is None or numbers[0] in slot.schedules for slot in slots)

    def _carries_named(self, named: Sequence[str]) -> bool:
        """Whether all that the panel may hold of these profiles, or of the set of them, is of the present generations, and
        nothing of those that are bound to it no more: who names them would still be let in."""
        images = self._state.images()
        bound = {each: item for each in named if (item := self._state.bound.get(each)) is not None}
        if not names_set(named, self._state.driver.capabilities):
            gone = [each for each in named if each not in bound] if len(bound) < len(named) else ()
            left = any(each in image.generations for each in gone for image in images)
            return not left and all(self._carries(item) for item in bound.values())
        if not bound:
            return not any(set_key(named) in image.generations for image in images)
        wanted = set_generation({each: item.generation for each, item in bound.items()})
        return all(image.generations.get(set_key(named)) == wanted for image in images)

    def last_seen(self, key: str) -> PanelResult:
        held = None if self._state.unreachable() is None else self._held_last(key)
        return self.result(key) if held is None else told(self._target, held, self._state.law_until)

    def _over(self, outcome: ItemOutcome) -> bool:
        """Whether the dates that were written have passed: the panel is closed since."""
        return outcome.valid_until is not None and outcome.valid_until <= self._context.now()

    def _carries(self, wanted: DesiredItem) -> bool:
        """Whether all that the panel may hold is of this generation."""
        return _are_of(self._state.images(), wanted)

    def refuses(self, key: str) -> bool:
        said, outcome = self._state.verdicts.get(key, (None, None))
        wanted = self._state.bound.get(key)
        refused = outcome is not None and outcome.outcome is ItemState.REFUSED
        return refused and wanted is not None and said == wanted.generation

    def result(self, key: str) -> PanelResult:
        wanted = self._state.bound.get(key)
        if wanted is None:
            return self._removed(key, None)
        held = self._held_whole(key) if self._is_sure() else None
        if held is not None:
            return told(self._target, held, self._state.law_until)
        return self._granting(told(self._target, self._lacking(wanted)), key)

    def _granting(self, said: PanelResult, key: str) -> PanelResult:
        """The result with what the panel may still open for an item."""
        found = self._granted(key)
        by_days = self._state.driver.capabilities.identifier_validity == "day"
        return granting(said, found, key, self._context.options.readings.zone, by_days=by_days) if found else said

    def _lacking(self, wanted: DesiredItem) -> ItemOutcome:
        """Why the panel does not hold it, as far as known."""
        state = self._state
        said, outcome = state.verdicts.get(wanted.key, (None, None))
        if outcome is not None and said == wanted.generation and outcome.outcome is ItemState.REFUSED:
            return outcome
        failure = self._silence() or (state.failure if state.failed or self._is_another_device() else self.closed())
        if failure is None and outcome is not None and said == wanted.generation:
            return outcome
        failure = failure or state.failure or AT_WORK
        return ItemOutcome(ItemState.PENDING, failure.reason, failure.message)

    def _is_another_device(self) -> bool:
        failure = self._state.failure
        return failure is not None and failure.reason in _ANOTHER_DEVICE

    def closed(self) -> Failure | None:
        """Why nothing can be opened on the panel, whatever is asked; None: it can."""
        missing = (self._state.clock_withheld or CLOCK_NOT_SET) if self._state.clock_missing else None
        return self._context.closed() or missing

    def removal(self, key: str, last: int) -> PanelResult:
        return self._removed(key, last)

    def _removed(self, key: str, last: int | None) -> PanelResult:
        """Whether the panel was seen without an item; `last` None: whatever its generation."""
        older = (
            image.allocation.get(key) and (last is None or image.generations.get(key, 0) <= last)
            for image in self._state.images()
        )
        if self._state.certain and not any(older):
            return told(self._target, ItemOutcome(ItemState.REMOVED))
        failure = self._silence() or self._state.failure or AT_WORK
        return self._granting(told(self._target, ItemOutcome(ItemState.PENDING, failure.reason, failure.message)), key)

    def _silence(self) -> Failure | None:
        """Why the panel cannot be spoken to.

        The attempt that led to its quarantine says so in its own words; what is asked later is told of the quarantine.
        """
        away, failure = self._state.unreachable(), self._state.failure
        if away is None or away.reason is not Reason.QUARANTINED:
            return away
        return away if failure is None or failure.permanent or failure.due is not None else failure

    def held_generation(self, key: str) -> int | None:
        """The generation that the panel holds, or held when it was seen last; None: none, or nobody knows whether it got it."""
        found = [image.generations.get(key) for image in self._state.images()]
        return found[0] if found and all(each == found[0] for each in found) else None

    def still_grants(self, key: str) -> int | None:
        """An older generation whose slots the panel may still carry; 0: slots of which the generation is not known."""
        return min([image.generations.get(key, 0) for image in self._granted(key)], default=None)

    def _granted(self, key: str) -> list[PanelImage]:
        """What the panel may hold with slots of an older generation."""
        wanted = self._state.bound.get(key)
        return [
            image
            for image in self._state.images()
            if image.allocation.get(key) and (wanted is None or image.generations.get(key, 0) < wanted.generation)
        ]

    def overdue(self, waiting: Iterable[str]) -> Iterator[tuple[float, bool]]:
        """Since when the panel should have dropped what is on its way out and taken what is bound and neither held nor refused,
        and whether it may grant too much by it."""
        for since in self._state.leaving.values():
            yield since, True
        for key in waiting:
            wanted = self._state.bound[key]
            yield max(wanted.changed_at, self._lacks_since(wanted)), self.still_grants(key) is not None

    def _lacks_since(self, wanted: DesiredItem) -> float:
        state = self._state
        if not self._carries(wanted):
            return state.asked_anew_at
        outcome = state.images()[0].outcomes.get(wanted.key)
        if outcome is not None and outcome.valid_until is not None and self._over(outcome):
            return outcome.valid_until
        return state.in_doubt_since

    # questions

    async def plan(self, coming: Mapping[str, DesiredItem], live: Collection[str] = ()) -> PlacePlan:
        state = self._state
        removed = {key: self._planned_removal(key) for key, item in coming.items() if item.content is None}
        staying_on = [key for key in coming if key not in removed]
        timeless = self._context.timeless()
        if timeless is not None:
            said = PlanItemPanel(state.id, ItemState.PENDING, None, (), timeless.reason, timeless.message, 0)
            return PlacePlan({**dict.fromkeys(staying_on, said), **removed})
        image = await compile_bound(state, self._context, coming, live)
        plan = state.driver.plan(image, state.image or PanelImage())
        note = None if state.image is not None else "what the panel holds is not known: planned as if it were empty"
        cells = {key: self._planned(image, key, note) async for key in in_turns(staying_on)} | removed
        frames = tuple(frame.hex().upper() for frame in plan.frames)
        cost = PlanPanel(state.id, state.line, plan.words, frames, plan.bytes_on_wire, plan.wire_ms, plan.commits)
        return PlacePlan(cells, cost)

    def _planned(self, image: PanelImage, key: str, note: str | None) -> PlanItemPanel:
        outcome = image.outcomes.get(key, _GIVEN_UP)
        message = outcome.message or (outcome.refusal.message if outcome.refusal is not None else None)
        said = "; ".join(text for text in (message, note) if text) or None
        slots = len(image.allocation.get(key, ()))
        return PlanItemPanel(self._state.id, outcome.outcome, outcome.valid_until, outcome.cuts, outcome.reason, said, slots)

    def _planned_removal(self, key: str) -> PlanItemPanel:
        """What a deletion would take away here; of a panel that is away, what it goes on opening."""
        images = self._state.images()
        found, away = [image for image in images if image.allocation.get(key)], self._silence()
        if away is not None:
            said = told(self._target, ItemOutcome(ItemState.PENDING, away.reason, away.message))
            zone = self._context.options.readings.zone
            return staying(granting(said, found, key, zone) if found else said)
        opens = " or ".join(dict.fromkeys(granted_text(image, key) or "never" for image in found))
        held = f"no longer grants {opens}" if found else "holds nothing of it"
        message = held if images else "what the panel holds is not known: it is looked at first"
        return PlanItemPanel(self._state.id, ItemState.REMOVED, None, (), None, message, 0)

    async def explain(self, item: DesiredItem, at: int, *, asked: bool) -> ExplainPanel:
        state = self._state
        if item.content is None or item.key not in state.bound:  # it may still be open
            return self._explain_gone(item, at)
        timeless = self._context.timeless()
        if timeless is not None:
            held = self._explained(item, at, asked, PanelImage()).held
            return ExplainPanel(state.id, None, held, None, timeless.message)
        image = await compile_asked(state, self._context, item)
        said = self._explained(item, at, asked, image)
        message = said.message
        if item.key not in image.outcomes:
            message = "given up after refusals"
        elif said.held is None and said.differs_at is None:
            message = "what the panel holds is not known"
        return ExplainPanel(state.id, said.compiled, said.held, said.differs_at, message)

    async def days(self, item: DesiredItem, first: int, count: int) -> PlaceDays:
        return await days_of(self._state, self._context, item, first, count)

    def _explain_gone(self, item: DesiredItem, at: int) -> ExplainPanel:
        answers = {self._opens(image, item.key, at) for image in self._state.images()}
        held = answers.pop() if len(answers) == 1 else None
        message = "not bound to this panel" if item.content is not None else "deleted"
        text = self.removal(item.key, item.generation).still_grants_text
        message += "" if text is None else f"; the panel may still open {text}"
        return ExplainPanel(self._state.id, None, held, "held" if held else None, message)

    def _opens(self, image: PanelImage, key: str, at: int) -> bool:
        capabilities, minute = self._state.driver.capabilities, clocks.local_minute(self._context.options.readings.zone, at)
        if is_identifier(key):
            return lets_in(image, capabilities, key, at // 60, minute)
        return is_open(image, capabilities, minute, key)

    def _explained(self, wanted: DesiredItem, at: int, asked: bool, image: PanelImage) -> Explanation:
        """Where the images that a panel may hold disagree, what it holds is unknown."""
        answers = [self._explained_by(wanted, at, asked, image, held) for held in self._state.images() or (None,)]
        if any(each.held != answers[0].held for each in answers):
            return self._explained_by(wanted, at, asked, image, None)
        return answers[0]

    def _explained_by(self, wanted: DesiredItem, at: int, asked: bool, image: PanelImage, held: PanelImage | None) -> Explanation:
        readings, capabilities = self._context.options.readings, self._state.driver.capabilities
        if wanted.profile is not None:
            return explain(wanted.profile, readings, at, image, held, capabilities)
        return explain_identifier(wanted.key, asked, readings, at, image, held, capabilities)


def _are_of(images: Sequence[PanelImage], wanted: DesiredItem) -> bool:
    """Whether there is an image, and all that there are have an item in this generation."""
    for each in images:  # asked for each item and panel of a request: no generator for what is one image nearly always
        if each.generations.get(wanted.key) != wanted.generation:
            return False
    return bool(images)
