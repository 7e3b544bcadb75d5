"""Why a panel lets somebody in or not at one moment: what was asked, what was compiled, what is held. Pure."""

from __future__ import annotations

from collections.abc import Callable

from drivers.contract import PanelCapabilities, PanelImage
from gateway.compiler.explain import Explanation
from gateway.compiler.image import is_open
from gateway.identifiers.identifier import Identifier
from gateway.schedules.local_time import local_second
from gateway.schedules.time_profile import Readings


def first_no(identifier: Identifier, is_open: Callable[[str], bool], at: int) -> str | None:
    """What first keeps it out at an instant, as asked; None: it is let in. `is_open`: whether a time profile is live and open."""
    start, end = identifier.valid_from, identifier.valid_to
    if (start is not None and at < start) or (end is not None and at >= end):
        return "outside its validity"
    if identifier.passes == 0:
        return "no entries"
    if identifier.profiles is not None and not any(map(is_open, identifier.profiles)):
        return "none of its time profiles is open"
    return None


def explain_identifier(
    key: str,
    asked: bool,
    readings: Readings,
    at: int,
    compiled: PanelImage,
    held: PanelImage | None,
    capabilities: PanelCapabilities,
) -> Explanation:
    """One panel's part of the answer for the instant `at`; entries that were had are left out of account."""
    local = local_second(readings.zone, at) // 60
    planned = lets_in(compiled, capabilities, key, at // 60, local) if key in compiled.generations else None
    present = None if held is None else lets_in(held, capabilities, key, at // 60, local)
    outcome = compiled.outcomes.get(key)
    said = "not bound to this panel" if outcome is None else outcome.message or outcome.outcome.value
    if planned is None:
        return Explanation(None, present, "compiled" if asked else None, said)
    if planned != asked:
        return Explanation(planned, present, "compiled", said)
    if present is not None and present != planned:
        return Explanation(planned, present, "held", "held with other content")
    return Explanation(planned, present, None, said)


def lets_in(
    image: PanelImage,
    capabilities: PanelCapabilities,
    key: str,
    unix_minute: int,
    local_minute: int,
    output: int | None = None,
) -> bool:
    """Whether a panel that holds `image` lets an identifier in at the door of an output; None: at any."""
    minute = local_minute if capabilities.identifier_validity == "day" else unix_minute
    slots = (image.identifiers[number] for number in image.allocation.get(key, ()) if number in image.identifiers)
    return any(
        (output is None or output in slot.outputs)
        and (slot.valid_from or 0) <= minute
        and (slot.valid_to is None or minute <= slot.valid_to)
        and slot.passes != 0
        and (slot.schedules is None or any(_is_open(image, capabilities, each, local_minute) for each in slot.schedules))
        for slot in slots
    )


def _is_open(image: PanelImage, capabilities: PanelCapabilities, number: int, local_minute: int) -> bool:
    """A reference stands for every slot with the link_id of the one it names."""
    slot = image.slots.get(number)
    return slot is not None and any(is_open(image, capabilities, local_minute, link_id) for link_id in slot.link_ids)
