"""Whether an `open-access-panel` lets an identifier in: its committed slot, its schedules, the clock. Pure.

The map numbers neither event kinds nor reasons; these are the simulator's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from simulators.access_slots import ALWAYS, NO_REFERENCE

_OPEN_END = 0xFFFFFFFF
_UNLIMITED = 0xFFFF


class Decision(Enum):
    """The value is the reason in the event."""

    LET_IN = 0
    UNKNOWN = 1
    CLOCK_NOT_SET = 2
    NOT_VALID = 3
    NO_PASSES_LEFT = 4
    SCHEDULE_CLOSED = 5


def decide(
    words: Sequence[int],
    unix: float | None,
    passes: int,
    schedules: Sequence[Sequence[int]],
    open_links: Collection[tuple[int, ...]],
) -> Decision:
    """`words`: the identifier's slot, none when nobody has it. `schedules`: state and link_id of every schedule slot."""
    if not words:
        return Decision.UNKNOWN
    if unix is None:
        return Decision.CLOCK_NOT_SET
    if not _is_valid(words, int(unix) // 60):
        return Decision.NOT_VALID
    if words[14] != _UNLIMITED and passes >= words[14]:
        return Decision.NO_PASSES_LEFT
    is_open = any(_grants(reference, schedules, open_links) for reference in words[5:9])
    return Decision.LET_IN if is_open else Decision.SCHEDULE_CLOSED


def _is_valid(words: Sequence[int], minute: int) -> bool:
    first, last = words[10] << 16 | words[11], words[12] << 16 | words[13]
    return first <= minute and (last == _OPEN_END or minute <= last)


def _grants(reference: int, schedules: Sequence[Sequence[int]], open_links: Collection[tuple[int, ...]]) -> bool:
    """A reference to a slot stands for every slot with its link_id; to a free one for none."""
    if reference in (ALWAYS, NO_REFERENCE):
        return reference == ALWAYS
    return schedules[reference][0] == 1 and tuple(schedules[reference][1:9]) in open_links
