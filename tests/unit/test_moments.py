"""When people mean what they write: every moment is read as they do, on the site's wall clock, or is refused with an example."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.moments import EXPECTED, when
from gateway.cli.output import Mistakes

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 27, 14, 5, tzinfo=KYIV)  # a Friday
MOMENTS = st.integers(366 * 1440, 229 * 365 * 1440).map(
    lambda minute: datetime.fromtimestamp(60 * minute, KYIV).replace(tzinfo=None)
)


@pytest.mark.parametrize(
    ("written", "meant", "note"),
    [
        ("", "2026-11-27 14:05", ""),
        ("now", "2026-11-27 14:05", ""),
        ("18:30", "2026-11-27 18:30", ""),
        ("9:00", "2026-11-27 09:00", "today, it is past"),
        ("fri 18:30", "2026-11-27 18:30", "today"),
        ("Monday 8:00", "2026-11-30 08:00", ""),
        ("18:30 mon", "2026-11-30 18:30", ""),
        ("noon 24.12.", "2026-12-24 12:00", "of 2026"),
        ("mon at 8:00", "2026-11-30 08:00", ""),
        ("thu, 8.15", "2026-12-03 08:15", ""),
        ("tomorrow 9:00", "2026-11-28 09:00", ""),
        ("yesterday noon", "2026-11-26 12:00", ""),
        ("tomorrow", "2026-11-28 14:05", "14:05 as now"),
        ("sat midnight", "2026-11-28 00:00", ""),
        ("6pm", "2026-11-27 18:00", ""),
        ("12am", "2026-11-27 00:00", "today, it is past"),
        ("2026-12-24 08:00", "2026-12-24 08:00", ""),
        ("2026-12-24T08:00", "2026-12-24 08:00", ""),
        ("2026-12-24 at 8:00", "2026-12-24 08:00", ""),
        ("24.12. 8:00", "2026-12-24 08:00", "of 2026"),
        ("24.12.2027 8:00", "2027-12-24 08:00", ""),
        ("2026-12-24 08:00:59", "2026-12-24 08:00", ""),
        ("2026-12-24T06:00:59.123+00:00", "2026-12-24 08:00", ""),
        ("2026-12-24T06:00Z", "2026-12-24 08:00", ""),
        ("in 2 h", "2026-11-27 16:05", ""),
        ("in 90 minutes", "2026-11-27 15:35", ""),
        ("in 3 days", "2026-11-30 14:05", ""),
        ("2027-03-28 03:30", "2027-03-28 04:30", "03:30 is skipped by the clock on that day"),
        ("2027-10-31 03:30", "2027-10-31 03:30", "the first of two, the clock repeats that hour"),
    ],
)
def test_a_moment_is_read_as_people_mean_it(written: str, meant: str, note: str) -> None:
    read = when(written.split(), NOW)
    assert (f"{read.at:%Y-%m-%d %H:%M}", read.note) == (meant, note)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("frday 18:30", f"'frday 18:30' is no moment: expected {EXPECTED}; did you mean 'friday'?"),
        ("fri 25:00", "'fri 25:00': expected an hour from 0 to 23 and a minute from 0 to 59"),
        ("fri 13pm", "'fri 13pm': expected an hour from 0 to 23 and a minute from 0 to 59"),
        ("fri 18", f"'fri 18' is no moment: expected {EXPECTED}; did you mean '18:00'?"),
        ("18", f"'18' is no moment: expected {EXPECTED}; did you mean '18:00'?"),
        ("fri 18:30 please", f"'fri 18:30 please' is no moment: expected {EXPECTED}"),
        ("tomorrow none", f"'tomorrow none' is no moment: expected {EXPECTED}; did you mean 'noon'?"),
        ("2026-02-30 08:00", "'2026-02-30 08:00': there is no such day"),
        ("0999-02-03 08:00", "0999-02-03: expected a year from 1971 to 2200"),
        ("2026-12-24T25:00Z", "'2026-12-24t25:00z': there is no such moment"),
        ("1970-01-01T00:00Z", "1970-01-01t00:00z: expected a year from 1971 to 2200"),
        ("in 5 weeks", f"'in 5 weeks' is no moment: expected {EXPECTED}"),
        ("1795450000", f"'1795450000' is no moment: expected {EXPECTED}"),
    ],
)
def test_what_is_no_moment_is_refused_with_what_was_expected(written: str, told: str) -> None:
    with pytest.raises(Mistakes) as refused:
        when(written.split(), NOW)
    assert refused.value.lines == (told,)


@given(MOMENTS)
def test_every_moment_can_be_written_in_full(at: datetime) -> None:
    read = when(f"{at:%Y-%m-%d %H:%M}".split(), NOW)
    shown = datetime.fromtimestamp(read.unix, KYIV).replace(tzinfo=None)
    assert shown == at or "skipped" in read.note


@given(MOMENTS, st.integers(0, 6), st.times())
def test_a_weekday_is_the_next_one_and_never_more_than_six_days_ahead(now: datetime, weekday: int, clock: time) -> None:
    name = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][weekday]
    read = when([name[:3], f"{clock:%H:%M}"], now.replace(tzinfo=KYIV))
    assert timedelta(0) <= read.at.date() - now.date() < timedelta(7)
    assert read.at.weekday() == weekday


@given(st.text(max_size=30))
def test_whatever_is_typed_is_read_or_refused_in_one_sentence(text: str) -> None:
    with suppress(Mistakes):
        assert when(text.split(), NOW).shown
