"""Which unit stands at a panel's place. An address is no identity: the serial number is, and without one what a unit holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from drivers.contract import PanelImage, Slot

_JUST_NOW_S = 1.0
"""Ports and cables change places more slowly than that."""
_AWAITED_S = 300.0
"""For how long an empty unit is not filled because of neighbours that do not say who they are: lines and units that lost their
power together with the panel are back by then."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another panel. `serial`: the number of its unit, as remembered; `asked`: it was read, and nothing has happened to the unit
    since; `found`: as it was read then. `images`: what it was last seen to hold. `departed`: it has left the configuration.
    `kind`: its model and options.
    """

    id: str
    kind: tuple[str, str]
    serial: str | None
    found: str | None
    images: tuple[PanelImage, ...]
    departed: bool = False
    asked: bool = False


class Identity:
    """What is known of one panel's unit.

    `serial`: the number of the unit that the panel is; None: it has none, or was not read yet. `stranger`: why the unit that
    answers is not taken for the panel; nothing that opens is written to it, and nothing is claimed of it. `note`: what an
    operator should know of it.
    """

    def __init__(self, facts: Mapping[str, str] = MappingProxyType({})) -> None:
        self.serial = facts.get("serial")
        self.stranger = facts.get("stranger")
        self.where = facts.get("where")
        """The line and the unit that the panel was met at last."""
        self.found: str | None = None
        """The number that the unit there has."""
        self.asked = False
        """It was asked for its number, and nothing has happened to it since."""
        self._stands: tuple[str | None, float] = (None, math.inf)
        """The number that was read last, and when a unit with it was met first (monotonic)."""
        self.checked = False
        """It was looked at, is the panel, and nothing has happened to it since."""
        self.connection = 0
        """Number of the connection that it was asked on, see `PanelDriver.connection`."""
        self.asked_at = -math.inf
        """When it was asked (monotonic)."""
        self.compared = False
        """What it holds was looked at too since then."""
        self.numbered = False
        """The number that was read tells the unit from all others."""
        self.offered: str | None = None
        """The number of the stranger."""
        self.note: str | None = None
        self.accepted = False
        """An operator says that the unit is the panel, whatever it holds."""
        self.changed: Callable[[], None] = lambda: None
        """Called when the unit was recognised, or was not."""
        self.doubted: Callable[[], None] = lambda: None
        """To be called by who is about to open something, where the unit may be another one by now: it is asked again."""

    def facts(self) -> dict[str, str]:
        """What the store keeps of it: facts by key."""
        known = {"serial": self.serial, "stranger": self.stranger, "where": self.where}
        return {key: value for key, value in known.items() if value is not None}

    def is_known(self, connection: int, now: float) -> bool:
        """Whether the unit that is met on a connection now (monotonic) is the panel.

        A server that closes after each reply has another connection for each exchange: an answer of just now counts for the next.
        """
        return self.checked and (self.connection == connection or now < self.asked_at + _JUST_NOW_S)

    @property
    def told_by_content(self) -> bool:
        """What it holds has yet to tell whether it is the panel."""
        return not self.numbered and not self.compared

    def drop(self) -> None:
        """What is remembered of a unit is another model's."""
        self.serial = self.stranger = self.where = None

    def forget(self) -> None:
        """The unit may be another one by now."""
        self.checked = self.compared = self.asked = False
        self.found = None

    def lost(self) -> None:
        """It cannot be spoken to: the unit that is met next is met first then."""
        self.forget()
        self._stands = (None, math.inf)

    def read(self, found: str | None, *, numbered: bool) -> None:
        """The unit said its number, when it was asked at `asked_at`."""
        self.found, self.numbered, self.asked = found, numbered, True
        number, since = self._stands
        self._stands = (found, self.asked_at if number != found else min(since, self.asked_at))

    def awaits(self, model: str, neighbours: Collection[Neighbour]) -> tuple[Sequence[str], float]:
        """The neighbours of which it is not known now whether the panel's own unit stands at their places, and how long an empty
        unit is left alone because of them at most (seconds, from when it was asked). A panel that has no number is not found so.
        """
        left_s = self._stands[1] + _AWAITED_S - self.asked_at
        if self.serial is None or left_s <= 0:
            return (), 0.0
        numbered = [each for each in neighbours if not each.departed and (each.serial is not None or each.kind[0] == model)]
        return [each.id for each in numbered if not each.asked], left_s

    def recognised(self, serial: str | None) -> None:
        """The unit is the panel; `serial` is its number from now on."""
        self.serial, self.stranger, self.checked = serial, None, True
        self.changed()

    def settled(self) -> None:
        """What it holds does not speak against it."""
        self.compared, self.accepted = True, False

    def refused(self, why: str) -> None:
        """The unit is not taken for the panel."""
        self.stranger, self.offered = why, self.found
        self.checked = self.compared = self.accepted = False
        self.changed()

    def accept(self) -> None:
        """An operator says that the stranger is the panel."""
        self.serial, self.stranger, self.note = self.offered, None, None
        self.accepted, self.checked, self.compared = True, False, False


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """`another`: why the unit is not the panel, None where it is. `replaceable`: it is the panel's successor if it is empty."""

    another: str | None = None
    replaceable: bool = False


