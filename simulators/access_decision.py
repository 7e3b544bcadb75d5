"""Whether an `open-access-panel` lets an identifier in: its slot, the open schedules, the clock, the door. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from simulators.access_slots import ALWAYS

_OPEN_END = 0xFFFFFFFF
_UNLIMITED = 0xFFFF


class Decision(Enum):
    """The value is the reason in the event; 0 in one that lets in."""

    GRANTED = 0
    UNKNOWN = 1
    CLOCK_NOT_SET = 2
    NOT_VALID_NOW = 3
    NO_PASSES = 4
    SCHEDULE_CLOSED = 5
    NOT_THIS_DOOR = 6


def decide(words: Sequence[int], minute: int, passes_used: int, open_slots: Collection[int], door: int | None) -> Decision:
    """The first objection counts.

    `words`: the identifier's slot. `minute`: Unix minutes. `open_slots`: schedule slots that are open, by their own words or by
    another slot's with their link_id. `door`: the reader's bit of the door mask; None on a panel whose mask names no doors.
    """
    if not words[10] << 16 | words[11] <= minute or not _not_over(words[12] << 16 | words[13], minute):
        return Decision.NOT_VALID_NOW
    if words[14] != _UNLIMITED and passes_used >= words[14]:
        return Decision.NO_PASSES
    if not any(reference == ALWAYS or reference in open_slots for reference in words[5:9]):
        return Decision.SCHEDULE_CLOSED
    if door is not None and not words[9] >> door & 1:
        return Decision.NOT_THIS_DOOR
    return Decision.GRANTED


def _not_over(last: int, minute: int) -> bool:
    return last == _OPEN_END or minute <= last
