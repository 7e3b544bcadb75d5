"""Values to put into a store."""

from __future__ import annotations

from drivers.contract import ItemOutcome, ItemState, PanelImage, Period, Slot
from gateway.schedules.time_profile import DayType, Frequency, NthDay, Repeat, TimeProfile, WeekOrder
from gateway.store.contract import Certain, DesiredChange, ObservedPanel, OneOf


def link(number: int) -> str:
    return f"91c615e3-1040-4815-8ecb-{number:012d}"


def profile(link_id: str, name: str = "Work week") -> TimeProfile:
    repeat = Repeat(Frequency.MONTH, 2, True, months=frozenset({1, 7}), nth=NthDay(WeekOrder.LAST, DayType.DAY_OFF))
    return TimeProfile(link_id, name, False, 1_793_602_800, 1_793_635_200, repeat)


def create(number: int, expected: int = 0, name: str = "Work week") -> DesiredChange:
    return DesiredChange(link(number), expected, profile(link(number), name), f'{{"name":"{name}"}}')


def delete(number: int, expected: int) -> DesiredChange:
    return DesiredChange(link(number), expected, None)


def observed(*numbers: int, dirty: bool = False) -> ObservedPanel:
    """A panel that holds these; `dirty`: as far as is known while it is being written."""
    slots = {slot: Slot((link(number),), (Period(31, 480, 1020),)) for slot, number in enumerate(numbers)}
    allocation = {link(number): (slot,) for slot, number in enumerate(numbers)}
    outcomes = {link(number): ItemOutcome(ItemState.EXACT) for number in numbers}
    image = PanelImage(slots, (), allocation, {link(number): 1 for number in numbers}, outcomes)
    known = OneOf((image, image)) if dirty else Certain(image)
    return ObservedPanel(known, outcomes, {link(9): 2}, {"max_schedules": 64}, 3, 100, 1.5, 1, 2)
