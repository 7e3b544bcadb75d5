"""How far a panel's log was read, and what the next part of it means. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from drivers.contract import LoggedEvent, LoggedKind, LogPage


@dataclass(frozen=True, slots=True)
class LogPlace:
    """`taken`: the sequence number of the last event that was taken, 0 before the first; `mark`: what it said. `serial`: whose
    log it is. Events up to `strange` are from the time before the unit was the panel: nobody of this site is meant.
    """

    serial: str | None
    taken: int = 0
    mark: tuple[object, ...] = ()
    strange: int = 0

    def facts(self) -> dict[str, Any]:
        return {"serial": self.serial, "taken": self.taken, "mark": [*self.mark], "strange": self.strange}


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that cannot be read any more; `count` None: nobody knows how many."""

    count: int | None
    why: str


def place_of(facts: Mapping[str, Any]) -> LogPlace:
    return LogPlace(facts["serial"], facts["taken"], tuple(facts["mark"]), facts["strange"])


def mark_of(event: LoggedEvent) -> tuple[object, ...]:
    said = (event.instant, event.kind.value, event.slot, event.output, event.why)
    return said if event.local_second is None else (*said, event.local_second, event.card)


def met(place: LogPlace | None, end: LogPage) -> tuple[LogPlace, Lost | None]:
    """The place to read on from, once it is known where a unit's log ends."""
    if place is None:
        return LogPlace(end.serial, strange=end.last), None
    if place.serial != end.serial:
        return LogPlace(end.serial, strange=end.last), Lost(None, "another unit keeps its own log")
    if end.last < place.taken:
        return _anew(place, end)
    return place, None


def _anew(place: LogPlace, page: LogPage) -> tuple[LogPlace, Lost]:
    """The log does not go on from the place. Without a serial number it may be another unit's."""
    strange = page.last if place.serial is None else 0
    return LogPlace(place.serial, strange=strange), Lost(None, "the panel's log began anew")


def first_of(place: LogPlace, *, checked: bool) -> int:
    """The sequence number to read from: the last event that was taken is read along, unless it is `checked` already."""
    return place.taken if place.mark and not checked else place.taken + 1


def taken(place: LogPlace, page: LogPage) -> tuple[LogPlace, tuple[LoggedEvent | Lost, ...]]:
    """What a page adds behind a place, in order. A log that says something else of the last event taken is another one."""
    for event in page.events:
        if event.sequence == place.taken and place.mark and mark_of(event) != place.mark:
            fresh, lost = _anew(place, page)
            return fresh, (lost,)
    news = [event for event in page.events if event.sequence > place.taken]
    if not news:
        return place, ()
    reached = LogPlace(place.serial, news[-1].sequence, mark_of(news[-1]), place.strange)
    return reached, tuple(_with_gaps(place, news))


def _with_gaps(place: LogPlace, news: list[LoggedEvent]) -> Iterator[LoggedEvent | Lost]:
    before = max(place.taken, min(place.strange, news[0].sequence - 1))
    for event in news:
        if event.sequence > before + 1:
            yield Lost(event.sequence - before - 1, "the panel's log was full")
        yield event
        before = event.sequence


_GRANTED = "access_granted_by_valid_identifier"
_NOT_VALID = "access_denied_by_not_valid_identifier"
_UNKNOWN = "access_denied_by_unknown_card"
_KINDS: Mapping[LoggedKind, str] = MappingProxyType(
    {
        LoggedKind.GRANTED: _GRANTED,
        LoggedKind.OUTPUT_ON: "output_on",
        LoggedKind.OUTPUT_OFF: "output_off",
        LoggedKind.RESTARTED: "panel_restarted",
        LoggedKind.CLOCK_SET: "panel_clock_set",
        LoggedKind.COMMITTED: "panel_committed",
        LoggedKind.EXIT_BUTTON: "lock_was_opened_by_exit_btn",
        LoggedKind.DOOR_OPENED: "door_sensor_was_opened",
        LoggedKind.DOOR_CLOSED: "door_sensor_was_closed",
        LoggedKind.OPEN_TOO_LONG: "lock_is_opened_too_long",
        LoggedKind.OTHER: "panel_event",
    }
)


def kind_of(event: LoggedEvent, *, unknown: bool = False) -> str:
    """The kind of the site's event that an entry of a panel's log is. `unknown`: nobody has the number that was shown."""
    if event.kind is LoggedKind.DENIED:
        return _UNKNOWN if unknown or event.why == "unknown" else _NOT_VALID
    return _KINDS[event.kind]
