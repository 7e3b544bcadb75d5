"""The windows of a rule on the wall clock, in local seconds, half open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise, takewhile

from gateway.schedules.local_time import DAY_S, LAST_SECOND
from gateway.schedules.rules import LocalRule, longest_gap, start_days

Span = tuple[int, int]
"""Seconds start <= s < end."""


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Joins spans that overlap or touch; spans come ascending by start. Lazy: looks one span ahead."""
    current: Span | None = None
    for start, end in spans:
        if current is None:
            current = (start, end)
        elif start <= current[1]:
            current = (current[0], max(current[1], end))
        else:
            yield current
            current = (start, end)
    if current is not None:
        yield current


def covers(rule: LocalRule, second: int) -> bool:
    """Whether a window holds this local second."""
    if second < rule.opens or (rule.closes is not None and second >= rule.closes):
        return False
    start = next(start_days(rule, _first_start(rule, second)), None)
    return start is not None and start * DAY_S + rule.start_second <= second


def windows_from(rule: LocalRule, second: int) -> Iterator[Span]:
    """The merged windows that end after `second`. One that is open at `second` may be given a later start than its own."""
    if _leaves_no_gap(rule):
        return (window for window in _whole(rule) if window[1] > second)
    return _walk(rule, _first_start(rule, second))


def windows_touching(rule: LocalRule, first_day: int, last_day: int) -> Iterator[Span]:
    """Merged windows, whole, that touch the local days first_day..last_day."""
    after, before = first_day * DAY_S, (last_day + 1) * DAY_S
    windows = _whole(rule) if _leaves_no_gap(rule) else _walk(rule, _chain_start(rule, _first_start(rule, after)))
    for window in windows:
        if window[0] >= before:
            return
        if window[1] > after:
            yield window


def _first_start(rule: LocalRule, second: int) -> int:
    """The first day on which a window can start that ends after `second`."""
    return (second - rule.start_second - rule.length) // DAY_S + 1


def _walk(rule: LocalRule, first: int) -> Iterator[Span]:
    """Merged windows of the start days from `first` on."""
    if not rule.length:
        return iter(())
    spans = _windows(rule, start_days(rule, first))
    return spans if rule.length < DAY_S else merged(spans)


def _windows(rule: LocalRule, days: Iterable[int]) -> Iterator[Span]:
    """The windows that start on these days, as far as they lie within the rule's bounds."""
    start_second, length, opens, closes = rule.start_second, rule.length, rule.opens, rule.closes
    for day in days:
        start = day * DAY_S + start_second
        end = start + length
        if start < opens:
            start = opens
        if closes is not None and end > closes:
            end = closes
        if start < end:
            yield start, end


def _leaves_no_gap(rule: LocalRule) -> bool:
    """Whether every window reaches the next one: one window from the first start to the last one's end."""
    if rule.length < DAY_S:
        return False
    gap = longest_gap(rule)
    return gap is not None and gap * DAY_S <= rule.length


def _whole(rule: LocalRule) -> Iterator[Span]:
    """The single window of a rule that leaves no gap."""
    first = next(start_days(rule, rule.first_day), None)
    if first is None:
        return
    start = next(_windows(rule, (first,)), None)
    last = first if rule.last_day is None else _last_start(rule, first, rule.last_day)
    end = (0, LAST_SECOND) if rule.last_day is None else next(_windows(rule, (last,)), None)
    if start and end:
        yield start[0], end[1]


def _last_start(rule: LocalRule, first: int, last_day: int) -> int:
    gap = longest_gap(rule) or 0
    return max(start_days(rule, max(first, last_day - gap)))


def _chain_start(rule: LocalRule, first: int) -> int:
    """The day on which the unbroken row of windows (perhaps of one) begins whose last start is the first from `first` on."""
    reach = rule.length // DAY_S
    target = next(start_days(rule, first), None) if reach else None
    span = reach + 1
    while target is not None:
        low = target - span
        days = list(takewhile(lambda day: day <= target, start_days(rule, low)))
        breaks = [after for before, after in pairwise(days) if after - before > reach]
        if breaks or low <= rule.first_day:
            return breaks[-1] if breaks else days[0]
        span *= 2
    return first
