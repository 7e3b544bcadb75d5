"""`open-access-panel`: a full access panel. Acts on its registers: what is open is read from the committed words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from config.settings import PanelSettings
from simulators.access_clock import WORDS as CLOCK_WORDS
from simulators.access_clock import TableClock
from simulators.access_decision import Decision
from simulators.access_memory import BUSY, DONE, SlotArea, SlotMemory
from simulators.access_readers import Readers
from simulators.access_slots import SCHEDULE_WORDS, day_windows, link_id_of, link_id_words, slot_crc
from simulators.clock import MINUTES, Windows, loop_time
from simulators.event_log import EVENT_WORDS, NONE, WINDOW_EVENTS, EventKind, EventLog
from simulators.identifier_numbers import NoNumber, number_words
from simulators.modbus_slave import DEVICE_BUSY, ILLEGAL_ADDRESS, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, ModbusRefusal
from simulators.panel import CannotRead, Reading, SimulatedPanel
from simulators.regions import Region, RegionMap
from simulators.timed_outputs import TimedOutputs

COMMIT_AT, CLEAR_SCHEDULE_AT, CLEAR_IDENTIFIER_AT = 0x0200, 0x0202, 0x0203
COMMIT, DROP = 0xC0DE, 0xDEAD
MAP_VERSIONS = {"1.0": 0x0100, "1.1": 0x0101}
EVENTS_SHOWN = 20
STRANGER = "f111f111-0000-4000-8000-000000000000"
"""The link_id in slots that `fill_up` takes."""


def _only_zeros(offset: int, words: Sequence[int]) -> None:
    if any(words):
        raise ModbusRefusal(ILLEGAL_VALUE)


def _zeros(offset: int, count: int) -> Sequence[int]:
    return (0,) * count


def _serial(settings: PanelSettings) -> int:
    configured = settings.simulator.serial
    if configured is None:
        return 0x5041 << 48 | settings.unit << 16 | slot_crc(0, (*settings.id.encode(), 0))
    return int(configured, 16) if isinstance(configured, str) else configured


class OpenAccessPanel(SimulatedPanel):
    """Speaks map 1.1, or 1.0 where the configuration says so."""

    model = "open-access-panel"

    def __init__(
        self, settings: PanelSettings, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = loop_time
    ) -> None:
        super().__init__(settings, wall, monotonic)
        size = settings.simulator
        self._size = size
        self._newest = size.map != "1.0"
        self.serial: int = _serial(settings)
        self._memory = SlotMemory(size, monotonic)
        self._clock = TableClock(self.oscillator)
        self._outputs = TimedOutputs(size.outputs, monotonic)
        self._readers = Readers(self._memory, self._outputs, size.outputs, self._newest)
        self._events = EventLog(size.events)
        self._reset_count = 0
        self._busy_until = 0.0
        self._input = RegionMap([Region(0, 24, self._read_facts), Region(40, 6, self._clock.read_civil)])
        self._holding = RegionMap([*self._commands(), *self._slots(), *(self._of_map_1_1() if self._newest else ())])

    # --- the map

    def _commands(self) -> list[Region]:
        clock, outputs, events, count = self._clock, self._outputs, self._events, self._size.outputs
        return [
            Region(0x0100, CLOCK_WORDS, clock.read, self._set_clock, clock.check, whole=True),
            Region(COMMIT_AT, 2, _zeros, self._command, self._check_command, whole=True),
            self._clearing(CLEAR_SCHEDULE_AT, self._size.schedules, self._memory.clear_schedule),
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
            Region(0x0400, identifiers.slots, self._read_passes, *((self._reset_passes, _only_zeros) if self._newest else ())),
            self._committed(schedules),
            self._committed(identifiers),
            self._staged(0x9000, schedules),
            self._staged(0xC000, identifiers),
        ]

    def _of_map_1_1(self) -> list[Region]:
        return [
            self._clearing(CLEAR_IDENTIFIER_AT, self._size.identifiers, self._memory.clear_identifier),
            Region(0x0230, self._size.outputs, self._readers.read_pulse_tenths, self._readers.write_pulse_tenths),
        ]

    @staticmethod
    def _clearing(address: int, slots: int, clear: Callable[[int], None]) -> Region:
        def check(offset: int, words: Sequence[int]) -> None:
            if words[0] >= slots:
                raise ModbusRefusal(ILLEGAL_VALUE)

        return Region(address, 1, _zeros, lambda _, words: clear(words[0]), check, whole=True)

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
            *(0x5041, MAP_VERSIONS[size.map], size.schedules, size.periods, size.dates),
            *(size.identifiers, size.outputs, size.events),
            *(uptime >> 16 & 0xFFFF, uptime & 0xFFFF, self._reset_count & 0xFFFF, memory.commit_count & 0xFFFF),
            *(self._status(), memory.refused_address, memory.refused_reason),
            *(memory.schedules.used(), memory.identifiers.used(), memory.staged_count()),
            *(last >> 16, last & 0xFFFF, *(self.serial >> shift & 0xFFFF for shift in (48, 32, 16, 0))),
        )[offset : offset + count]

    def _status(self) -> int:
        status = self._memory.status
        return BUSY if status == DONE and self._busy and self._newest else status

    # --- requests

    def handle(self, pdu: bytes) -> bytes:
        self._catch_up()
        reply = super().handle(pdu)
        self._catch_up()
        return reply

    def _catch_up(self) -> None:
        """Apply what time and the last request bring about: a commit takes effect, outputs that changed are logged."""
        if not self._busy:
            self._memory.act()
        for change in self._outputs.changes():
            kind = EventKind.OUTPUT_ON if change.on else EventKind.OUTPUT_OFF
            self.record_event(kind, output=change.output, ago_s=self.monotonic() - change.at)

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
        clears = len(words) == 1 and address in (CLEAR_SCHEDULE_AT, CLEAR_IDENTIFIER_AT)
        if self._busy and not clears:
            raise ModbusRefusal(DEVICE_BUSY)
        self._holding.write(address, words)

    def _set_clock(self, offset: int, words: Sequence[int]) -> None:
        self._clock.set(offset, words)
        self.record_event(EventKind.CLOCK_SET)

    def _read_passes(self, offset: int, count: int) -> Sequence[int]:
        return self._memory.passes[offset : offset + count]

    def _reset_passes(self, offset: int, words: Sequence[int]) -> None:
        self._memory.passes[offset : offset + len(words)] = words

    @staticmethod
    def _check_command(offset: int, words: Sequence[int]) -> None:
        if words[0] != COMMIT and tuple(words) != (DROP, 0):
            raise ModbusRefusal(ILLEGAL_VALUE)

    def _command(self, offset: int, words: Sequence[int]) -> None:
        if words[0] == DROP:
            self._memory.drop()
            return
        if self._memory.commit(words[1]):
            self._busy_until = self.monotonic() + self._size.busy_ms / 1000
            self.record_event(EventKind.COMMIT)

    @property
    def _busy(self) -> bool:
        """Whether it is still taking over what was committed: until then it refuses writes and acts on the old words."""
        return self.monotonic() < self._busy_until

    def makes_durable(self, pdu: bytes) -> bool:
        return pdu[:5] == bytes((0x10, 0x02, 0x00, 0x00, 0x02)) and pdu[6:8] == COMMIT.to_bytes(2, "big")

    # --- power

    def _boot(self, cold: bool) -> None:
        self._catch_up()
        super()._boot(cold)
        self._memory.drop()
        self._outputs.all_off()
        self._events.rewind()
        self._busy_until = 0.0
        self._reset_count += 1
        if cold:
            self._clock.clear()
        if self._reset_count:
            self.record_event(EventKind.RESTART)

    def _erase(self) -> None:
        self._catch_up()
        self._memory.erase()
        self._events.erase()
        self._readers.erase()
        self._reset_count = -1

    def replace(self, serial: int | None = None) -> None:
        self.serial = (self.serial + (1 << 32)) % (1 << 64) if serial is None else serial
        super().replace()

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
        self._catch_up()
        now = self.local_second()
        opened = () if now is None else self._open_at(int(now) // 60)
        return tuple(int(slot in opened) for slot in range(self._size.schedules))

    def _open_at(self, local_minute: int) -> frozenset[int]:
        """Schedule slots that are open, by the words it acts on."""
        (day, minute), schedules = divmod(local_minute, MINUTES), self._memory.schedules
        windows = ((slot, day_windows(schedules.acting_slot(slot), day)) for slot in range(schedules.slots))
        return frozenset(slot for slot, pairs in windows if any(start <= minute < end for start, end in pairs))

    def schedules_open_now(self) -> tuple[int, ...]:
        return tuple(slot for slot, is_open in enumerate(self._open_bits()) if is_open)

    def fill_up(self) -> int:
        """Write a never-open schedule with a foreign link_id into every free slot, committed."""
        free = [slot for slot in range(self._size.schedules) if self.schedule_words(slot)[0] == 0]
        for slot in free:
            words = [1, *link_id_words(STRANGER), 0, 0xFFFF, *(0,) * (SCHEDULE_WORDS - 11)]
            self._memory.schedules.store(slot, [*words[:-1], slot_crc(slot, words)])
        return len(free)

    def read(self, kind: str, number: str, door: int) -> Reading:
        """Decide by the words it acts on and its clock, and log it; being let in costs a pass and moves the door's output."""
        key = self._shown(kind, number, door)
        slot, decision = self._readers.decide(key, door, self._clock.unix(), self.schedules_open_now())
        granted = decision is Decision.GRANTED
        self.record_event(EventKind.GRANTED if granted else EventKind.DENIED, slot, door, decision.value)
        if granted:
            self._readers.let_in(slot, door)
        self._catch_up()
        return Reading(granted, decision.name.lower())

    def read_earlier(self, kind: str, number: str, door: int, ago_s: float) -> Reading:
        key, now, local = self._shown(kind, number, door), self._clock.unix(), self.local_second()
        was_open = () if local is None else self._open_at(int(local - ago_s) // 60)
        slot, decision = self._readers.decide(key, door, None if now is None else now - ago_s, was_open)
        granted = decision is Decision.GRANTED
        self.record_event(EventKind.GRANTED if granted else EventKind.DENIED, slot, door, decision.value, ago_s)
        return Reading(granted, decision.name.lower())

    def would_read(self, kind: str, number: str, door: int, unix_minute: int, local_minute: int) -> Reading:
        """What it would answer if its clock said so; nothing is counted, moved or logged. Raises CannotRead."""
        key = self._shown(kind, number, door)
        _, decision = self._readers.decide(key, door, 60 * unix_minute, self._open_at(local_minute))
        return Reading(decision is Decision.GRANTED, decision.name.lower())

    def _shown(self, kind: str, number: str, door: int) -> tuple[int, ...]:
        self._catch_up()
        if not 0 <= door < self._size.outputs:
            raise CannotRead(f"door: the readers are 0 to {self._size.outputs - 1}; first is 0, second is 1")
        try:
            return number_words(kind, number)
        except NoNumber as error:
            raise CannotRead(str(error)) from error

    def record_event(self, kind: int, identifier: int = NONE, output: int = NONE, reason: int = 0, ago_s: float = 0.0) -> None:
        """Log an event with the time of its own clock (0 while unset)."""
        now = self._clock.unix()
        self._events.add(0 if now is None else int(now - ago_s), kind, identifier, output, reason)

    def details(self) -> dict[str, object]:
        self._catch_up()
        return {
            "map": self._size.map,
            "serial": f"{self.serial:016X}",
            "commits": self._memory.commit_count,
            "identifiers": [self._identifier_view(slot) for slot in range(self._size.identifiers) if self._is_used(slot)],
            "events": [asdict(event) for event in self._events.recent(EVENTS_SHOWN)],
        }

    def _is_used(self, slot: int) -> bool:
        return self._memory.identifiers.slot(slot)[0] & 0xFF != 0

    def _identifier_view(self, slot: int) -> dict[str, int]:
        words = self._memory.identifiers.slot(slot)
        return {"slot": slot, "type": words[0] & 0xFF, "passes_used": self._memory.passes[slot], "passes_allowed": words[14]}
