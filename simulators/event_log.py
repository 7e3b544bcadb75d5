"""The event log of an `open-access-panel` and the window through which it is read. All is durable but the window's start."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

EVENT_WORDS = 8
WINDOW_EVENTS = 15
NONE = 0xFFFF
"""Stands for no identifier slot or output."""


class EventKind(IntEnum):
    GRANTED = 1
    DENIED = 2
    OUTPUT_ON = 3
    OUTPUT_OFF = 4
    RESTART = 5
    CLOCK_SET = 6
    COMMIT = 7


@dataclass(frozen=True, slots=True)
class Event:
    """`unix`: 0 while the panel's clock is unset."""

    sequence: int
    unix: int
    kind: int
    identifier: int
    output: int
    reason: int

    def words(self) -> tuple[int, ...]:
        stamps = (self.sequence >> 16, self.sequence & 0xFFFF, self.unix >> 16, self.unix & 0xFFFF)
        return (*stamps, self.kind, self.identifier, self.output, self.reason)


class EventLog:
    def __init__(self, size: int) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self.last = 0
        self._start = [0, 0]

    def add(self, unix: int, kind: int, identifier: int = NONE, output: int = NONE, reason: int = 0) -> None:
        self.last += 1
        self._events.append(Event(self.last, unix, kind, identifier, output, reason))

    def recent(self, count: int) -> tuple[Event, ...]:
        """The last events, oldest first."""
        return tuple(self._events)[-count:]

    def erase(self) -> None:
        self._events.clear()
        self.last = 0
        self.rewind()

    def rewind(self) -> None:
        self._start = [0, 0]

    def read_start(self, offset: int, count: int) -> Sequence[int]:
        return self._start[offset : offset + count]

    def write_start(self, offset: int, words: Sequence[int]) -> None:
        self._start[offset : offset + len(words)] = words

    def read_window(self, offset: int, count: int) -> Sequence[int]:
        first = self._start[0] << 16 | self._start[1]
        shown = [event for event in self._events if event.sequence >= first][:WINDOW_EVENTS]
        words = [word for event in shown for word in event.words()]
        words += [0] * (EVENT_WORDS * WINDOW_EVENTS - len(words))
        return words[offset : offset + count]
