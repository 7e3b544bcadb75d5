"""A person who loses a card waits for nobody who gets one: over the real driver, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from config.panel_model import load_models
from config.settings import BindingSettings, PanelSettings, SimulatorSettings
from drivers.contract import IDENTIFIER, ItemState
from drivers.modbus.panel.driver import ModbusPanelDriver
from drivers.modbus.panel.unit import PanelUnit
from drivers.modbus.wire.requests import Request
from gateway.api.items import read_identifier
from gateway.fleet.clock_trust import Rules
from gateway.fleet.context import FleetOptions
from gateway.fleet.fleet import Fleet
from gateway.schedules.time_profile import Readings
from gateway.store.contract import ObservedPanel
from simulators.open_access_panel import OpenAccessPanel
from tests.support.fleet_site import START, link
from tests.support.memory_store import MemoryStore
from tests.support.panel_wire import PanelWire
from tests.support.virtual_time import VirtualClock, run_virtual

MODEL = "open-access-panel"
EXCHANGE_S = 0.02
STORE_S = 0.2
COMMIT = 0x0200


def card(number: int, owner: int | None = None) -> Any:
    body = {
        "link_id": link(1000 + (owner or number)),
        "identifier_owner": {"name": "somebody", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": str(number),
        "lock": "first",
    }
    return read_identifier(body, {}, "item")


@dataclass
class Hall:
    fleet: Fleet
    wire: PanelWire
    clock: VirtualClock

    def lets_in(self, number: int) -> bool:
        assert isinstance(self.wire.panel, OpenAccessPanel)
        return self.wire.panel.would_read("card", str(number), 0, START // 60, START // 60).granted

    def commits(self) -> int:
        return sum(address == COMMIT and values[0] == 0xC0DE for address, values in self.wire.writes())


class SlowStore(MemoryStore):
    """Keeps what a panel may hold as slowly as a disk for which many wait."""

    async def put_observed(self, panel: str, observed: ObservedPanel) -> None:
        await asyncio.sleep(STORE_S)
        await super().put_observed(panel, observed)


@asynccontextmanager
async def hall(store: MemoryStore | None = None) -> AsyncIterator[Hall]:
    clock, store = VirtualClock(START), store or MemoryStore()
    settings = PanelSettings(id="hall", model=MODEL, simulator=SimulatorSettings(latency_ms=0))
    wire = PanelWire(OpenAccessPanel(settings, clock.wall, clock.monotonic), clock)
    wire.exchange_s = EXCHANGE_S
    options = FleetOptions(Readings(ZoneInfo("UTC")), deadline_s=60.0, clock=Rules(released_at=0))
    fleet = Fleet(store, await store.open(), clock, options, rules=(BindingSettings(link_id="*", panels=("@all",)),))
    await fleet.add_panel(settings, "line", ModbusPanelDriver(PanelUnit(load_models(None)[MODEL], 1, wire, clock)))
    await fleet.start()
    yield Hall(fleet, wire, clock)
    assert not fleet.failed.done()
    await fleet.stop(5)


def test_a_card_is_taken_away_in_the_middle_of_a_long_fill_and_the_answer_does_not_wait_for_it() -> None:
    async def test() -> None:
        async with hall() as site:
            await site.fleet.upsert([card(1)])
            filling = asyncio.create_task(site.fleet.upsert([card(number) for number in range(2, 402)]))
            await asyncio.sleep(15 * EXCHANGE_S)
            assert not filling.done()
            began = site.clock.monotonic()
            (report,) = await site.fleet.delete([link(1001)], IDENTIFIER)
            assert report.success, report
            assert not site.lets_in(1)
            assert site.clock.monotonic() - began <= 4 * EXCHANGE_S
            assert not filling.done()
            assert all(each.success for each in await filling)
            assert all(map(site.lets_in, range(2, 402)))

    run_virtual(test())


def test_a_card_is_taken_away_while_a_long_fill_waits_for_the_store_and_nothing_of_the_fill_goes_first() -> None:
    async def test() -> None:
        async with hall(SlowStore()) as site:
            await site.fleet.upsert([card(1)])
            filling = asyncio.create_task(site.fleet.upsert([card(number) for number in range(2, 402)]))
            await asyncio.sleep(1.5 * STORE_S)
            began, written = site.clock.monotonic(), len(site.wire.writes())
            (report,) = await site.fleet.delete([link(1001)], IDENTIFIER)
            assert report.success, report
            assert not site.lets_in(1)
            assert len(site.wire.writes()) == written + 1
            assert site.clock.monotonic() - began <= 2 * STORE_S + 4 * EXCHANGE_S
            assert all(each.success for each in await filling)
            assert all(map(site.lets_in, range(2, 402)))

    run_virtual(test())


def test_who_asks_again_while_a_card_is_being_taken_away_does_not_wait_for_a_long_fill_either() -> None:
    async def test() -> None:
        async with hall() as site:
            await site.fleet.upsert([card(1)])
            filling = asyncio.create_task(site.fleet.upsert([card(number) for number in range(2, 402)]))
            await asyncio.sleep(15 * EXCHANGE_S)
            first = asyncio.create_task(site.fleet.delete([link(1001)], IDENTIFIER))
            await asyncio.sleep(EXCHANGE_S)
            assert not first.done()
            (report,) = await site.fleet.delete([link(1001)], IDENTIFIER)
            assert report.success
            assert (await first)[0].success
            assert not site.lets_in(1)
            assert not filling.done()
            await filling

    run_virtual(test())


def test_who_gets_a_card_gets_it_also_while_others_lose_theirs_one_after_the_other() -> None:
    async def test() -> None:
        async with hall() as site:
            await site.fleet.upsert([card(number) for number in range(200)])
            filling = asyncio.create_task(site.fleet.upsert([card(number) for number in range(200, 400)]))

            async def taking_away() -> None:
                for number in range(200):
                    await asyncio.sleep(10 * EXCHANGE_S)
                    await site.fleet.delete([link(1000 + number)], IDENTIFIER)

            taken = asyncio.create_task(taking_away())
            assert all(each.success for each in await filling)
            assert not taken.done(), "the grants waited for all of them"
            await taken
            assert not any(map(site.lets_in, range(200)))
            assert all(map(site.lets_in, range(200, 400)))

    run_virtual(test())


def test_a_number_that_found_a_new_owner_while_the_panel_was_silent_is_nobodys_at_no_time() -> None:
    async def test() -> None:
        async with hall() as site:
            await site.fleet.upsert([card(1)])

            async def silent(request: Request) -> bool:
                return False

            site.wire.before = silent
            await site.fleet.delete([link(1001)], IDENTIFIER)
            await site.fleet.upsert([card(1, owner=2)])
            seen: list[bool] = []

            async def looked_at(request: Request) -> bool:
                seen.append(site.lets_in(1))
                return True

            site.wire.before = looked_at
            await site.fleet.sync("hall")
            await asyncio.sleep(60)
            assert len(seen) > 5
            assert all(seen)
            panel = site.fleet.panel("hall")
            assert panel is not None
            assert [(each.link_id, each.outcome) for each in panel.items] == [(link(1002), ItemState.EXACT)]

    run_virtual(test())
