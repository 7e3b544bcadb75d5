"""What one panel shall hold and what is known of it, in memory; answers come from here and from nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from config.settings import PanelSettings
from drivers.contract import Availability, ItemOutcome, ItemState, PanelDriver, PanelImage, Reason
from gateway.fleet.panel.slots import Allocation, foreign, one_table
from gateway.fleet.results import PanelResult
from gateway.store.contract import DesiredItem, ObservedPanel, images

HELD = frozenset({ItemState.EXACT, ItemState.NARROWED, ItemState.MATERIALISED, ItemState.GATEWAY_HELD})
UNREACHABLE = {Availability.QUARANTINED: Reason.QUARANTINED, Availability.BUS_UNAVAILABLE: Reason.BUS_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended early. `permanent`: the panel itself said no, or did not keep what it acknowledged.

    `due`: nothing failed, it has to wait until then (the clock's monotonic seconds).
    """

    reason: Reason
    message: str | None = None
    permanent: bool = False
    due: float | None = None


AT_WORK = Failure(Reason.DEADLINE_PASSED, "not yet: the gateway is still at work on it")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image compiled ahead, and what it was compiled from: good as long as that is the same."""

    image: PanelImage
    bound: Mapping[str, DesiredItem]
    held: tuple[object, ...]
    compiled_at: float
    version: int | None = None
    """Of the panel's bindings; None while they are not durable."""


