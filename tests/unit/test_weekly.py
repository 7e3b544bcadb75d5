"""Weekly tables on panels that cannot express a start: written when no clock within its bound can be early any more."""

from __future__ import annotations

from datetime import datetime

from gateway.schedules.time_profile import Frequency, Repeat, TimeProfile
from tests.unit.test_compiler import DOMAT, KYIV, at, bound, compiled, profile, states

DAILY = Repeat(Frequency.DAY)


def test_a_clock_behind_by_its_bound_reads_no_minute_before_the_start() -> None:
    always = bound(profile("a", "2026-11-03T09:00", "2026-11-04T09:00", DAILY))
    start = at("2026-11-03T09:00")
    assert states(compiled(always, DOMAT, now=start)) == {"a": "pending"}
    assert states(compiled(always, DOMAT, now=start + 60)) == {"a": "exact"}


def test_a_start_that_the_clock_will_read_a_second_time_waits() -> None:
    """03:37 comes again at the end of this hour, and 03:00 with it."""

    def twice(hour: int, minute: int, fold: int) -> int:
        return int(datetime(2026, 10, 25, hour, minute, tzinfo=KYIV, fold=fold).timestamp())

    always = bound(TimeProfile("a", "a", False, twice(3, 35, 0), at("2026-10-26T03:35"), DAILY))
    assert states(compiled(always, DOMAT, now=twice(3, 37, 0))) == {"a": "pending"}
    assert states(compiled(always, DOMAT, now=twice(3, 37, 1))) == {"a": "exact"}
