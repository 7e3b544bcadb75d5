"""Panel clocks: what to set, how far off one is, when to look again. Pure; instants are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from drivers.clock import SLACK_S, HostMoment
from drivers.contract import ClockSetting, PanelStatus
from gateway.schedules.local_time import changes_between, date_of
from gateway.store.contract import ClockGiven

PERIOD_S = 3600.0
"""How often the clock of a panel is looked at."""
_SECONDS_A_DAY = 86_400
_SEARCH_S = 800 * _SECONDS_A_DAY
_STEP_REACH_S = 400 * _SECONDS_A_DAY


def offset_s(zone: ZoneInfo, instant: float) -> int:
    """Offset from UTC in force, in seconds."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def next_change(zone: ZoneInfo, after: float) -> int | None:
    """The first instant > `after` at which the zone's offset changes; None: none within two years."""
    first = int(after) + 1
    return next((change.instant for change in changes_between(zone, first, first + _SEARCH_S)), None)


@dataclass(frozen=True, slots=True)
class Restart:
    """What was known of a panel's clock before the panel restarted. `shown`: the time that it showed or was given last, as the
    wall time of a moment of this host; None: that is not known. `seen_at`: when the panel was seen last (Unix seconds).
    """

    shown: HostMoment | None
    seen_at: float | None

    def ran_on(self, shows: HostMoment, uptime_s: int | None, host: float) -> bool:
        """Whether the clock, which `shows` a time now, went on through the restart, as far as the panel lets that be known.
        `host`: what this host's clock says.

        A clock that was lost is on another line than before. Where the host has booted since, that line is not known: then a
        clock is lost that showed, when the panel began to run, no more than it had when it was seen last. It was looked at
        every hour until then. A host that is behind that time says nothing of it.
        """
        if self.shown is not None and self.shown.boot_id == shows.boot_id:
            return self.shown.goes_on(shows)
        if self.seen_at is None or host < self.seen_at:
            return True
        return shows.wall - (uptime_s or 0) > self.seen_at + PERIOD_S + SLACK_S


def setting(zone: ZoneInfo, instant: float) -> ClockSetting:
    """The time to write now: the offset in force and the next two changes of it."""
    changes: list[tuple[int, int]] = []
    after = instant
    for _ in range(2):
        change = next_change(zone, after)
        if change is None:
            break
        changes.append((change, offset_s(zone, change) // 60))
        after = change
    return ClockSetting(round(instant), offset_s(zone, instant) // 60, tuple(changes))


def local_second(zone: ZoneInfo, instant: float) -> float:
    """Wall-clock seconds since 1970-01-01T00:00 of that wall clock."""
    return instant + offset_s(zone, instant)


def local_minute(zone: ZoneInfo, instant: float) -> int:
    """Wall-clock minutes since 1970-01-01T00:00 of that wall clock."""
    return int(local_second(zone, instant) // 60)


def error_s(zone: ZoneInfo, status: PanelStatus) -> float | None:
    """How far the panel's clock is ahead, in seconds; None where it is unset or was not read."""
    return None if status.clock_read_at is None else _ahead_s(status, offset_s(zone, status.clock_read_at))


def _ahead_s(status: PanelStatus, offset: int) -> float | None:
    """The error of a clock that goes by `offset`. It shows whole seconds: a lag within its second counts as right."""
    if status.clock is None or status.clock_read_at is None:
        return None
    day, second = status.clock
    ahead = day * _SECONDS_A_DAY + second - offset - status.clock_read_at
    return max(ahead, min(0.0, ahead + 1))


def step_s(zone: ZoneInfo, status: PanelStatus, given: ClockGiven | None) -> float | None:
    """How far the panel's clock is ahead in UTC: as `error_s`, but one that still goes by an offset that was in force since it
    was set is not ahead by the change of offset.

    A clock that the gateway never set (`given` None) may go by any offset of these years, or stand in UTC as delivered.
    """
    if status.clock_read_at is None:
        return None
    found = (_ahead_s(status, offset) for offset in _offsets(zone, status.clock_read_at, given))
    return min((ahead for ahead in found if ahead is not None), key=abs, default=None)


def _offsets(zone: ZoneInfo, instant: float, given: ClockGiven | None) -> set[int]:
    start, end = int(instant) - _STEP_REACH_S, int(instant) + _STEP_REACH_S
    if given is not None:
        start, end = max(start, min(int(given.moment.wall), int(instant))), int(instant) + 1
    changed = {change.after for change in changes_between(zone, start, end)}
    return {0 if given is None else given.offset_s, offset_s(zone, start), *changed}


def said(shown: tuple[int, int]) -> str:
    """A wall clock (day, second of that day) for people."""
    day, second = shown
    return f"{date_of(day)} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def said_at(zone: ZoneInfo, instant: float) -> str:
    """What a clock on a wall of the site shows at an instant."""
    own = int(local_second(zone, instant))
    return said((own // _SECONDS_A_DAY, own % _SECONDS_A_DAY))


def goes_by_other_rules(zone: ZoneInfo, status: PanelStatus) -> bool:
    """Whether the table of offsets that a panel keeps itself is not the zone's any more."""
    table = status.clock_table
    if table is None or status.clock_read_at is None:
        return False
    right = setting(zone, status.clock_read_at)
    return (table.offset_minutes, table.changes) != (right.offset_minutes, right.changes)
