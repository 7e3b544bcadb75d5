"""Panels whose profiles share a table or the panel's dates: these profiles are compiled together. Pure.

When the set does not fit, those whose present generation the panel has not acknowledged are refused, youngest first; what is
acknowledged of the others is never taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from drivers.contract import Allocation, ItemOutcome, ItemState, PanelCapabilities, PanelImage, Reason, Slot
from gateway.compiler.assembly import Placed, image_of
from gateway.compiler.candidates import Candidate, candidate, knows_dates, lies_inside
from gateway.compiler.joint import NOBODY, Joint, Panel, join, without_each
from gateway.compiler.moment import Moment
from gateway.compiler.narrowing import whole_minutes
from gateway.compiler.numbering import choose
from gateway.compiler.options import BoundProfile, CompileOptions
from gateway.compiler.outcome import SHORT_DAYS, Draft, no_room, refused
from gateway.compiler.placement import acknowledged
from gateway.compiler.special_days import Demand, Misfit
from gateway.compiler.table import CLOSED, CLOSED_WEEK, Table
from gateway.schedules.local_time import DAY_S, local_second

_LOST_CLOSING = "events_on_clock_step"


def is_shared(capabilities: PanelCapabilities) -> bool:
    """Whether the place of one profile depends on the others: one table for all, dates for all, or no dates of any kind."""
    if capabilities.max_schedules == 0:
        return False
    if capabilities.scope == "panel" or not (knows_dates(capabilities) or capabilities.date_range != "none"):
        return True
    return knows_dates(capabilities) and capabilities.special_days_scope == "panel"


def compile_union(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> PanelImage:
    if _all_as_held(profiles, moment, options, held):
        return held
    panel = _panel(profiles, capabilities, allocation, moment, options, held)
    candidates = [_as_promised(candidate(bound, capabilities, moment, options, panel.horizon), panel) for bound in profiles]
    drafts = {each.link_id: each.draft for each in candidates if each.draft is not None}
    joint, refusals = _choose_members(candidates, panel)
    drafts |= refusals
    if _nothing_new(joint, panel):
        return _unmoved(joint, candidates, drafts, panel)
    placed = {each.link_id: _unplaced(each, drafts) for each in candidates if each.link_id in drafts} | _place(joint, panel)
    if panel.one_table:
        placed |= _inside(joint, candidates, drafts, panel)
    image = image_of(
        {each.link_id: placed[each.link_id] for each in candidates},
        PanelImage(special_days=() if panel.own_days else joint.groups.days),
    )
    return _shared_slot(image) if panel.one_table else image


def _all_as_held(profiles: Sequence[BoundProfile], moment: Moment, options: CompileOptions, held: PanelImage) -> bool:
    link_ids = {bound.profile.link_id for bound in profiles}
    return (
        set(held.outcomes) == link_ids == set(held.generations)
        and _placed(held) <= link_ids
        and not options.taken.intersection(held.slots)
        and not _due(profiles, moment, held)
        and all(acknowledged(bound, held) for bound in profiles)
    )


def _due(profiles: Sequence[BoundProfile], moment: Moment, held: PanelImage) -> bool:
    """Whether something that the panel holds is due for renewal."""
    renewals = (held.outcomes[bound.profile.link_id].renew_at for bound in profiles if acknowledged(bound, held))
    return any(renewal is not None and moment.now >= renewal for renewal in renewals)


def _panel(
    profiles: Sequence[BoundProfile],
    capabilities: PanelCapabilities,
    allocation: Allocation,
    moment: Moment,
    options: CompileOptions,
    held: PanelImage,
) -> Panel:
    due = _due(profiles, moment, held)
    horizon = moment.day + options.horizon_days - 1
    ends = [held.outcomes[bound.profile.link_id].valid_until for bound in profiles if acknowledged(bound, held)]
    known = [local_second(moment.zone, end - 1) // DAY_S for end in ends if end is not None]
    if known and not due and knows_dates(capabilities):
        horizon = max(min(horizon, *known), moment.day)
    return Panel(capabilities, allocation, moment, options, held, horizon, due)


def _as_promised(found: Candidate, panel: Panel) -> Candidate:
    """A profile that the panel holds without a table stays so until its renewal."""
    if panel.due or not panel.promised(found) or panel.held.allocation.get(found.link_id):
        return found
    return replace(found, draft=Draft(panel.held.outcomes[found.link_id]), demand=None)


def _choose_members(candidates: Sequence[Candidate], panel: Panel) -> tuple[Joint, dict[str, Draft]]:
    wanting = [each for each in candidates if each.demand is not None]
    places = {each.link_id: place for place, each in enumerate(wanting)}
    joint, refusals = _keep_promised([each for each in wanting if panel.promised(each)], panel)
    for newcomer in wanting:
        if panel.promised(newcomer):
            continue
        if not panel.room or (not panel.one_table and len(joint.members) >= panel.room):
            refusals[newcomer.link_id] = _roomless(newcomer, panel)
            continue
        trial, refusal = _tried(newcomer, joint, places, panel)
        narrower = _closing_earlier(newcomer, refusal, panel)
        if narrower is not None:
            trial, refusal = _tried(narrower, joint, places, panel)
        if refusal is None:
            joint = trial
        else:
            refusals[newcomer.link_id] = refusal
    return joint, refusals


def _tried(newcomer: Candidate, joint: Joint, places: Mapping[str, int], panel: Panel) -> tuple[Joint, Draft | None]:
    """The members with a newcomer, and why it cannot join them; None: it can."""
    trial = join(sorted((*joint.members, newcomer), key=lambda each: places[each.link_id]), panel, joint)
    return trial, _refusal(trial, joint, newcomer, panel) or _too_poor(newcomer, panel)


def _closing_earlier(member: Candidate, refusal: Draft | None, panel: Panel) -> Candidate | None:
    """A member that is refused because it closes in an hour that the clock skips, cut so that it closes before that; None: it was
    refused for something else, it is cut already, or the panel may not cut it."""
    found = None if refusal is None else refusal.outcome.refusal
    if found is None or found.limit != _LOST_CLOSING or member.shape.grain.gaps or member.shape.grain.step > 1:
        return None
    if "last_minute" not in panel.options.narrow:
        return None
    cut = candidate(member.bound, panel.capabilities, panel.moment, panel.options, panel.horizon, panel.gaps)
    return None if cut.demand is None else cut


def _keep_promised(promised: Sequence[Candidate], panel: Panel) -> tuple[Joint, dict[str, Draft]]:
    """The profiles that the panel acknowledged; the youngest leave only when slots, tables or dates do not suffice for all."""
    with_slot_first = sorted(promised, key=lambda member: not panel.held.allocation.get(member.link_id))
    roomless = with_slot_first[panel.room :] if not panel.one_table or not panel.room else []
    refusals = {member.link_id: _roomless(member, panel) for member in roomless}
    joint = join([member for member in promised if member.link_id not in refusals], panel)
    while joint.members and (found := _superfluous(joint, panel)) is not None:
        out, refusal = found
        narrower = _closing_earlier(out, refusal, panel)
        if narrower is None:
            refusals[out.link_id] = refusal
        members = [narrower if member is out else member for member in joint.members]
        joint = join([member for member in members if member is not None], panel)
    return joint, refusals


def _superfluous(joint: Joint, panel: Panel) -> tuple[Candidate, Draft] | None:
    """A member that has to leave, and why."""
    if joint.misfit is not None:
        return _misfitting(joint, joint.misfit, panel)
    if not _starving(joint, panel):
        return None
    youngest_first = list(reversed(joint.members))
    for member in sorted(filter(lambda each: each.dated, youngest_first), key=panel.opens):
        others = join([each for each in joint.members if each is not member], panel)
        if others.groups.reach > joint.groups.reach:
            return member, _short(member, joint, "max_special_day_groups")
    return None


def _misfitting(joint: Joint, found: Misfit, panel: Panel) -> tuple[Candidate, Draft]:
    """The member that leaves a table: of the youngest first, one that does not fit alone, or else one without which the others
    fit, or else the youngest."""
    if not panel.one_table:
        return joint.members[found.table], _misfit_draft(found)
    for member in reversed(joint.members):
        alone = join([member], panel).misfit
        if alone is not None:
            return member, _misfit_draft(alone)
    for number, others in without_each(joint, panel):
        if others.misfit is None:
            return joint.members[number], _misfit_draft(found)
    return joint.members[-1], _misfit_draft(found)


def _starving(joint: Joint, panel: Panel) -> bool:
    """Whether coming days need more groups than there are, so that soon no profile's dates could be extended."""
    reach = joint.groups.reach
    short = joint.groups.short_of == "max_special_day_groups" and reach < panel.moment.day + SHORT_DAYS - 1
    return short and any(member.dated and reach < member.first_end and not member.complete(reach) for member in joint.members)


