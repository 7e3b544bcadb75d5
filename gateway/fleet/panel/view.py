"""What the gateway shows of one panel: desired against observed. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import islice

from drivers.contract import IDENTIFIER, TIME_PROFILE, ItemOutcome, ItemState, PanelImage, Reason, split_key
from gateway.fleet import views
from gateway.fleet.panel.failure import AT_WORK, Failure
from gateway.fleet.panel.foreign import alarming
from gateway.fleet.panel.place import Place
from gateway.fleet.panel.state import PanelState
from gateway.fleet.panel.table import Table
from gateway.fleet.panel.whole_look import Reached
from gateway.fleet.results import PanelResult
from gateway.fleet.views import (
    DriftView,
    ForeignSlot,
    FullLookView,
    IdentifierView,
    ItemView,
    NumberedView,
    PanelView,
    SlotUse,
    kind_of_view,
)
from gateway.identifiers.own_ids import is_own_id
from gateway.store import codec

UidOf = Callable[[str], int | None]

_NAMED = 3
"""How many items that are to be removed the warnings name."""


def view_of(
    state: PanelState,
    table: Table,
    outputs: Mapping[int, Place],
    left: Sequence[tuple[PanelResult, float]],
    now: float,
    defect: Failure | None,
    foreign: tuple[ForeignSlot, ...],
    reached: Reached,
    uid_of: UidOf | None,
) -> PanelView:
    """`outputs`: those that something is bound to. `left`: what outputs say that may be on for an item that they must not be on
    for, and since when. `defect`: one of the gateway that keeps them from being held. `reached`: how
    far the look at every word came. `uid_of`: the number of an item; None: items are not shown."""
    away = state.unreachable()
    lacking = table.lacking()
    waiting = [key for key in lacking if not table.refuses(key)]
    switched = [outputs[number].result(key) for number, bound in state.outputs.items() for key in bound]
    denied = sum(result.outcome is ItemState.REFUSED for result in switched)
    held = len(state.bound) - len(lacking) + sum(result.success for result in switched)
    refused = len(lacking) - len(waiting) + denied
    desired = len(state.bound) + len(switched)
    pending = desired - held - refused + len(state.leaving) + len(left)
    late = [*table.overdue(waiting), *((since, True) for _, since in left)]
    overdue = [(max(0.0, now - since), revokes) for since, revokes in late]
    failing = [result for result in (*switched, *(result for result, _ in left)) if _fails(result)]
    observed, quarantined_until = state.observed, state.driver.quarantined_until
    items = () if uid_of is None else tuple(_items(state, table, outputs, uid_of))
    return PanelView(
        id=state.id,
        line=state.line,
        model=state.settings.model,
        state="failed" if state.failed or defect else "away" if away is not None else _word(state, pending, refused, foreign),
        availability=state.driver.availability.current,
        desired=desired,
        held=held,
        pending=pending,
        refused=refused,
        lag_s=max((lag for lag, _ in overdue), default=0.0),
        clock_drift_ms=state.clock_drift_ms,
        resets=observed.resets,
        quarantined_until=None if quarantined_until is None else round(quarantined_until),
        last_seen_at=None if observed.seen_at is None else int(observed.seen_at),
        last_error=_error(state, defect, table.closed() or next(map(_failure, failing), None)),
        away_since=None if away is None or state.away_since is None else int(state.away_since),
        away_reason=None if away is None else _said(away),
        log_unread_since=None if state.log_unread is None else int(state.log_unread[0]),
        log_error=None if state.log_unread is None else _said(state.log_unread[1]),
        revocation_lag_s=max((lag for lag, revokes in overdue if revokes), default=0.0),
        still_granting=sum(revokes for _, revokes in overdue),
        drifts=observed.drifts,
        foreign_slots=tuple(sorted(state.foreign())),
        foreign_identifiers=tuple(sorted(state.foreign_identifiers())),
        foreign=foreign,
        foreign_commits=state.commits.foreign,
        foreign_commit_at=None if state.commits.last_at is None else int(state.commits.last_at),
        law_until=state.law_until,
        valid_until=None if state.image is None else _first_end(state.image.outcomes.values()),
        unrenewed_until=_first_end(_unrenewed(state, now)),
        writes=state.wear.written,
        endurance=state.wear.view(),
        full_look=FullLookView(state.settings.full_look_h, reached.hours, reached.ended_at) if _has_table(state) else None,
        last_drift=_last_drift(state),
        dst=state.driver.capabilities.dst,
        acknowledged_at=None if observed.acknowledged_at is None else int(observed.acknowledged_at),
        image_hash=_hash(state.image) if uid_of is not None and state.image is not None else None,
        serial=state.identity.serial,
        found_serial=state.identity.found,
        identity_note=state.identity.note,
        warnings=(*_warnings(state, foreign, reached, now), *_still_granting(state, table), *_still_on(left)),
        slots={} if uid_of is None else _slot_use(state, items),
        items=items,
    )


def _slot_use(state: PanelState, items: Iterable[ItemView]) -> dict[str, SlotUse]:
    capabilities, own = state.driver.capabilities, Counter[str]()
    for item in items:
        own[kind_of_view(item)] += len(item.slots)
    foreign = {TIME_PROFILE: len(state.foreign()), IDENTIFIER: len(state.foreign_identifiers())}
    there = {TIME_PROFILE: capabilities.max_schedules, IDENTIFIER: capabilities.max_identifiers}
    return {kind: SlotUse(own[kind], foreign[kind], count) for kind, count in there.items() if count}


def _first_end(outcomes: Iterable[ItemOutcome]) -> int | None:
    return min((each.valid_until for each in outcomes if each.valid_until is not None), default=None)


def _unrenewed(state: PanelState, now: float) -> Iterator[ItemOutcome]:
    """What the panel may hold of items that it must hold, and what should have been renewed by now."""
    for image in state.images():
        for key, outcome in image.outcomes.items():
            if key not in state.leaving and outcome.renew_at is not None and outcome.renew_at <= now:
                yield outcome


def _items(state: PanelState, table: Table, outputs: Mapping[int, Place], uid_of: UidOf) -> Iterator[ItemView]:
    for item in sorted(state.bound.values(), key=lambda each: each.sequence):
        result, held = table.last_seen(item.key), table.held_generation(item.key)
        yield _item(item.key, item.uid, item.generation, held, result, _slots(state, item.key), item.changed_at)
    for key, since in state.leaving.items():
        yield _item(key, uid_of(key), None, table.held_generation(key), table.result(key), _slots(state, key), since)
    for number, place in outputs.items():
        for item in sorted(state.outputs[number].values(), key=lambda each: each.sequence):
            result = place.result(item.key)
            held = item.generation if result.success else None
            yield _item(item.key, item.uid, item.generation, held, result, (), item.changed_at)


def _item(
    key: str, uid: int | None, desired: int | None, held: int | None, result: PanelResult, slots: tuple[int, ...], asked_at: float
) -> ItemView:
    kind, link_id = split_key(key)
    if is_own_id(link_id):
        make: Callable[..., ItemView] = partial(NumberedView, link_id=None, kind=kind, uid=uid)
    else:
        make = partial(IdentifierView if kind == IDENTIFIER else ItemView, link_id=link_id)
    return make(
        desired_generation=desired,
        held_generation=held,
        outcome=result.outcome,
        valid_until=result.valid_until,
        reason=result.reason,
        message=result.message,
        still_grants=result.still_grants,
        still_grants_text=result.still_grants_text,
        still_grants_until=result.still_grants_until,
        slots=slots,
        asked_at=int(asked_at),
    )


def _word(state: PanelState, pending: int, refused: int, foreign: Sequence[ForeignSlot]) -> views.StateWord:
    if state.identity.stranger is not None:
        return "identity_changed"
    if state.failure is not None and state.failure.reason is Reason.WRONG_DEVICE:
        return "wrong_device"
    if not state.images():
        return "unknown"
    if state.drifted:
        return "drifted"
    if pending or not state.certain or state.clock_missing:
        return "syncing"
    if refused:
        return "refused"
    return "foreign" if alarming(foreign) else "in_sync"


def _has_table(state: PanelState) -> bool:
    return state.driver.capabilities.max_schedules > 0


def _last_drift(state: PanelState) -> DriftView | None:
    return None if state.last_drift is None else DriftView(int(state.last_drift[0]), tuple(state.last_drift[1]))


def _still_granting(state: PanelState, table: Table) -> Iterator[str]:
    """What a panel that cannot be brought in step may still open, though it is to be removed."""
    if state.failure is None and state.unreachable() is None:
        return
    for key in islice(state.leaving, _NAMED):
        text = table.result(key).still_grants_text
        if text is not None:
            yield f"{split_key(key)[1]} is to be removed, and may still open {text}"
    if len(state.leaving) > _NAMED:
        yield f"{len(state.leaving) - _NAMED} more are to be removed"


def _still_on(left: Iterable[tuple[PanelResult, float]]) -> Iterator[str]:
    for name in dict.fromkeys(result.panel for result, _ in left if _fails(result)):
        yield f"output {name} is to be off, or on for somebody else, and may be on for what was taken from it"


def _warnings(state: PanelState, foreign: Iterable[ForeignSlot], reached: Reached, now: float) -> Iterator[str]:
    aim_h = state.settings.full_look_h
    if reached.hours is not None and reached.hours > aim_h and _has_table(state):
        slow = "it was away, or its line's `drift_share` is small"
        yield f"every word it holds was read within {reached.hours:g} h, not within {aim_h:g}: {slow}"
    if state.identity.note is not None:
        yield state.identity.note
    if state.commits.warned(now):
        yield f"commits to it that were not the gateway's: {state.commits.foreign}; does another gateway work at this panel?"
    for each in alarming(foreign):
        if each.kind == IDENTIFIER:
            yield f"identifier slot {each.slot} is not the gateway's and lets somebody in {each.opens}"
        else:
            yield f"slot {each.slot} is not the gateway's and is open {each.opens}"


def _error(state: PanelState, defect: Failure | None, closed: Failure | None) -> str | None:
    """`closed`: why nothing is opened on it, or on an output of it."""
    failure = (state.failure if state.failed else defect) or state.unreachable() or state.failure or closed
    return None if failure is None else _said(failure)


def _fails(result: PanelResult) -> bool:
    """Whether an item is kept from an output by more than the time that it takes."""
    return result.outcome is ItemState.PENDING and result.message != AT_WORK.message


def _failure(result: PanelResult) -> Failure:
    return Failure(result.reason or AT_WORK.reason, result.message)


def _said(failure: Failure) -> str:
    return failure.reason.value if failure.message is None else f"{failure.reason.value}: {failure.message}"


def _slots(state: PanelState, key: str) -> tuple[int, ...]:
    return tuple(sorted(set(state.allocation.get(key, ())).union(*(image.allocation.get(key, ()) for image in state.images()))))


def _hash(image: PanelImage) -> str:
    slots, identifiers = dict(sorted(image.slots.items())), dict(sorted(image.identifiers.items()))
    said = PanelImage(slots=slots, special_days=image.special_days, identifiers=identifiers)
    return sha256(codec.PANEL_IMAGE.encode(said).encode()).hexdigest()[:16]
