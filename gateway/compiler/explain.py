"""Why a panel is open or closed for one link_id at one moment: what was asked, what was compiled, what is held. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.contract import ItemState, PanelCapabilities, PanelImage
from gateway.compiler.image import is_open, numbers_of
from gateway.compiler.outcome import clock
from gateway.compiler.table import MINUTES
from gateway.schedules.local_time import date_of, local_second
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.time_profile import Readings, TimeProfile


@dataclass(frozen=True, slots=True)
class Explanation:
    """`compiled` None: the compiled image has no place for it. `held` None: unknown. `differs_at`: the first of the two that
    does not do what is asked of it."""

    compiled: bool | None
    held: bool | None
    differs_at: Literal["compiled", "held"] | None
    message: str | None


def explain(
    profile: TimeProfile,
    readings: Readings,
    at: int,
    compiled: PanelImage,
    held: PanelImage | None,
    capabilities: PanelCapabilities,
) -> Explanation:
    """One panel's part of the answer for the instant `at`, read as the panel reads its own wall clock there."""
    recurrence = Recurrence(profile, readings)
    asked, second = recurrence.is_open(at), local_second(readings.zone, at)
    planned = _answer(compiled, capabilities, profile.link_id, second // 60)
    present = None if held is None else _held(held, capabilities, profile.link_id, second // 60)
    if planned is not None and planned != asked:
        return Explanation(planned, present, "compiled", _why_compiled(recurrence, compiled, profile.link_id, at, second))
    if planned is not None and present is not None and present != planned:
        return Explanation(planned, present, "held", _generations(compiled, held, profile.link_id))
    if planned is None:
        left_out = asked and not _by_gateway(compiled, profile.link_id)
        return Explanation(None, present, "compiled" if left_out else None, _said(compiled, profile.link_id))
    return Explanation(planned, present, None, _slots(compiled, profile.link_id, second // 60))


def _answer(image: PanelImage, capabilities: PanelCapabilities, link_id: str, minute: int) -> bool | None:
    """What an image does for a link_id; None where it does not hold the link_id or leaves it to the gateway."""
    if link_id not in image.generations or _by_gateway(image, link_id):
        return None
    return is_open(image, capabilities, minute, link_id)


def _held(image: PanelImage, capabilities: PanelCapabilities, link_id: str, minute: int) -> bool | None:
    """Whether the panel may do anything: it has slots that the gateway cannot read."""
    if any(image.slots[number].opaque is not None for number in numbers_of(image, link_id)):
        return None
    return is_open(image, capabilities, minute, link_id)


def _by_gateway(image: PanelImage, link_id: str) -> bool:
    outcome = image.outcomes.get(link_id)
    return outcome is not None and outcome.outcome is ItemState.GATEWAY_HELD


def _why_compiled(recurrence: Recurrence, image: PanelImage, link_id: str, at: int, second: int) -> str:
    outcome = image.outcomes[link_id]
    if outcome.valid_until is not None and at >= outcome.valid_until:
        return f"the image is written until {outcome.valid_until} and closed afterwards"
    if outcome.cuts:
        return "; ".join(outcome.cuts)
    whole = all(recurrence.is_open_local(second - second % 60 + part) for part in range(60))
    if not whole:
        return "the panel counts whole minutes; the profile begins or ends within this one"
    if outcome.message is not None and not numbers_of(image, link_id):
        return outcome.message
    return "compiled for a later time"


def _generations(compiled: PanelImage, held: PanelImage | None, link_id: str) -> str:
    wanted = compiled.generations.get(link_id)
    present = None if held is None else held.generations.get(link_id)
    if present is None:
        return f"generation {wanted} asked, none held"
    if present != wanted:
        return f"generation {wanted} asked, {present} held"
    return f"generation {wanted} held with other content"


def _said(image: PanelImage, link_id: str) -> str | None:
    outcome = image.outcomes.get(link_id)
    if outcome is None:
        return "not bound to this panel"
    return outcome.message or outcome.outcome.value


def _slots(image: PanelImage, link_id: str, minute: int) -> str | None:
    numbers = numbers_of(image, link_id)
    if not numbers:
        return _said(image, link_id)
    day, clock_minute = divmod(minute, MINUTES)
    slots = ", ".join(map(str, numbers))
    return f"slot {slots} at {date_of(day).isoformat()} {clock(clock_minute)}"
