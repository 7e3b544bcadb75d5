"""Day lists of timed values: what a day plan is as entries, and how one list becomes another without opening too much. Pure.

An entry is two words, its time and its value, which holds until the next entry. Writes to a list are not atomic, so they go
in phases: values off, removals, times that move later (last first), times that move earlier and new entries (first first),
values on. At every moment between two writes such a list is open only where the old or the new one is: an entry that is on
throughout stands unchanged at its place, and the entry behind it has its old time or its new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.modbus.panel.layouts.intervals import DAY_MINUTES, Intervals, merged, within

Words = Sequence[int | None]
"""Two words per entry; None: any value will do."""


@dataclass(frozen=True, slots=True)
class ListCodec:
    """`unused_time`: the time word of an entry that is not used. `disabled`: added to the value of one that does not count.

    One of the two is set. `fixed_midnight`: the first entry's time stands at 00:00 and is never written.
    """

    entries: int
    open: int
    closed: int
    encode_time: Callable[[int], int]
    decode_time: Callable[[int], int | None]
    unused_time: int | None = None
    disabled: int = 0
    fixed_midnight: bool = False

    def words(self, plan: Intervals) -> tuple[int | None, ...]:
        """The list that says `plan`: an entry at 00:00 and one at each transition. Raises ValueError for too many."""
        events = _events(plan)
        if len(events) > self.entries:
            raise ValueError(f"{len(events)} entries a day do not fit into {self.entries}")
        words: list[int | None] = []
        for minute, is_open in events:
            words += [self.encode_time(minute), self.open if is_open else self.closed]
        unused = (None, self.closed | self.disabled) if self.unused_time is None else (self.unused_time, None)
        return (*words, *unused * (self.entries - len(events)))

    def plan(self, words: Words) -> Intervals | None:
        """The day plan that the words say; None where the gateway would not have written them so."""
        plan = self.effect(words)
        if plan is None:
            return None
        ours = self.words(plan)
        return plan if all(want is None or want == got for want, got in zip(ours, words, strict=True)) else None

    def effect(self, words: Words) -> Intervals | None:
        """The intervals in which such a list is open; None where that cannot be told."""
        entries = []
        for time, value in zip(words[::2], words[1::2], strict=True):
            if not self.is_used(time, value):
                continue
            minute = None if time is None else self.decode_time(time)
            if minute is None or value not in (self.open, self.closed):
                return None
            entries.append((minute, value == self.open))
        entries.sort(key=lambda entry: entry[0])
        if not entries or entries[0][0] != 0 or len(entries) > self.entries:
            return None
        ends = [*(minute for minute, _ in entries[1:]), DAY_MINUTES]
        return merged((minute, end) for (minute, is_open), end in zip(entries, ends, strict=True) if is_open)

    def is_used(self, time: int | None, value: int | None) -> bool:
        if self.unused_time is not None:
            return time != self.unused_time
        return value is None or not value & self.disabled

    def is_on(self, time: int | None, value: int | None) -> bool:
        """Whether the entry may open; an unknown value may."""
        return self.is_used(time, value) and value != self.closed


def _events(plan: Intervals) -> list[tuple[int, bool]]:
    events = [] if plan and plan[0][0] == 0 else [(0, False)]
    for start, end in plan:
        events.append((start, True))
        if end < DAY_MINUTES:
            events.append((end, False))
    return events


@dataclass(slots=True)
class Phases:
    """Words to write, by address, phase by phase. `removals` are written one by one, in this order: entries that open before
    those that close."""

    off: dict[int, int] = field(default_factory=dict)
    removals: list[int] = field(default_factory=list)
    later: dict[int, int] = field(default_factory=dict)
    earlier: dict[int, int] = field(default_factory=dict)
    on: dict[int, int] = field(default_factory=dict)


def add_list(codec: ListCodec, address: int, target: Words, known: Mapping[int, int], phases: Phases, wholly_off: bool) -> None:
    """Add what turns the list at `address` from its `known` words into the target. `wholly_off`: every value goes off first."""
    held = [known.get(at) for at in range(address, address + 2 * codec.entries)]
    if codec.unused_time is None and all(word is None for word in held):
        _unknown(codec, address, target, phases)
        return
    differing = [index for index, want in enumerate(target) if want is not None and want != held[index]]
    if len(differing) == 1 and not wholly_off and codec.unused_time not in (target[differing[0]], held[differing[0]]):
        _one_word(codec, address, differing[0], target, held, phases)
        return
    for entry in range(codec.entries):
        _entry(codec, address + 2 * entry, entry, target, held, phases, wholly_off)
    phases.removals.sort(key=lambda at: (known.get(at + 1) == codec.closed, -at))


def _unknown(codec: ListCodec, address: int, target: Words, phases: Phases) -> None:
    """Write every word of an unknown list, its values off, before any goes on."""
    for at, time, value in zip(range(address, address + len(target), 2), target[::2], target[1::2], strict=True):
        phases.off |= {at: time or 0, at + 1: codec.closed if codec.is_used(time, value) else codec.closed | codec.disabled}
        if value == codec.open:
            phases.on[at + 1] = codec.open


def _one_word(codec: ListCodec, address: int, index: int, target: Words, held: Words, phases: Phases) -> None:
    """Change a list by a single word, at once: a narrowing goes with the closings, the rest with the openings."""
    becomes = [have if want is None else want for want, have in zip(target, held, strict=True)]
    before, after = codec.effect(held), codec.effect(becomes)
    narrows = before is not None and after is not None and within(after, before)
    word = target[index]
    if word is not None:
        (phases.off if narrows else phases.on)[address + index] = word


def _entry(codec: ListCodec, address: int, entry: int, target: Words, held: Words, phases: Phases, wholly_off: bool) -> None:
    time, value = target[2 * entry], target[2 * entry + 1]
    old_time, old_value = held[2 * entry], held[2 * entry + 1]
    new_time = time is not None and time != old_time and not (entry == 0 and codec.fixed_midnight)
    new_value = value is not None and value != old_value
    used = codec.is_used(time, value)
    was_on = codec.is_on(old_time, old_value) if old_time is not None or old_value is not None else True
    off = was_on and (new_time or new_value or wholly_off)
    if off:
        phases.off[address + 1] = codec.closed if used or codec.unused_time is not None else codec.closed | codec.disabled
    if not used and codec.unused_time is not None:
        if new_time:
            phases.removals.append(address)
        return
    if new_time and time is not None:
        grows = old_time is not None and old_time != codec.unused_time and time > old_time
        (phases.later if grows else phases.earlier)[address] = time
    now = phases.off.get(address + 1, old_value)
    if value is not None and value != codec.open and value != now:
        phases.earlier[address + 1] = value
    if value == codec.open and now != codec.open:
        if now != codec.closed:
            phases.earlier[address + 1] = codec.closed
        phases.on[address + 1] = codec.open
