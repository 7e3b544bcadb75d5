"""The engine against the brute-force judge, and its questions against one another, in many zones.

RECURRENCE_EXAMPLES sets how many profiles a property sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schedules.local_time import date_of
from gateway.schedules.recurrence import Recurrence
from gateway.schedules.rules import start_days
from gateway.schedules.time_profile import Readings, TimeProfile
from tests.judge import Judge
from tests.unit.strategies import DAY, HOUR, MINUTE, moments, sites

pytestmark = pytest.mark.cpu

EXAMPLES = int(os.environ.get("RECURRENCE_EXAMPLES", "25"))
Site = tuple[TimeProfile, Readings]

drawn = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def edges(spans: Iterable[tuple[int, int]]) -> list[int]:
    return [edge for span in spans for edge in span]


def around(points: Iterable[int]) -> list[int]:
    return [point + off for point in points for off in (-1, 0, 1)]


@drawn
@given(st.data(), sites())
def test_open_periods_agree_with_the_judge_minute_by_minute(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    middle = data.draw(moments(profile, readings.zone))
    start, end = middle - 20 * HOUR, middle + 20 * HOUR
    periods = list(Recurrence(profile, readings).open_periods(start, end))
    judge = Judge(profile, readings)
    assert all(start <= opens < closes <= end for opens, closes in periods)
    assert all(before[1] < after[0] for before, after in pairwise(periods))
    instants = [*range(start, end, MINUTE), *(t for t in around(edges(periods)) if start <= t < end)]
    wrong = [t for t in instants if judge.is_open(t) != any(opens <= t < closes for opens, closes in periods)]
    assert not wrong


@drawn
@given(st.data(), sites())
def test_is_open_agrees_with_the_judge(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    recurrence, judge = Recurrence(profile, readings), Judge(profile, readings)
    for _ in range(10):
        instant = data.draw(moments(profile, readings.zone))
        assert recurrence.is_open(instant) == judge.is_open(instant)
        assert recurrence.is_open(instant + 0.75) == judge.is_open(instant)


@drawn
@given(st.data(), sites())
def test_next_transition_is_the_first_change_of_is_open(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    recurrence, judge = Recurrence(profile, readings), Judge(profile, readings)
    after = data.draw(moments(profile, readings.zone))
    now = judge.is_open(after)
    change = recurrence.next_transition(after)
    assert change is None or (change > after and judge.is_open(change) != now and judge.is_open(change - 1) == now)
    last = after + 400 * DAY if change is None else change
    between = [*range(after, min(last, after + DAY), MINUTE), *range(after, min(last, after + 60 * DAY), 7 * HOUR)]
    assert all(judge.is_open(t) == now for t in between)
    if change is not None:
        assert recurrence.next_transition(after + 0.5) == (change if change > after + 0.5 else recurrence.next_transition(change))


@drawn
@given(st.data(), sites())
def test_transitions_are_the_edges_of_open_periods(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    recurrence = Recurrence(profile, readings)
    start = data.draw(moments(profile, readings.zone))
    expected = [edge for edge in edges(recurrence.open_periods(start, start + 300 * DAY)) if start < edge < start + 300 * DAY][
        :12
    ]
    found: list[int] = []
    at = start
    while len(found) < len(expected):
        step = recurrence.next_transition(at)
        assert step is not None
        found.append(step)
        at = step
    assert found == expected


@drawn
@given(st.data(), sites())
def test_ever_open_is_open_now_or_changes_later(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    recurrence = Recurrence(profile, readings)
    after = data.draw(moments(profile, readings.zone))
    assert recurrence.ever_open(after) == (recurrence.is_open(after) or recurrence.next_transition(after) is not None)


@drawn
@given(st.data(), sites())
def test_local_windows_agree_with_the_judge(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    recurrence, judge = Recurrence(profile, readings), Judge(profile, readings)
    first = data.draw(moments(profile, readings.zone)) // DAY
    last = first + data.draw(st.integers(0, 3))
    windows = list(recurrence.local_windows(first, last))
    assert all(start < (last + 1) * DAY and end > first * DAY for start, end in windows)
    assert all(before[1] < after[0] for before, after in pairwise(windows))
    for start, end in windows:
        assert not judge.is_open_local(start - 1)
        assert judge.is_open_local(start)
        assert end - start > 3000 * DAY or (judge.is_open_local(end - 1) and not judge.is_open_local(end))
    for second in range(first * DAY, (last + 1) * DAY, 7 * MINUTE):
        is_open = judge.is_open_local(second)
        assert is_open == any(start <= second < end for start, end in windows)
        assert is_open == recurrence.is_open_local(second)


@drawn
@given(st.data(), sites())
def test_start_days_from_a_later_day_are_those_from_the_beginning(data: st.DataObject, site: Site) -> None:
    profile, readings = site
    rule, judge = Recurrence(profile, readings).rule, Judge(profile, readings)
    later = rule.first_day + data.draw(st.integers(0, 2500))
    expected = [day for day in range(later, later + 800) if judge.starts_on(day)] if rule.frequency else []
    if readings.window == "envelope":
        expected = [day for day in expected if day * DAY + rule.start_second < (rule.closes or 0)]
    if rule.frequency is not None:
        assert list(takewhile(lambda day: day < later + 800, start_days(rule, later))) == expected


@drawn
@given(sites())
def test_the_first_start_days_never_move_to_another_date(site: Site) -> None:
    rule = Recurrence(*site).rule
    for day in islice(start_days(rule, rule.first_day), 20):
        if rule.nth is None and rule.month_days:
            assert date_of(day).day in rule.month_days
