"""Panels whose slots are independent of each other: each profile is compiled alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from drivers.contract import ItemOutcome, ItemState, PanelCapabilities, Slot
from gateway.compiler.materialise import Cover, cover
from gateway.compiler.moment import Moment
from gateway.compiler.narrowing import Cuts, cut_shapes
from gateway.compiler.options import CompileOptions
from gateway.compiler.outcome import SHORT_DAYS, Draft, below_resolution, not_started, nothing_to_hold, refused, weakest
from gateway.compiler.shapes import Coming, Shape, coming_of, grain_of, shape_of
from gateway.compiler.table import CLOSED, MINUTES, Table, exceeded
from gateway.compiler.together import Compiled, ProfileSet
from gateway.compiler.weekly import begun, first_open, forever, starts_at, weekly_table
from gateway.schedules.local_time import DAY_S, weekday
from gateway.schedules.time_profile import Readings

_EXACT = ItemOutcome(ItemState.EXACT)


@dataclass(frozen=True, slots=True)
class _Found:
    """The part that does not depend on the time of day. `coming`: the position of the windows around today."""

    coming: Coming
    slots: tuple[Slot, ...] = ()
    reach: int | None = None
    cuts: tuple[str, ...] = ()
    refusal: Draft | None = None


def compile_alone(profile: Compiled, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions) -> Draft:
    """The best that a panel can hold of one profile, or of a set."""
    if isinstance(profile, ProfileSet) and capabilities.max_slots_per_profile > 1:
        return _compile_members(profile, capabilities, moment, options)
    found = _found(profile, options.readings, capabilities, moment.day, options.horizon_days, options.narrow)
    if not found.coming.after(moment.second):
        return nothing_to_hold(past=found.coming.before)
    if capabilities.date_range == "none":
        shape = shape_of(profile, options.readings, grain_of(capabilities))
        if found.coming.representable and forever(shape) and (start := starts_at(shape, moment)) > moment.now:
            return not_started(start)
    if found.refusal is not None:
        return found.refusal
    return Draft(outcome_of(found.reach, found.cuts, moment), found.slots)


def _compile_members(profiles: ProfileSet, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions) -> Draft:
    """The slots of all members, whose union counts; those that the panel cannot hold are closed."""
    drafts = [compile_alone(member, capabilities, moment, options) for member in profiles.members]
    slots = tuple([slot for draft in drafts for slot in draft.slots])
    if len(slots) > capabilities.max_slots_per_profile:
        return refused("max_slots_per_profile", f"the time profiles that are named together need {len(slots)} slots")
    told = [draft.outcome for draft in drafts if draft.slots or draft.outcome.outcome is ItemState.PENDING]
    told = told or [draft.outcome for draft in drafts if draft.holds]
    return Draft(weakest(told), slots) if told else drafts[0]


def coming_on(profile: Compiled, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions) -> Coming:
    return coming_of(profile, options.readings, grain_of(capabilities).step, moment.day)


def wants_room(coming: Coming, moment: Moment, options: CompileOptions) -> bool:
    """Whether a profile opens within the horizon at all, so that a panel without a free slot cannot hold it."""
    if not coming.representable or not coming.after(moment.second):
        return False
    return coming.first_asked(moment.second)[0] < moment.day + options.horizon_days


def unheld(shape: Shape, capabilities: PanelCapabilities, moment: Moment) -> Draft | None:
    """The outcome that needs no look at a panel's tables: nothing will ever be open, or the resolution leaves nothing."""
    coming = shape.coming(moment.day)
    if not coming.after(moment.second):
        return nothing_to_hold(past=coming.before)
    return None if coming.representable else below_resolution(capabilities, *coming.first_asked(moment.second))


