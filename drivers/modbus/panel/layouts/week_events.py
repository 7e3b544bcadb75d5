"""Layout `week-events`: one table for the whole panel, seven days with a fixed number of timed modes; no dates.

A mode holds until the next event, over midnight too: each day has an event at 00:00. Events that are not used carry a bit.
The table has no slots: it is the image's first slot, and closed on all days where the image has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.panel_model import PanelModel
from config.panel_parts import BitSetting
from config.schedule_layouts import WeekEvents
from drivers.contract import PanelCapabilities, PanelImage, Slot
from drivers.modbus.panel.layouts.events import ListCodec, Phases, add_list
from drivers.modbus.panel.layouts.intervals import DAY_MINUTES, WEEK, Intervals, day_plan, periods_of, weekday
from drivers.modbus.panel.layouts.layout import AllSeen, NoEntries, Read, read_words
from drivers.modbus.panel.layouts.without_commit import Writer, unchanged
from drivers.modbus.panel.steps import Check, Transaction
from drivers.modbus.panel.words import checks
from drivers.modbus.wire.requests import Request, read_holding_registers, write_register


class WeekLayout(AllSeen, NoEntries):
    def __init__(self, model: PanelModel, layout: WeekEvents, capabilities: PanelCapabilities) -> None:
        self._model = model
        self._layout = layout
        self._number = capabilities.first_id
        self._list_words = 2 * layout.events_per_day
        self._codec = ListCodec(
            entries=layout.events_per_day,
            open=layout.open,
            closed=layout.closed,
            encode_time=int,
            decode_time=lambda word: word if word < DAY_MINUTES else None,
            disabled=layout.disabled,
        )

    def _list_at(self, day: int) -> int:
        return self._layout.address + self._layout.day_stride * day

    def _addresses(self) -> list[int]:
        return [at for day in range(WEEK) for at in range(self._list_at(day), self._list_at(day) + self._list_words)]

    def _words(self, image: PanelImage) -> dict[int, int | None]:
        slot = image.slots.get(self._number, Slot(()))
        if slot.opaque is not None:
            return dict(zip(self._addresses(), slot.opaque, strict=False))
        words: dict[int, int | None] = {}
        for day in range(WEEK):
            words |= dict(enumerate(self._codec.words(day_plan(slot.periods, day)), self._list_at(day)))
        return words

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        return {at: word for at, word in self._words(image).items() if word is not None}

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        plans: dict[int, Intervals] = {}
        for day in range(WEEK):
            start = self._list_at(day)
            plan = self._codec.plan([words[at] for at in range(start, start + self._list_words)])
            if plan is None:
                return PanelImage(slots={self._number: Slot((), opaque=tuple(words[at] for at in self._addresses()))})
            plans[day] = plan
        periods = periods_of(plans)
        return PanelImage(slots={self._number: Slot((), periods)} if periods else {})

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        if target.slots.get(self._number) == known.slots.get(self._number):
            return unchanged(known)
        wanted, held = self._words(target), self.encode(known)
        phases = Phases()
        for day in range(WEEK):
            start = self._list_at(day)
            add_list(self._codec, start, [wanted.get(at) for at in range(start, start + self._list_words)], held, phases, False)
        writer = Writer(self._model, held)
        writer.values_off(phases)
        writer.times_and_on(phases, None)
        written = {at for request in writer.requests for at in self._written(request.address, request.count)}
        days = {day for day in range(WEEK) if written & set(range(self._list_at(day), self._list_at(day) + self._list_words))}
        expected = {at: wanted.get(at) for d in days for at in range(self._list_at(d), self._list_at(d) + self._list_words)}
        return writer.transaction(known, expected)

    def _written(self, address: int, count: int) -> range:
        first = address + self._model.addressing.base
        return range(first, first + count)

    def quick_checks(self, image: PanelImage, commits: int | None = None) -> tuple[Check, ...]:
        bits = tuple(
            Check(read_holding_registers(setting.address - self._model.addressing.base, 1), (setting.value,), setting.mask)
            for setting in self._acts_by()
        )
        return bits + checks(self._words(image), self._model.addressing)

    def _acts_by(self) -> tuple[BitSetting, ...]:
        """The bits without which the panel does not act on the table."""
        return tuple(setting for setting in self._model.write.prepare if setting.when == "transaction")

    async def read(self, read: Read, *, thoroughly: bool = False) -> PanelImage:
        """Reads the whole table. Where the panel does not act on it, its behaviour is unknown: an opaque slot without words."""
        for setting in self._acts_by():
            ((held,),) = await read([read_holding_registers(setting.address - self._model.addressing.base, 1)])
            if held & setting.mask != setting.value:
                return self.unknown()
        return self.decode(await read_words(read, self._addresses(), self._model.addressing))

    def unknown(self) -> PanelImage:
        return PanelImage(slots={self._number: Slot((), opaque=())})

    # --- the mode in force

    def values_read(self) -> Request | None:
        in_force = self._layout.in_force
        return None if in_force is None else read_holding_registers(in_force.address - self._model.addressing.base, 1)

    def acting(self, values: tuple[int, ...]) -> Mapping[int, bool]:
        in_force = self._layout.in_force
        return {} if in_force is None else {self._number: values[0] & in_force.mask == in_force.open}

    def due(self, image: PanelImage, day: int, minute: int) -> Mapping[int, bool]:
        slot = image.slots.get(self._number, Slot(()))
        if slot.opaque is not None:
            return {}
        plan = day_plan(slot.periods, weekday(day))
        return {self._number: any(start <= minute < end for start, end in plan)}

    def force(self, slot: int, is_open: bool) -> tuple[Request, ...]:
        force = self._layout.in_force.force if self._layout.in_force is not None else None
        if force is None:
            return ()
        return tuple(write_register(force.address - self._model.addressing.base, value) for value in force.values)
