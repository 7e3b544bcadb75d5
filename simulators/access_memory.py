"""The slots of an `open-access-panel`: committed words, a staged copy of what is being changed, and the commit between them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from config.settings import SimulatorSettings
from simulators.access_slots import (
    BAD_VALUE,
    IDENTIFIER_WORDS,
    NUMBER_ENDS,
    REFERRED_TO,
    SCHEDULE_WORDS,
    identifier_fault,
    references,
    schedule_fault,
)
from simulators.modbus_slave import DEVICE_FAILURE, ModbusRefusal

STAGED_FOR_S = 60.0
NOTHING, STAGED, DONE, REFUSED, BUSY = range(5)
NO_ADDRESS = 0xFFFF


class SlotArea:
    """Slots of one kind, side by side from `base` on. `committed` is durable, `staged` is not; the panel acts on `acting`,
    which is what was committed before while it is busy with a commit.
    """

    def __init__(self, base: int, slots: int, width: int, fault: Callable[[int, Sequence[int]], int | None]) -> None:
        self.base, self.slots, self.width, self.fault = base, slots, width, fault
        self.committed = array("H", bytes(2 * slots * width))
        self.acting = self.committed[:]
        self.staged: dict[int, array[int]] = {}

    def slot(self, number: int) -> array[int]:
        return self.committed[number * self.width : (number + 1) * self.width]

    def acting_slot(self, number: int) -> array[int]:
        return self.acting[number * self.width : (number + 1) * self.width]

    def upcoming(self, number: int) -> array[int]:
        """The slot as a commit would leave it."""
        return self.staged.get(number) or self.slot(number)

    def store(self, number: int, words: Sequence[int]) -> None:
        """Committed and acted on at once; what is staged stays."""
        span = slice(number * self.width, (number + 1) * self.width)
        self.committed[span] = self.acting[span] = array("H", words)

    def take_staged(self) -> None:
        for number, words in self.staged.items():
            self.committed[number * self.width : (number + 1) * self.width] = words
        self.staged.clear()

    def act(self) -> None:
        self.acting = self.committed[:]

    def erase(self) -> None:
        self.committed = array("H", bytes(2 * self.slots * self.width))
        self.acting = self.committed[:]
        self.staged.clear()

    def used(self) -> int:
        """Slots whose type or state is not 0."""
        return sum(1 for word in self.committed[:: self.width] if word & 0xFF)

    def pieces(self, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
        """(slot, first word in it, words) for a span of the area."""
        while count > 0:
            number, first = divmod(offset, self.width)
            size = min(count, self.width - first)
            yield number, first, size
            offset, count = offset + size, count - size


class SlotMemory:
    """Both areas, the transaction over them, and the passes used by each identifier slot. `now` is monotonic seconds."""

    def __init__(self, size: SimulatorSettings, now: Callable[[], float]) -> None:
        self.schedules = SlotArea(
            0x1000, size.schedules, SCHEDULE_WORDS, lambda n, words: schedule_fault(n, words, size.periods, size.dates)
        )
        self.identifiers = SlotArea(
            0x4000, size.identifiers, IDENTIFIER_WORDS, lambda n, words: identifier_fault(n, words, size.schedules, size.outputs)
        )
        self.passes = [0] * size.identifiers
        self.commit_count = 0
        self._acts = True
        """Whether the panel acts on the committed words."""
        self._now = now
        self._touched_at = 0.0
        self._status = NOTHING
        self.refused_address, self.refused_reason = NO_ADDRESS, 0

    @property
    def status(self) -> int:
        self._expire()
        return self._status

    def staged_count(self) -> int:
        self._expire()
        return len(self.schedules.staged) + len(self.identifiers.staged)

    def read_committed(self, area: SlotArea, offset: int, count: int) -> Sequence[int]:
        return area.committed[offset : offset + count]

    def read_upcoming(self, area: SlotArea, offset: int, count: int) -> list[int]:
        """Staged words, committed ones where nothing is staged. Reading a staged slot keeps the staging alive."""
        self._expire()
        words: list[int] = []
        for number, first, size in area.pieces(offset, count):
            if number in area.staged:
                self._touched_at = self._now()
            words += area.upcoming(number)[first : first + size]
        return words

    def stage(self, area: SlotArea, offset: int, words: Sequence[int]) -> None:
        self._expire()
        taken = 0
        for number, first, size in area.pieces(offset, len(words)):
            slot = area.staged.setdefault(number, area.slot(number))
            slot[first : first + size] = array("H", words[taken : taken + size])
            taken += size
        self._touched_at = self._now()
        self._conclude(STAGED)

    def drop(self) -> None:
        self.schedules.staged.clear()
        self.identifiers.staged.clear()
        self._conclude(NOTHING)

    def clear_schedule(self, number: int) -> None:
        """Clear a slot at once and durably, without a commit, even if identifiers refer to it."""
        self._clear(self.schedules, number)

    def clear_identifier(self, number: int) -> None:
        """Clear an identifier slot likewise; its passes are counted again from zero."""
        self._clear(self.identifiers, number)
        self.passes[number] = 0

    def _clear(self, area: SlotArea, number: int) -> None:
        area.store(number, (0,) * area.width)
        area.staged.pop(number, None)
        if self._status == STAGED and self.staged_count() == 0:
            self._conclude(NOTHING)

    def commit(self, number: int) -> bool:
        """Take over all that is staged, or nothing (exception 4). False when there was nothing to commit."""
        if number != self.staged_count():
            self._refuse(NO_ADDRESS, BAD_VALUE)
        if number == 0:
            return False
        self._judge()
        for area in (self.schedules, self.identifiers):
            area.take_staged()
        self._acts = False
        self.commit_count += 1
        self._conclude(DONE)
        return True

    def act(self) -> None:
        """Act on what is committed. A slot counts its passes anew where its type, digits or number are others than before."""
        if self._acts:
            return
        area = self.identifiers
        if area.acting != area.committed:
            for number in range(area.slots):
                if area.acting_slot(number)[:NUMBER_ENDS] != area.slot(number)[:NUMBER_ENDS]:
                    self.passes[number] = 0
        area.act()
        self.schedules.act()
        self._acts = True

    def erase(self) -> None:
        self.schedules.erase()
        self.identifiers.erase()
        self.passes = [0] * self.identifiers.slots
        self.commit_count = 0

    def _judge(self) -> None:
        for area in (self.schedules, self.identifiers):
            for number in sorted(area.staged):
                reason = area.fault(number, area.staged[number])
                if reason is not None:
                    self._refuse(area.base + number * area.width, reason)
        referred = self._referred()
        for number in sorted(self.schedules.staged):
            if self.schedules.staged[number][0] == 0 and number in referred:
                self._refuse(self.schedules.base + number * SCHEDULE_WORDS, REFERRED_TO)

    def _referred(self) -> set[int]:
        """Schedule slots that identifiers would name after the commit."""
        area = self.identifiers
        used = (number for number, word in enumerate(area.committed[:: area.width]) if word & 0xFF or number in area.staged)
        return {reference for number in used for reference in references(area.upcoming(number))}

    def _refuse(self, address: int, reason: int) -> None:
        self.drop()
        self._status = REFUSED
        self.refused_address, self.refused_reason = address, reason
        raise ModbusRefusal(DEVICE_FAILURE)

    def _conclude(self, status: int) -> None:
        self._status = status
        self.refused_address, self.refused_reason = NO_ADDRESS, 0

    def _expire(self) -> None:
        staged = self.schedules.staged or self.identifiers.staged
        if staged and self._now() - self._touched_at >= STAGED_FOR_S:
            self.drop()