def _misfit_draft(found: Misfit) -> Draft:
    message = "the table does not fit"
    if found.limit == _LOST_CLOSING:
        message = "it closes in an hour that the clock skips, and the panel may miss that"
    return refused(found.limit, f"{message} ({found.limit})", found.day, found.plan)


def _refusal(trial: Joint, before: Joint, newcomer: Candidate, panel: Panel) -> Draft | None:
    """Why a newcomer cannot join where there is a table for it; None when it can and no member loses anything."""
    if trial.misfit is not None:
        return _misfit_draft(trial.misfit)
    reach, limit = trial.groups.reach, trial.groups.short_of
    if limit == "max_special_day_groups" and reach < before.groups.reach:
        return _short(newcomer, trial, limit)
    poor = any(member.dated and reach < member.first_end and not member.complete(reach) for member in trial.members)
    if limit is not None and (poor or not all(_still(member, reach, panel) for member in trial.members)):
        return _short(newcomer, trial, limit)
    return None


def _too_poor(newcomer: Candidate, panel: Panel) -> Draft | None:
    """Why its first occurrence, which goes on beyond the horizon, cannot be written when it is nearer."""
    if newcomer.first is None or not newcomer.dated or newcomer.first_end <= panel.horizon:
        return None
    first, end = newcomer.first[0], min(newcomer.first_end, newcomer.first[0] + SHORT_DAYS - 1)
    whole = replace(newcomer, demand=Demand(CLOSED_WEEK, newcomer.shape.plans(first, end)), first_end=end)
    ahead = replace(panel, horizon=end, held=PanelImage())
    return _refusal(join([whole], ahead), NOBODY, whole, ahead)


