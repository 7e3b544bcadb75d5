"""What was asked of a site: of each panel and output what it may open now, and what it must open once all is at rest.

Everything stands by what clients sent and were answered, and by `tests/judge.py`; nothing of what the gateway says of itself.
A target is a panel (`lobby`) or an output (`relay:3`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.schedules.time_profile import Readings
from tests.judge import seconds_on_wall, wall_clock
from tests.judge_access import DEFAULT_DOORS, Body, is_valid, lock_outputs, normal_form, references, time_profile
from tests.support.minutes import DAY, Asked, united

MINUTES = DAY // 60


@dataclass(eq=False)
class Version:
    """One content of a link_id, as it was asked for: a time profile, or an identifier (`asked` is None)."""

    link_id: str
    body: Body
    asked: Asked | None
    _days: dict[int, int] = field(default_factory=dict)

    def on(self, day: int) -> int:
        """The minutes at which a time profile is open on a local day since 1970, as a mask."""
        if self.asked is None:
            return 0
        if day not in self._days:
            self._days[day] = self.asked.on(day)
        return self._days[day]


def version_of(body: Body, readings: Readings) -> Version:
    is_person = "identifier_type" in body
    return Version(body["link_id"], body, None if is_person else Asked(time_profile(body), readings))


class Ledger:
    """Follows every request from the moment before it is sent; there is one at a time for a link_id.

    `everywhere`: the targets of what has no binding of its own; `readers`: the panels that take identifiers.
    `lease_s`: how long an output may go on by what is no longer asked. `now`: seconds that only go forward.
    """

    def __init__(
        self, readings: Readings, everywhere: Sequence[str], readers: Collection[str], lease_s: float, now: Callable[[], float]
    ) -> None:
        self.readings = readings
        self._everywhere, self._readers, self._lease_s, self._now = tuple(everywhere), frozenset(readers), lease_s, now
        self.present: dict[str, Version] = {}
        self.bound: dict[str, tuple[str, ...]] = {}
        self.unsure: dict[str, list[Version | None]] = {}
        """What was asked and not answered: it is kept, or it is not."""
        self.unsure_bound: dict[str, list[tuple[str, ...] | None]] = {}
        self.changes = 0
        """How often anything was asked or answered."""
        self.asked_of: Counter[str] = Counter()
        """By target, how many contents it was asked to take or to let go."""
        self._may: dict[str, dict[Version, float | None]] = {}
        """By target: what it may open by, and since when nobody wants that (None: somebody may)."""

    # what is asked and answered

    def asks(self, link_id: str, version: Version | None) -> None:
        """It is about to be sent. None: a deletion."""
        self.unsure.setdefault(link_id, []).append(version)
        self.asked_of.update(self._targets(link_id))
        self._spread()

    def kept(self, link_id: str, version: Version | None) -> None:
        """It was answered: from now on nothing else is asked for this link_id."""
        self.unsure.pop(link_id, None)
        self._put(link_id, version)

    def refused(self, link_id: str, version: Version | None) -> None:
        """It was answered that nothing is kept: no panel may ever hold it. What was unsure before stays so."""
        unsure = self.unsure.get(link_id, [])
        if version in unsure:
            unsure.remove(version)
        if not unsure:
            self.unsure.pop(link_id, None)
        for held in self._may.values():
            if version is not None:
                held.pop(version, None)
        self._spread()

    def asks_binding(self, link_id: str, targets: tuple[str, ...] | None) -> None:
        before = self._targets(link_id)
        self.unsure_bound.setdefault(link_id, []).append(targets)
        self.asked_of.update(before | self._targets(link_id))
        self._spread()

    def bound_to(self, link_id: str, targets: tuple[str, ...] | None) -> None:
        """Answered. None: to everywhere."""
        self.unsure_bound.pop(link_id, None)
        self.bound.pop(link_id, None)
        if targets is not None:
            self.bound[link_id] = targets
        self._spread()

    def found(self, bodies: Mapping[str, Body], bound: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[str]:
        """What a gateway lists that started anew; yields what is lost or was never asked. `bound`: None: not listed."""
        for link_id in sorted({*self.present, *self.unsure, *bodies}):
            could = [self.present.get(link_id), *self.unsure.pop(link_id, ())]
            listed = None if link_id not in bodies else _label(bodies[link_id])
            fits = [each for each in could if (None if each is None else _label(each.body)) == listed]
            if fits:
                self._put(link_id, fits[-1])
            else:
                yield f"{link_id}: listed is {listed}, asked was {[each and _label(each.body) for each in could]}"
        if bound is not None:
            yield from self._found_bound(bound)

    def _found_bound(self, bound: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
        for link_id in sorted({*self.bound, *self.unsure_bound, *bound}):
            could = [self.bound.get(link_id), *self.unsure_bound.pop(link_id, ())]
            if bound.get(link_id) in could:
                self.bound_to(link_id, bound.get(link_id))
            else:
                yield f"{link_id}: bound to {bound.get(link_id)}, asked was {could}"

    def _put(self, link_id: str, version: Version | None) -> None:
        self.present.pop(link_id, None)
        if version is not None:
            self.present[link_id] = version
        self._spread()

    def _spread(self) -> None:
        """Every target may hold what it is asked to hold now; what it is not asked for any more it may still hold."""
        self.changes += 1
        now, wanted = self._now(), dict[str, set[Version]]()
        for link_id in (*self.present, *self.unsure):
            for target in self._targets(link_id):
                versions = (self.present.get(link_id), *self.unsure.get(link_id, ()))
                wanted.setdefault(target, set()).update(each for each in versions if each is not None)
        for target in (*wanted, *self._may):
            held, asked = self._may.setdefault(target, {}), wanted.get(target, set())
            self._may[target] = {
                **{each: None if each in asked else now if since is None else since for each, since in held.items()},
                **dict.fromkeys(asked),
            }

    def _targets(self, link_id: str) -> set[str]:
        """All that it is bound to, or may be."""
        choices = (self.bound.get(link_id), *self.unsure_bound.get(link_id, ()))
        return {target for choice in choices for target in (self._everywhere if choice is None else choice)}

    # what panels are found to hold

    def gone(self, target: str, link_id: str) -> None:
        """The target holds nothing older of this link_id any more: somebody was told so."""
        held = self._may.get(target, {})
        self._may[target] = {each: since for each, since in held.items() if each.link_id != link_id or since is None}

    def at_rest(self, target: str) -> None:
        """The target was said to hold nothing but what is asked now."""
        self._may[target] = {each: None for each, since in self._may.get(target, {}).items() if since is None}

    def let_go(self, target: str, versions: Iterable[Version]) -> None:
        """The target was found to hold none of these older ones."""
        for version in versions:
            self._may[target].pop(version, None)

    def older(self, target: str, seconds: float) -> list[Version]:
        """What is not asked of it any more for so long, and that it may still hold."""
        late = self._now() - seconds
        return [each for each, since in self._may.get(target, {}).items() if since is not None and since <= late]

    # what it comes to

    def present_on(self, target: str, link_id: str) -> Callable[[int], int]:
        """Day -> the minutes that are asked of the target for one link_id."""
        found = [each for each in self.wanted(target) if each.link_id == link_id]
        return lambda day: united(each.on(day) for each in found)

    def wanted(self, target: str) -> list[Version]:
        """The profiles that it must hold; nothing is unsure."""
        return [each for each in self.present.values() if each.asked is not None and target in self._targets(each.link_id)]

    def may(self, target: str) -> list[Version]:
        """What it may open by. An output goes on for a lease at most by what is not asked any more."""
        held, late = self._may.get(target, {}), self._now() - self._lease_s
        return [each for each, since in held.items() if since is None or ":" not in target or since >= late]

    def may_open(self, target: str, day: int, link_id: str | None = None) -> int:
        """The minutes of a local day at which it may be open, for one link_id or for any."""
        return united(each.on(day) for each in self.may(target) if link_id in (None, each.link_id))

    def may_open_at(self, target: str, local_second: float) -> bool:
        day, minute = divmod(int(local_second) // 60, MINUTES)
        return bool(self.may_open(target, day) >> minute & 1)

    def must_open(self, target: str, day: int) -> int:
        return united(each.on(day) for each in self.wanted(target))

    def must_open_at(self, target: str, local_second: float) -> bool:
        day, minute = divmod(int(local_second) // 60, MINUTES)
        return bool(self.must_open(target, day) >> minute & 1)

    def may_enter(self, panel: str, number: str, door: int, minute: int) -> bool:
        """Whether a panel may let a card in at a Unix minute."""
        return _lets_in(self.may(panel), self.readings, number, door, minute)

    def must_enter(self, panel: str, number: str, door: int, minute: int) -> bool:
        held = [each for each in self.present.values() if panel in self._targets(each.link_id)]
        return panel in self._readers and _lets_in(held, self.readings, number, door, minute)


def _lets_in(held: Sequence[Version], readings: Readings, number: str, door: int, minute: int) -> bool:
    day, at = divmod(seconds_on_wall(wall_clock(readings.zone, 60 * minute)) // 60, MINUTES)
    is_open = {each.link_id for each in held if each.on(day) >> at & 1}
    return any(
        normal_form("card", each.body["identifier_number"]) == normal_form("card", number)
        and door in lock_outputs(each.body["lock"], DEFAULT_DOORS)
        and is_valid(each.body, minute)
        and (not references(each.body) or bool(is_open & {str(key) for key in references(each.body)}))
        for each in held
        if each.asked is None
    )


def _label(body: Body) -> str:
    """Every version has a name of its own."""
    return str(body["identifier_owner"]["name"] if "identifier_type" in body else body["name"])
