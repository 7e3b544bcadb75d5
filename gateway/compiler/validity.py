"""When an identifier counts, in the steps that a panel can express. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import PanelCapabilities, Reason, Refusal
from gateway.compiler.moment import instant_of
from gateway.compiler.options import CompileOptions
from gateway.identifiers.identifier import Identifier
from gateway.schedules.local_time import DAY_S, local_second

LAST_MINUTE = 0xFFFF_FFFE
_CUT = "validity_days"


@dataclass(frozen=True, slots=True)
class Validity:
    """The first and the last minute, inclusive, as an identifier slot has them; None where it is open. `cuts`: what was
    narrowed."""

    first: int | None = None
    last: int | None = None
    cuts: tuple[str, ...] = ()


def minutes_of(identifier: Identifier, capabilities: PanelCapabilities, options: CompileOptions) -> Validity | Refusal | None:
    """The validity rounded inwards; None where no whole minute is left."""
    if identifier.valid_from is None or identifier.valid_to is None:
        return Validity()
    span = identifier.minutes()
    if span is None:
        return None
    first, last = span[0], min(span[1], LAST_MINUTE)
    if capabilities.identifier_validity == "none":
        return _refusal("the panel cannot express a validity")
    if capabilities.identifier_validity == "day":
        return _whole_days(first, last, options)
    return Validity(first, last)


def _whole_days(first: int, last: int, options: CompileOptions) -> Validity | Refusal:
    """In minutes of the panel's own wall clock."""
    zone = options.readings.zone
    begin = -(-local_second(zone, 60 * first) // DAY_S)
    end = local_second(zone, 60 * (last + 1)) // DAY_S
    whole = (instant_of(zone, DAY_S * begin), instant_of(zone, DAY_S * end)) == (60 * first, 60 * (last + 1))
    if not whole and _CUT not in options.narrow:
        return _refusal("a validity that does not begin and end at midnight; `narrow` does not allow cutting it")
    if begin >= end:
        return _refusal("a validity that holds no whole day")
    return Validity(DAY_S // 60 * begin, DAY_S // 60 * end - 1, () if whole else (_CUT,))


def _refusal(message: str) -> Refusal:
    return Refusal(Reason.NOT_REPRESENTABLE, "identifier_validity", message)
