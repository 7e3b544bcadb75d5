"""What a UHPPOTE board keeps: time profiles with their links, cards at their places, events by index. All is durable.

A record is the bytes that a message carries of it, from byte 8 of the frame on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.clock import MINUTES, Windows, weekday
from simulators.uhppote_bytes import ALWAYS, NO_PROFILE, PROFILES, day_of, minute_of, u32, u32_at

PROFILE_BYTES = 29
CARD_BYTES = 20
EVENT_BYTES = 20
_LINK = 28
_NO_CARDS = frozenset({0, 0x00FFFFFF, 0xFFFFFFFF})
_DROPPED_TOGETHER = 8
"""A full log loses this part of its events at once, the oldest."""


@dataclass(slots=True)
class Profiles:
    records: dict[int, bytes] = field(default_factory=dict)

    def put(self, record: bytes) -> bool:
        """Whether the board takes it: a number that a profile can have, dates in order, and times that do not end first."""
        try:
            first, last = day_of(record[1:5]), day_of(record[5:9])
            times = [minute_of(record[at : at + 2]) for at in range(16, 28, 2)]
        except ValueError:
            return False
        if record[0] not in PROFILES or None in (first, last) or any(byte > 1 for byte in record[9:16]):
            return False
        if any(end < start for start, end in zip(times[::2], times[1::2], strict=True)):
            return False
        self.records[record[0]] = record
        return True

    def get(self, number: int) -> bytes:
        return self.records.get(number, b"")

    def windows(self, number: int, day: int) -> Windows:
        """The minutes of a day (start, end exclusive) on which a door is open to a card that names the profile. One that is
        missing is open always: that is what the board does."""
        if number == NO_PROFILE:
            return ()
        if number == ALWAYS or number not in self.records:
            return ((0, MINUTES),)
        found: list[tuple[int, int]] = []
        seen: set[int] = set()
        while number in self.records and number not in seen:
            seen.add(number)
            record = self.records[number]
            found += _own_windows(record, day)
            number = record[_LINK]
        return tuple(found)


def _own_windows(record: bytes, day: int) -> Windows:
    first, last = day_of(record[1:5]), day_of(record[5:9])
    if first is None or last is None or not first <= day <= last or not record[9 + weekday(day)]:
        return ()
    times = [minute_of(record[at : at + 2]) for at in range(16, 28, 2)]
    return tuple((start, min(end + 1, MINUTES)) for start, end in zip(times[::2], times[1::2], strict=True))


@dataclass(slots=True)
class Cards:
    """`places`: the record at each index, from 1 on; None where a card was deleted. A deleted card's place is taken again when
    no new one is left."""

    most: int
    places: list[bytes | None] = field(default_factory=list)
    _at: dict[int, int] = field(default_factory=dict)

    def put(self, record: bytes) -> bool:
        try:
            day_of(record[4:8]), day_of(record[8:12])
        except ValueError:
            return False
        card = u32_at(record, 0)
        if card in _NO_CARDS:
            return False
        if card in self._at:
            self.places[self._at[card]] = record
            return True
        if len(self.places) < self.most:
            self.places.append(record)
            self._at[card] = len(self.places) - 1
            return True
        if None not in self.places:
            return False
        self._at[card] = self.places.index(None)
        self.places[self._at[card]] = record
        return True

    def delete(self, card: int) -> bool:
        if card not in self._at:
            return False
        self.places[self._at.pop(card)] = None
        return True

    def clear(self) -> None:
        self.places.clear()
        self._at.clear()

    def count(self) -> int:
        return len(self._at)

    def get(self, card: int) -> bytes:
        return b"" if card not in self._at else self.places[self._at[card]] or b""

    def at(self, index: int) -> bytes:
        """Nothing behind the last place; a number of all ones where a card was deleted."""
        if not 1 <= index <= len(self.places):
            return b""
        return self.places[index - 1] or u32(0xFFFFFFFF)

    def numbers(self) -> tuple[int, ...]:
        return tuple(self._at)


@dataclass(slots=True)
class Events:
    """The index of an event never returns, however many were dropped before it. `user_index` is the client's own note."""

    most: int
    last: int = 0
    user_index: int = 0
    _records: dict[int, bytes] = field(default_factory=dict)

    def add(self, record: bytes) -> bytes:
        """`record`: from the event's type on. Returns it with its index."""
        if len(self._records) >= self.most:
            for index in sorted(self._records)[: max(1, self.most // _DROPPED_TOGETHER)]:
                del self._records[index]
        self.last += 1
        self._records[self.last] = u32(self.last) + record
        return self._records[self.last]

    def get(self, index: int) -> bytes:
        """0: the first that is left; all ones: the last. One that is gone has type 0xff, one that never was type 0."""
        if index == 0:
            index = min(self._records, default=0)
        if index == 0xFFFFFFFF:
            index = self.last
        if index in self._records:
            return self._records[index]
        return u32(index) + (b"\xff" if 0 < index <= self.last else b"\0")

    def clear(self) -> None:
        self._records.clear()
        self.last = self.user_index = 0
