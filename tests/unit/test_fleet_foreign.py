"""Slots that are open to anybody and are not the gateway's: told with what they open, until somebody says that they are known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.settings import PanelSettings
from drivers.contract import (
    IDENTIFIER,
    TIME_PROFILE,
    Availability,
    IdentifierSlot,
    PanelCapabilities,
    PanelImage,
    Period,
    Slot,
    item_key,
)
from gateway.fleet.context import FleetOptions
from gateway.fleet.events import ForeignFound
from gateway.fleet.panel.foreign import Foreign
from gateway.fleet.panel.opening import admission_text, granted_text, granted_until, opening_text
from gateway.fleet.views import CannotDo, PanelView
from gateway.ops.metrics import Metrics
from gateway.schedules.time_profile import Readings
from tests.support.fake_panel import FakePanel
from tests.support.fleet_site import START, FleetSite, item
from tests.support.panel_parts import PanelParts
from tests.support.virtual_time import run_virtual
from tests.unit.test_fleet_untrusted import MODELS

NIGHT = Slot((), (Period(31, 0, 360),))
WEEKEND = Slot((), (Period(96, 0, 1440),))


def lighting(test: Callable[[FleetSite], Awaitable[None]], settings: PanelSettings | None = None) -> None:
    """A panel with two schedules of its own, which stores no link_ids."""

    async def main() -> None:
        site = FleetSite({"hall": FakePanel(labelled=False, serial=None, slots={5: NIGHT, 6: WEEKEND})})
        if settings is not None:
            site.settings["hall"] = settings
        await site.open()
        await site.fleet.upsert([item(1)])
        await site.pass_time(2)
        await test(site)
        await site.close()

    run_virtual(main())


def hall(site: FleetSite) -> PanelView:
    found = site.fleet.panel("hall")
    assert found is not None
    return found


async def look(site: FleetSite) -> None:
    await site.fleet.sync("hall")
    await site.pass_time(5)


def test_a_door_that_somebody_else_opened_at_night_is_told_with_its_hours() -> None:
    async def test(site: FleetSite) -> None:
        seen = hall(site)
        assert seen.state == "foreign"
        assert [(each.slot, each.opens, each.known) for each in seen.foreign] == [
            (5, "Mon-Fri 00:00-06:00", False),
            (6, "Sat, Sun 00:00-24:00", False),
        ]
        assert seen.warnings[0] == "slot 5 is not the gateway's and is open Mon-Fri 00:00-06:00"
        metrics = Metrics()
        metrics.watch(site.fleet.panels)
        assert b'panel_gateway_foreign_open{panel="hall"} 2.0' in metrics.exposition()
        assert b'panel_gateway_panel_state{panel="hall",state="foreign"} 1.0' in metrics.exposition()

    lighting(test)


@MODELS
def test_a_table_that_somebody_else_filled_is_told_on_every_model(capabilities: PanelCapabilities) -> None:
    """Before anything is asked of the panel; known with its content, and an alarm again when that changes."""

    async def main() -> None:
        first = capabilities.first_id
        panel = FakePanel(capabilities, labelled=False, slots={first: NIGHT})
        site = FleetSite({"hall": panel}, rules=())
        await site.open()
        await site.pass_time(2)
        assert (hall(site).state, hall(site).foreign[0].opens) == ("foreign", "Mon-Fri 00:00-06:00")
        await site.fleet.accept_slots("hall")
        assert hall(site).state == "in_sync"
        panel.slots[first] = WEEKEND
        await look(site)
        assert hall(site).state == "foreign"
        await site.close()

    run_virtual(main())


def test_what_an_operator_knows_is_no_alarm_until_it_changes() -> None:
    async def test(site: FleetSite) -> None:
        await site.fleet.accept_slots("hall")
        assert (hall(site).state, [each.known for each in hall(site).foreign]) == ("in_sync", [True, True])
        await site.close()
        await site.open()
        await site.pass_time(5)
        assert hall(site).state == "in_sync", "it is remembered"
        panel = site.panels["hall"]
        panel.slots[6] = replace(WEEKEND, periods=(Period(127, 0, 1440),))
        await look(site)
        assert hall(site).state == "foreign"
        assert [each.slot for each in hall(site).foreign if not each.known] == [6]
        panel.slots[6], panel.slots[7] = WEEKEND, NIGHT
        await look(site)
        assert [each.slot for each in hall(site).foreign if not each.known] == [7], "the same content in another slot is new"
        del panel.slots[7]
        await look(site)
        assert hall(site).state == "in_sync"

    lighting(test)


def test_slots_that_the_configuration_names_are_known_as_they_were_first_seen() -> None:
    async def test(site: FleetSite) -> None:
        assert [(each.slot, each.known) for each in hall(site).foreign] == [(5, True), (6, False)]
        panel = site.panels["hall"]
        panel.slots[5], panel.slots[7] = WEEKEND, NIGHT
        await site.close()
        await site.open()
        await site.pass_time(5)
        assert [each.known for each in hall(site).foreign] == [False, False, False]
        await site.fleet.accept_slots("hall")
        assert hall(site).state == "in_sync"

    lighting(test, PanelSettings(id="hall", model="open-access-panel", known_foreign=(5, 7)))


def test_a_slot_that_the_configuration_names_no_more_is_forgotten_by_the_store() -> None:
    async def main() -> None:
        named = PanelParts(settings=PanelSettings(id="lobby", model="open-access-panel", known_foreign=(5,)))
        await named.store.open()
        named.state.read(PanelImage({5: NIGHT}), ())
        foreign = Foreign(named.state, named.context, {})
        await foreign.look()
        assert [slot.known for slot in foreign.slots()] == [True]
        facts = dict(named.store.panel_facts["lobby"])
        assert facts == foreign.facts()
        unnamed = PanelParts(store=named.store)
        unnamed.state.read(PanelImage({5: NIGHT}), ())
        foreign = Foreign(unnamed.state, unnamed.context, facts)
        await foreign.look()
        assert [slot.known for slot in foreign.slots()] == [False]
        assert (named.store.panel_facts["lobby"], foreign.facts()) == ({}, {})

    run_virtual(main())


def test_a_change_is_told_once_and_an_empty_panel_has_nothing_to_accept() -> None:
    async def main() -> None:
        site = FleetSite({"hall": FakePanel()})
        await site.open()
        await site.pass_time(2)
        with pytest.raises(CannotDo):
            await site.fleet.accept_slots("hall")
        site.panels["hall"].slots[1] = NIGHT
        for _ in range(3):
            await look(site)
        assert [event.slots for event in site.told if isinstance(event, ForeignFound)] == [{1: "Mon-Fri 00:00-06:00"}]
        await site.close()

    run_virtual(main())


def test_slots_of_a_panel_that_is_away_cannot_be_accepted() -> None:
    async def test(site: FleetSite) -> None:
        site.panels["hall"].slots[5] = NIGHT
        await look(site)
        site.panels["hall"].online = False
        site.drivers["hall"].feed.set(Availability.QUARANTINED)
        await site.fleet.sync("hall")
        with pytest.raises(CannotDo, match="not known now"):
            await site.fleet.accept_slots("hall")
        site.drivers["hall"].back()
        await site.pass_time(5)
        await site.fleet.accept_slots("hall")
        assert hall(site).state == "in_sync"

    lighting(test, PanelSettings(id="hall", model="open-access-panel"))


CARD = item_key(IDENTIFIER, "4711")
WED = "Wed 00:00-01:00, until 2026-12-13"


def card(number: int = 1, **more: Any) -> IdentifierSlot:
    return IdentifierSlot(space="card", number=number, **more)


@pytest.mark.parametrize(
    ("slots", "said", "until"),
    [
        ([card(schedules=(0,))], "Mon 00:00-01:00; Tue 00:00-01:00, until 2026-12-13", None),
        ([card(schedules=(2,))], WED, 20_801 * 86_400),
        ([card(schedules=(3,))], "Mon 00:00-01:00, until 1970-01-01", 86_400),
        ([card(schedules=None)], "always", None),
        ([card(schedules=None, valid_to=99)], "always", 6000),
        ([card(schedules=(2,), valid_to=99)], WED, 6000),
        ([card(schedules=None, passes=0)], None, None),
        ([card(schedules=())], None, None),
        ([card(schedules=(2,)), card(2, schedules=(2,))], WED, 20_801 * 86_400),
        (
            [card(schedules=(2,)), card(2, schedules=None, valid_to=99)],
            f"{WED}; always",
            20_801 * 86_400,
        ),
        ([card(schedules=(2,)), card(2, schedules=None)], f"{WED}; always", None),
    ],
)
def test_what_a_card_still_opens_is_told_with_its_hours(slots: list[IdentifierSlot], said: str | None, until: int | None) -> None:
    """The first profile has two slots: a reference to one of them stands for both."""
    schedules = {
        0: Slot(("a",), (Period(1, 0, 60),)),
        1: Slot(("a",), (Period(2, 0, 60),), valid_to=20_800),
        2: Slot(("b",), (Period(4, 0, 60),), valid_to=20_800),
        3: Slot(("c",), (Period(1, 0, 60),), valid_to=0),
    }
    image = PanelImage(schedules, (), {CARD: tuple(range(len(slots)))}, identifiers=dict(enumerate(slots)))
    assert (granted_text(image, CARD), granted_until(image, CARD, ZoneInfo("UTC"))) == (said, until)


STRANGERS = {7: Slot((), (Period(4, 0, 60),), link=8), 8: Slot((), (Period(1, 60, 120),))}
"""Somebody else's schedules on a panel that stores no link_ids."""


