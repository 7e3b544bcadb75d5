"""What one profile asks of tables that it shares with others, or why it cannot be held there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drivers.contract import ItemOutcome, ItemState, PanelCapabilities
from gateway.compiler.moment import Moment
from gateway.compiler.narrowing import Cuts, cut_shapes
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.outcome import Draft, not_started, refused
from gateway.compiler.own_slots import first_occurrence_end, outcome_of, unheld
from gateway.compiler.shapes import Shape, grain_of, shape_of
from gateway.compiler.special_days import Demand, united
from gateway.compiler.table import CLOSED_WEEK, DayPlan, Interval, Table, day_fits, within
from gateway.compiler.together import ProfileSet
from gateway.compiler.weekly import Stale, forever, stale_table, starts_at, weekly_table
from gateway.schedules.local_time import weekday


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile to be placed. `demand` None: `draft` says why it takes no place.

    `cuts`: what was cut, as the panel may. `first`: its first open day with its plan; `first_end`: that occurrence's last day.
    """

    bound: BoundProfile
    shape: Shape
    draft: Draft | None = None
    demand: Demand | None = None
    cuts: tuple[str, ...] = ()
    stale: Stale | None = None
    first: tuple[int, DayPlan] | None = None
    first_end: int = 0
    waits: ItemOutcome | None = None
    """What a set says while a member of it is not written yet."""

    @property
    def link_id(self) -> str:
        return self.bound.profile.link_id

    @property
    def dated(self) -> bool:
        return self.demand is not None and bool(self.demand.dates)

    def complete(self, reach: int) -> bool:
        """Whether it is never open on a later day."""
        last = self.shape.last_day
        return last is not None and next(((day, plan) for day, plan in self.shape.days(reach + 1, last) if plan), None) is None

    def draft_of(self, reach: int, moment: Moment) -> Draft:
        """Its outcome on a table that lacks no date up to day `reach`."""
        if self.waits is not None:
            return Draft(self.waits)
        if self.stale is not None:
            return Draft(_stale_outcome(self.stale, self.cuts, moment))
        right_for_ever = not self.dated or self.complete(reach)
        return Draft(outcome_of(None if right_for_ever else reach, self.cuts, moment))


def knows_dates(capabilities: PanelCapabilities) -> bool:
    return capabilities.max_special_day_groups > 0 and capabilities.max_days_in_special_day_group > 0


def candidate(
    bound: BoundProfile,
    capabilities: PanelCapabilities,
    moment: Moment,
    options: CompileOptions,
    horizon: int,
    gaps: tuple[Interval, ...] = (),
) -> Candidate:
    """`gaps`: local minutes that the clock skips; a window that would end at the first of them ends a minute earlier."""
    if isinstance(bound.profile, ProfileSet):
        return _together(bound, bound.profile, capabilities, moment, options, horizon, gaps)
    shape = shape_of(bound.profile, options.readings, replace(grain_of(capabilities), gaps=gaps))
    early = unheld(shape, capabilities, moment)
    if early is not None:
        return Candidate(bound, shape, early)
    whole, *poorer = cut_shapes(shape, capabilities)
    found = _wanted(bound, whole, capabilities, moment, options, horizon)
    if found.demand is None or not poorer or _days_fit(found.demand, capabilities):
        return found
    return _wanted(bound, poorer[0], capabilities, moment, options, horizon)


def _together(
    bound: BoundProfile,
    profiles: ProfileSet,
    capabilities: PanelCapabilities,
    moment: Moment,
    options: CompileOptions,
    horizon: int,
    gaps: tuple[Interval, ...],
) -> Candidate:
    """What the members ask for together; those that the panel cannot hold are closed, one that comes later makes it `pending`."""
    found = [
        candidate(BoundProfile(member, bound.generation), capabilities, moment, options, horizon, gaps)
        for member in profiles.members
    ]
    shape = shape_of(profiles, options.readings, replace(grain_of(capabilities), gaps=gaps))
    asking = [each for each in found if each.demand is not None]
    drafts = [each.draft for each in found if each.draft is not None]
    if not asking:
        return Candidate(bound, shape, next((draft for draft in drafts if draft.outcome.outcome is ItemState.PENDING), drafts[0]))
    first = min(asking, key=lambda each: each.first or (horizon, ()))
    return Candidate(
        bound,
        shape,
        demand=united([each.demand for each in asking if each.demand is not None]),
        cuts=tuple(dict.fromkeys(cut for each in asking for cut in each.cuts)),
        stale=_stale_together([each.stale for each in asking if each.stale is not None]),
        first=first.first,
        first_end=first.first_end,
        waits=next((draft.outcome for draft in drafts if draft.outcome.outcome is ItemState.PENDING), None),
    )


