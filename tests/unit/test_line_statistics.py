"""What is counted of a line and its units."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus.hour import Hour, Percentiles, kind_of, percentiles
from drivers.bus.statistics import LineTraffic, LoadMeter
from drivers.errors import (
    ConnectionLost,
    CorruptReply,
    DriverError,
    NoReply,
    PanelException,
    StillWorking,
    UnexpectedReply,
    Unheard,
)
from drivers.link import WireTally


def test_each_end_of_an_exchange_has_its_own_count() -> None:
    traffic = LineTraffic()
    traffic.attach(1)
    ends = [None, None, NoReply(), CorruptReply(), UnexpectedReply(), ConnectionLost(), PanelException(2), PanelException(0x84)]
    for number, error in enumerate(ends):
        traffic.exchanged(1, number + 0.01, 0.01, [error])
    traffic.exchanged(1, 9.0, 0.01, [Unheard(0x0B)])
    traffic.exchanged(1, 9.1, 0.01, [StillWorking(5)])
    traffic.exchanged(9, 10.0, 0.5, [NoReply()])
    traffic.retried(1)
    traffic.queued(1, 0.25)
    tally = WireTally()
    tally.late_dropped[1] += 2
    tally.glitch_bytes.update({0: 1, 1: 3})
    seen = traffic.snapshot(11.0, tally, {1: 4, 9: 1})
    unit = seen.units[1]
    assert (unit.exchanges, unit.timeouts, unit.crc, unit.protocol, unit.connections_lost) == (10, 1, 1, 1, 1)
    assert unit.exceptions == {2: 1, 5: 1, 0x0B: 1, 0x84: 1}
    assert (unit.retries, unit.late_dropped, unit.glitch_bytes, unit.queue_depth) == (1, 2, 3, 4)
    assert unit.queue_ms == Percentiles(250.0, 250.0)
    assert (seen.line.exchanges, seen.line.timeouts, seen.line.glitch_bytes, seen.line.queue_depth) == (11, 2, 4, 5)
    traffic.detach(1)
    assert traffic.snapshot(11.0, tally, {}).units == {}


def test_percentiles_are_nearest_ranks_in_milliseconds() -> None:
    assert percentiles([]) == Percentiles(None, None)
    assert percentiles([0.5]) == Percentiles(500.0, 500.0)
    assert percentiles([n / 1000 for n in range(100, 0, -1)]) == Percentiles(50.0, 95.0)
    assert percentiles([n / 1000 for n in range(1000, 0, -1)]) == Percentiles(500.0, 950.0)


def test_a_snapshot_is_not_changed_by_what_comes_later() -> None:
    traffic = LineTraffic()
    traffic.exchanged(1, 1.0, 0.1, [PanelException(2)])
    seen = traffic.snapshot(1.0, WireTally(), {})
    traffic.exchanged(1, 2.0, 0.1, [PanelException(2)])
    assert seen.line.exceptions == {2: 1}


def test_load_is_the_busy_share_of_the_last_minute_and_quarter() -> None:
    meter = LoadMeter()
    for second in range(1200):
        meter.add(second + 0.5, 0.25)
    assert meter.share(1200, 60) == pytest.approx(0.25, abs=0.02)
    assert meter.share(1200, 900) == pytest.approx(0.25, abs=0.01)
    assert meter.share(1300, 60) == 0
    assert meter.share(1300, 900) == pytest.approx(0.25 * 795 / 895, abs=0.01)


def test_what_was_longer_ago_than_a_minute_is_no_load_of_the_last_one() -> None:
    meter = LoadMeter()
    meter.add(5.0, 4.0)
    assert meter.share(66.0, 60) == 0
    assert meter.share(59.0, 60) == pytest.approx(4 / 58)


def test_an_exchange_that_began_before_the_last_one_ended_is_load_of_when_it_was_under_way() -> None:
    meter = LoadMeter()
    meter.add(5.05, 0.01)
    meter.add(6.0, 4.0)
    assert meter.share(10.0, 9.0) == pytest.approx(1.01 / 5)


def test_percentiles_are_of_the_last_512_exchanges() -> None:
    traffic = LineTraffic()
    for number, took_s in enumerate([0.2, *[0.01] * 256, *[0.2] * 256]):
        traffic.exchanged(1, number + 1.0, took_s, [None])
    assert traffic.snapshot(600.0, WireTally(), {}).line.exchange_ms.p50 == pytest.approx(10.0)


def test_an_idle_line_has_no_load() -> None:
    assert LoadMeter().share(100.0, 60) == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 1)), max_size=60))
def test_load_never_exceeds_the_busy_time(work: list[tuple[float, float]]) -> None:
    meter, now, busy = LoadMeter(), 0.0, 0.0
    for pause, share in work:
        took = pause * share
        now += pause
        busy += took
        meter.add(now, took)
    assert 0 <= meter.share(now, 900) <= 1
    assert meter.share(now, 900) * 900 <= max(busy, busy * 900 / 5) + 1e-6


def test_the_last_hour_is_told_minute_by_minute() -> None:
    hour = Hour()
    for minute in range(90):
        hour.exchanged(60.0 * minute + 1, 0.6, [None])
        hour.exchanged(60.0 * minute + 2, 0.6, [NoReply() if minute == 80 else None])
    told = hour.minutes(60.0 * 89 + 30)
    assert [each.begun for each in told] == [60.0 * minute for minute in range(30, 90)]
    assert all((each.exchanges, each.exchange_ms.p50) == (2, 600.0) for each in told)
    assert [each.begun for each in told if each.timeouts] == [60.0 * 80]
    assert told[0].load == pytest.approx(0.02)
    assert told[-1].load == pytest.approx(0.04), "of the half minute that has passed"
    assert hour.minutes(60.0 * 200) == (), "what is older than an hour is no news"


def test_the_silence_that_a_line_waits_for_is_load_of_its_minute() -> None:
    traffic = LineTraffic()
    traffic.exchanged(1, 61.0, 0.6, [None])
    traffic.settled(70.0, 6.0)
    (minute,) = traffic.snapshot(120.0, WireTally(), {}).minutes
    assert minute.load == pytest.approx(0.11)


def test_a_minute_without_exchanges_is_left_out_and_noise_counts_in_its_own() -> None:
    hour = Hour()
    assert hour.minutes(10.0) == ()
    hour.waited(61.0, 1.5, "crc")
    hour.exchanged(200.0, 0.1, [NoReply()])
    assert [(each.begun, each.crc, each.timeouts, each.exchanges) for each in hour.minutes(210.0)] == [
        (60.0, 1, 0, 0),
        (180.0, 0, 1, 1),
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoReply(), "timeouts"),
        (PanelException(2), "exceptions"),
        (Unheard(0x0B), "exceptions"),
        (CorruptReply(), "crc"),
    ],
)
def test_an_hour_counts_errors_as_the_line_does(error: DriverError, kind: str) -> None:
    assert kind_of(error) == kind


def test_requests_under_way_together_share_the_time_that_they_took() -> None:
    traffic = LineTraffic()
    traffic.attach(1)
    traffic.exchanged(1, 1.0, 0.4, [None, NoReply(), None, None])
    seen = traffic.snapshot(1.0, WireTally(), {})
    assert (seen.line.exchanges, seen.line.timeouts, seen.units[1].timeouts) == (4, 1, 1)
    assert seen.line.exchange_ms == seen.units[1].exchange_ms == Percentiles(100.0, 100.0)
    assert seen.line.load_1m == pytest.approx(0.08)
    assert seen.minutes[0].load == pytest.approx(0.4)
