"""Why somebody is let in or not: told of a panel that holds what is asked without compiling it again, and told the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from config.settings import BindingSettings, DoorSettings
from drivers.contract import IDENTIFIER, TIME_PROFILE, Availability, PanelImage, item_key
from gateway import concurrency
from gateway.compiler.compiler import compile_panel
from gateway.fleet.panel import compilation
from tests.support.fake_panel import ACCESS_PANEL, FakePanel
from tests.support.fleet_site import START, FleetSite, item, link
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_identifiers import person

READERS = replace(ACCESS_PANEL, max_identifiers=20, identifier_types=("card",), references=4)
PANELS = ("lobby", "gate")
RULES = (
    BindingSettings(link_id=link(2), panels=("gate",)),
    BindingSettings(link_id="*", panels=("@all",)),
)
OPEN, CLOSED = START - START % 86_400 + 86_400 + 9 * 3600, START - START % 86_400 + 86_400
DAY = START // 86_400
LOBBY = DoorSettings(id="front", panel="lobby", output=0)


class Counting:
    """The compiler, and how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *inputs: Any, **named: Any) -> PanelImage:
        self.calls += 1
        return compile_panel(*inputs, **named)


async def filled() -> tuple[FleetSite, Counting]:
    compiler = Counting()
    site = FleetSite({name: FakePanel(capabilities=READERS) for name in PANELS}, rules=RULES, compile=compiler)
    await site.open()
    await site.fleet.upsert([item(1), item(2, start=600), item(3)])
    await site.fleet.upsert([person(1, "11", 1), person(2, "22", 2), person(3, "33", 1, 3), person(4, "44")])
    return site, compiler


async def every_answer(site: FleetSite) -> list[object]:
    """What is said of every item: whether it is open then, and its hours."""
    said: list[object] = []
    for kind, numbers in ((TIME_PROFILE, (1, 2, 3)), (IDENTIFIER, (101, 102, 103, 104))):
        for number in numbers:
            said += [await site.fleet.explain(link(number), at, None, kind) for at in (OPEN, CLOSED)]
            said.append(await site.fleet.hours(link(number), kind, DAY, 10, slice(0, 9), None))
    return said


async def goes_away(site: FleetSite) -> None:
    for name, panel in site.panels.items():
        panel.online = False
        site.drivers[name].feed.set(Availability.QUARANTINED, "silent")
    await site.pass_time(1)


async def another_window(site: FleetSite) -> None:
    await goes_away(site)
    await site.fleet.upsert([item(1, start=700)])


async def somebody_else(site: FleetSite) -> None:
    await goes_away(site)
    await site.fleet.upsert([person(5, "55", 3)])


async def another_profile(site: FleetSite) -> None:
    await goes_away(site)
    await site.fleet.upsert([person(1, "11", 3)])


async def no_profile(site: FleetSite) -> None:
    """At the lobby the profile of person 2 was never bound; now it is deleted everywhere."""
    await goes_away(site)
    await site.fleet.delete([link(2)])


async def nobody(site: FleetSite) -> None:
    await goes_away(site)
    await site.fleet.delete([link(103)], IDENTIFIER)


async def nothing(site: FleetSite) -> None:
    """All goes on."""


HAPPENS = (nothing, goes_away, another_window, somebody_else, another_profile, no_profile, nobody)


@pytest.mark.parametrize("happens", HAPPENS, ids=lambda one: str(one.__name__))
def test_what_is_told_is_what_a_compilation_tells(happens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        site, _ = await filled()
        try:
            await happens(site)
            told = await every_answer(site)
            monkeypatch.setattr(compilation, "_is_in_step", lambda *_: False)
            assert told == await every_answer(site)
        finally:
            await site.close()

    run_virtual(main())


def test_panels_in_step_are_not_compiled_to_tell_why() -> None:
    async def main() -> None:
        site, compiler = await filled()
        try:
            before = compiler.calls
            for number in (101, 103, 104):
                assert await site.fleet.explain(link(number), OPEN, None, IDENTIFIER) is not None
            assert compiler.calls == before
        finally:
            await site.close()

    run_virtual(main())


def test_a_person_with_many_profiles_is_told_of_in_turns_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each profile takes some time of the loop: what else is due is done between two of them."""
    monkeypatch.setattr(concurrency, "TURN_S", -1.0)

    async def turns(asking: Coroutine[Any, Any, object]) -> int:
        task, count = asyncio.ensure_future(asking), 0
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        return count

    async def main() -> None:
        site, _ = await filled()
        many = 50
        try:
            await site.fleet.upsert([item(number) for number in range(200, 200 + many)])
            await site.fleet.upsert([person(1, "11", *range(200, 200 + many))])
            assert await turns(site.fleet.explain(link(101), CLOSED, None, IDENTIFIER)) > many
            assert await turns(site.fleet.passages([LOBBY], item_key(IDENTIFIER, link(101)), CLOSED)) > many
            assert await turns(site.fleet.hours(link(101), IDENTIFIER, DAY, 10, slice(0, 9), None)) > many
        finally:
            await site.close()

    run_virtual(main())