SAME = UnitVerdict()


def judge(
    found: str | None, known: str | None, fixed: str | None, neighbours: Collection[Neighbour], *, met: bool = False
) -> UnitVerdict:
    """A unit by its serial number alone. `found` None: it has none. `known`: that of the panel, `fixed`: by the configuration.
    `met`: the panel was met before, so that `known` None means that it has none.

    That two units show one number tells something where the panel has another number: the neighbour may have been read before
    the two changed places.
    """
    if fixed is not None:
        return SAME if found == fixed else UnitVerdict(f"{_said(found)}, the configuration says {fixed}")
    if found == known or (known is None and met_twice(found, known, neighbours)):
        return SAME
    owner = next((each for each in neighbours if each.serial == found), None) if found is not None else None
    if known is None and not met and (owner is None or owner.departed):
        return SAME
    if owner is None:
        return _another(found, known, neighbours)
    if owner.departed:
        return UnitVerdict(f"{_said(found)}: this was the unit of {owner.id}, which has left the site")
    return UnitVerdict(f"this is {owner.id}'s unit (serial number {found}): are the ports swapped?")


def _another(found: str | None, known: str | None, neighbours: Collection[Neighbour]) -> UnitVerdict:
    """A unit that is no other panel's. Where the panel's own answers at a neighbour's place, nobody has replaced it."""
    where = next((each.id for each in neighbours if each.found == known != each.serial), None)
    if known is not None and where is not None:
        return UnitVerdict(f"{_said(found)}, and {known}, the panel's own, is at {where}'s place: are the ports swapped?")
    return UnitVerdict(f"{_said(found)}, the panel has {known or 'none'}", replaceable=True)


def met_twice(found: str | None, known: str | None, neighbours: Collection[Neighbour]) -> bool:
    """Whether a number tells nothing, because two units have it."""
    remembered = found is not None and found == known
    return found is not None and any(
        each.found == found or (remembered and each.found is None and each.serial == found) for each in neighbours
    )


def holds_same(image: PanelImage, read: PanelImage) -> bool:
    """Whether two images open the same in the same slots; one that carries no link_ids is compared without them."""

    def same(one: Slot, other: Slot) -> bool:
        return replace(one, link_ids=other.link_ids) == other and (not other.link_ids or one.link_ids == other.link_ids)

    return (
        image.special_days == read.special_days
        and image.identifiers == read.identifiers
        and image.slots.keys() == read.slots.keys()
        and all(same(image.slots[number], slot) for number, slot in read.slots.items())
    )


def _said(found: str | None) -> str:
    return "the unit reports no serial number" if found is None else f"the unit has serial number {found}"
