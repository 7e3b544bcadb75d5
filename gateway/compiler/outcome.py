"""What the compiler has decided about one profile, before slots are numbered. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from drivers.contract import ItemOutcome, ItemState, PanelCapabilities, Reason, Refusal, Slot
from gateway.compiler.table import DayPlan
from gateway.schedules.local_time import date_of

HELD = (ItemState.EXACT, ItemState.NARROWED, ItemState.MATERIALISED, ItemState.GATEWAY_HELD)
"""The outcomes by which a panel holds a generation."""

SHORT_DAYS = 35
"""A reach below this is mentioned in `message`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`slots` in chain order, their numbers and links not yet set; empty where nothing has to be held."""

    outcome: ItemOutcome
    slots: tuple[Slot, ...] = ()

    @property
    def holds(self) -> bool:
        return self.outcome.outcome in HELD


def refused(
    limit: str, message: str, day: int | None = None, plan: DayPlan = (), reason: Reason = Reason.NOT_REPRESENTABLE
) -> Draft:
    """`plan`: the day's plan that does not fit; its first interval is named."""
    interval = plan[0] if plan else None
    if day is not None:
        message = f"{message}: {date_of(day).isoformat()}"
    if interval is not None:
        message = f"{message} {clock(interval[0])}-{clock(interval[1])}"
    refusal = Refusal(reason, limit, message, day, interval)
    return Draft(ItemOutcome(ItemState.REFUSED, reason=reason, message=message, refusal=refusal))


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def nothing_to_hold(past: bool) -> Draft:
    message = "no further occurrence" if past else "never occurs"
    return Draft(ItemOutcome(ItemState.EXACT, message=message))


def not_started(renew_at: int) -> Draft:
    message = "not started: the panel cannot express a start, so the profile is written when it starts"
    return Draft(ItemOutcome(ItemState.PENDING, reason=Reason.NOT_STARTED, message=message, renew_at=renew_at))


def below_resolution(capabilities: PanelCapabilities, day: int, plan: DayPlan) -> Draft:
    message = f"the window is shorter than the panel's {max(60, capabilities.resolution_s)} s steps leave open"
    return refused("resolution_s", message, day, plan, Reason.BELOW_RESOLUTION)


@lru_cache(maxsize=65_536)
def no_room(capabilities: PanelCapabilities, wanted: int, day: int, plan: DayPlan) -> Draft:
    """`day` and `plan`: the first that finds no slot. All profiles with the same refusal share one value."""
    message = f"all {capabilities.max_schedules} slots are taken" if wanted == 1 else f"no {wanted} slots are free"
    return refused("max_schedules", message, day, plan, Reason.NO_FREE_SLOT)


_WEAKEST_FIRST = (ItemState.REFUSED, ItemState.PENDING, ItemState.MATERIALISED, ItemState.NARROWED, ItemState.EXACT)


def weakest(outcomes: Iterable[ItemOutcome]) -> ItemOutcome:
    """The first of the weakest, with the earliest end and renewal, all cuts and all that is said."""
    every = tuple(outcomes)
    weak = min(every, key=lambda outcome: _WEAKEST_FIRST.index(outcome.outcome))
    ends = [outcome.valid_until for outcome in every if outcome.valid_until is not None]
    renewals = [outcome.renew_at for outcome in every if outcome.renew_at is not None]
    cuts = tuple(dict.fromkeys(cut for outcome in every for cut in outcome.cuts))
    said = (every[0].message, weak.message if weak.outcome not in HELD else None)
    messages = tuple(dict.fromkeys(message for message in said if message))
    return replace(
        weak,
        valid_until=min(ends, default=None),
        renew_at=min(renewals, default=None),
        cuts=cuts,
        message="; ".join(messages) or None,
    )
