"""People at the readers of a simulated panel: from the request to the door, over real drivers, sockets and SQLite."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from drivers.contract import IDENTIFIER, ItemState, Reason
from gateway.api.items import read_identifier
from gateway.fleet.results import Change
from gateway.fleet.views import RequestItem
from gateway.schedules.local_time import local_second
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.access_words import ccitt_false
from tests.support.fleet_site import item, link
from tests.unit.test_fleet_simulated import ZONE, Running, gateway_on, tcp_lines, until, written


def person(number: int, card: str, *profiles: int, **more: Any) -> RequestItem:
    raw: dict[str, Any] = {
        "link_id": link(100 + number),
        "identifier_owner": {"name": f"person {number}", "type": "owner"},
        "identifier_type": "card",
        "identifier_number": card,
        "lock": "first",
        **({"time_profiles": {"link_ids": [link(each) for each in profiles]}} if profiles else {}),
        **more,
    }
    found = read_identifier(raw, {}, "list_items[0]")
    assert isinstance(found, RequestItem)
    return found


def panel_of(simulated: SimulatedSite, name: str) -> OpenAccessPanel:
    found = simulated.panels[name]
    assert isinstance(found, OpenAccessPanel)
    return found


def lets_in(panel: OpenAccessPanel, card: str, at: int, door: int = 0, kind: str = "card") -> bool:
    """Whether the panel would let somebody in at an instant."""
    return panel.would_read(kind, card, door, at // 60, local_second(ZONE, at) // 60).granted


def within(number: int) -> tuple[int, int]:
    """An instant at which a test's profile is open, and one at which it is closed."""
    profile = item(number).profile
    return profile.date_from, profile.date_to


async def test_a_card_opens_when_its_profile_does_and_nothing_is_written_twice(tmp_path: Path) -> None:
    settings = tcp_lines("lobby")
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, tmp_path / "state.db") as running:
        panel = panel_of(simulated, "lobby")
        await running.fleet.upsert([item(1), item(2)])
        asked = [person(1, "12345678", 1), person(2, "99")]
        reports = await running.fleet.upsert(asked)
        assert [(each.change, each.success) for each in reports] == [(Change.CREATED, True)] * 2, reports
        open_at, closed_at = within(1)
        assert (lets_in(panel, "00:BC:61:4E", open_at), lets_in(panel, "12345678", closed_at)) == (True, False)
        assert lets_in(panel, "99", closed_at)
        assert not lets_in(panel, "99", closed_at, door=1)
        assert await explained(running, 1, open_at) == (True, True, True)
        assert await explained(running, 1, closed_at) == (False, False, False)
        assert await explained(running, 2, closed_at) == (True, True, True)
        before = written(simulated, "lobby")
        again = await running.fleet.upsert(asked)
        assert [(each.change, each.success) for each in again] == [(Change.UPDATED, True)] * 2
        assert written(simulated, "lobby") == before
        (gone,) = await running.fleet.delete([person(2, "99").link_id], IDENTIFIER)
        assert (gone.change, gone.success) == (Change.DELETED, True)
        assert not lets_in(panel, "99", closed_at)


async def explained(running: Running, number: int, at: int) -> tuple[bool | None, ...]:
    """Whether somebody is let in, as asked, as compiled and as held."""
    report = await running.fleet.explain(link(100 + number), at, None, IDENTIFIER)
    assert report is not None
    (panel,) = report.panels
    return report.asked, panel.compiled, panel.held


def guest(number: int, code: str, entries: int, name: str = "guest") -> RequestItem:
    passes = {"is_permanent": False, "max_passes": entries}
    owner = {"name": name, "type": "guest"}
    return person(number, code, identifier_type="inputCode", identifier_owner=owner, valid={"passes": passes})


def site(**simulator: int | str) -> Settings:
    panel = {"id": "lobby", "model": "open-access-panel", "unit": 1, "simulator": simulator}
    line = {"id": "line-lobby", "kind": "modbus-tcp", "host": "127.0.0.1", "port": 0, "timeout_ms": 500.0, "panels": [panel]}
    return Settings.model_validate({"lines": [line]}, strict=False)


