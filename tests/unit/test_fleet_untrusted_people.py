"""What a site would suffer from a card that was lost, or hours that were taken from somebody, while nobody knows the time, or
whether the store is the right one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.clock import Sync
from gateway.api.items import read_identifier
from gateway.api.validation import read_item
from tests.support.virtual_time import run_virtual
from tests.unit.test_people_history import DAY, NAMES, NUMBERS, Body, Town, person_body, profile_body
from tests.unit.test_uhppote_people import Boards

CARD, OTHER_CARD = NUMBERS[0], NUMBERS[2]
MORNING, EVENING = 9, 19
BOTH_TIMES, MORNINGS, EVENINGS = [1, 2], [1], [2]
READERS = pytest.mark.parametrize(
    "town", [lambda: Town(None, 4), lambda: Town(None, 1), Boards], ids=["open-access-panel", "one reference", "uhppote"]
)


def person(card: str = CARD, profiles: list[int] | None = BOTH_TIMES, lock: str = "first", **more: Any) -> Body:
    return person_body(1, card, profiles, lock, None, None) | more


async def restart(town: Town) -> None:
    await town.clock.sleep(1)
    await town.close()
    town.store.clean = False
    await town.open()
    await town.clock.sleep(10)


def lives(
    make: Callable[[], Town], before: Body, test: Callable[[Town], Awaitable[None]], *, older: bool = False, timeless: bool = True
) -> None:
    """Two panels that hold what was asked for, on a host that has found an `older` store, and does not know the time any more."""

    async def main() -> None:
        town = make()
        await town.open()
        assert town.fleet is not None
        await town.fleet.upsert([read_item(profile_body(number, hour), {}, "item") for number, hour in ((1, 8), (2, 18))])
        await town.fleet.upsert([read_identifier(before, {}, "item")])
        if older:
            town.store.doubt = "it is older than its mark"
            await restart(town)
        if timeless:
            town.clock.sync = Sync.UNSYNCHRONISED
            town.clock.wall_offset += 40 * 86_400
            await town.clock.sleep(10)
            assert not town.fleet.clock().trusted
        await test(town)
        town.clock.sync = Sync.SYNCHRONISED
        await town.clock.sleep(20)
        assert town.fleet.clock().trusted
        await town.close()

    run_virtual(main())


async def ask(town: Town, body: Body) -> None:
    assert town.fleet is not None
    (report,) = await town.fleet.upsert([read_identifier(body, {}, "item")])
    assert not any(each.success for each in report.panels)


def let_in(town: Town, card: str = CARD, door: int = 0) -> list[int]:
    """The hours at which both panels let a card in."""
    return [
        hour
        for hour in (MORNING, EVENING)
        if all(town.lets_in(name, card, door, DAY // 60 + 60 * hour) for name in ("lobby", "gate"))
    ]


NONE_LEFT = {"passes": {"is_permanent": False, "max_passes": 0}}
OVER = {"time": {"is_permanent": False, "from": DAY - 9 * 86_400, "to": DAY - 2 * 86_400}}


@READERS
@pytest.mark.parametrize(
    "now",
    [person(OTHER_CARD), person(valid=NONE_LEFT), person(valid=OVER), person(lock="second")],
    ids=["another card", "no entries", "over", "another door"],
)
def test_what_was_taken_from_a_person_does_not_wait_until_the_time_is_known(town: Callable[[], Town], now: Body) -> None:
    async def test(site: Town) -> None:
        assert let_in(site) == [MORNING, EVENING]
        await ask(site, now)
        assert let_in(site) == []
        assert let_in(site, OTHER_CARD) == let_in(site, door=1) == [], "and nothing is opened instead"

    lives(town, person(), test)


@READERS
@pytest.mark.parametrize("timeless", [False, True], ids=["the time is known", "nor is the time known"])
@pytest.mark.parametrize(
    "now",
    [person(OTHER_CARD), person(valid=NONE_LEFT), person(valid=OVER), person(lock="second")],
    ids=["another card", "no entries", "over", "another door"],
)
def test_what_was_taken_from_a_person_does_not_wait_until_an_older_store_is_believed(
    town: Callable[[], Town], now: Body, timeless: bool
) -> None:
    async def test(site: Town) -> None:
        assert let_in(site) == [MORNING, EVENING]
        await ask(site, now)
        assert let_in(site) == let_in(site, OTHER_CARD) == let_in(site, door=1) == []

    lives(town, person(), test, older=True, timeless=timeless)


@pytest.mark.parametrize("timeless", [False, True], ids=["the time is known", "nor is the time known"])
def test_a_lost_card_leaves_a_panel_that_was_away_also_after_a_restart_with_the_same_older_store(timeless: bool) -> None:
    async def test(site: Town) -> None:
        for name in NAMES:
            site.faults[name] = ["lost_request"] * 1000
        await ask(site, person(OTHER_CARD))
        await restart(site)
        assert let_in(site) == [MORNING, EVENING]
        for faults in site.faults.values():
            faults.clear()
        await site.clock.sleep(60)
        assert let_in(site) == let_in(site, OTHER_CARD) == []

    lives(lambda: Town(None, 4), person(), test, older=True, timeless=timeless)


@READERS
def test_hours_that_were_taken_from_a_person_close_and_the_others_stay_where_they_have_slots_of_their_own(
    town: Callable[[], Town],
) -> None:
    async def test(site: Town) -> None:
        await ask(site, person(profiles=EVENINGS))
        assert let_in(site) == ([EVENING] if site.references > 1 else [])

    lives(town, person(), test)


@READERS
def test_a_person_is_not_locked_out_by_more_hours_or_another_name_that_wait_for_the_time(town: Callable[[], Town]) -> None:
    async def test(site: Town) -> None:
        await ask(site, person(profiles=MORNINGS, identifier_owner={"name": "renamed", "type": "owner"}))
        assert let_in(site) == [MORNING]
        await ask(site, person(lock="all"))
        assert let_in(site) == [MORNING]
        assert let_in(site, door=1) == []

    lives(town, person(profiles=MORNINGS), test)


def shorter(number: int, hour: int, by_hours: int) -> Body:
    body = profile_body(number, hour)
    options = body["time_options"]
    return body | {"time_options": options | {"date_to": options["date_to"] - 3600 * by_hours}}


@READERS
@pytest.mark.parametrize("older", [False, True], ids=["nobody knows the time", "nor whether the store is the right one"])
def test_hours_that_a_time_profile_loses_close_for_whoever_has_it_and_its_others_stay(
    town: Callable[[], Town], older: bool
) -> None:
    async def test(site: Town) -> None:
        assert site.fleet is not None
        (report,) = await site.fleet.upsert([read_item(shorter(1, 8, 1), {}, "item")])
        assert not report.success
        assert let_in(site) == [EVENING]

    lives(town, person(), test, older=older)


@READERS
def test_hours_that_a_time_profile_gains_or_moves_to_open_nothing_by_it_until_the_time_is_known(town: Callable[[], Town]) -> None:
    async def test(site: Town) -> None:
        assert site.fleet is not None
        await site.fleet.upsert([read_item(shorter(2, 18, -2), {}, "item")])
        assert let_in(site) == [MORNING, EVENING], "more hours take nothing away"
        assert not any(site.lets_in(name, CARD, 0, DAY // 60 + 60 * 21) for name in ("lobby", "gate"))
        await site.fleet.upsert([read_item(profile_body(2, 20), {}, "item")])
        assert EVENING not in let_in(site)
        assert not any(site.lets_in(name, CARD, 0, DAY // 60 + 60 * 21) for name in ("lobby", "gate"))

    lives(town, person(), test)
