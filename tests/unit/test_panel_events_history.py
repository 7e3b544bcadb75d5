"""Random people, cards and mishaps: no event is told twice, none is missing without being told, and none has another's name.

FLEET_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.store.events import SiteEvent
from tests.support.event_site import PANEL, EventSite, Shown
from tests.support.virtual_time import run_virtual

PEOPLE = st.integers(1, 4)
WAITS = st.sampled_from((0.0, 0.004, 0.1, 1.0, 5.0))
STEPS = st.one_of(
    st.tuples(st.just("admit"), st.lists(PEOPLE, min_size=1, max_size=3, unique=True)),
    st.tuples(st.just("dismiss"), st.lists(PEOPLE, min_size=1, max_size=3, unique=True)),
    st.tuples(st.just("exchange"), st.tuples(PEOPLE, PEOPLE)),
    st.tuples(st.just("show"), st.lists(PEOPLE, min_size=1, max_size=6)),
    st.tuples(st.just("show"), st.lists(PEOPLE, min_size=1, max_size=6)),
    st.tuples(st.just("pass on"), PEOPLE),
    st.tuples(st.just("power"), st.none()),
    st.tuples(st.just("replace"), st.none()),
    st.tuples(st.just("lose requests"), st.integers(1, 6)),
    st.tuples(st.just("stop"), st.lists(PEOPLE, max_size=20)),
    st.tuples(st.just("die"), st.tuples(st.booleans(), st.lists(PEOPLE, max_size=20))),
)


async def do(site: EventSite, cards: dict[int, int], what: str, how: Any) -> None:
    """`cards`: those that people have by now, where it is not their first one."""
    match what:
        case "admit":
            await site.admit(*how)
            for person in how:
                cards.pop(person, None)
        case "dismiss":
            await site.dismiss(*how)
        case "exchange":
            await asyncio.gather(site.dismiss(how[0]), site.admit(how[1]))
            cards.pop(how[1], None)
        case "show":
            for person in how:
                site.show(cards.get(person, person))
                site.show(person)  # the first one that they ever had
                await asyncio.sleep(0.003)
        case "pass on":  # another card for somebody else, under the same link_id
            cards[how] = cards.get(how, how) + 10
            await site.pass_on(how, cards[how], cards[how])
        case "stop":
            await site.close()
            for number in how:
                site.show(number)
            await site.open()
        case "power":
            site.panel.power_cut()
        case "replace":
            site.replace_unit()
        case "lose requests":
            site.lost_requests = how
        case _:
            await site.kill(lose_lazy=how[0])
            for number in how[1]:
                site.show(number)
            await site.open()


async def live(steps: Sequence[tuple[tuple[str, Any], float]], slots: int, log: int) -> None:
    site = EventSite(slots, log)
    await site.open()
    cards: dict[int, int] = {}
    for (what, how), wait in steps:
        await do(site, cards, what, how)
        await asyncio.sleep(wait)
    await asyncio.sleep(200)
    judge(site)
    await site.close()


def judge(site: EventSite) -> None:
    for serial in {serial for serial, _ in site.store.noted}:
        _in_order(serial, [event for number, event in site.store.noted if number == serial])
    view = site.fleet.panel(PANEL)
    assert view is not None
    there = view.state != "identity_changed"  # a unit that is not the panel's is not read
    if there:
        last = [event.facts["sequence"] for _, event in site.store.noted if "sequence" in event.facts][-1]
        logged = site.panel.details()["events"]
        assert isinstance(logged, list)
        assert last == logged[-1]["sequence"], "not all was read"
    told = {(serial, event.facts["sequence"]): event for serial, event in site.store.noted if "sequence" in event.facts}
    nothing_lost = there and not any(event.kind == "events_lost" for _, event in site.store.noted)
    first: dict[int, int] = {}
    for serial, sequence in told:
        first.setdefault(serial, sequence)  # what a unit dropped before it was the panel's is nobody's loss
    for number, shown in enumerate(site.shown):
        is_told = nothing_lost and shown.serial in first and shown.sequence >= first[shown.serial]
        _by_name(shown, told.get((shown.serial, shown.sequence)), is_told=is_told, is_named=is_told and number >= site.doubtful)


def _in_order(serial: int, events: Sequence[SiteEvent]) -> None:
    """Numbers rise by one, but for what is told to be lost."""
    expected: int | None = None
    for event in events:
        if event.kind == "events_lost":
            expected = None if expected is None or event.facts["count"] is None else expected + event.facts["count"]
            continue
        number = event.facts["sequence"]
        assert expected is None or number == expected, (serial, number, expected)
        expected = number + 1


def _by_name(shown: Shown, event: SiteEvent | None, *, is_told: bool, is_named: bool) -> None:
    if event is None:
        assert not is_told, f"{shown} was not told"
        return
    assert event.kind.startswith("access_granted" if shown.granted else "access_denied"), shown
    person = event.facts.get("identifier")
    assert person is None or person["owner"] == shown.owner, (shown, event)
    assert person is not None or not (shown.granted and is_named), (shown, event)


@settings(
    max_examples=int(os.environ.get("FLEET_EXAMPLES", "40")),
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(st.tuples(STEPS, WAITS), min_size=3, max_size=14),
    st.sampled_from((1, 2, 4)),
    st.sampled_from((16, 256)),
)
def test_events_of_panels_that_lose_power_overflow_and_are_replaced(
    steps: Sequence[tuple[tuple[str, Any], float]], slots: int, log: int
) -> None:
    run_virtual(live(steps, slots, log))
