"""Layout `period-table`: plain register tables of start and end words, described entirely by the model file.

A change closes first: a period of which more than one word changes is closed by its gate word, then its other words are
written, then the gate word. A slot that has a state word is used last and freed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from config.panel_model import PanelModel
from config.schedule_layouts import PeriodTable
from drivers.contract import PanelCapabilities, PanelImage, Period, Slot
from drivers.modbus.panel.layouts.events import Phases
from drivers.modbus.panel.layouts.intervals import WEEK, day_plan, periods_of
from drivers.modbus.panel.layouts.layout import AllSeen, NoEntries, NoValues, Read, read_words
from drivers.modbus.panel.layouts.without_commit import Writer
from drivers.modbus.panel.steps import Check, Transaction
from drivers.modbus.panel.words import checks

_OPEN_END = 0xFFFF


def _bcd(minute: int) -> int:
    hour, rest = divmod(minute, 60)
    return (hour // 10) << 12 | (hour % 10) << 8 | (rest // 10) << 4 | rest % 10


def _from_bcd(word: int) -> int:
    tens, hour, ten_minutes, minute = word >> 12, word >> 8 & 15, word >> 4 & 15, word & 15
    return 60 * (10 * tens + hour) + 10 * ten_minutes + minute


_TIMES: dict[str, tuple[Callable[[int], int], Callable[[int], int]]] = {
    "minutes": (int, int),
    "hour_minute_bytes": (lambda minute: minute // 60 << 8 | minute % 60, lambda word: 60 * (word >> 8) + (word & 0xFF)),
    "hhmm": (lambda minute: 100 * (minute // 60) + minute % 60, lambda word: 60 * (word // 100) + word % 100),
    "bcd": (_bcd, _from_bcd),
}


@dataclass(frozen=True, slots=True)
class _Record:
    """Offsets of one period's words from the slot's first; `bit`: the weekday of a list that belongs to one."""

    start: int
    end: int
    days: int | None
    bit: int | None

    @property
    def offsets(self) -> tuple[int, ...]:
        return (self.start, self.end) if self.days is None else (self.start, self.end, self.days)


class PeriodTableLayout(NoValues, AllSeen, NoEntries):
    def __init__(self, model: PanelModel, layout: PeriodTable, capabilities: PanelCapabilities) -> None:
        self._model = model
        self._layout = layout
        self._capabilities = capabilities
        self._records = tuple(self._place())
        self._encode_time, self._decode_time = _TIMES[layout.time]
        self._inclusive = 1 if capabilities.end_minute == "inclusive" else 0

    def _place(self) -> Iterable[_Record]:
        layout = self._layout
        for list_index in range(WEEK if layout.style == "per_day" else 1):
            for index in range(layout.periods):
                first = layout.first_period + list_index * layout.day_stride + index * layout.period_stride
                days = None if layout.days is None else first + layout.days
                bit = list_index if layout.style == "per_day" else None
                yield _Record(first + layout.start, first + layout.end, days, bit)

    def _first(self, number: int) -> int:
        return self._layout.address + self._layout.slot_stride * (number - self._capabilities.first_id)

    def _numbers(self) -> range:
        return range(self._capabilities.first_id, self._capabilities.first_id + self._capabilities.max_schedules)

    # --- words

    def _used_offsets(self) -> list[int]:
        layout = self._layout
        fixed = [offset for offset in (layout.state, layout.valid_from, layout.valid_to) if offset is not None]
        return sorted({*fixed, *(offset for record in self._records for offset in record.offsets)})

    def _slot_words(self, slot: Slot) -> dict[int, int]:
        """Every word of a used slot by its offset. Raises ValueError for what does not fit."""
        if slot.opaque is not None:
            return dict(zip(self._used_offsets(), slot.opaque, strict=False))
        layout = self._layout
        words = {} if layout.state is None else {layout.state: layout.state_used}
        if layout.valid_from is not None:
            words[layout.valid_from] = slot.valid_from or 0
        if layout.valid_to is not None:
            words[layout.valid_to] = _OPEN_END if slot.valid_to is None else slot.valid_to
        for record, period in self._filled(slot):
            words |= self._record_words(record, period)
        return words

    def _filled(self, slot: Slot) -> list[tuple[_Record, Period | None]]:
        """Each record with its period; None where it is unused."""
        lists: dict[int | None, list[Period]] = {}
        if self._layout.style == "records":
            lists[None] = list(slot.periods)
        else:
            lists = {bit: [Period(1 << bit, *pair) for pair in day_plan(slot.periods, bit)] for bit in range(WEEK)}
        for bit, periods in lists.items():
            if len(periods) > self._layout.periods:
                day = "" if bit is None else f" on day {bit}"
                raise ValueError(f"{len(periods)} periods{day} do not fit into {self._layout.periods}")
        taken = {bit: iter(periods) for bit, periods in lists.items()}
        return [(record, next(taken[record.bit], None)) for record in self._records]

    def _record_words(self, record: _Record, period: Period | None) -> dict[int, int]:
        unused = self._layout.unused
        start = unused.start if period is None else self._encode_time(period.start)
        end = unused.end if period is None else self._encode_time(period.end - self._inclusive)
        words = {record.start: start, record.end: end}
        if record.days is not None:
            words[record.days] = unused.days if period is None else period.days
        return words

    def _free_words(self) -> dict[int, int]:
        """The words that are known of a free slot: its state, or that every period is unused."""
        if self._layout.state is not None:
            return {self._layout.state: self._layout.state_free}
        words = self._slot_words(Slot(()))
        return {offset: words[offset] for record in self._records for offset in record.offsets}

    def _words(self, image: PanelImage, number: int) -> dict[int, int]:
        slot = image.slots.get(number)
        return self._free_words() if slot is None else self._slot_words(slot)

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        return {self._first(n) + offset: word for n in image.slots for offset, word in self._words(image, n).items()}

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        slots: dict[int, Slot] = {}
        for number in self._numbers():
            first = self._first(number)
            if all(first + offset in words for offset in self._used_offsets()):
                slot = self._decode_slot({offset: words[first + offset] for offset in self._used_offsets()})
                slots |= {number: slot} if slot is not None else {}
        return PanelImage(slots=slots)

    def _decode_slot(self, words: dict[int, int]) -> Slot | None:
        free = self._free_words()
        if all(words[offset] == word for offset, word in free.items()):
            return None
        slot = self._read_slot(words)
        try:
            ours = self._slot_words(slot) == words
        except ValueError:
            ours = False
        return slot if ours else Slot((), opaque=tuple(words[offset] for offset in self._used_offsets()))

    def _read_slot(self, words: dict[int, int]) -> Slot:
        layout = self._layout
        periods = [period for record in self._records if (period := self._period(record, words)) is not None]
        if layout.style == "per_day":
            plans = {bit: day_plan(periods, bit) for bit in range(WEEK)}
            periods = list(periods_of(plans))
        valid_from = 0 if layout.valid_from is None else words[layout.valid_from]
        valid_to = _OPEN_END if layout.valid_to is None else words[layout.valid_to]
        return Slot((), tuple(periods), valid_from or None, None if valid_to == _OPEN_END else valid_to)

    def _period(self, record: _Record, words: Mapping[int, int]) -> Period | None:
        if all(words[offset] == unused for offset, unused in self._record_words(record, None).items()):
            return None
        days = words[record.days] if record.days is not None else 1 << (record.bit or 0)
        return Period(days, self._decode_time(words[record.start]), self._decode_time(words[record.end]) + self._inclusive)

    # --- change

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        phases, expected, held = Phases(), dict[int, int | None](), dict[int, int]()
        for number in sorted(n for n in {*target.slots, *known.slots} if target.slots.get(n) != known.slots.get(n)):
            old, new, first = self._words(known, number), self._words(target, number), self._first(number)
            held |= {first + offset: word for offset, word in old.items()}
            if any(old.get(offset) != word for offset, word in new.items()):
                self._slot_phases(first, old, new, phases)
                expected |= {first + offset: word for offset, word in new.items()}
        writer = Writer(self._model, held)
        writer.values_off(phases)
        writer.times_and_on(phases, None)
        return writer.transaction(known, expected)

    def _slot_phases(self, first: int, old: Mapping[int, int], new: Mapping[int, int], phases: Phases) -> None:
        state = self._layout.state
        differing = {offset for offset, word in new.items() if old.get(offset) != word}
        frees = state is not None and state in differing and new[state] == self._layout.state_free
        if state is not None and (frees or self._changes_as_a_whole(differing)):
            if old.get(state) != self._layout.state_free:
                phases.off[first + state] = self._layout.state_free
            phases.earlier |= {first + offset: new[offset] for offset in differing - {state}}
            if not frees:
                phases.on[first + state] = new[state]
            return
        dates = differing & {self._layout.valid_from, self._layout.valid_to}
        phases.earlier |= {first + offset: new[offset] for offset in dates if offset is not None}
        for record in self._records:
            self._record_phases(first, record, old, new, bool(dates) and len(differing) > 1, phases)

    def _changes_as_a_whole(self, differing: set[int]) -> bool:
        """Whether the slot was free, or its dates change together with other words."""
        layout = self._layout
        return layout.state in differing or (len(differing) > 1 and bool(differing & {layout.valid_from, layout.valid_to}))

    def _record_phases(
        self, first: int, record: _Record, old: Mapping[int, int], new: Mapping[int, int], close: bool, phases: Phases
    ) -> None:
        """Change one period. `close`: it must be closed in between even where it stays as it is."""
        differing = [offset for offset in record.offsets if old.get(offset) != new[offset]]
        gate = {"start": record.start, "end": record.end, "days": record.days}[self._layout.gate]
        if gate is None or not (differing or close):
            return
        shut = self._record_words(record, None)[gate]
        if len(differing) == 1 and not close:
            phase = phases.off if self._narrows(record, old, new) else phases.on
            phase[first + differing[0]] = new[differing[0]]
            return
        if old.get(gate) != shut:
            phases.off[first + gate] = shut
        phases.earlier |= {first + offset: new[offset] for offset in differing if offset != gate}
        if new[gate] != shut:
            phases.on[first + gate] = new[gate]

    def _narrows(self, record: _Record, old: Mapping[int, int], new: Mapping[int, int]) -> bool:
        before, after = self._period(record, old), self._period(record, new)
        if after is None or after.start >= after.end:
            return True
        if before is None:
            return False
        return before.start <= after.start and after.end <= before.end and not after.days & ~before.days

    # --- read

    def quick_checks(self, image: PanelImage, commits: int | None = None) -> tuple[Check, ...]:
        """The state words, or the whole table where there are none; then the words of the image's slots."""
        expected: dict[int, int | None] = {}
        for number in self._numbers():
            expected |= {self._first(number) + offset: word for offset, word in self._words(image, number).items()}
        return checks(expected, self._model.addressing)

    def unknown(self) -> PanelImage:
        return PanelImage(slots={number: Slot((), opaque=()) for number in self._numbers()})

    async def read(self, read: Read, *, thoroughly: bool = False) -> PanelImage:
        """The state words where there are any, then only the used slots; else the whole table."""
        numbers, state = list(self._numbers()), self._layout.state
        if state is not None:
            states = await self._words_read(read, [self._first(number) + state for number in numbers])
            numbers = [number for number in numbers if states[self._first(number) + state] != self._layout.state_free]
        return self.decode(
            await self._words_read(read, [self._first(n) + offset for n in numbers for offset in self._used_offsets()])
        )

    async def _words_read(self, read: Read, addresses: list[int]) -> dict[int, int]:
        return await read_words(read, addresses, self._model.addressing)
