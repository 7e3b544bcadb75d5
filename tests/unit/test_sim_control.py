"""The control address of a simulated site, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from config.settings import Settings
from simulators.open_access_panel import OpenAccessPanel
from simulators.site import SimulatedSite
from tests.support.access_words import identifier
from tests.support.master import Master, unanswered

CLOCK = (0x6AE9, 0x4E00, 60, 0, 0, 60, 0, 0, 60, 0)
LINE = {
    "id": "annex",
    "kind": "modbus-tcp",
    "host": "127.0.0.1",
    "port": 0,
    "panels": [
        {"id": "door", "model": "open-access-panel", "unit": 1},
        {"id": "gate", "model": "waveshare-relay-8ch", "unit": 2},
    ],
}


@asynccontextmanager
async def started() -> AsyncIterator[tuple[SimulatedSite, Master, aiohttp.ClientSession]]:
    settings = Settings.model_validate({"lines": [LINE]}, strict=False)
    async with SimulatedSite(settings) as site, aiohttp.ClientSession(site.control_url) as http:
        where = site.lines["annex"]
        assert isinstance(where, tuple)
        reader, writer = await asyncio.open_connection(*where)
        try:
            yield site, Master(reader, writer, tcp=True), http
        finally:
            writer.close()
            await writer.wait_closed()


async def get(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as answer:
        assert answer.status == 200
        return await answer.json()


async def post(http: aiohttp.ClientSession, path: str, body: object = None) -> tuple[int, Any]:
    async with http.post(path, json=body) as answer:
        return answer.status, await answer.json()


async def test_what_a_panel_tells() -> None:
    async with started() as (site, master, http):
        assert site.control_url.startswith("http://127.0.0.1:")
        await master.words(1, 4, 0, 2)
        await master.single(1, 6, 0x0221, 60)
        await master.write(1, 0x0100, CLOCK)
        view = await get(http, "/panels/door")
        assert (view["bytes_in"], view["bytes_out"], view["frames"], view["reads"], view["writes"]) == (
            12 + 12 + 33,
            13 + 12 + 12,
            3,
            1,
            2,
        )
        assert view["outputs"] == [False, True] + [False] * 6
        assert view["schedules_open_now"] == []
        assert view["clock"][:16] == "2026-11-03T03:59"
        assert (await get(http, "/panels"))["panels"][0]["panel"] == "door"
        assert (await get(http, "/panels/door"))["bytes_in"] == view["bytes_in"]


async def test_off_and_on_keep_everything() -> None:
    async with started() as (_, master, http):
        await master.single(1, 6, 0x0221, 60)
        assert (await post(http, "/panels/door/off"))[1]["on"] is False
        with unanswered(master):
            await master.words(1, 4, 0, 2)
        assert (await post(http, "/panels/door/on"))[1]["on"] is True
        assert (await master.bits(1, 1, 0, 2)) == (0, 1)
        assert (await master.words(1, 4, 10, 1)) == (0,)


@pytest.mark.parametrize(("action", "resets", "events"), [("power-cut", 1, 3), ("reset", 1, 3), ("restore", 0, 0)])
async def test_restarts(action: str, resets: int, events: int) -> None:
    async with started() as (site, master, http):
        door = site.panels["door"]
        assert isinstance(door, OpenAccessPanel)
        door.record_event(1, 2, 3, 4)
        await master.single(1, 6, 0x0221, 60)
        assert (await post(http, f"/panels/door/{action}"))[0] == 200
        assert (await master.bits(1, 1, 0, 2)) == (0, 0)
        assert (await master.words(1, 4, 10, 1)) == (resets,)
        assert (await master.words(1, 4, 18, 2)) == (0, events)


async def test_faults_come_and_go() -> None:
    async with started() as (_, master, http):
        status, body = await post(http, "/lines/annex/faults", {"seed": 3, "rates": {"lose": 1}})
        assert (status, body["rates"]["lose"]) == (200, 1)
        with unanswered(master):
            await master.words(1, 4, 0, 2)
        assert (await post(http, "/lines/annex/faults", {}))[0] == 200
        assert await master.words(1, 4, 0, 2) == (0x5041, 0x0101)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"lose": 1},
        {"rates": {"loose": 1}},
        {"rates": {"lose": 1.5}},
        {"rates": {"lose": True}},
        {"seed": "x"},
        {"rates": 1},
        {"rates": {"refusals": []}},
        {"rates": {"refusals": 4}},
        {"rates": {"delay_ms": -1}},
    ],
)
async def test_unusable_faults_are_refused(body: object) -> None:
    async with started() as (_, _, http):
        status, answer = await post(http, "/lines/annex/faults", body)
        assert (status, answer["error"]) == (422, "unusable")


@pytest.mark.parametrize(
    ("path", "error"),
    [("/panels/nobody/off", "unknown_panel"), ("/panels/door/kick", "unknown_action"), ("/lines/none/faults", "unknown_line")],
)
async def test_unknown_names(path: str, error: str) -> None:
    async with started() as (_, _, http):
        assert (await post(http, path))[1] == {"error": error, "detail": path}


async def let_card_in(master: Master) -> None:
    await master.write(1, 0x0100, CLOCK)
    await master.write(1, 0x4000 + 16 * 7, identifier(7, 1, 1234, mask=3, passes=2))
    await master.write(1, 0x0200, (0xC0DE, 1))


async def test_a_person_at_a_reader() -> None:
    async with started() as (_, master, http):
        await let_card_in(master)
        shown = {"type": "card", "number": "00:00:04:D2", "door": "second"}
        assert await post(http, "/panels/door/read", shown) == (200, {"granted": True, "reason": "granted"})
        view = await get(http, "/panels/door")
        assert view["outputs"] == [False, True] + [False] * 6
        assert view["identifiers"] == [{"slot": 7, "type": 1, "passes_used": 1, "passes_allowed": 2}]
        assert [(event["kind"], event["identifier"], event["output"]) for event in view["events"]][-2:] == [
            (1, 7, 1),
            (3, 0xFFFF, 1),
        ]
        refused = await post(http, "/panels/door/read", {**shown, "door": 2})
        assert refused == (200, {"granted": False, "reason": "not_this_door"})
        assert (await post(http, "/panels/door/read", {**shown, "door": "first"}))[1]["granted"]
        assert (await post(http, "/panels/door/read", {**shown, "door": 0}))[1]["reason"] == "no_passes"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "type: expected a string"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "type, number, door"),
        (b'{"type": "card", "number": "1", "door": 0, "lock": 1}', "type, number, door"),
        (b'{"type": "card", "number": 1, "door": 0}', "number: expected a string"),
        (b'{"type": "card", "number": "1"}', "door: first"),
        (b'{"type": "card", "number": "1", "door": "third"}', "door: first"),
        (b'{"type": "card", "number": "1", "door": true}', "door: first"),
        (b'{"type": "card", "number": "1", "door": 8}', "0 to 7"),
        (b'{"type": "face_id", "number": "1", "door": 0}', "type: one of"),
        (b'{"type": "card", "number": "18446744073709551616", "door": 0}', "64 bits"),
        (b'{"type": "qr", "number": "\\ud800", "door": 0}', "half a character"),
    ],
)
async def test_a_reading_that_says_nothing_is_told_and_harms_nobody(body: bytes, told: str) -> None:
    async with started() as (_, _, http):
        async with http.post("/panels/door/read", data=body) as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "bad_request")
            assert told in (await answer.json())["detail"]
        assert (await get(http, "/panels/door"))["events"] == []


async def test_a_panel_without_contacts_has_no_door_that_stands_open() -> None:
    async with started() as (_, _, http):
        wrong = ({"door": "first", "open": True}, "no contacts"), ({"door": 0, "open": 1}, "open: expected true or false")
        for body, told in wrong:
            status, answer = await post(http, "/panels/door/door", body)
            assert (status, answer["error"]) == (400, "bad_request")
            assert told in answer["detail"]


async def test_a_panel_without_readers_says_so() -> None:
    async with started() as (_, _, http):
        status, answer = await post(http, "/panels/gate/read", {"type": "card", "number": "1", "door": 0})
        assert (status, answer["detail"]) == (400, "waveshare-relay-8ch has no readers")


@pytest.mark.parametrize(
    ("body", "serial"),
    [
        ({"serial": 258}, "0000000000000102"),
        ({"serial": "a0B1"}, "000000000000A0B1"),
        ({"serial": 0}, "0" * 16),
        ({}, None),
        (None, None),
    ],
)
async def test_a_replaced_panel_is_blank_and_has_another_number(body: object, serial: str | None) -> None:
    async with started() as (_, master, http):
        await let_card_in(master)
        before = (await get(http, "/panels/door"))["serial"]
        status, view = await post(http, "/panels/door/replace", body)
        assert (status, view["identifiers"], view["events"], view["clock"]) == (200, [], [], None)
        assert view["serial"] != before
        assert serial in (None, view["serial"])
        assert await master.words(1, 4, 10, 2) == (0, 0)
        words = await master.words(1, 4, 20, 4)
        assert "".join(f"{word:04X}" for word in words) == view["serial"]
        again = (await post(http, "/panels/door/replace"))[1]["serial"]
        assert again not in (before, view["serial"])


@pytest.mark.parametrize(
    "body", [b"[]", b'{"number": 1}', b'{"serial": -1}', b'{"serial": 1.5}', b'{"serial": "xyz"}', b'{"serial": true}']
)
async def test_a_number_that_no_unit_can_have_replaces_nothing(body: bytes) -> None:
    async with started() as (_, master, http):
        await let_card_in(master)
        async with http.post("/panels/door/replace", data=body) as answer:
            assert answer.status == 400
        assert (await get(http, "/panels/door"))["identifiers"] != []


async def test_a_relay_board_is_replaced_without_a_number() -> None:
    async with started() as (_, master, http):
        await master.single(2, 5, 1, 0xFF00)
        assert (await post(http, "/panels/gate/replace", {"serial": 5}))[0] == 400
        assert (await post(http, "/panels/gate/replace"))[1]["outputs"] == [False] * 8


async def test_a_crash_in_a_panel_is_a_crash_of_the_site() -> None:
    class Broken(OpenAccessPanel):
        def uptime_s(self) -> int:
            raise ZeroDivisionError("a mistake in a simulator")

    async def look() -> None:
        async with started() as (site, _, http):
            site.panels["door"] = Broken(site.panels["door"].settings)
            async with http.get("/panels/door") as answer:
                assert answer.status == 500
            assert site.failed.done()

    with pytest.raises(ZeroDivisionError):
        await look()
