"""`open-access-panel`: a full access panel. Acts on its registers: what is open is read from the committed words."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping, Sequence

from config.settings import PanelSettings
from simulators.access_clock import WORDS as CLOCK_WORDS
from simulators.access_clock import TableClock
from simulators.access_decision import Decision, decide
from simulators.access_memory import SlotArea, SlotMemory
from simulators.access_slots import (
    SCHEDULE_WORDS,
    day_windows,
    link_id_of,
    link_id_words,
    slot_crc,
)
from simulators.clock import MINUTES, Windows, loop_time
from simulators.event_log import EVENT_WORDS, WINDOW_EVENTS, EventLog
from simulators.modbus_slave import DEVICE_BUSY, ILLEGAL_ADDRESS, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, ModbusRefusal
from simulators.panel import SimulatedPanel
from simulators.regions import Region, RegionMap
from simulators.timed_outputs import TimedOutputs

COMMIT_AT, CLEAR_AT = 0x0200, 0x0202
COMMIT, DROP = 0xC0DE, 0xDEAD
EVENTS = 256
LET_IN_EVENT, TURNED_AWAY_EVENT = 1, 2
LET_IN_TENTHS = 50
NO_SLOT = 0xFFFF
STRANGER = "f111f111-0000-4000-8000-000000000000"
"""The link_id in slots that `fill_up` takes."""


def _zeros(offset: int, count: int) -> Sequence[int]:
    return (0,) * count


class OpenAccessPanel(SimulatedPanel):
    model = "open-access-panel"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        size = settings.simulator
        self._size = size
        self._memory = SlotMemory(size, monotonic)
        self._clock = TableClock(self.oscillator)
        self._outputs = TimedOutputs(size.outputs, monotonic)
        self._events = EventLog(EVENTS)
        self._passes = [0] * size.identifiers
        self._reset_count = 0
        self._busy_until = 0.0
        self._old_schedules = self._memory.schedules.committed[:]
        self._input = RegionMap([Region(0, 24, self._read_facts), Region(40, 6, self._clock.read_civil)])
        self._holding = RegionMap([*self._commands(), *self._slots()])

    # --- the map

    def _commands(self) -> list[Region]:
        clock, outputs, events, count = self._clock, self._outputs, self._events, self._size.outputs
        return [
            Region(0x0100, CLOCK_WORDS, clock.read, clock.set, clock.check, whole=True),
            Region(COMMIT_AT, 2, _zeros, self._command, self._check_command, whole=True),
            Region(CLEAR_AT, 1, _zeros, self._clear, self._check_clear, whole=True),
            Region(0x0210, count, outputs.pulse_left, outputs.pulse),
            Region(0x0220, count, outputs.hold_left, outputs.hold),
            Region(0x7000, EVENT_WORDS * WINDOW_EVENTS, events.read_window),
            Region(0x7FFE, 2, events.read_start, events.write_start),
        ]

    def _slots(self) -> list[Region]:
        schedules, identifiers = self._memory.schedules, self._memory.identifiers
        last = SCHEDULE_WORDS - 1
        return [
            Region(0x0300, schedules.slots, lambda at, n: [schedules.slot(s)[last] for s in range(at, at + n)]),
            Region(0x0400, identifiers.slots, lambda at, n: self._passes[at : at + n]),
            self._committed(schedules),
            self._committed(identifiers),
            self._staged(0x9000, schedules),
            self._staged(0xC000, identifiers),
        ]

    def _committed(self, area: SlotArea) -> Region:
        memory = self._memory
        return Region(
            area.base,
            area.slots * area.width,
            lambda at, n: memory.read_committed(area, at, n),
            lambda at, words: memory.stage(area, at, words),
        )

    def _staged(self, start: int, area: SlotArea) -> Region:
        return Region(start, area.slots * area.width, lambda at, n: self._memory.read_upcoming(area, at, n))

    def _read_facts(self, offset: int, count: int) -> Sequence[int]:
        size, memory, uptime, last = self._size, self._memory, self.uptime_s(), self._events.last
        return (
            *(0x5041, 0x0100, size.schedules, size.periods, size.dates, size.identifiers, size.outputs, EVENTS),
            *(uptime >> 16 & 0xFFFF, uptime & 0xFFFF, self._reset_count & 0xFFFF, memory.commit_count & 0xFFFF),
            *(memory.status, memory.refused_address, memory.refused_reason),
            *(memory.schedules.used(), memory.identifiers.used(), memory.staged_count()),
            *(last >> 16, last & 0xFFFF, *self.serial_words()),
        )[offset : offset + count]

    def serial_words(self) -> tuple[int, ...]:
        """Input registers 20-23: a number that is this panel's alone, made from its id."""
        digest = slot_crc(0, (*self.id.encode(), 0))
        return (0x5041, 0, self.unit, digest)

    # --- requests

    def read_bits(self, function: int, address: int, count: int) -> Sequence[int]:
        bits = self._outputs.states() if function == READ_COILS else self._open_bits()
        if address + count > len(bits):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        return bits[address : address + count]

    def read_words(self, function: int, address: int, count: int) -> Sequence[int]:
        return (self._holding if function == READ_HOLDING else self._input).read(address, count)

    def write_word(self, address: int, value: int) -> None:
        self.write_words(address, (value,))

    def write_words(self, address: int, words: Sequence[int]) -> None:
        if self._busy and (address, len(words)) != (CLEAR_AT, 1):
            raise ModbusRefusal(DEVICE_BUSY)
        self._holding.write(address, words)

    @staticmethod
    def _check_command(offset: int, words: Sequence[int]) -> None:
        if words[0] != COMMIT and tuple(words) != (DROP, 0):
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _command(self, offset: int, words: Sequence[int]) -> None:
        if words[0] == DROP:
            self._memory.drop()
            return
        before = {number: self._memory.identifiers.slot(number) for number in self._memory.identifiers.staged}
        schedules = self._memory.schedules.committed[:]
        if self._memory.commit(words[1]):
            self._forget_passes(before)
            self._old_schedules = schedules
            self._busy_until = self.monotonic() + self._size.busy_ms / 1000

    def _forget_passes(self, before: Mapping[int, Sequence[int]]) -> None:
        """An identifier slot that was given a new content starts counting again."""
        for number, words in before.items():
            if self._memory.identifiers.slot(number) != words:
                self._passes[number] = 0

    def _check_clear(self, offset: int, words: Sequence[int]) -> None:
        if words[0] >= self._size.schedules:
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _clear(self, offset: int, words: Sequence[int]) -> None:
        self._memory.clear_schedule(words[0])
        self._old_schedules[words[0] * SCHEDULE_WORDS : (words[0] + 1) * SCHEDULE_WORDS] = array("H", bytes(2 * SCHEDULE_WORDS))

    @property
    def _busy(self) -> bool:
        """Taking over what was committed: writes are refused, schedules go on from the old set."""
        return self.monotonic() < self._busy_until

    def _acting(self, slot: int) -> Sequence[int]:
        """The words by which a schedule slot opens now."""
        if not self._busy:
            return self._memory.schedules.slot(slot)
        return self._old_schedules[slot * SCHEDULE_WORDS : (slot + 1) * SCHEDULE_WORDS]

    def makes_durable(self, pdu: bytes) -> bool:
        return pdu[:5] == bytes((0x10, 0x02, 0x00, 0x00, 0x02)) and pdu[6:8] == COMMIT.to_bytes(2, "big")

    # --- power

    def _boot(self, cold: bool) -> None:
        super()._boot(cold)
        self._memory.drop()
        self._outputs.all_off()
        self._events.rewind()
        self._busy_until = 0.0
        self._reset_count += 1
        if cold:
            self._clock.clear()

    def _erase(self) -> None:
        self._memory.erase()
        self._events.erase()
        self._passes = [0] * self._size.identifiers
        self._reset_count = -1

    # --- for tests and people

    def local_second(self) -> float | None:
        return self._clock.local_second()

    def outputs(self) -> tuple[bool, ...]:
        return self._outputs.states()

    def schedule_words(self, slot: int) -> tuple[int, ...]:
        """The committed words of a schedule slot."""
        return tuple(self._memory.schedules.slot(slot))

    def used_schedules(self) -> dict[int, str]:
        """Committed slots in use and their link_ids."""
        slots = range(self._size.schedules)
        return {slot: link_id_of(words) for slot in slots if (words := self._memory.schedules.slot(slot))[0] & 0xFF}

    def commit_count(self) -> int:
        return self._memory.commit_count

    def day_windows(self, slot: int, day: int) -> Windows:
        return day_windows(self._memory.schedules.slot(slot), day)

    def open_by_link(self, link_id: str, local_minute: int) -> bool:
        """Whether any committed slot with this link_id is open; minutes count from 1970-01-01T00:00 local."""
        wanted = link_id_words(link_id)
        day, minute = divmod(local_minute, MINUTES)
        slots = (slot for slot in range(self._size.schedules) if self.schedule_words(slot)[:9] == (1, *wanted))
        return any(self.is_open_at(slot, day, minute) for slot in slots)

    def _open_bits(self) -> tuple[int, ...]:
        now = self.local_second()
        if now is None:
            return (0,) * self._size.schedules
        day, minute = divmod(int(now) // 60, MINUTES)
        windows = (day_windows(self._acting(slot), day) for slot in range(self._size.schedules))
        return tuple(int(any(start <= minute < end for start, end in pairs)) for pairs in windows)

    def schedules_open_now(self) -> tuple[int, ...]:
        return tuple(slot for slot, is_open in enumerate(self._open_bits()) if is_open)

    def fill_up(self) -> int:
        """Never-open schedules of a stranger, committed, in every free slot."""
        free = [slot for slot in range(self._size.schedules) if self.schedule_words(slot)[0] == 0]
        for slot in free:
            words = [1, *link_id_words(STRANGER), 0, 0xFFFF, *(0,) * (SCHEDULE_WORDS - 11)]
            self._memory.schedules.store(slot, [*words[:-1], slot_crc(slot, words)])
        return len(free)

    def present(self, kind: int, number: tuple[int, int, int, int]) -> Decision:
        """Somebody shows an identifier: decided by the registers and the clock, logged; where let in, a pass is counted and
        the outputs of its mask are on for five seconds.
        """
        slot, words = self._find(kind, number)
        links = [tuple(self._acting(s)[:9]) for s in range(self._size.schedules)]
        open_links = {links[s][1:] for s in self.schedules_open_now()}
        decision = decide(words, self._clock.unix(), self._passes[slot] if words else 0, links, open_links)
        if decision is Decision.LET_IN and words:
            self._passes[slot] += 1
            for output in (output for output in range(self._size.outputs) if words[9] >> output & 1):
                self._outputs.pulse(output, (LET_IN_TENTHS,))
        self.record_event(LET_IN_EVENT if decision is Decision.LET_IN else TURNED_AWAY_EVENT, slot, 0, decision.value)
        return decision

    def _find(self, kind: int, number: tuple[int, int, int, int]) -> tuple[int, tuple[int, ...]]:
        """The committed identifier slot with this type and number; 0xFFFF and no words where there is none."""
        for slot in range(self._size.identifiers):
            words = tuple(self._memory.identifiers.slot(slot))
            if words[0] & 0xFF == kind != 0 and words[1:5] == number:
                return slot, words
        return NO_SLOT, ()

    def record_event(self, kind: int, identifier: int, output: int, reason: int) -> None:
        """Put an event into the log, stamped by its own clock (0 while unset)."""
        self._events.add(int(self._clock.unix() or 0), kind, identifier, output, reason)