def _stale_together(stale: Sequence[Stale]) -> Stale | None:
    if not stale:
        return None
    return Stale((), min(each.wrong_from for each in stale), min(each.renew_on for each in stale))


def _days_fit(demand: Demand, capabilities: PanelCapabilities) -> bool:
    return all(day_fits(plan, capabilities) for plan in {*demand.week, *demand.dates.values()})


def _wanted(
    bound: BoundProfile, cuts: Cuts, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions, horizon: int
) -> Candidate:
    shape = cuts.shape
    first = _first_open(shape, moment, horizon)
    if first is None and (lost := cuts.lost(moment.day, horizon)) is not None:
        return Candidate(bound, shape, cuts.refusal(options.narrow, *lost))
    if first is None and (forever(shape) or knows_dates(capabilities)):
        return Candidate(bound, shape, _later(shape, capabilities, moment, horizon))
    if not cuts.allowed(options.narrow):
        return Candidate(bound, shape, cuts.refusal(options.narrow, *(first or shape.first_asked(moment.second))))
    demand, stale, draft = _demand(shape, capabilities, moment, options, horizon)
    end = first_occurrence_end(shape, first[0]) if first else 0
    return Candidate(bound, shape, draft, demand, cuts.phrases, stale, first, end)


def _first_open(shape: Shape, moment: Moment, horizon: int) -> tuple[int, DayPlan] | None:
    return next(((day, plan) for day, plan in shape.days(moment.day, horizon) if plan), None)


def _later(shape: Shape, capabilities: PanelCapabilities, moment: Moment, horizon: int) -> Draft:
    """The outcome of a profile that is not open within the horizon: a panel with dates needs none until then."""
    if knows_dates(capabilities):
        return Draft(outcome_of(horizon, (), moment))
    return not_started(starts_at(shape, moment))


def _demand(
    shape: Shape, capabilities: PanelCapabilities, moment: Moment, options: CompileOptions, horizon: int
) -> tuple[Demand | None, Stale | None, Draft | None]:
    if forever(shape):
        start = starts_at(shape, moment)
        if start > moment.now:
            return None, None, not_started(start)
        return Demand(weekly_table(shape), {}), None, None
    if knows_dates(capabilities):
        return Demand(CLOSED_WEEK, shape.plans(moment.day, horizon)), None, None
    if options.allow_stale:
        stale = stale_table(shape, moment.day, horizon)
        return Demand(stale.week, {}), stale, None
    limit = "max_special_day_groups" if shape.steady is None else "date_range"
    first = _first_open(shape, moment, horizon) or shape.first_asked(moment.second)
    return None, None, refused(limit, f"a weekly table would go stale ({limit})", *first)


def _stale_outcome(stale: Stale, cuts: tuple[str, ...], moment: Moment) -> ItemOutcome:
    return ItemOutcome(
        ItemState.NARROWED if cuts else ItemState.MATERIALISED,
        message="goes stale when it is not renewed in time",
        valid_until=moment.midnight(stale.wrong_from),
        renew_at=moment.midnight(stale.renew_on),
        cuts=cuts,
    )


def lies_inside(shape: Shape, table: Table, today: int, horizon: int) -> bool:
    """Whether a weekly table without dates holds every coming window, whenever it comes."""
    if shape.last_day is not None and shape.last_day <= horizon:
        asked = {(weekday(day), plan) for day, plan in shape.plans(today, shape.last_day).items()}
    else:
        asked = shape.ever_asked()
    return bool(asked) and all(within(plan, table.week[number]) for number, plan in asked)