def words_of(panel: OpenAccessPanel, address: int, count: int) -> tuple[int, ...]:
    return tuple(panel.read_words(3, address, count))


def named_by(panel: OpenAccessPanel, slot: int) -> set[str]:
    """The link_ids of the schedules that an identifier slot refers to."""
    schedules = panel.used_schedules()
    return {schedules[number] for number in words_of(panel, 0x4000 + 16 * slot + 5, 4) if number in schedules}


@contextmanager
def watched(panel: OpenAccessPanel, look: Callable[[], object]) -> Iterator[list[object]]:
    """What a look at the panel gives after each request that it answers."""
    seen: list[object] = []
    handle = panel.handle

    def handled(pdu: bytes) -> bytes:
        reply = handle(pdu)
        seen.append(look())
        return reply

    panel.handle = handled  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        panel.handle = handle  # type: ignore[method-assign]


@asynccontextmanager
async def lobby(path: Path, **simulator: int | str) -> AsyncIterator[tuple[Running, OpenAccessPanel]]:
    settings = site(**simulator)
    async with SimulatedSite(settings) as simulated, gateway_on(simulated, settings, path / "state.db") as running:
        yield running, panel_of(simulated, "lobby")


async def test_a_freed_schedule_goes_to_another_profile_only_when_no_card_names_it(tmp_path: Path) -> None:
    """The panel is full. One profile goes and another comes, and there is no slot but the one that somebody's card names."""
    async with lobby(tmp_path, schedules=1) as (running, panel):
        await running.fleet.upsert([item(1, start=540)])
        await running.fleet.upsert([person(1, "111", 1)])
        with watched(panel, lambda: named_by(panel, 0)) as seen:
            gone, came = await asyncio.gather(running.fleet.delete([link(1)]), running.fleet.upsert([item(2, start=600)]))
        assert gone[0].success
        assert came[0].success, came
        assert list(panel.used_schedules().values()) == [link(2)]
        assert {frozenset(each) for each in seen if isinstance(each, set)} <= {frozenset(), frozenset({link(1)})}


