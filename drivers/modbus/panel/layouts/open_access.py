"""Layout `open-access-slots`: schedule slots of 64 words and identifier slots of 16, staged and committed as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from config.panel_model import PanelModel
from config.schedule_layouts import OpenAccessIdentifiers, OpenAccessSlots
from drivers.contract import IdentifierSlot, PanelCapabilities, PanelImage, Slot, Stretch
from drivers.errors import VerifyFailed
from drivers.modbus.panel.layouts.layout import NoValues, Read, read_words
from drivers.modbus.panel.layouts.open_access_identifiers import IDENTIFIER_WORDS, TYPE, decode_identifier, identifier_words
from drivers.modbus.panel.layouts.open_access_schedules import SLOT_WORDS, decode_slot, slot_words
from drivers.modbus.panel.named import named_checks, named_reads, register_read
from drivers.modbus.panel.steps import Check, StepKind, Transaction, WriteStep
from drivers.modbus.panel.words import checks, chunks, placed, spans, write_runs, write_words
from drivers.modbus.wire.requests import Request, read_holding_registers, write_register, write_registers

_CHECK_GAP = 10
"""How many check words are read along rather than by a frame of their own."""
_USED = 0xFF
"""A panel counts the slots of whose first word one of these bits is set."""
_IDENTIFIERS_AT_ONCE = 62
"""Read in one go: eight frames."""
_PLANS = 32
"""Transactions that are kept for the next panel with the same changes: a panel filled from nothing takes some 150 KiB."""
_NOTHING = PanelImage()


@dataclass(frozen=True, slots=True)
class Change:
    """What a slot holds and is to hold, as slots of an image; None: it is free."""

    number: int
    held: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class Written:
    """The words that a slot is to hold and those that it holds; None: it is free."""

    wanted: tuple[int, ...]
    held: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Area:
    """A panel's schedule slots, or its identifier slots: where they lie, and how a slot of an image becomes words.

    `state`: the bits of a slot's first word that say whether it is used. `state_gap`: that of its neighbour is so far apart, and
    words in between are read along. `erase`: the register that frees a slot; None: it is freed by a commit.
    """

    base: int
    width: int
    count: int
    state: int
    state_gap: int
    erase: int | None
    erase_storage: str | None
    in_use: str
    slots: Callable[[PanelImage], Mapping[int, Any]]
    encode: Callable[[int, Any], tuple[int, ...]]
    decode: Callable[[int, tuple[int, ...]], Any]

    def words_of(self, image: PanelImage, number: int) -> tuple[int, ...]:
        return self.encode(number, self.slots(image)[number])

    def addressed(self, image: PanelImage, number: int) -> dict[int, int]:
        return dict(enumerate(self.words_of(image, number), self.first(number)))

    def runs(self, written: Mapping[int, Written], most: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """All words of these slots, those of neighbours together, in pieces of at most `most`: (address, words)."""
        for first, last in spans(number for number, each in written.items() if each.wanted):
            words = tuple(chain.from_iterable(written[number].wanted for number in range(first, last + 1)))
            yield from ((self.first(first) + at, words[at : at + most]) for at in range(0, len(words), most))

    def first(self, number: int) -> int:
        return self.base + self.width * number

    def numbers(self, addresses: Sequence[int]) -> list[int]:
        """The slots in which these addresses lie, as far as they are of this area."""
        found = {(at - self.base) // self.width for at in addresses}
        return sorted(number for number in found if 0 <= number < self.count)

    def check_word(self, image: PanelImage, number: int) -> int:
        words = self.words_of(image, number)
        return words[-1] if words else 0

    def counted(self, image: PanelImage) -> int:
        """The slots that a panel with the image counts as used."""
        return sum(not slot.opaque or bool(slot.opaque[0] & _USED) for slot in self.slots(image).values())

    def free(self, image: PanelImage) -> list[int]:
        return [number for number in range(self.count) if number not in self.slots(image)]

    def spans(self, image: PanelImage, *, free: bool) -> list[tuple[int, int]]:
        """(first, last) address of the runs that show what used slots hold, or that free ones are free."""
        if free:
            return spans(map(self.first, self.free(image)), self.state_gap)
        return spans(at for number in self.slots(image) for at in range(self.first(number), self.first(number + 1)))

    def changes(self, target: PanelImage, known: PanelImage) -> tuple[Change, ...]:
        """Ascending; slots that say the same to the panel may be among them."""
        held, wanted = self.slots(known), self.slots(target)
        other = sorted(number for number in held.keys() | wanted if held.get(number) is not wanted.get(number))
        every = [Change(number, held.get(number), wanted.get(number)) for number in other]
        return tuple([each for each in every if each.held != each.wanted])

    def written(self, changes: Iterable[Change]) -> dict[int, Written]:
        """The slots of which a word is to be another one."""
        found: dict[int, Written] = {}
        for each in changes:
            if each.wanted is not None:
                words = self.encode(each.number, each.wanted)
                held = None if each.held is None else self.encode(each.number, each.held)
                if words != held:
                    found[each.number] = Written(words, held)
        return found


def schedule_area(layout: OpenAccessSlots, capabilities: PanelCapabilities) -> Area:
    most_dates = capabilities.max_days_in_special_day_group
    return Area(
        base=layout.slots,
        width=SLOT_WORDS,
        count=capabilities.max_schedules,
        state=0xFFFF,
        state_gap=0,
        erase=layout.erase,
        erase_storage=layout.erase_storage,
        in_use=layout.in_use,
        slots=lambda image: image.slots,
        encode=lambda number, slot: slot_words(number, slot, most_dates),
        decode=lambda number, words: decode_slot(number, words, most_dates),
    )


def identifier_area(layout: OpenAccessIdentifiers, capabilities: PanelCapabilities, at_most: int) -> Area:
    """A unit that takes no identifiers may hold up to `at_most` of others; it has no register that frees them."""
    taken = capabilities.max_identifiers > 0
    return Area(
        base=layout.slots,
        width=IDENTIFIER_WORDS,
        count=capabilities.max_identifiers or at_most,
        state=TYPE,
        state_gap=IDENTIFIER_WORDS - 1,
        erase=layout.erase if taken else None,
        erase_storage=layout.erase_storage,
        in_use=layout.in_use,
        slots=lambda image: image.identifiers,
        encode=identifier_words,
        decode=decode_identifier,
    )


class OpenAccessLayout(NoValues):
    """Removals go first, each by its area's erase register: at once and durable, even if the slot is referred to. Then all
    other changes are staged and committed as one. A slot that was free is written whole, since its words are unknown; of a
    used one only the words that differ are sent, and its check word.
    """

    def __init__(self, model: PanelModel, layout: OpenAccessSlots, capabilities: PanelCapabilities) -> None:
        self._model = model
        self._schedules = schedule_area(layout, capabilities)
        self._check_words = layout.check_words
        self._passes = None if layout.identifiers is None else layout.identifiers.passes
        self._takes_identifiers = capabilities.max_identifiers > 0
        capacity, self._identifiers = model.capacity.get("max_identifiers"), None
        if layout.identifiers is not None:
            at_most = 0 if capacity is None else capacity.at_most
            self._identifiers = identifier_area(layout.identifiers, capabilities, at_most)
        self._areas = tuple(area for area in (self._schedules, self._identifiers) if area is not None)
        self._planned = lru_cache(_PLANS)(self._plan)

    def encode(self, image: PanelImage) -> Mapping[int, int]:
        return {
            at: word for area in self._areas for number in area.slots(image) for at, word in area.addressed(image, number).items()
        }

    def decode(self, words: Mapping[int, int]) -> PanelImage:
        slots: dict[int, Slot] = dict(_decoded(self._schedules, words))
        identifiers: dict[int, IdentifierSlot] = {} if self._identifiers is None else dict(_decoded(self._identifiers, words))
        allocation: dict[str, tuple[int, ...]] = {}
        for number, slot in slots.items():
            for link_id in slot.link_ids:
                allocation[link_id] = (*allocation.get(link_id, ()), number)
        return PanelImage(slots=slots, allocation=allocation, identifiers=identifiers)

    def transaction(self, target: PanelImage, known: PanelImage) -> Transaction:
        if not (self._takes_identifiers or target.identifiers.items() <= known.identifiers.items()):
            raise ValueError(f"{self._model.name}: this unit takes no identifiers")
        return replace(self._planned(tuple([area.changes(target, known) for area in self._areas])), known=known)

    def _plan(self, changes: Sequence[Sequence[Change]]) -> Transaction:
        """From the changes of each area; what else the panel holds does not matter."""
        areas = [
            (area, [each.number for each in those if each.wanted is None], area.written(those))
            for area, those in zip(self._areas, changes, strict=True)
        ]
        erased = tuple(
            self._erase(area, area.erase, number) for area, gone, _ in areas if area.erase is not None for number in gone
        )
        freed = {area.first(number): 0 for area, gone, _ in areas if area.erase is None for number in gone}
        return Transaction(
            known=_NOTHING,
            steps=(*erased, *self._staged({area.base: written for area, _, written in areas}, freed)),
            checks=tuple(check for each in areas for check in self._checks(*each)),
            narrows=any(each.held is not None for _, _, written in areas for each in written.values()),
        )

    def _checks(self, area: Area, gone: Sequence[int], written: Mapping[int, Written]) -> Iterator[Check]:
        """The state words of what is gone, then what is new or changed, whole."""
        states: dict[int, int | None] = {area.first(number): 0 for number in gone}
        addressing = self._model.addressing
        yield from checks(states, addressing, area.state_gap)
        for start, words in area.runs(written, addressing.max_read_words):
            yield Check(read_holding_registers(start - addressing.base, len(words)), words)

    def _erase(self, area: Area, register: int, number: int) -> WriteStep:
        base = self._model.addressing.base
        free = Check(read_holding_registers(area.first(number) - base, 1), (0,))
        return WriteStep(StepKind.ERASE, write_register(register - base, number), storage=area.erase_storage, shows=free)

    def _staged(self, written: Mapping[int, Mapping[int, Written]], freed: Mapping[int, int]) -> tuple[WriteStep, ...]:
        rules, addressing = self._model.write, self._model.addressing
        steps = [WriteStep(StepKind.STAGE, request, request.count) for request in write_runs(freed, freed, addressing, 0)]
        for area in self._areas:
            requests = self._writes(area, written[area.base])
            steps += [WriteStep(StepKind.STAGE, request, request.count) for request in requests]
        if not steps:
            return ()
        if rules.begin is not None:
            steps.insert(0, WriteStep(StepKind.BEGIN, write_registers(rules.begin.address - addressing.base, rules.begin.values)))
        if rules.commit is not None:
            count = sum(map(len, written.values())) + len(freed)
            values = (*rules.commit.values, count) if rules.commit.count_staged else rules.commit.values
            request = write_registers(rules.commit.address - addressing.base, values, rules.commit.repeatable)
            steps.append(WriteStep(StepKind.COMMIT, request, storage=rules.commit.storage))
        return tuple(steps)

    def _writes(self, area: Area, written: Mapping[int, Written]) -> list[Request]:
        addressing = self._model.addressing
        if all(each.held is None for each in written.values()):
            return [write_words(*run, addressing) for run in area.runs(written, addressing.max_write_words)]
        table: dict[int, int] = {}
        words: dict[int, int] = {}
        for number, each in written.items():
            first = area.first(number)
            table.update(enumerate(each.wanted, first))
            both = enumerate(zip(each.wanted, chain(each.held or (), repeat(None)), strict=False), first)
            words.update((at, wanted) for at, (wanted, held) in both if wanted != held)
        return write_runs(words, table, addressing, self._model.write.merge_gap)

    def quick_checks(self, image: PanelImage, commits: int | None = None) -> tuple[Check, ...]:
        """The numbers of used slots, then the check word of each schedule slot of the image: one read for 125 slots.

        What identifier slots say is proved by the number of commits, read along with these.
        """
        counts = {area.in_use: area.counted(image) for area in self._areas}
        counter = self._model.counters.commits
        used = named_checks(self._model, counts if commits is None or counter is None else {**counts, counter: commits})
        expected: dict[int, int | None] = {self._check_words + n: self._schedules.check_word(image, n) for n in image.slots}
        return (*used, *checks(expected, self._model.addressing, _CHECK_GAP))

    def stretches(self, image: PanelImage, most: int) -> Iterator[Stretch]:
        """Free slots only of an area that the gateway writes to: how many there are of others is not known here."""
        for free in (False, True):
            for area in self._areas if not free or self._takes_identifiers else (self._schedules,):
                for first, last in area.spans(image, free=free):
                    yield from (Stretch(free, start, count) for start, count in chunks(first, last, most))

    def stretch_check(self, image: PanelImage, stretch: Stretch) -> Check:
        addresses = range(stretch.address, stretch.address + stretch.words)
        area = next(area for area in self._areas if area.numbers(addresses))
        expected: dict[int, int] = {}
        for number in area.numbers(addresses):
            if number in area.slots(image):
                expected |= {} if stretch.free else area.addressed(image, number)
            elif stretch.free:
                expected[area.first(number)] = 0
        request = read_holding_registers(stretch.address - self._model.addressing.base, stretch.words)
        return Check(request, tuple([expected.get(at) for at in addresses]), area.state if stretch.free else 0xFFFF)

    async def read(self, read: Read, *, thoroughly: bool = False) -> PanelImage:
        """Which schedule slots are used is told by their check words, 125 a frame, and by the number of used ones; those are read
        whole. Identifier slots are read from the first one on until all used ones were met.
        """
        used = await self._used(read)
        schedules = await self._read_schedules(read, used[self._schedules.in_use], thoroughly)
        if self._identifiers is None:
            return schedules
        counted = used[self._identifiers.in_use]
        identifiers = (await self._read_identifiers(read, self._identifiers, counted, thoroughly)).identifiers
        return replace(schedules, identifiers=identifiers)

    async def _used(self, read: Read) -> dict[str, int]:
        """How many slots of each area the panel counts as used, by the name of the register."""
        plan = named_reads(self._model, [area.in_use for area in self._areas])
        words = placed((start for _, start, _ in plan), await read([request for _, _, request in plan]))
        return {area.in_use: words[self._model.registers[area.in_use].address] for area in self._areas}

    async def _read_schedules(self, read: Read, used: int, thoroughly: bool) -> PanelImage:
        """A slot with check word 0 is free, or used with a check word that happens to be 0: only when the used ones found are
        fewer than the panel counts, or thoroughly, are the state words of the others read one by one.
        """
        area = self._schedules
        if not used and not thoroughly:
            return PanelImage()
        slots = range(area.count)
        check_words = await self._words(read, [self._check_words + number for number in slots])
        likely = [number for number in slots if check_words[self._check_words + number]]
        image = await self._whole(read, area, likely)
        if len(image.slots) < used or thoroughly:
            states = await self._words(read, [area.first(number) for number in slots if number not in likely])
            hidden = area.numbers([at for at, state in states.items() if state])
            image = await self._whole(read, area, sorted({*image.slots, *hidden})) if hidden else image
        return _counted(area, image, used, "schedules")

    async def _read_identifiers(self, read: Read, area: Area, used: int, thoroughly: bool) -> PanelImage:
        found: dict[int, IdentifierSlot] = {}
        count = await self._identifier_count(read, area) if used or thoroughly else 0
        for start in range(0, count, _IDENTIFIERS_AT_ONCE):
            if len(found) >= used and not thoroughly:
                break
            numbers = range(start, min(start + _IDENTIFIERS_AT_ONCE, count))
            found.update((await self._whole(read, area, numbers)).identifiers)
        return _counted(area, PanelImage(identifiers=found), used, "identifiers")

    async def _identifier_count(self, read: Read, area: Area) -> int:
        """How many slots the unit has; one that takes no identifiers has them all the same."""
        reported = self._model.capacity.get("max_identifiers")
        if self._takes_identifiers or reported is None:
            return area.count
        return min(area.count, await self._register(read, reported.read))

    def passes(self) -> int | None:
        return self._passes if self._takes_identifiers else None

    def tells_identifiers(self) -> bool:
        return self._identifiers is not None

    def unknown(self) -> PanelImage:
        return PanelImage(slots={number: Slot((), opaque=()) for number in range(self._schedules.count)})

    async def _whole(self, read: Read, area: Area, numbers: Sequence[int]) -> PanelImage:
        addresses = [area.first(number) + word for number in numbers for word in range(area.width)]
        return self.decode(await self._words(read, addresses))

    async def _words(self, read: Read, addresses: Sequence[int]) -> dict[int, int]:
        return await read_words(read, addresses, self._model.addressing)

    async def _register(self, read: Read, name: str) -> int:
        ((word,),) = await read([register_read(self._model, name)])
        return word


def _decoded(area: Area, words: Mapping[int, int]) -> Iterator[tuple[int, Any]]:
    for number in area.numbers(tuple(words)):
        addresses = range(area.first(number), area.first(number) + area.width)
        if all(at in words for at in addresses):
            slot = area.decode(number, tuple([words[at] for at in addresses]))
            if slot is not None:
                yield number, slot


def _counted(area: Area, image: PanelImage, used: int, what: str) -> PanelImage:
    found = area.counted(image)
    if found != used:
        raise VerifyFailed(f"the panel counts {used} used {what}, {found} were found")
    return image