@pytest.mark.parametrize(
    ("slot", "said"),
    [
        (card(schedules=(7,)), "Wed 00:00-01:00; Mon 01:00-02:00 (card, output 0)"),
        (card(schedules=(8,)), "Mon 01:00-02:00 (card, output 0)"),
        (card(schedules=(9,)), None),
        (card(schedules=(9,), opaque=(1, 2)), "at times that the gateway cannot read (card, output 0)"),
    ],
)
def test_a_card_of_somebody_else_is_told_with_the_hours_of_somebody_elses_slots(slot: IdentifierSlot, said: str | None) -> None:
    image = PanelImage(STRANGERS, identifiers={0: replace(slot, outputs=(0,))})
    assert admission_text(image, 0, 0, 0) == said


@pytest.mark.parametrize("validity", ["minute", "day"])
def test_a_slot_of_somebody_else_is_an_alarm_for_as_long_as_the_panel_opens_for_it(validity: str) -> None:
    """In Kyiv, two hours ahead of UTC: a panel's own days end earlier, minutes are the same everywhere."""

    async def main() -> None:
        parts = PanelParts(capabilities={"identifier_validity": validity})
        parts.context.options = FleetOptions(Readings(ZoneInfo("Europe/Kyiv")))
        day = START // 86_400
        ends, midnight = 86_400 * (day + 1), 86_400 * (day + 1) - 2 * 3600
        slot = card(schedules=None, outputs=(0,), valid_to=ends // 60 - 1)
        parts.state.read(PanelImage({7: replace(NIGHT, valid_to=day)}, identifiers={3: slot}), ())
        foreign = Foreign(parts.state, parts.context, {})

        def opens(second: int) -> list[str]:
            parts.clock.wall_offset = second - parts.clock.monotonic()
            return [each.kind for each in foreign.slots() if each.opens is not None]

        assert opens(midnight - 60) == [TIME_PROFILE, IDENTIFIER]
        assert opens(midnight) == ([IDENTIFIER] if validity == "minute" else [])
        assert opens(ends - 60) == opens(midnight)
        assert opens(ends) == []

    run_virtual(main())


def test_a_validity_in_the_panels_own_days_ends_at_midnight_of_the_site() -> None:
    image = PanelImage({}, (), {CARD: (0,)}, identifiers={0: card(schedules=None, valid_to=1440 * 20_760 - 1)})
    midnight = 1_793_570_400 + 86_400  # of 2026-11-03 in Kyiv, the day after day 20759
    assert granted_until(image, CARD, ZoneInfo("Europe/Kyiv"), by_days=True) == midnight
    assert granted_until(image, CARD, ZoneInfo("Europe/Kyiv")) == 86_400 * 20_760


@pytest.mark.parametrize(
    ("slot", "said"),
    [
        (Slot((), (Period(127, 0, 1440),)), "every day 00:00-24:00"),
        (Slot((), (Period(0b0101001, 540, 600), Period(0b0101001, 700, 710))), "Mon, Thu, Sat 09:00-10:00, 11:40-11:50"),
        (Slot((), (Period(1 << 7, 0, 60),), special_days=((20_800,),)), "on 2026-12-13 00:00-01:00"),
        (
            Slot((), (Period(1 << 7, 0, 60),), special_days=((20_800, 20_805),)),
            "on 2 days from 2026-12-13 to 2026-12-18 00:00-01:00",
        ),
        (Slot((), (Period(1, 0, 60),), valid_from=20_800, valid_to=20_900), "Mon 00:00-01:00, from 2026-12-13, until 2027-03-23"),
        (Slot((), opaque=(1, 2)), "at times that the gateway cannot read"),
        (Slot((), (Period(1, 0, 60),), valid_to=20_600), None),
        (Slot(()), None),
        (Slot((), (Period(1 << 7, 0, 60),), special_days=((20_600,),)), None),
    ],
)
def test_hours_are_told_in_words(slot: Slot, said: str | None) -> None:
    assert opening_text(PanelImage(slots={3: slot}), [3], today=20_700) == said