async def test_a_number_goes_to_its_new_owner_in_one_write(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([person(1, "111"), person(2, "222", lock="all")])
        commits = panel.commit_count()
        with watched(panel, lambda: lets_in(panel, "111", 0)) as seen:
            reports = await running.fleet.upsert([person(1, "333"), person(2, "111", lock="all")])
        assert all(report.success for report in reports), reports
        assert all(seen), "the number was nobody's for a while"
        assert panel.commit_count() == commits + 1
        assert [lets_in(panel, card, 0, door=1) for card in ("111", "222", "333")] == [True, False, False]


async def test_a_taken_number_keeps_nothing_of_the_item_and_the_others_go_on(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        reports = await running.fleet.upsert([person(1, "111"), person(2, "00:00:00:6F"), person(3, "333", 7), person(4, "444")])
        assert [report.change for report in reports] == [
            Change.CREATED,
            Change.NUMBER_TAKEN,
            Change.PROFILE_MISSING,
            Change.CREATED,
        ]
        assert [each.link_id for each in running.fleet.items(IDENTIFIER)] == [link(101), link(104)]
        assert [lets_in(panel, card, 0) for card in ("111", "333", "444")] == [True, False, True]


async def test_a_deletion_that_comes_late_leaves_the_number_to_its_new_owner(tmp_path: Path) -> None:
    """The panel is away while a card is taken from one person and given to another."""
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([person(1, "111")])
        panel.off()
        await running.fleet.delete([link(101)], IDENTIFIER)
        await running.fleet.upsert([person(2, "111", lock="second")])
        panel.on()
        await running.fleet.sync("lobby")
        await until(lambda: all(view.state == "in_sync" for view in running.fleet.panels()))
        assert (lets_in(panel, "111", 0, door=0), lets_in(panel, "111", 0, door=1)) == (False, True)


def intrude(panel: OpenAccessPanel, slot: int, card: int, reference: int = 0xFFFE) -> None:
    """Somebody else commits a card of their own."""
    words = struct.unpack(">15H", struct.pack(">HQ4HHIIH", 1, card, reference, *(0xFFFF,) * 3, 0xFF, 0, 0xFFFFFFFF, 0xFFFF))
    panel.write_words(0x0200, [0xDEAD, 0])
    panel.write_words(0x4000 + 16 * slot, [*words, ccitt_false(slot, words)])
    panel.write_words(0x0200, [0xC0DE, 1])


def told(running: Running) -> list[tuple[str, int, str | None, bool]]:
    view = running.fleet.panel("lobby")
    assert view is not None
    return [(each.kind, each.slot, each.opens, each.known) for each in view.foreign]


async def in_state(running: Running, word: str) -> None:
    await until(lambda: all(view.state == word for view in running.fleet.panels()))


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_strangers_card_is_told_and_never_opens_by_our_hours(tmp_path: Path, version: str) -> None:
    """Also on an older panel, which takes no identifiers from us and decides by those that it has."""
    async with lobby(tmp_path, map=version) as (running, panel):
        intrude(panel, 3, 900, reference=0)
        await running.fleet.sync("lobby")
        await running.fleet.upsert([item(1)])
        await in_state(running, "in_sync")
        assert told(running) == [(IDENTIFIER, 3, None, False)]
        assert 0 not in panel.used_schedules()
        assert not lets_in(panel, "900", within(1)[0])
        intrude(panel, 4, 901)
        await running.fleet.sync("lobby")
        await in_state(running, "foreign")
        doors = ", ".join(map(str, range(8)))
        assert told(running)[1:] == [(IDENTIFIER, 4, f"always (card, outputs {doors})", False)]
        view = running.fleet.panel("lobby")
        assert view is not None
        assert view.foreign_identifiers == (3, 4)
        assert f"identifier slot 4 is not the gateway's and lets somebody in always (card, outputs {doors})" in view.warnings
        await running.fleet.accept_slots("lobby")
        assert [each[-1] for each in told(running)] == [True, True]
        intrude(panel, 4, 902)
        await running.fleet.sync("lobby")
        await in_state(running, "foreign")
        await running.fleet.reinit("lobby")
        await until(lambda: told(running) == [])
        await in_state(running, "in_sync")
        assert not lets_in(panel, "902", 0)


async def test_a_profile_leaves_the_slot_that_a_stranger_names(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([item(1)])
        assert list(panel.used_schedules()) == [0]
        intrude(panel, 3, 900, reference=0)
        assert lets_in(panel, "900", within(1)[0])
        await running.fleet.sync("lobby")
        await until(lambda: not lets_in(panel, "900", within(1)[0]))
        await in_state(running, "in_sync")
        assert list(panel.used_schedules().values()) == [link(1)]


async def test_a_strangers_slot_with_our_number_is_overwritten_and_its_twins_go(tmp_path: Path) -> None:
    stranger = struct.pack(">HQ4HHIIH", 1, 111, 0xFFFE, *(0xFFFF,) * 3, 0xFF, 0, 0xFFFFFFFF, 0xFFFF)
    words = struct.unpack(">15H", stranger)
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([item(1)])
        for slot in (3, 9):
            panel.write_words(0x4000 + 16 * slot, [*words, ccitt_false(slot, words)])
        panel.write_words(0x0200, [0xC0DE, 2])
        await running.fleet.sync("lobby")
        await in_state(running, "foreign")
        (report,) = await running.fleet.upsert([person(1, "111", 1)])
        assert report.success, report
        open_at, closed_at = within(1)
        assert (lets_in(panel, "111", open_at), lets_in(panel, "111", closed_at)) == (True, False)
        assert [each["slot"] for each in panel.details()["identifiers"]] == [3]  # type: ignore[attr-defined]


async def test_whose_last_profile_is_deleted_is_let_in_never_and_again_when_it_is_back(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([item(1)])
        await running.fleet.upsert([person(1, "111", 1)])
        open_at, closed_at = within(1)
        await running.fleet.delete([link(1)])
        assert not lets_in(panel, "111", open_at)
        assert not lets_in(panel, "111", closed_at)
        await running.fleet.upsert([item(1)])
        assert (lets_in(panel, "111", open_at), lets_in(panel, "111", closed_at)) == (True, False)


async def test_who_is_still_let_in_by_a_deleted_profile_is_not_held_as_asked(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([item(1)])
        await running.fleet.upsert([person(1, "111", 1)])
        panel.off()
        await running.fleet.delete([link(1)])
        assert lets_in(panel, "111", within(1)[0])
        view = running.fleet.panel("lobby")
        assert view is not None
        assert {each.link_id: each.outcome for each in view.items} == dict.fromkeys((link(1), link(101)), ItemState.PENDING)
        assert (view.desired, view.held) == (1, 0)
        panel.on()
        await in_state(running, "in_sync")
        assert not lets_in(panel, "111", within(1)[0])


async def test_a_profile_without_an_occurrence_lets_nobody_in(tmp_path: Path) -> None:
    past = replace(item(1).profile, date_from=60, date_to=120, repeat=None)
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([RequestItem(past, "{}")])
        (report,) = await running.fleet.upsert([person(1, "111", 1)])
        assert report.success
        assert not any(lets_in(panel, "111", at) for at in range(within(1)[0] - 86_400, within(1)[0] + 86_400, 3600))


async def test_a_profile_that_the_panel_does_not_hold_refuses_who_names_it(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.bind(link(1), [])
        await running.fleet.upsert([item(1), item(2)])
        (report,) = await running.fleet.upsert([person(1, "111", 1, 2)])
        (result,) = report.panels
        assert (result.outcome, result.reason) == (ItemState.REFUSED, Reason.PROFILE_NOT_HELD)
        assert link(1) in (result.message or "")
        assert lets_in(panel, "111", within(2)[0]), "what the panel holds counts meanwhile"


async def test_a_guest_has_no_entry_twice_by_a_rename_or_a_panel_that_is_erased(tmp_path: Path) -> None:
    async with lobby(tmp_path) as (running, panel):
        await running.fleet.upsert([guest(1, "0042", 2)])
        await until(lambda: panel.local_second() is not None)
        assert panel.read("inputCode", "0042", 0).granted
        await running.fleet.upsert([guest(1, "0042", 2, name="another")])
        await running.fleet.reinit("lobby")
        await until(lambda: words_of(panel, 0x4000, 16)[14] == 1 and running.fleet.panel("lobby").state == "in_sync")  # type: ignore[union-attr]
        assert [panel.read("inputCode", "0042", 0).granted for _ in range(3)] == [True, False, False]


async def test_an_older_panel_is_passed_over_and_refuses_who_is_bound_to_it(tmp_path: Path) -> None:
    async with lobby(tmp_path, map="1.0") as (running, _):
        await until(lambda: all(view.state == "in_sync" for view in running.fleet.panels()))
        (report,) = await running.fleet.upsert([person(1, "111")])
        assert (report.success, report.panels) == (True, ())
        await running.fleet.bind(link(102), ["lobby"])
        (report,) = await running.fleet.upsert([person(2, "222")])
        (result,) = report.panels
        assert (result.outcome, result.reason) == (ItemState.REFUSED, Reason.NOT_REPRESENTABLE)


async def test_no_free_slot_is_told_in_the_vendors_words(tmp_path: Path) -> None:
    async with lobby(tmp_path, identifiers=1) as (running, panel):
        reports = await running.fleet.upsert([person(1, "111"), person(2, "222")])
        assert [(report.change, report.success) for report in reports] == [(Change.CREATED, True), (Change.NO_ROOM, False)]
        await running.fleet.delete([link(101)], IDENTIFIER)
        await until(lambda: lets_in(panel, "222", 0))