def outcome_of(reach: int | None, cuts: tuple[str, ...], moment: Moment) -> ItemOutcome:
    """`reach`: the last day that is correct; None: all are. Renewal is due when one third of the time is left."""
    if reach is None:
        return ItemOutcome(ItemState.NARROWED, cuts=cuts) if cuts else _EXACT
    valid_until = moment.midnight(reach + 1)
    left = valid_until - moment.now
    return ItemOutcome(
        ItemState.NARROWED if cuts else ItemState.MATERIALISED,
        message=f"reaches only {max(0, int(left // DAY_S))} days ahead" if left < SHORT_DAYS * DAY_S else None,
        valid_until=valid_until,
        renew_at=valid_until - int(left // 3),
        cuts=cuts,
    )


@lru_cache(maxsize=8192)
def _found(
    profile: Compiled,
    readings: Readings,
    capabilities: PanelCapabilities,
    today: int,
    horizon_days: int,
    narrow: frozenset[str],
) -> _Found:
    shape = shape_of(profile, readings, grain_of(capabilities))
    coming = shape.coming(today)
    if not coming.windows:
        return _Found(coming)
    if not coming.representable:
        return _Found(coming, refusal=below_resolution(capabilities, *coming.first_asked(today * DAY_S)))
    refusal: Draft | None = None
    for attempt in cut_shapes(shape, capabilities):
        found = _cover_of(coming, attempt, capabilities, today, today + horizon_days - 1, narrow)
        if found.refusal is None:
            return found
        refusal = refusal or found.refusal
    return _Found(coming, refusal=refusal)


def _cover_of(
    coming: Coming, attempt: Cuts, capabilities: PanelCapabilities, today: int, horizon: int, narrow: frozenset[str]
) -> _Found:
    shape = attempt.shape
    first, plan = next(((day, plan) for day, plan in shape.days(today, horizon) if plan), (None, CLOSED))
    if first is None and (lost := attempt.lost(today, horizon)) is not None:
        return _Found(coming, refusal=attempt.refusal(narrow, *lost))
    if first is None:
        return _Found(coming, reach=horizon)
    if not attempt.allowed(narrow):
        return _Found(coming, refusal=attempt.refusal(narrow, first, plan))
    dateless = capabilities.date_range == "none"
    if forever(shape) and (dateless or begun(shape, today)):
        weekly = _weekly(coming, attempt, capabilities, first)
        if dateless or weekly.refusal is None:
            return weekly
    enough = min(first_occurrence_end(shape, first), first + SHORT_DAYS - 1)
    found = cover(shape, capabilities, today, max(horizon, enough), enough)
    if found is not None and found.reaches(enough) and enough > horizon:
        found, enough = cover(shape, capabilities, today, horizon, horizon), horizon
    if found is None or not found.reaches(enough):
        return _Found(coming, refusal=_too_poor(found, shape, capabilities, first))
    return _Found(coming, found.slots, None if found.complete else found.reach, attempt.phrases)


def _weekly(coming: Coming, attempt: Cuts, capabilities: PanelCapabilities, first: int) -> _Found:
    """One table without end, valid from the profile's own first day on, so that it does not depend on the day of compiling."""
    week = weekly_table(attempt.shape)
    table = Table(week)
    limit = exceeded(table, capabilities)
    if limit is not None:
        plan = table.week[weekday(first)]
        return _Found(coming, refusal=refused(limit, f"the weekly table does not fit ({limit})", first, plan))
    begins, ends = None, None
    if capabilities.date_range != "none":
        begins = first_open(attempt.shape, week, capabilities)
        ends = capabilities.last_date if capabilities.date_range == "required" else None
    return _Found(coming, (Slot((), table.periods(), begins, ends),), cuts=attempt.phrases)


def first_occurrence_end(shape: Shape, first: int) -> int:
    """The last day of the occurrence that is open on day `first`."""
    return max((end - 1) // MINUTES for _, end in islice(shape.windows(first, first), 1))


def _too_poor(found: Cover | None, shape: Shape, capabilities: PanelCapabilities, first: int) -> Draft:
    start = first if found is None else found.reach + 1
    day, plan = next(((day, plan) for day, plan in shape.days(start, start + SHORT_DAYS) if plan), (first, CLOSED))
    limit = exceeded(Table((plan,)), capabilities) or "max_slots_per_profile"
    return refused(limit, f"the days of one occurrence do not fit ({limit})", day, plan)
