"""Two years of a UHPPOTE board's own clock: who comes in with a card, held against the judge of the profile that the card names.

The ten examples and random profiles are compiled for the board and written by its driver; the simulated board decides. Looked
at are the minutes around every edge of either side, and random ones. UHPPOTE_PROFILES sets how many random profiles are tried,
UHPPOTE_DAYS=all looks at every day of the two years.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.contract import Acknowledgement, ItemState, Outcome, PanelCapabilities, PanelImage, Priority
from gateway.api.validation import read_item
from gateway.compiler.compiler import BoundProfile, CompileOptions, compile_panel
from gateway.compiler.identifiers import BoundIdentifier, with_identifiers
from gateway.identifiers.identifier import Identifier
from gateway.identifiers.number import number_of
from gateway.schedules.time_profile import Readings, TimeProfile
from simulators.uhppote_board import UhppoteBoard
from tests.support.board_wire import board_on_wire
from tests.support.virtual_time import run_virtual
from tests.unit.compiler_oracle import Asked, earliest_minute, local_second
from tests.unit.strategies import moments, profiles, readings

KYIV = Readings(ZoneInfo("Europe/Kyiv"))
EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"]
NOVEMBER = 1_793_570_400
CARD, GUEST = 10_058_400, 10_058_401
MINUTES, DAY_S = 1440, 86_400
YEARS = range(730)
ALL_DAYS = os.environ.get("UHPPOTE_DAYS") == "all"
RANDOM = 2000 if ALL_DAYS else 100
STAY = (30, 75)
"""The guest's card is valid from the first of these numbers of days after today, up to the second."""


def image_of(profile: TimeProfile, site: Readings, now: int, capabilities: PanelCapabilities) -> PanelImage:
    """With a card for good, and one for some days of the site."""
    options = CompileOptions(site)
    schedules = compile_panel([BoundProfile(profile, 1)], capabilities, {}, now, options)
    today = local_second(site, now) // DAY_S
    card = Identifier(
        link_id="ada", type="card", number=number_of("card", str(CARD)), lock="all", profiles=(profile.link_id,), passes=None
    )
    guest = replace(
        card,
        link_id="guest",
        number=number_of("card", str(GUEST)),
        valid_from=midnight(site, today + STAY[0]),
        valid_to=midnight(site, today + STAY[1]),
    )
    people = [BoundIdentifier(card, 2), BoundIdentifier(guest, 3)]
    return with_identifiers(schedules, people, capabilities, {}, options, schedules)


def midnight(site: Readings, day: int) -> int:
    """The first instant at which the site's wall clock shows this day or a later one, to the minute."""
    return next(at for at in range(DAY_S * day - 57_600, DAY_S * day + 57_600, 60) if local_second(site, at) >= DAY_S * day)


def moments_of_interest(board: UhppoteBoard, asked: Asked, slots: tuple[int, ...], days: list[int], seed: int) -> Iterator[int]:
    clocks = {clock % DAY_S // 60 for clock in asked.clocks} | {0}
    chance = Random(seed)
    for day in days:
        edges = clocks | {edge for slot in slots[:1] for window in board.day_windows(slot, day) for edge in window}
        yield from (
            day * MINUTES + minute
            for minute in sorted({edge + beside for edge in edges for beside in (-1, 0, 1)})
            if 0 <= minute < MINUTES
        )
    yield from (chance.choice(days) * MINUTES + chance.randrange(MINUTES) for _ in range(RANDOM))


def held_for_two_years(profile: TimeProfile, site: Readings, now: int) -> None:
    async def main() -> None:
        driver, wire = board_on_wire()
        image = image_of(profile, site, now, driver.capabilities)
        done = await driver.apply(driver.plan(image, PanelImage()), Priority.GRANT, None)
        assert isinstance(done, Acknowledgement)
        assert done.outcome is Outcome.ACKNOWLEDGED, done
        look(wire.board, image, profile, site, now)

    run_virtual(main())


def look(board: UhppoteBoard, image: PanelImage, profile: TimeProfile, site: Readings, now: int) -> None:
    asked, outcome = Asked(profile, site), image.outcomes[profile.link_id]
    today = local_second(site, now) // DAY_S
    days = [today + day for day in (YEARS if ALL_DAYS else (*range(0, 21, 3), *range(28, 80, 7), *range(90, 730, 40)))]
    first, here = earliest_minute(site, now), -(-local_second(site, now) // 60)
    until = None if outcome.valid_until is None else local_second(site, outcome.valid_until) // 60
    whole = outcome.outcome is ItemState.EXACT or (outcome.outcome is ItemState.MATERIALISED and until is not None)
    for minute in moments_of_interest(board, asked, image.allocation[profile.link_id], days, seed=now):
        if minute < first:
            continue
        said, found = asked.is_open(minute), board.decide(CARD, 1, 60 * minute) == "granted"
        assert said or not found, ("wider", minute)
        if whole and minute >= max(first, here) and (until is None or minute < until):
            assert found == said, ("less than it says", minute)
        stays = STAY[0] <= minute // MINUTES - today < STAY[1]
        assert (board.decide(GUEST, 0, 60 * minute) == "granted") == (found and stays), ("the guest", minute)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_is_held_as_it_was_asked(number: int) -> None:
    profile = read_item(EXAMPLES[number], {}, "item").profile
    assert profile is not None
    held_for_two_years(profile, KYIV, NOVEMBER)


@st.composite
def sites(draw: st.DrawFn) -> tuple[TimeProfile, Readings, int]:
    site = draw(readings())
    profile = draw(profiles(site.zone, 2020, 2030))
    return profile, site, draw(moments(profile, site.zone).filter(lambda at: NOVEMBER - 9 * 365 * DAY_S < at < 2 * NOVEMBER))


@settings(max_examples=int(os.environ.get("UHPPOTE_PROFILES", "15")), deadline=None, suppress_health_check=list(HealthCheck))
@given(sites())
def test_a_profile_is_never_wider_on_a_board_and_as_right_as_it_says(drawn: tuple[TimeProfile, Readings, int]) -> None:
    held_for_two_years(*drawn)
