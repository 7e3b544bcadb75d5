"""Layout `open-access-slots`: slots of 64 words, staged and committed as a whole.

Slot: +0 state; +1..8 link_id; +9 valid from; +10 valid to; +11 number of periods; +12+3p weekday mask, start, end;
+48 number of dates or 0x8000 for a bitmap; +49..62 the dates; +63 CRC-16/CCITT-FALSE over slot number and words 0..62.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from config.panel_model import PanelModel
from config.schedule_layouts import OpenAccessSlots
from drivers.contract import PanelCapabilities, PanelImage, Period, Slot
from drivers.errors import VerifyFailed
from drivers.modbus.panel.layouts.layout import NoValues, Read
from drivers.modbus.panel.named import register_read
from drivers.modbus.panel.steps import Check, StepKind, Transaction, WriteStep
from drivers.modbus.panel.words import changed, checks, reads, write_runs
from drivers.modbus.wire.requests import read_holding_registers, write_register, write_registers

SLOT_WORDS = 64
CHECK_AT = 63
_PERIODS_AT, _MOST_PERIODS = 12, 12
_DATES_AT, _DATE_WORDS = 48, 14
_BITMAP, _BITMAP_DAYS = 0x8000, 224
_OPEN_END = 0xFFFF
_CHECK_GAP = 10
"""How many check words are read along rather than by a frame of their own."""


@lru_cache(maxsize=8192)
def slot_words(number: int, slot: Slot, most_dates: int) -> tuple[int, ...]:
    """The 64 words of a used slot. Raises ValueError for what the slot cannot say."""
    if slot.opaque is not None:
        return slot.opaque
    if len(slot.periods) > _MOST_PERIODS:
        raise ValueError(f"slot {number}: {len(slot.periods)} periods do not fit")
    if slot.valid_to == 0:
        raise ValueError(f"slot {number}: an end on 1970-01-01 cannot be said")
    link = struct.unpack(">8H", UUID(slot.link_ids[0]).bytes) if slot.link_ids else (0,) * 8
    periods = [word for period in slot.periods for word in (period.days, period.start, period.end)]
    periods += [0] * (3 * _MOST_PERIODS - len(periods))
    valid_to = _OPEN_END if slot.valid_to is None else slot.valid_to
    head = [1, *link, slot.valid_from or 0, valid_to, len(slot.periods)]
    words = (*head, *periods, *_date_words(number, slot, most_dates))
    return (*words, check_word(number, words))


def check_word(number: int, words: Sequence[int]) -> int:
    return binascii.crc_hqx(struct.pack(f">{len(words) + 1}H", number, *words), 0xFFFF)


def _date_words(number: int, slot: Slot, most_dates: int) -> list[int]:
    """Words +48..62: a list of dates while it fits, else a bitmap from `valid_from` on."""
    dates = slot.special_days[0] if slot.special_days else ()
    if len(dates) <= min(most_dates, _DATE_WORDS):
        return [len(dates), *dates, *(0,) * (_DATE_WORDS - len(dates))]
    first = slot.valid_from or 0
    if not all(0 <= day - first < _BITMAP_DAYS for day in dates):
        raise ValueError(f"slot {number}: {len(dates)} dates fit neither the list nor the bitmap from day {first}")
    bitmap = [0] * _DATE_WORDS
    for day in dates:
        bitmap[(day - first) // 16] |= 0x8000 >> (day - first) % 16
    return [_BITMAP, *bitmap]


def decode_slot(number: int, words: tuple[int, ...], most_dates: int) -> Slot | None:
    """The slot that the words say; opaque where the gateway would not have written them so; None for a free one."""
    if words[0] == 0:
        return None
    slot = _read_slot(words)
    try:
        ours = slot_words(number, slot, most_dates) == words
    except (ValueError, struct.error):
        ours = False
    return slot if ours else Slot(slot.link_ids, opaque=words)


def _read_slot(words: Sequence[int]) -> Slot:
    link_id = str(UUID(bytes=struct.pack(">8H", *words[1:9])))
    count = min(words[11], _MOST_PERIODS)
    periods = tuple(Period(*words[at : at + 3]) for at in range(_PERIODS_AT, _PERIODS_AT + 3 * count, 3))
    dates = _read_dates(words)
    return Slot(
        link_ids=(link_id,),
        periods=periods,
        valid_from=words[9] or None,
        valid_to=None if words[10] == _OPEN_END else words[10],
        special_days=(dates,) if dates else (),
    )


def _read_dates(words: Sequence[int]) -> tuple[int, ...]:
    held = words[_DATES_AT + 1 : CHECK_AT]
    if words[_DATES_AT] != _BITMAP:
        return tuple(held[: min(words[_DATES_AT], _DATE_WORDS)])
    return tuple(words[9] + bit for bit in range(_BITMAP_DAYS) if held[bit // 16] >> (15 - bit % 16) & 1)


class OpenAccessLayout(NoValues):
    """Removals go first, each by the erase register: at once and durable, even if the slot is referred to. Then all other
    changes are staged and committed as one. A slot that was free is written whole, since its words are unknown; of a used
    one only the words that differ are sent, and its check word.
    """

    def __init__(self, model: PanelModel, layout: OpenAccessSlots, capabilities: PanelCapabilities) -> None:
        self._model = model
        self._layout = layout
        self._capabilities = capabilities

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        return {address: word for number in image.slots for address, word in self._slot(image, number).items()}

    def _words_of(self, image: PanelImage, number: int) -> tuple[int, ...]:
        return slot_words(number, image.slots[number], self._capabilities.max_days_in_special_day_group)

    def _slot(self, image: PanelImage, number: int) -> dict[int, int]:
        return dict(enumerate(self._words_of(image, number), self._layout.slots + SLOT_WORDS * number))

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        slots: dict[int, Slot] = {}
        allocation: dict[str, tuple[int, ...]] = {}
        for number in sorted({(address - self._layout.slots) // SLOT_WORDS for address in words}):
            first = self._layout.slots + SLOT_WORDS * number
            if first + CHECK_AT not in words:
                continue
            slot = self._decode_one(number, tuple(words[at] for at in range(first, first + SLOT_WORDS)))
            if slot is None:
                continue
            slots[number] = slot
            for link_id in slot.link_ids:
                allocation[link_id] = (*allocation.get(link_id, ()), number)
        return PanelImage(slots=slots, allocation=allocation)

    def _decode_one(self, number: int, words: tuple[int, ...]) -> Slot | None:
        return decode_slot(number, words, self._capabilities.max_days_in_special_day_group)

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        gone = sorted(set(known.slots) - set(target.slots))
        differing = [number for number in sorted(target.slots) if self._differs(target, known, number)]
        erased = tuple(self._erase(number) for number in gone)
        staged = self._staged(target, known, differing) if differing else ()
        expected: dict[int, int | None] = {self._layout.check_words + number: 0 for number in gone}
        expected |= {self._layout.check_words + number: self._check_word(target, number) for number in differing}
        addressing = self._model.addressing
        # A check word of 0 does not prove that such a slot is free now: it was 0 while the slot was used, too.
        states: dict[int, int | None] = {
            self._layout.slots + SLOT_WORDS * number: 0 for number in gone if self._check_word(known, number) == 0
        }
        return Transaction(
            known=known,
            steps=erased + staged,
            checks=checks(expected, addressing, self._gap(expected)) + checks(states, addressing),
            staged=tuple(differing),
            narrows=any(number in known.slots for number in differing),
        )

    def whole_checks(self, image: PanelImage, numbers: tuple[int, ...]) -> tuple[Check, ...]:
        words: dict[int, int | None] = {at: word for number in numbers for at, word in self._slot(image, number).items()}
        return checks(words, self._model.addressing)

    def _gap(self, expected: Mapping[int, object]) -> int:
        return _CHECK_GAP if expected else 0

    def _differs(self, target: PanelImage, known: PanelImage, number: int) -> bool:
        held = known.slots.get(number)
        return held is None or (held != target.slots[number] and self._words_of(target, number) != self._words_of(known, number))

    def _check_word(self, image: PanelImage, number: int) -> int:
        words = self._words_of(image, number)
        return words[CHECK_AT] if words else 0

    def _erase(self, number: int) -> WriteStep:
        request = write_register(self._layout.erase - self._model.addressing.base, number)
        first = self._layout.slots + SLOT_WORDS * number - self._model.addressing.base
        free = Check(read_holding_registers(first, 1), (0,))
        return WriteStep(StepKind.ERASE, request, storage=self._layout.erase_storage, shows=free)

    def _staged(self, target: PanelImage, known: PanelImage, differing: Sequence[int]) -> tuple[WriteStep, ...]:
        table = {at: word for number in differing for at, word in self._slot(target, number).items()}
        held = {at: word for number in differing if number in known.slots for at, word in self._slot(known, number).items()}
        rules, addressing = self._model.write, self._model.addressing
        runs = write_runs(changed(table, held), table, addressing, rules.merge_gap)
        steps = [WriteStep(StepKind.STAGE, request, request.count) for request in runs]
        if rules.begin is not None:
            steps.insert(0, WriteStep(StepKind.BEGIN, write_registers(rules.begin.address - addressing.base, rules.begin.values)))
        if rules.commit is not None:
            values = (*rules.commit.values, len(differing)) if rules.commit.count_staged else rules.commit.values
            request = write_registers(rules.commit.address - addressing.base, values, rules.commit.repeatable)
            steps.append(WriteStep(StepKind.COMMIT, request, storage=rules.commit.storage))
        return tuple(steps)

    def quick_checks(self, image: PanelImage) -> tuple[Check, ...]:
        """The number of used slots, then the check word of each slot of the image: one read for 125 slots."""
        used = register_read(self._model, self._layout.in_use)
        expected: dict[int, int | None] = {self._layout.check_words + n: self._check_word(image, n) for n in image.slots}
        return (Check(used, (len(image.slots),)), *checks(expected, self._model.addressing, self._gap(expected)))

    async def read(self, read: Read) -> PanelImage:
        """The check words, 125 a frame, and the number of used slots tell which slots are used.

        A slot with check word 0 is free, or used with a check word that happens to be 0: only when the used ones found are
        fewer than the panel counts are the state words of the others read one by one. Slots found are read whole.
        """
        used = (await read(register_read(self._model, self._layout.in_use)))[0]
        if not used:
            return PanelImage()
        slots = range(self._capabilities.max_schedules)
        check_words = await self._words(read, [self._layout.check_words + number for number in slots])
        likely = [number for number in slots if check_words[self._layout.check_words + number]]
        image = await self._whole(read, likely)
        if len(image.slots) < used:
            others = [number for number in slots if number not in likely]
            states = await self._words(read, [self._layout.slots + SLOT_WORDS * number for number in others])
            hidden = [(at - self._layout.slots) // SLOT_WORDS for at, state in states.items() if state]
            image = await self._whole(read, sorted({*image.slots, *hidden})) if hidden else image
        if len(image.slots) != used:
            raise VerifyFailed(f"the panel counts {used} used schedules, {len(image.slots)} were found")
        return image

    def unknown(self) -> PanelImage:
        return PanelImage(slots={number: Slot((), opaque=()) for number in range(self._capabilities.max_schedules)})

    async def _whole(self, read: Read, numbers: Sequence[int]) -> PanelImage:
        first = self._layout.slots
        addresses = [first + SLOT_WORDS * number + word for number in numbers for word in range(SLOT_WORDS)]
        return self.decode(await self._words(read, addresses))

    async def _words(self, read: Read, addresses: Sequence[int]) -> dict[int, int]:
        words: dict[int, int] = {}
        for start, request in reads(addresses, self._model.addressing):
            words |= dict(enumerate(await read(request), start))
        return words