def _roomless(member: Candidate, panel: Panel) -> Draft:
    return no_room(panel.capabilities, 1, *member.shape.first_asked(panel.moment.second))


def _short(newcomer: Candidate, trial: Joint, limit: str) -> Draft:
    """The refusal that names the first day that is no longer written, with the newcomer's plan there, or else another's."""
    day = trial.groups.reach + 1
    demands = [member.demand for member in (newcomer, *trial.members) if member.demand is not None]
    plan = next((plan for demand in demands if (plan := demand.dates.get(day))), CLOSED)
    return refused(limit, f"more dates or different days than the panel has room for ({limit})", day, plan)


def _still(member: Candidate, reach: int, panel: Panel) -> bool:
    """Whether a member keeps what the panel acknowledged of it."""
    if not panel.promised(member) or not member.dated or member.complete(reach):
        return True
    until = panel.held.outcomes[member.link_id].valid_until
    return until is not None and panel.moment.midnight(reach + 1) >= until


def _nothing_new(joint: Joint, panel: Panel) -> bool:
    """Whether the tables that the panel holds are the desired ones."""
    wanted = {member.link_id for member in joint.members}
    return not panel.due and bool(wanted) and _placed(panel.held) == wanted and all(map(panel.promised, joint.members))


def _placed(held: PanelImage) -> set[str]:
    """Whose slots the panel holds, those too of which it is not known what they are."""
    return {link_id for link_id, numbers in held.allocation.items() if numbers}


def _unmoved(joint: Joint, candidates: Sequence[Candidate], drafts: Mapping[str, Draft], panel: Panel) -> PanelImage:
    held, staying = panel.held, {member.link_id for member in joint.members}
    placed = {
        each.link_id: Placed(each.bound.generation, held.outcomes[each.link_id], held.allocation[each.link_id])
        if each.link_id in staying
        else _unplaced(each, drafts)
        for each in candidates
    }
    return image_of(placed, PanelImage(slots=held.slots, special_days=held.special_days))


