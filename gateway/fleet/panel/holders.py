"""Who held the identifier slots of a panel at the place up to which its log was read: an event names the person of its time.
Where a panel logs numbers in place of slots, all this is said of numbers.

A hand-over is known here before it is written to the panel. It takes effect where the log shows the commit that carried it, so
that neither a late reading nor a restart of the gateway gives one person's event to another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from drivers.contract import IDENTIFIER, Allocation, PanelImage, is_identifier
from gateway.identifiers.own_ids import shown_link_id
from gateway.store.contract import DesiredItem

Person = Mapping[str, Any]
"""What an event says of an identifier and its owner: plain JSON values."""
_LONGEST = 1000
"""Characters of a name or a number: it goes into every event."""


def person_of(item: DesiredItem | None) -> Person | None:
    """An identifier as events name it, deleted or not; None where there is none."""
    if item is None or item.kind != IDENTIFIER or not item.body:
        return None
    sent = json.loads(item.body)
    owner = sent.get("identifier_owner")
    name = owner.get("name", "") if isinstance(owner, dict) else ""
    return {
        "link_id": shown_link_id(item.link_id),
        "uid": item.uid,
        "type": sent["identifier_type"],
        "number": sent["identifier_number"][:_LONGEST],
        "owner": name[:_LONGEST],
        "apartment_link_id": sent.get("apartment_link_id"),
    }


def slots_of(image: PanelImage, asked: Set[int] | None = None) -> dict[int, str]:
    """Identifier slot -> whose it is, of the slots asked for; None: of all."""
    slots = image.identifiers.keys() if asked is None else image.identifiers.keys() & asked
    return whose(image.allocation, slots)


def whose(allocation: Allocation, slots: Set[int]) -> dict[int, str]:
    """Who has been given these identifier slots. Asked with every event of a panel that may have thousands of others."""
    return {number: key for key, numbers in allocation.items() for number in numbers if number in slots and is_identifier(key)}


@dataclass(slots=True, eq=False)
class HandOver:
    """Slots that somebody else gets with the next commit behind the sequence number `after`.

    `before`: who holds them until then; None: that is no longer certain. `at`: the number of the event with which they change
    hands, None as long as the log does not show it. `over`: it was written, or was not, as far as it ever will be.
    """

    after: int
    before: dict[int, Person | None]
    at: int | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What was over at one time."""

    freed: Mapping[int, Person]
    handed: Sequence[HandOver]

    def __bool__(self) -> bool:
        return bool(self.freed or self.handed)


class Holders:
    """What is known of slots that changed hands. Reading the same events again changes nothing."""

    def __init__(self, facts: Mapping[str, Any] = MappingProxyType({}), *, commits: bool = True) -> None:
        """`facts`: what an earlier run kept; nothing that was written then is under way any more. `commits`: the log shows them;
        where it does not, what comes behind the beginning of a hand-over may be either's."""
        self._commits = commits
        self._freed: dict[int, Person] = dict(facts.get("freed", ()))
        self._handed = [HandOver(after, dict(before), at, over=True) for after, before, at in facts.get("handed", ())]

    @property
    def freed(self) -> list[tuple[int, Person]]:
        """Who had slots last that nobody has now."""
        return [*self._freed.items()]

    def facts(self) -> dict[str, Any]:
        handed = [[each.after, [*each.before.items()], each.at] for each in self._handed]
        return {"freed": self.freed, "handed": handed}

    def of(self, slot: int, sequence: int, now: Person | None) -> Person | None:
        """The person of a slot when an event happened; `now`: who has it at present."""
        for each in self._handed:
            if slot in each.before and (each.at is None or sequence < each.at):
                return each.before[slot] if self._commits or sequence <= each.after else None
        return self._freed.get(slot) if now is None else now

    def last(self, slot: int) -> Person | None:
        """Who had a slot last that nobody has now."""
        return self._freed.get(slot)

    def free(self, slots: Mapping[int, Person]) -> None:
        self._freed.update(slots)

    def hand_over(self, after: int, before: Mapping[int, Person | None]) -> HandOver:
        made = HandOver(after, dict(before))
        self._handed.append(made)
        for slot in before:
            self._freed.pop(slot, None)
        return made

    def withdraw(self, handed: HandOver) -> None:
        """Nothing became of a hand-over."""
        self._handed = [each for each in self._handed if each is not handed]
        self.free({slot: person for slot, person in handed.before.items() if person is not None})

    def committed(self, sequence: int) -> None:
        """The log shows a commit."""
        for each in self._handed:
            if each.at is None and sequence > each.after:
                each.at = sequence

    def missed(self, count: int | None) -> None:
        """Events are missing in the log: whether a commit was among them is not known. None: it began anew, and so did its
        numbers."""
        for each in self._handed:
            if count is None:
                each.at = None
            if each.at is None:
                each.before = dict.fromkeys(each.before)

    def taken(self, sequence: int) -> None:
        """All events up to this one are durable."""
        self._handed = [each for each in self._handed if each.at is None or each.at > sequence]

    def settled(self, going: Mapping[int, Person] = MappingProxyType({})) -> Settled:
        """`going`: who is being taken away just now."""
        freed = {slot: person for slot, person in self._freed.items() if going.get(slot) is not person}
        return Settled(freed, [each for each in self._handed if each.over])

    def caught_up(self, settled: Settled) -> None:
        """The log was read to where it ended after all this was over: no event of that time is left."""
        self._handed = [each for each in self._handed if each not in settled.handed]
        self._freed = {slot: person for slot, person in self._freed.items() if settled.freed.get(slot) is not person}