class PanelState:
    """Belongs to the event loop. The dispatcher changes what is `bound`, the reconciler what is `observed`."""

    def __init__(
        self,
        settings: PanelSettings,
        line: str,
        driver: PanelDriver,
        allocation: Allocation,
        observed: ObservedPanel,
        now: Callable[[], float],
        former: Collection[str] = (),
    ) -> None:
        self.settings = settings
        self.line = line
        self.driver = driver
        self.allocation: Allocation = allocation
        self.observed = observed
        self.former = frozenset(former)
        """link_ids that the panel may hold by what is stored of it under another model or other options: that stays in the
        store until the panel was read."""
        self._now = now
        self.bound: dict[str, DesiredItem] = {}
        self.version = 0
        """Rises whenever `bound` changes."""
        self.outputs: dict[int, dict[str, DesiredItem]] = {}
        """Output number -> the profiles bound to it."""
        self._asked_anew_at = 0.0
        """When all that is bound had to be compiled anew."""
        self.prepared: Prepared | None = None
        self.leaving: dict[str, float] = {}
        """link_ids that the panel may hold and shall not -> since when."""
        self.verdicts: dict[str, tuple[int, ItemOutcome]] = {}
        """Of what it does not hold: the generation, and what became of it."""
        self.failure: Failure | None = None
        """Why the last attempt failed as a whole."""
        self._certain = False
        self._clock_missing = False
        self._doubted_at = now()
        self.drifted = False
        self.clock_drift_ms: int | None = None
        self.law_until: int | None = None

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def certain(self) -> bool:
        """Whether `observed.image` was checked against the panel since the gateway started or the panel came back."""
        return self._certain

    @certain.setter
    def certain(self, value: bool) -> None:
        self._note_doubt(not value)
        self._certain = value

    @property
    def clock_missing(self) -> bool:
        """The panel's clock is unset or wrong and could not be set."""
        return self._clock_missing

    @clock_missing.setter
    def clock_missing(self, value: bool) -> None:
        self._note_doubt(value)
        self._clock_missing = value

    def _note_doubt(self, doubted: bool) -> None:
        """From when on the panel cannot be said to hold what it held."""
        if doubted and self._certain and not self._clock_missing:
            self._doubted_at = self._now()

    def foreign(self, bound: Collection[str] | None = None) -> frozenset[int]:
        """Used slots that are not ours to touch, with these link_ids bound to the panel (None: the present ones)."""
        image = self.observed.image
        bound = self.bound if bound is None else bound
        return frozenset() if image is None else foreign(image, bool(bound) and one_table(self.driver.capabilities))

    def images(self) -> tuple[PanelImage, ...]:
        """All that the panel may hold, as far as remembered: more than one while it is being written."""
        return images(self.observed)

    def unreachable(self) -> Failure | None:
        feed = self.driver.availability
        reason = UNREACHABLE.get(feed.current)
        return None if reason is None else Failure(reason, feed.cause)

    @property
    def failed(self) -> bool:
        """Whether the last attempt met a defect of the gateway."""
        return self.failure is not None and self.failure.reason is Reason.FAILED

    def silence(self) -> Failure | None:
        """Why the panel cannot be spoken to.

        The attempt that led to its quarantine says so in its own words; what is asked later is told of the quarantine.
        """
        away, failure = self.unreachable(), self.failure
        if away is None or away.reason is not Reason.QUARANTINED:
            return away
        return away if failure is None or failure.permanent or failure.due is not None else failure

    def remembered(self) -> frozenset[str]:
        """link_ids that the panel has slots for, or may hold, as far as remembered."""
        return self.former.union(self.allocation, *(image.allocation for image in self.images()))

    def doubted(self) -> bool:
        """Whether it may hold more than is remembered: it was written once, and what became of that is not known."""
        return bool(self.allocation or self.former) and (self.observed.image is None or self.observed.dirty)

    def forget_content(self) -> None:
        """Nothing that was known of the panel is built on until it is read again. Slots that it has not got belong to nobody."""
        slots = range(self.driver.capabilities.max_schedules)
        self.allocation = {link_id: held for link_id, held in self.allocation.items() if all(number in slots for number in held)}
        self.observed = replace(self.observed, image=None, possible=(), capacity={}, dirty=True)
        self.prepared, self.certain = None, False

    def may_carry(self, link_id: str) -> bool:
        """Whether the panel may hold slots of a link_id.

        A panel that was not looked at since the start may hold whatever was ever bound to it: what is remembered of it may be
        older than its last write.
        """
        images = self.images()
        return not self.certain or not images or any(image.allocation.get(link_id) for image in images)

    def holds(self, link_id: str) -> bool:
        """Whether the panel was seen to hold the present generation of what is bound."""
        wanted, image = self.bound.get(link_id), self.observed.image
        if wanted is None or image is None or not self.certain or self.clock_missing:
            return False
        outcome = image.outcomes.get(link_id)
        if outcome is None or outcome.outcome not in HELD or self._over(outcome):
            return False
        return self._carries(wanted)

    def _over(self, outcome: ItemOutcome) -> bool:
        """Whether the dates that were written have passed: the panel is closed since."""
        return outcome.valid_until is not None and outcome.valid_until <= self._now()

    def _carries(self, wanted: DesiredItem) -> bool:
        """Whether all that the panel may hold is of this generation."""
        images = self.images()
        return bool(images) and all(each.generations.get(wanted.link_id) == wanted.generation for each in images)

    def claim(self, link_id: str) -> None:
        """Slots that carry this link_id alone are ours."""

        def claimed(image: PanelImage) -> PanelImage:
            numbers = tuple(sorted(number for number, slot in image.slots.items() if slot.link_ids == (link_id,)))
            return replace(image, allocation={**image.allocation, link_id: numbers}) if numbers else image

        self._change_images(claimed)

    def disclaim(self, compiled_for: str) -> None:
        """What was compiled so far is no answer to what is asked now: slots may be there, whose generation nobody knows."""
        self.version += 1
        self._change_images(lambda image: replace(image, generations={}, outcomes={}))
        self.observed = replace(self.observed, compiled_for=compiled_for, compiled_at=0.0)
        self.verdicts.clear()
        self._asked_anew_at = self._now()

    def _change_images(self, change: Callable[[PanelImage], PanelImage]) -> None:
        observed = self.observed
        image = None if observed.image is None else change(observed.image)
        self.observed = replace(observed, image=image, possible=tuple([change(each) for each in observed.possible]))

    def renumber(self, before: DesiredItem, generation: int) -> None:
        """A new generation opens just when `before` does: what is known of the one is true of the other."""
        link_id = before.link_id

        def renumbered(image: PanelImage) -> PanelImage:
            if image.generations.get(link_id) != before.generation:
                return image
            return replace(image, generations={**image.generations, link_id: generation})

        self._change_images(renumbered)
        said, outcome = self.verdicts.get(link_id, (0, None))
        if outcome is not None and said == before.generation:
            self.verdicts[link_id] = (generation, outcome)

    def held_generation(self, link_id: str) -> int | None:
        """The newest generation of which the panel may hold slots, or which it holds without needing one."""
        found = [image.generations[link_id] for image in self.images() if link_id in image.generations]
        return max(found, default=None)

    def still_grants(self, link_id: str) -> int | None:
        """An older generation whose slots the panel may still carry; 0: slots of which the generation is not known."""
        wanted = self.bound.get(link_id)
        older = [
            image.generations.get(link_id, 0)
            for image in self.images()
            if image.allocation.get(link_id) and (wanted is None or image.generations.get(link_id, 0) < wanted.generation)
        ]
        return min(older, default=None)

    def result(self, link_id: str) -> PanelResult:
        """What this panel says of one link_id now: bound here, or on its way out."""
        wanted = self.bound.get(link_id)
        if wanted is None:
            return self.removal(link_id)
        image = self.observed.image
        if image is not None and self.holds(link_id):
            return told(self.id, image.outcomes[link_id], self.law_until)
        said, granted = told(self.id, self.lacking(link_id, wanted.generation)), self.still_grants(link_id)
        return said if granted is None else replace(said, still_grants=granted)

    def lacking(self, link_id: str, generation: int) -> ItemOutcome:
        """Why the panel does not hold a generation, as far as known."""
        said, outcome = self.verdicts.get(link_id, (0, None))
        if outcome is not None and said == generation and outcome.outcome is ItemState.REFUSED:
            return outcome
        failure = self.silence()
        if failure is None and self.failed:
            failure = self.failure
        if failure is None and self.clock_missing:
            failure = Failure(Reason.CLOCK_NOT_SET, "the panel's clock is not set")
        if failure is None and outcome is not None and said == generation:
            return outcome
        failure = failure or self.failure or AT_WORK
        return ItemOutcome(ItemState.PENDING, failure.reason, failure.message)

    def removal(self, link_id: str, last: int | None = None) -> PanelResult:
        """Whether the panel was seen without a link_id; `last`: what is newer than this generation is left out of account."""
        older = (
            image.allocation.get(link_id) and (last is None or image.generations.get(link_id, 0) <= last)
            for image in self.images()
        )
        if self.certain and not any(older):
            return PanelResult(self.id, True, ItemState.REMOVED)
        failure = self.silence() or self.failure or AT_WORK
        return PanelResult(
            self.id, False, ItemState.PENDING, failure.reason, failure.message, still_grants=self.still_grants(link_id)
        )

    def overdue(self, waiting: Iterable[str]) -> Iterator[tuple[float, bool]]:
        """Of what is on its way out, and of those bound ones that are neither held nor refused: since when, and whether the
        panel may grant too much by it."""
        for since in self.leaving.values():
            yield since, True
        for link_id in waiting:
            wanted = self.bound[link_id]
            yield max(wanted.changed_at, self._lacks_since(wanted)), self.still_grants(link_id) is not None

    def _lacks_since(self, wanted: DesiredItem) -> float:
        if not self._carries(wanted):
            return self._asked_anew_at
        outcome = self.images()[0].outcomes.get(wanted.link_id)
        if outcome is not None and outcome.valid_until is not None and self._over(outcome):
            return outcome.valid_until
        return self._doubted_at

    def refuses(self, link_id: str) -> bool:
        said, outcome = self.verdicts.get(link_id, (0, None))
        wanted = self.bound.get(link_id)
        refused = outcome is not None and outcome.outcome is ItemState.REFUSED
        return refused and wanted is not None and said == wanted.generation


@lru_cache(maxsize=4096)
def told(target: str, outcome: ItemOutcome, law_until: int | None = None) -> PanelResult:
    """An outcome in the words of an answer; `target` is a panel or a panel's output."""
    success = outcome.outcome in HELD or outcome.outcome is ItemState.REMOVED
    message = outcome.message or (outcome.refusal.message if outcome.refusal is not None else None)
    return PanelResult(
        panel=target,
        success=success,
        outcome=outcome.outcome,
        reason=None if success else outcome.reason,
        message=message,
        valid_until=outcome.valid_until,
        law_until=law_until,
        cuts=outcome.cuts,
    )
