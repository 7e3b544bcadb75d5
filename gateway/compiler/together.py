"""Time profiles that share one slot, for panels on which an identifier can name one schedule only. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gateway.schedules.recurrence import Recurrence
from gateway.schedules.rules import LocalRule
from gateway.schedules.time_profile import Readings, TimeProfile
from gateway.schedules.windows import Span, merged


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """Open while one of its members is. `link_id`: the key of the set, which says all that was named; see
    `drivers.contract.set_key`. `members`: at least one, those that are there.
    """

    link_id: str
    members: tuple[TimeProfile, ...]


Compiled = TimeProfile | ProfileSet
"""What is compiled into slots of its own name."""


class United:
    """The union of several recurrences, asked as one Recurrence is."""

    __slots__ = ("_members",)

    def __init__(self, members: tuple[Recurrence, ...]) -> None:
        self._members = members

    @property
    def rules(self) -> tuple[LocalRule, ...]:
        return tuple([rule for member in self._members for rule in member.rules])

    def local_windows(self, first_day: int, last_day: int) -> Iterator[Span]:
        return merged(heapq.merge(*(member.local_windows(first_day, last_day) for member in self._members)))


def members_of(profile: Compiled) -> tuple[TimeProfile, ...]:
    return profile.members if isinstance(profile, ProfileSet) else (profile,)


@lru_cache(maxsize=4096)
def recurrence(profile: TimeProfile, readings: Readings) -> Recurrence:
    """What of a profile is settled once is settled for all who ask."""
    return Recurrence(profile, readings)


def recurrence_of(profile: Compiled, readings: Readings) -> Recurrence | United:
    found = tuple([recurrence(member, readings) for member in members_of(profile)])
    return found[0] if len(found) == 1 else United(found)
