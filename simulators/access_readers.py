"""The readers of an `open-access-panel`: whom they let in by the words the panel acts on, and which outputs that moves."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from simulators.access_decision import Decision, decide
from simulators.access_memory import SlotMemory
from simulators.access_slots import NUMBER_ENDS
from simulators.event_log import NONE
from simulators.timed_outputs import TimedOutputs

PULSE_TENTHS = 50
_MOST_COUNTED = 0xFFFF


class Readers:
    """`own_doors`: reader n opens output n alone, where the mask of the identifier has its bit (map 1.1). Else every output of
    the mask opens for five seconds, whichever reader it was.
    """

    def __init__(self, memory: SlotMemory, outputs: TimedOutputs, count: int, own_doors: bool) -> None:
        self._memory, self._outputs, self.count, self._own_doors = memory, outputs, count, own_doors
        self._pulse_tenths = [PULSE_TENTHS] * count

    def read_pulse_tenths(self, offset: int, count: int) -> Sequence[int]:
        return self._pulse_tenths[offset : offset + count]

    def write_pulse_tenths(self, offset: int, words: Sequence[int]) -> None:
        self._pulse_tenths[offset : offset + len(words)] = words

    def erase(self) -> None:
        self._pulse_tenths = [PULSE_TENTHS] * self.count

    def decide(self, key: tuple[int, ...], door: int, unix: float | None, open_now: Collection[int]) -> tuple[int, Decision]:
        """The slot of the identifier whose words +0..4 are `key`, and what is decided; `open_now`: schedule slots.

        Of several slots with one number the first that lets in counts, else the first.
        """
        area, passes = self._memory.identifiers, self._memory.passes
        found = [slot for slot in range(area.slots) if tuple(area.acting_slot(slot)[:NUMBER_ENDS]) == key]
        if unix is None:
            return (found or [NONE])[0], Decision.CLOCK_NOT_SET
        minute, bit, is_open = int(unix) // 60, door if self._own_doors else None, self._references(open_now)
        decided = [(slot, decide(area.acting_slot(slot), minute, passes[slot], is_open, bit)) for slot in found]
        granted = [pair for pair in decided if pair[1] is Decision.GRANTED]
        return (granted or decided or [(NONE, Decision.UNKNOWN)])[0]

    def let_in(self, slot: int, door: int) -> None:
        """Count the pass and move the door."""
        passes = self._memory.passes
        passes[slot] = min(passes[slot] + 1, _MOST_COUNTED)
        if self._own_doors:
            self._outputs.pulse(door, (self._pulse_tenths[door],))
            return
        mask = self._memory.identifiers.acting_slot(slot)[9]
        for output in range(self.count):
            if mask >> output & 1:
                self._outputs.pulse(output, (PULSE_TENTHS,))

    def _references(self, open_now: Collection[int]) -> set[int]:
        """Schedule slots that are open, or whose link_id an open one carries too."""
        schedules = self._memory.schedules
        heads = [tuple(schedules.acting_slot(slot)[:9]) for slot in range(schedules.slots)]
        open_heads = {heads[slot] for slot in open_now}
        return {slot for slot, head in enumerate(heads) if head in open_heads}
