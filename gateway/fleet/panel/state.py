"""What one panel must hold and what is known of it, in memory. All of it is written here and nowhere else, by the verbs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from config.settings import PanelSettings
from drivers.contract import (
    Allocation,
    Availability,
    ItemOutcome,
    ItemState,
    PanelDriver,
    PanelIdentity,
    PanelImage,
    PanelStatus,
    Reason,
    is_set,
)
from gateway.fleet.numbers import known_by
from gateway.fleet.panel.commits import ForeignCommits
from gateway.fleet.panel.entries import Spent, added, losing
from gateway.fleet.panel.failure import Failure
from gateway.fleet.panel.identity import Identity
from gateway.fleet.panel.slots import claimed, existing, foreign, foreign_identifiers, is_rewritten, labels, one_table, renumbered
from gateway.fleet.panel.verdicts import REFUSAL_LIMIT, Verdicts, fresh_refusals, given_up, judged, refusal_key
from gateway.fleet.panel.wear import Wear
from gateway.identifiers.identifier import Identifier
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import Certain, ClockGiven, DesiredItem, Known, ObservedPanel, OneOf, Unknown, images, to_be_read

_READ_JUST_NOW_S = 10.0
"""Inputs are read every two seconds, behind everything that is more urgent."""
UNREACHABLE = {Availability.QUARANTINED: Reason.QUARANTINED, Availability.BUS_UNAVAILABLE: Reason.BUS_UNAVAILABLE}


class PanelState:
    """`bound`, `outputs` and `leaving` are asked of the panel, `observed` is known of it. Belongs to the event loop."""

    def __init__(
        self,
        settings: PanelSettings,
        line: str,
        driver: PanelDriver,
        allocation: Allocation,
        observed: ObservedPanel,
        now: Callable[[], float],
        wear: Wear,
        former: Collection[str] = (),
        identity: Identity | None = None,
        spent: Spent = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        self.wear = wear
        self.identity = identity or Identity()
        """Written by `identification`, and where it is noticed that the unit may be another one by now."""
        self.line = line
        self.driver = driver
        self.allocation: Allocation = allocation
        """Slots by item, as the store has them."""
        self.observed = observed
        self._know(_last_seen(observed.known))
        self.commits = ForeignCommits(None if to_be_read(observed.known) else observed.commit_count)
        self.former = frozenset(former)
        """Items that the panel may hold by what is stored of it under another model or other options: that stays in the store
        until the panel was read."""
        self.spent = spent
        """Entries that identifiers had in slots that are gone."""
        self._now = now
        self.bound: dict[str, DesiredItem] = {}
        self.version = 0
        """Rises whenever `bound` changes."""
        self.bygone: dict[str, dict[int, DesiredItem]] = {}
        """Identifiers as the panel may still hold them, by key and generation, of which something newer is asked for."""
        self.outputs: dict[int, dict[str, DesiredItem]] = {}
        """Output number -> what is bound to it."""
        self.leaving: dict[str, float] = {}
        """Items that the panel may hold and must not hold -> since when."""
        self.strangers: frozenset[str] = frozenset()
        """link_ids that were found on the panel and that nobody asked for."""
        self.verdicts: Verdicts = {}
        """What became of items that it does not hold."""
        self.brought: tuple[int, tuple[object, ...]] | None = None
        """The `version` that the panel was brought to hold last, and its `basis` then; None: it was brought to hold less."""
        self.failure: Failure | None = None
        """Why the last attempt failed as a whole."""
        self.drifted = False
        self.last_drift: tuple[float, Sequence[str]] | None = None
        """When the panel drifted last, and how."""
        self.clock_drift_ms: int | None = None
        self.law_until: int | None = None
        self.asked_anew_at = 0.0
        """When all that is bound had to be compiled anew."""
        self.in_doubt_since = now()
        """From when on the panel cannot be said to hold what it held."""
        self.doubted = bool(allocation or former) and self.to_be_read
        """Whether it may hold more than is remembered: it was written once, and what became of that is not known. Until read."""
        self.away_since: float | None = None
        """From when on it cannot be spoken to (Unix seconds); None: it can, as far as known."""
        self.log_unread: tuple[float, Failure] | None = None
        """From when on its log of events cannot be read though it can be spoken to (Unix seconds), and why."""
        self.retired = False
        """It is erased and about to leave the site: nothing is written to it."""
        self.carried: Collection[str] = ()
        """Items that it was seen to carry when it was looked at last; asked for or not."""
        self.looked_at = False
        """Whether it was seen whole since the gateway started."""
        self._clock_missing = False
        self._writing = False
        """A transaction is under way, and nothing else has happened to the panel since it began."""
        self._sensed: tuple[float, tuple[bool, ...]] = (-math.inf, ())
        """When its inputs were read last (monotonic), and how they read."""
        self.clock_withheld: Failure | None = None
        """Why a clock that is wrong is left as it is."""

    @property
    def id(self) -> str:
        return self.settings.id

    # what is known

    @property
    def certain(self) -> bool:
        """Whether the panel holds nothing but one of `images`: it was checked since the gateway started or the panel came back.

        There are two while a transaction is under way: what both hold alike the panel holds, but for what `is_midway`.
        """
        return isinstance(self.observed.known, Certain) or self._writing

    @property
    def to_be_read(self) -> bool:
        """Whether a quick look cannot make sure what the panel holds."""
        return to_be_read(self.observed.known)

    @property
    def image(self) -> PanelImage | None:
        """What the panel held when it was seen last; None: that is not known."""
        found = self.images()
        return found[0] if len(found) == 1 else None

    def images(self) -> tuple[PanelImage, ...]:
        """All that the panel may hold, as far as remembered: more than one while it is being written."""
        return images(self.observed.known)

    @property
    def basis(self) -> tuple[object, ...]:
        """What of the panel's own an image is compiled from."""
        return (self.image, self.observed.failures, self.observed.compiled_for)

    def held(self) -> PanelImage:
        """What the panel holds; to be asked where that is certain only, and no transaction is under way."""
        known = self.observed.known
        assert isinstance(known, Certain)
        return known.image

    def foreign(self, bound: Collection[str] | None = None) -> frozenset[int]:
        """Used schedule slots that are not ours to touch, with these items bound to the panel (None: the present ones)."""
        bound = self.bound if bound is None else bound
        ours = bool(bound) and one_table(self.driver.capabilities)
        return frozenset[int]().union(*(foreign(image, ours) for image in self.images()))

    def foreign_identifiers(self) -> frozenset[int]:
        """Used identifier slots that belong to none of our items."""
        return frozenset[int]().union(*map(foreign_identifiers, self.images()))

    def remembered(self) -> frozenset[str]:
        """Items that the panel has slots for, or may hold, as far as remembered."""
        found = self.former.union(self.allocation, *(image.allocation for image in self.images()))
        return frozenset(key for key in found if not is_set(key))

    def may_carry(self, key: str) -> bool:
        """Whether the panel may hold slots of an item.

        A panel that was not looked at since the start may hold whatever was ever bound to it: what is remembered of it may be
        older than its last write.
        """
        return not self.certain or self.may_hold(key)

    def may_hold(self, key: str) -> bool:
        """Whether the panel may hold slots of an item, as far as remembered."""
        return any(image.allocation.get(key) for image in self.images())

    @property
    def unread(self) -> bool:
        """Whether the panel knows by itself whose its slots are, and was not seen whole since the gateway started, or
        another unit stands at its place."""
        seen = self.looked_at and self.identity.stranger is None
        return self.driver.capabilities.stores_link_ids and not seen

    @property
    def may_carry_any(self) -> bool:
        """Whether the panel may carry items that nobody remembers: it tells of them when it is seen whole."""
        return self.doubted or self.unread

    def unreachable(self) -> Failure | None:
        feed = self.driver.availability
        reason = UNREACHABLE.get(feed.current)
        return None if reason is None else Failure(reason, feed.cause)

    @property
    def failed(self) -> bool:
        """Whether the last attempt met a defect of the gateway."""
        return self.failure is not None and self.failure.reason is Reason.FAILED

    @property
    def clock_missing(self) -> bool:
        """The panel's clock is unset or wrong and could not be set."""
        return self._clock_missing

    # what is asked

    def bind(self, item: DesiredItem) -> None:
        before = self.bound.get(item.key)
        if before is not None and _same_times(before.profile, item.profile):
            self._renumber(before, item.generation)
        self._remember(before, item.key)
        self.bound[item.key] = item
        self.version += 1
        self.leaving.pop(item.key, None)

    def unbind(self, key: str, now: float) -> None:
        self._remember(self.bound.pop(key, None), key)
        self.version += 1
        if self.may_carry(key):
            self.leaving[key] = now

    def _remember(self, before: DesiredItem | None, key: str) -> None:
        """Something newer is asked for: what the panel holds until it is written stays known."""
        if before is None or before.identifier is None:
            return
        known = {**self.bygone.pop(key, {}), before.generation: before}
        held = {image.generations.get(key) for image in self.images()}
        if kept := {generation: item for generation, item in known.items() if generation in held}:
            self.bygone[key] = kept

    def is_bound(self, key: str, output: int | None) -> bool:
        """Whether an item is bound to an output; None: to the panel's table."""
        return key in (self.bound if output is None else self.outputs.get(output, ()))

    def bind_output(self, output: int, item: DesiredItem) -> None:
        self.outputs.setdefault(output, {})[item.key] = item
        self.version += 1

    def unbind_output(self, output: int, key: str) -> None:
        bound = self.outputs.get(output, {})
        bound.pop(key, None)
        if not bound:
            self.outputs.pop(output, None)
        self.version += 1

    def expect(self, key: str, since: float) -> None:
        """The panel may hold an item that it must not hold: the item leaves unless it is bound. A set of profiles comes and goes
        with the identifiers that name it.
        """
        if not is_set(key):
            self.leaving.setdefault(key, since)

    def adopt(self, key: str, since: float) -> bool:
        """An item is asked for the first time: slots that carry it alone are ours from now on. Whether there are any."""
        if key not in self.strangers:
            return False
        self.strangers -= {key}
        self._change_images(partial(claimed, key=key))
        self.expect(key, since)
        return True

    def forgive(self) -> None:
        """What was given up is tried again."""
        self.observed = replace(self.observed, failures={})
        self.verdicts = {}

    def disclaim(self, compiled_for: str) -> None:
        """What was compiled so far is no answer to what is asked now: slots may be there, whose generation nobody knows."""
        self.version += 1
        self._change_images(lambda image: replace(image, generations={}, outcomes={}))
        self.observed = replace(self.observed, compiled_for=compiled_for, compiled_at=0.0)
        self.verdicts = {}
        self.asked_anew_at = self._now()

    def none_later_than(self, now: float) -> None:
        """Nothing that is known of the panel happened later than now: the clock was ahead."""
        seen, acknowledged = (_at_most(now, at) for at in (self.observed.seen_at, self.observed.acknowledged_at))
        if (seen, acknowledged) != (self.observed.seen_at, self.observed.acknowledged_at):
            self.observed = replace(self.observed, seen_at=seen, acknowledged_at=acknowledged)
        self.asked_anew_at, self.in_doubt_since = min(now, self.asked_anew_at), min(now, self.in_doubt_since)
        self.away_since = _at_most(now, self.away_since)
        self.log_unread = self.log_unread and (min(now, self.log_unread[0]), self.log_unread[1])
        self.leaving = {key: min(now, since) for key, since in self.leaving.items()}

    def reserve(self, allocation: Allocation) -> None:
        """The store has these slots for the panel."""
        self.allocation = allocation

    def _renumber(self, before: DesiredItem, generation: int) -> None:
        """A new generation opens just when `before` does: what is known of the one is true of the other."""
        key = before.key
        self._change_images(lambda image: renumbered(image, key, before.generation, generation))
        said, outcome = self.verdicts.get(key, (None, None))
        if outcome is not None and said == before.generation:
            self.verdicts = {**self.verdicts, key: (generation, outcome)}

    def _change_images(self, change: Callable[[PanelImage], PanelImage]) -> None:
        match self.observed.known:
            case Certain(image):
                self._know(Certain(change(image)))
            case OneOf(found, others):
                self._know(OneOf(tuple([change(each) for each in found]), others))
            case Unknown():
                pass

    def _know(self, known: Known) -> None:
        self.observed = replace(self.observed, known=known)

    # entries

    def spent_by(self, key: str, identifier: Identifier) -> int:
        """Entries that an identifier had, with the number it has now, in slots that are gone."""
        had = self.spent.get(key)
        return had[1] if had is not None and had[0] == known_by(identifier.number) else 0

    def counted(self, counts: Mapping[str, int]) -> None:
        """What the panel counted of entries when it was read just now."""
        self.observed = replace(self.observed, entries=counts)

    def spend(self, spent: Spent) -> None:
        """Slots go, or are gone, and what was had in them counts on."""
        if spent != self.spent:
            self.spent = spent
            self.version += 1

    def note_lost(self, image: PanelImage) -> None:
        """Slots that somebody else took away: what was read of them last counts."""
        for before in self.images():
            lost = losing(before, image, self.bound)
            counts = {number: self.observed.entries.get(key, 0) for number, key in lost.items()}
            if any(counts.values()):
                self.spend(added(self.spent, before, lost, counts))
                return

    # what was read

    def doubt(self) -> None:
        """The panel may hold something else by now: it is looked at before anything is claimed of it."""
        self._note_doubt(True)
        self._writing = False
        if isinstance(self.observed.known, Certain):
            self._know(_last_seen(self.observed.known))

    def confirm(self) -> None:
        """A look showed that the panel holds what it held when it was seen last."""
        (image,) = self.images()
        self._know(Certain(image))
        self.looked_at, self.carried = True, labels(image)

    def forget_content(self) -> None:
        """Nothing that was known of the panel is built on until it is read again. Slots that it has not got belong to nobody."""
        self.allocation = existing(self.allocation, self.driver.capabilities)
        self.doubt()
        self.observed = replace(self.observed, known=Unknown(), capacity={}, commit_count=None)
        self.commits = replace(self.commits, seen=None)
        self.doubted = bool(self.allocation or self.former)

    def another_unit(self) -> None:
        """Another unit takes the panel's place: entries that were had on the one before go on counting, its content does not."""
        self.note_lost(PanelImage())
        self.forget_content()

    def taken_over(self) -> None:
        """What the store had of the panel as something else is over."""
        self.former = frozenset()

    def note_strangers(self, ours: Container[str]) -> None:
        """`ours`: all that was ever asked for."""
        self.strangers = frozenset(key for key in self._labels() if key not in ours)

    def claim(self, ours: Container[str]) -> None:
        """Slots that carry alone what was asked for since they were seen are ours."""
        for key in self._labels():
            if key in ours and not self.may_hold(key):
                self._change_images(partial(claimed, key=key))

    def _labels(self) -> frozenset[str]:
        return frozenset[str]().union(*map(labels, self.images()))

    def read(self, image: PanelImage, ours: Container[str]) -> None:
        """The panel was read whole."""
        self.note_lost(image)
        self._know(Certain(image))
        self.doubted, self.looked_at, self.carried = False, True, labels(image)
        self.note_strangers(ours)
        for key in image.allocation:
            if key not in self.bound:
                self.expect(key, self._now())

    def drift(self, changes: Sequence[str]) -> None:
        """It was read to hold something other than it had acknowledged."""
        self.drifted, self.last_drift = True, (self._now(), changes)
        self.observed = replace(self.observed, drifts=self.observed.drifts + 1)

    def measured(self, status: PanelStatus, restarts: int, at: float) -> None:
        """The panel gave an account of itself."""
        if restarts:
            self.doubt()
        self.observed = replace(
            self.observed,
            capacity=status.capacity,
            reset_count=status.reset_count,
            uptime_s=status.uptime_s,
            seen_at=at,
            resets=self.observed.resets + restarts,
        )

    def committed(self, status: PanelStatus) -> int:
        """The unit that gave this account of itself is the panel. How many commits since the last one were somebody else's."""
        before, self.commits = self.commits, self.commits.read(status, self._now())
        self.observed = replace(self.observed, commit_count=self.commits.seen)
        return self.commits.foreign - before.foreign

    def sensed(self, inputs: tuple[bool, ...], at: float) -> None:
        """Its inputs were read: at the monotonic instant `at`."""
        self._sensed = at, inputs

    def input(self, number: int, now: float) -> bool | None:
        """How an input reads; None: that was not read just now, or the panel has no such input."""
        at, inputs = self._sensed
        return inputs[number] if now - at < _READ_JUST_NOW_S and number < len(inputs) else None

    def identified(self, identity: PanelIdentity) -> None:
        """The panel said which device it is."""
        self.observed = replace(self.observed, identity=identity)

    def clock_found(self, *, missing: bool, withheld: Failure | None = None) -> None:
        """`missing`: the panel's clock is unset or wrong; `withheld`: why it is not set."""
        self._note_doubt(missing)
        self._clock_missing, self.clock_withheld = missing, withheld

    def clock_given(self, given: ClockGiven) -> None:
        """The panel's clock was set."""
        self.observed = replace(self.observed, clock_given=given)

    def _note_doubt(self, doubted: bool) -> None:
        if doubted and self.certain and not self._clock_missing:
            self.in_doubt_since = self._now()

    def is_midway(self, key: str) -> bool:
        """Whether words that open for an item are being written, and the panel acts on each of them at once: until the last one
        is there it may open for it by less than before and after."""
        if not self._writing:
            return False
        capabilities = self.driver.capabilities
        if capabilities.atomic:
            return False
        before, after = self.images()
        return is_rewritten(key, before, after, capabilities)

    def reached(self, *, away: bool) -> None:
        """Whether it can be spoken to has changed, or is known now."""
        self.away_since = (self.away_since or self._now()) if away else None

    def log_read(self, failure: Failure | None) -> None:
        """What became of reading its log; None: it was read, or it cannot be spoken to."""
        if failure is None:
            self.log_unread = None
        else:
            self.log_unread = self._now() if self.log_unread is None else self.log_unread[0], failure

    # what was written

    def compiled(self, at: float) -> None:
        """What is written from now on was compiled at this instant."""
        self.observed = replace(self.observed, compiled_at=at)

    def restate(self, image: PanelImage) -> None:
        """The panel holds what says the same to it as `image` does."""
        self._know(Certain(image))

    def begun(self, image: PanelImage) -> None:
        """A transaction is about to begin: the panel may hold either image from now on."""
        if not self.driver.capabilities.atomic:
            self._note_doubt(True)
        self._writing = True
        self.observed = self.beginning(image)

    def beginning(self, image: PanelImage) -> ObservedPanel:
        """What is known from the beginning of such a transaction on."""
        return replace(self.observed, known=OneOf((self.held(), image)), commit_count=None)

    def acknowledged(self, at: float) -> None:
        """It holds what was begun."""
        _, written = self.images()  # as they are spoken of by now
        self._ended(written)
        self.observed = replace(self.observed, seen_at=at, acknowledged_at=at)

    def not_sent(self) -> None:
        """Nothing left the gateway: it holds what it held."""
        before, _ = self.images()
        self._ended(before)

    def refused(self, image: PanelImage, at: float) -> None:
        """The panel refused; `image` is what it holds now."""
        before, _ = self.images()
        same = image.slots == before.slots and image.identifiers == before.identifiers
        self._ended(before if same else image)
        self.observed = replace(self.observed, seen_at=at)

    def _ended(self, image: PanelImage) -> None:
        """A transaction ended so that the panel holds this, unless something happened to it meanwhile."""
        known = Certain(image)
        self._know(known if self._writing else _last_seen(known))
        self._writing = False

    # what became of items

    def gave_up(self, failure: Failure | None) -> None:
        """Why the last attempt failed, None where it did not."""
        self.failure = failure

    def postponed(self, asked: Mapping[str, int], failure: Failure) -> None:
        """These generations were not written, and are tried again."""
        outcome = ItemOutcome(ItemState.PENDING, failure.reason, failure.message)
        self.verdicts = {**self.verdicts, **{key: (generation, outcome) for key, generation in asked.items()}}

    def refusals(self, key: str, generation: int) -> int:
        """How often the panel refused this generation alone."""
        return self.observed.failures.get(refusal_key(key, generation), 0)

    def given_up(self, item: DesiredItem) -> bool:
        return bool(self.observed.failures) and self.refusals(item.key, item.generation) >= REFUSAL_LIMIT

    def count_refusal(self, key: str, generation: int, failure: Failure) -> Mapping[str, ItemOutcome]:
        """One more refusal of one item alone; at the limit it is given up. Returns it where that is news."""
        count = self.refusals(key, generation) + 1
        self.observed = replace(self.observed, failures={**self.observed.failures, refusal_key(key, generation): count})
        if count < REFUSAL_LIMIT:
            return {}
        return self._judge({**self.verdicts, key: (generation, given_up(failure))})

    def settled(self, asked: Mapping[str, int], version: int | None = None) -> Mapping[str, ItemOutcome]:
        """The panel holds all that it can of what was asked: what it lacks is refused or not due yet. `version`: which one was
        asked; None: not all of it. Returns fresh refusals.
        """
        image = self.held()
        fresh = self._judge(judged(self.verdicts, asked, image, self.observed.outcomes))
        self.verdicts = {key: verdict for key, verdict in self.verdicts.items() if key in self.bound}
        for key in [key for key in self.leaving if key not in asked and not image.allocation.get(key)]:
            del self.leaving[key]
        counted = {refusal_key(key, item.generation) for key, item in self.bound.items()} if self.observed.failures else set()
        failures = {key: count for key, count in self.observed.failures.items() if key in counted}
        outcomes = {**image.outcomes, **{key: outcome for key, (_, outcome) in self.verdicts.items()}}
        self.observed = replace(self.observed, failures=failures, outcomes=outcomes)
        self.drifted = False
        self.brought = None if version is None else (version, self.basis)
        return fresh

    def _judge(self, verdicts: Verdicts) -> Mapping[str, ItemOutcome]:
        fresh, self.verdicts = fresh_refusals(self.verdicts, verdicts), verdicts
        return fresh


def _at_most(now: float, at: float | None) -> float | None:
    return None if at is None else min(now, at)


def _last_seen(known: Known) -> Known:
    """What is left of what was known when something may have happened to the panel."""
    return OneOf((known.image,)) if isinstance(known, Certain) else known


def disbelieved(observed: ObservedPanel) -> ObservedPanel:
    """What is left of it where the panel may have been written since."""
    return replace(observed, known=OneOf(images(observed.known), others=True), commit_count=None)


def _same_times(one: TimeProfile | None, other: TimeProfile | None) -> bool:
    """Whether two profiles of a link_id differ in their names at most."""
    return one is not None and other is not None and (one.asked, one.reading) == (other.asked, other.reading)