def _unplaced(each: Candidate, drafts: Mapping[str, Draft]) -> Placed:
    return Placed(each.bound.generation, drafts[each.link_id].outcome)


def _place(joint: Joint, panel: Panel) -> dict[str, Placed]:
    """Every member with its table in a slot."""
    numbers, tables = _numbers(joint, panel), joint.tables * len(joint.members) if panel.one_table else joint.tables
    placed: dict[str, Placed] = {}
    for member, table in zip(joint.members, tables, strict=True):
        chosen = numbers[member.link_id]
        if chosen is None:
            placed[member.link_id] = Placed(member.bound.generation, _roomless(member, panel).outcome)
            continue
        slot = _slot(member.link_id, table, joint.groups.days if panel.own_days else (), panel.capabilities)
        placed[member.link_id] = Placed(member.bound.generation, _said(member, joint, panel), chosen, dict.fromkeys(chosen, slot))
    return placed


def _numbers(joint: Joint, panel: Panel) -> Mapping[str, tuple[int, ...] | None]:
    if panel.one_table:
        return {member.link_id: (panel.capabilities.first_id,) for member in joint.members}
    promised = [member.link_id for member in joint.members if panel.promised(member)]
    known = {**panel.allocation, **{link_id: panel.held.allocation.get(link_id, ()) for link_id in promised}}
    others = [member.link_id for member in joint.members if member.link_id not in promised]
    return choose((*promised, *others), lambda *_: 1, {}, known, panel.capabilities, panel.options.taken, panel.options.kept_for)


def _slot(link_id: str, table: Table, days: tuple[tuple[int, ...], ...], capabilities: PanelCapabilities) -> Slot:
    ranged = capabilities.date_range == "required"
    first, last = capabilities.first_date or 0, capabilities.last_date
    return Slot((link_id,), table.periods(), first if ranged else None, last if ranged else None, days)


def _said(member: Candidate, joint: Joint, panel: Panel) -> ItemOutcome:
    """The outcome; the existing value where nothing in it changes."""
    outcome = member.draft_of(joint.groups.reach, panel.moment).outcome
    told = panel.held.outcomes.get(member.link_id)
    if not panel.due and told is not None and panel.promised(member) and told.valid_until == outcome.valid_until:
        return told
    return outcome


def _inside(joint: Joint, candidates: Sequence[Candidate], drafts: Mapping[str, Draft], panel: Panel) -> dict[str, Placed]:
    """Profiles that need no place of their own: the table of the others is open whenever they are."""
    if not joint.tables or joint.groups.days or any(member.stale for member in joint.members):
        return {}
    return {
        each.link_id: Placed(each.bound.generation, outcome, (panel.capabilities.first_id,))
        for each in candidates
        if each.link_id in drafts and not drafts[each.link_id].holds
        if drafts[each.link_id].outcome.reason is not Reason.BELOW_RESOLUTION
        if (outcome := _covered(each, joint.tables[0], panel)) is not None
    }


def _covered(each: Candidate, table: Table, panel: Panel) -> ItemOutcome | None:
    """Its outcome where a table without dates holds all that is asked, or all but what the panel may cut."""
    message, days = "inside the table of the others", (panel.moment.day, panel.horizon)
    if panel.capabilities.end_minute != "unknown" and lies_inside(whole_minutes(each.shape), table, *days):
        return ItemOutcome(ItemState.EXACT, message=message)
    if each.cuts and lies_inside(each.shape, table, *days):
        return ItemOutcome(ItemState.NARROWED, message=message, cuts=each.cuts)
    return None


def _shared_slot(image: PanelImage) -> PanelImage:
    """The one slot, labelled with every link_id whose table it is."""
    link_ids = tuple(link_id for link_id, numbers in image.allocation.items() if numbers)
    return replace(image, slots={number: replace(slot, link_ids=link_ids) for number, slot in image.slots.items()})
