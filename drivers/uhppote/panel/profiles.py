"""Schedule slots as time profiles, and profiles as slots. Pure.

A free slot is a profile that is not defined, or one that is closed: a controller has no message that removes one profile, and
lets in every card that names a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import Period, Slot
from drivers.uhppote.wire.frames import Reply
from drivers.uhppote.wire.messages import SEGMENTS, Profile, read_profile

FIRST_DAY, LAST_DAY = 10_957, 47_481
"""2000-01-01 and 2099-12-31: what is not bounded is written so."""
MINUTES = 1440
CLOSED = Profile(FIRST_DAY, FIRST_DAY, 0, ((0, 0),) * SEGMENTS)
"""What a slot that is not used any more is overwritten with: no weekday, no link."""
_RAW = 29


def profile_of(slot: Slot) -> Profile:
    """Raises ValueError for a slot that is no profile that the gateway could have written."""
    masks = {period.days for period in slot.periods}
    if slot.opaque is not None or len(masks) != 1 or len(slot.periods) > SEGMENTS:
        raise ValueError("the slot cannot be written as one profile")
    # A profile always has three segments, and one from 00:00 to 00:00 is open at midnight: the first one is repeated.
    periods = (*slot.periods, *slot.periods[:1] * (SEGMENTS - len(slot.periods)))
    return Profile(
        first_day=FIRST_DAY if slot.valid_from is None else max(FIRST_DAY, slot.valid_from),
        last_day=LAST_DAY if slot.valid_to is None else min(LAST_DAY, slot.valid_to),
        days=masks.pop(),
        segments=tuple((period.start, period.end - 1) for period in periods),
        linked=slot.link or 0,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of a profile. `slot` None: the slot is free, whether a closed profile is there (`is_there`) or none."""

    is_there: bool
    slot: Slot | None = None


def found_at(number: int, reply: Reply) -> Found:
    """Bytes without a meaning stay as they are. Raises ValueError where another profile was read."""
    if reply.body[0] not in (0, number):
        raise ValueError(f"profile {reply.body[0]} in the place of {number}")
    try:
        read = read_profile(reply)
    except ValueError:
        return Found(True, Slot((), opaque=tuple(reply.body[:_RAW])))
    if read is None:
        return Found(False)
    _, profile = read
    if not profile.days and not profile.linked:
        return Found(True)
    if profile.first_day is None or profile.last_day is None:
        return Found(True, Slot((), opaque=tuple(reply.body[:_RAW])))
    return Found(
        True,
        Slot(
            (),
            periods=tuple(dict.fromkeys(_periods(profile))),
            valid_from=profile.first_day,
            valid_to=profile.last_day,
            link=profile.linked or None,
        ),
    )


def _periods(profile: Profile) -> list[Period]:
    """Both minutes of a segment are open; 24:00 is the next day."""
    if not profile.days:
        return []
    return [
        Period(profile.days, first, min(last + 1, MINUTES))
        for first, last in profile.segments
        if first < MINUTES and first <= last
    ]


def same(one: Slot | None, other: Slot | None) -> bool:
    """Whether two slots are the same to a controller, which stores no link_ids."""
    if one is None or other is None:
        return one is other
    try:
        return profile_of(one) == profile_of(other)
    except ValueError:
        return (one.opaque, one.periods, one.link) == (other.opaque, other.periods, other.link) and _dates(one) == _dates(other)


def _dates(slot: Slot) -> tuple[int | None, int | None]:
    return slot.valid_from, slot.valid_to
