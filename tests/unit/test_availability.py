"""The feed of a unit's availability, and quarantine with its budget for probes."""

from __future__ import annotations

import asyncio

from drivers.availability import Feed
from drivers.bus.quarantine import Health, Quarantine
from drivers.contract import Availability
from tests.support.virtual_time import run_virtual


def test_a_feed_tells_the_level_at_once_and_then_each_change() -> None:
    async def main() -> None:
        feed = Feed()
        told: list[Availability] = []

        async def listen(count: int) -> None:
            async for level in feed:
                told.append(level)
                if len(told) >= count:
                    return

        listener = asyncio.create_task(listen(3))
        await asyncio.sleep(0)
        feed.set(Availability.ONLINE)
        feed.set(Availability.ONLINE)
        await asyncio.sleep(1)
        feed.set(Availability.QUARANTINED)
        await listener
        assert told == [Availability.UNKNOWN, Availability.ONLINE, Availability.QUARANTINED]

    run_virtual(main())


def test_changes_nobody_looked_at_are_merged_and_listeners_do_not_disturb_each_other() -> None:
    async def main() -> None:
        feed = Feed()
        one, other = aiter(feed), aiter(feed)
        assert await anext(one) is await anext(other) is Availability.UNKNOWN
        waiting, leaving = asyncio.ensure_future(anext(one)), asyncio.ensure_future(anext(other))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        feed.set(Availability.QUARANTINED)
        feed.set(Availability.ONLINE)
        assert await waiting is Availability.ONLINE

    run_virtual(main())


def test_misses_in_a_row_lead_to_quarantine_once() -> None:
    health = Health(3)
    assert [health.missed(""), health.missed("")] == [False, False]
    health.answered()
    assert [health.missed(""), health.missed(""), health.missed(""), health.missed("")] == [False, False, True, False]
    levels = [health.feed.current]
    health.answered()
    levels.append(health.feed.current)
    assert levels == [Availability.QUARANTINED, Availability.ONLINE]


def test_the_cause_of_a_quarantine_is_what_led_to_it_until_the_unit_answers() -> None:
    health = Health(2)
    causes = []
    for cause in ("noise", "silence", "noise again"):
        health.missed(cause)
        causes.append(health.feed.cause)
    health.answered()
    assert (causes, health.feed.cause) == ([None, "silence", "silence"], None)


def test_after_the_line_was_gone_one_miss_is_enough_for_a_silent_unit() -> None:
    health = Health(3)
    for _ in range(5):
        health.missed("")
    health.line_back()
    assert health.feed.current is Availability.UNKNOWN
    assert health.missed("")


def test_probes_come_ever_further_apart_and_within_the_share() -> None:
    quarantine = Quarantine(0.01)
    healths = {unit: Health(1, misses=1) for unit in (4, 5)}
    for unit, health in healths.items():
        quarantine.put(unit, health, 0.0)
    assert quarantine.due(0.5) is None
    assert quarantine.next_at() == 1.0
    now, spent, probed = 0.0, 0.0, []
    while now < 36_000:
        due = quarantine.due(now)
        if due is None:
            now += 0.5
            continue
        probed.append((now, due))
        now += 0.3
        spent += 0.3
        quarantine.charge(now, 0.3)
        healths[due].probes += 1
        quarantine.put(due, healths[due], now)
    assert spent <= 0.01 * 36_000
    assert {unit for _, unit in probed} == {4, 5}
    last = [when for when, unit in probed if unit == 4][-2:]
    assert 300 <= last[1] - last[0] <= 331


def test_a_released_unit_is_probed_no_more_and_a_hastened_one_as_soon_as_the_budget_allows() -> None:
    quarantine = Quarantine(0.01)
    health = Health(1, misses=1, probes=9)
    quarantine.put(4, health, 100.0)
    quarantine.charge(100.0, 0.2)
    assert quarantine.next_at(4) == 400.0
    quarantine.hasten(4, 100.0)
    assert 119 <= (quarantine.next_at(4) or 0) <= 120
    assert quarantine.due(119.0) is None
    assert quarantine.due(120.0) == 4
    quarantine.release(4)
    assert 4 not in quarantine
    assert quarantine.due(1e9) is None
    assert quarantine.next_at() is None


def test_a_hastened_probe_is_sent_no_sooner_than_a_late_answer_could_be_taken_for_its_own() -> None:
    quarantine = Quarantine(0.01)
    quarantine.put(4, Health(1, misses=1, probes=9), 100.0, timeout_s=5.0)
    quarantine.hasten(4, 101.0)
    assert quarantine.due(104.9) is None
    assert quarantine.due(105.0) == 4


def test_a_unit_that_was_slow_lately_is_looked_for_as_patiently_and_less_so_as_it_gets_faster() -> None:
    health = Health(3)
    patience = []
    for latency_s in (0.3, 0.01, 0.01):
        health.answered(latency_s)
        patience.append(health.probe_timeout_s(10.0))
    assert patience[0] > 0.3
    assert patience[0] > patience[1] > patience[2]
    health.answered()
    assert health.probe_timeout_s(10.0) == patience[2], "an answer that was not timed says nothing"
