"""Who reads the events of a site over HTTP gets each once and in order, live or later, however slowly others read."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from config.settings import UserSettings
from gateway.api import events
from gateway.api.auth import SESSIONS
from gateway.api.live import reconfigure
from gateway.api.sessions import TOKEN_LIFE_S
from gateway.api.throttle import AT_ONCE
from gateway.journal.journal import Journal
from gateway.store.events import SiteEvent
from tests.support.api_server import BASIC, MD5, ApiServer, api_server, settings

NOW = 1_793_484_000.0
PATH = "/gateway/v1/events"
PULSE = [SiteEvent(NOW, "output_on", "gate", {"output": 3}), SiteEvent(NOW + 5, "output_off", "gate", {"output": 3})]


class Told(logging.Handler):
    """Notices the record that a reader was cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()
        logging.getLogger("gateway.api.events").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if "cut off" in record.getMessage():
            self.told.set()
            logging.getLogger("gateway.api.events").removeHandler(self)


@asynccontextmanager
async def site() -> AsyncIterator[tuple[ApiServer, Journal]]:
    async with api_server() as server:
        yield server, server.journal


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


async def stream(
    server: ApiServer, count: int, query: str = "", begun: asyncio.Event | None = None, headers: Mapping[str, str] | None = None
) -> Sequence[Any]:
    """The first `count` events of a stream; what happens after `begun` is set is in it."""
    found: list[Any] = []
    asked = {"Accept": "text/event-stream", "Authorization": BASIC, **(headers or {})}
    async with server.session.get(server.url + PATH + query, headers=asked) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        if begun is not None:
            begun.set()
        number = None
        async for raw in response.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "id":
                number = int(value)
            elif name == "data":
                found.append(json.loads(value))
                assert found[-1]["id"] == number
                if len(found) == count:
                    break
    return found


async def test_events_are_listed_as_json_lines_from_a_place_on() -> None:
    async with site() as (server, journal):
        await journal.keep(PULSE, {})
        answer = await server.call("GET", PATH)
        assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
        first, second = lines(answer.text)
        assert first == {
            "id": first["id"],
            "at": NOW,
            "kind": "output_on",
            "category": "info",
            "panel": "gate",
            "output": 3,
        }
        assert lines((await server.call("GET", f"{PATH}?after={first['id']}")).text) == [second]
        assert lines((await server.call("GET", f"{PATH}?kinds=output_off,panel_away")).text) == [second]
        assert lines((await server.call("GET", f"{PATH}?limit=1")).text) == [first]
        assert lines((await server.call("GET", f"{PATH}?last=1")).text) == [second]
        assert lines((await server.call("GET", f"{PATH}?last=9")).text) == [first, second], "the oldest of them first"
        assert lines((await server.call("GET", f"{PATH}?last=1&kinds=output_on")).text) == [first]
        assert (await server.call("GET", f"{PATH}?after={second['id']}")).text == ""
        assert (await server.call("HEAD", PATH, Accept="text/event-stream")).status == 200


@pytest.mark.parametrize(
    ("query", "place"),
    [
        (
            "kinds=output_onn",
            "kinds: expected kinds of events with `,` between them, got \"output_onn\"; did you mean 'output_on'?",
        ),
        ("kinds=zzz", 'kinds: expected kinds of events with `,` between them, got "zzz" (there are access_granted_by_'),
        ("kind=output_on", "kind: "),
        ("after=x", "after: "),
        ("after=1&after=2", "after: "),
        ("limit=0", "limit: "),
        ("limit=10001", "limit: "),
        ("last=0", "last: "),
        ("last=x", "last: "),
        ("last=1&after=1", "last: "),
    ],
)
async def test_a_question_that_is_not_understood_is_refused_and_not_answered_with_everything(query: str, place: str) -> None:
    async with site() as (server, _):
        answer = await server.call("GET", f"{PATH}?{query}")
        assert answer.status == 400
        assert answer.json["detail"].startswith(place)


@pytest.mark.parametrize("name", ["limit", "last"])
async def test_a_stream_that_is_asked_for_a_number_of_events_is_refused_and_not_one_without_end(name: str) -> None:
    async with site() as (server, _):
        headers = {"Accept": "text/event-stream", "Authorization": BASIC}
        async with server.session.get(f"{server.url}{PATH}?{name}=1", headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["detail"].startswith(f"{name}: ")


async def test_a_reader_that_comes_with_the_place_of_another_log_is_told_so_and_hears_what_happens() -> None:
    """As one does whose gateway began with a new store after its clock had been ahead."""
    async with site() as (server, journal):
        await journal.keep(PULSE, {})
        (gap,) = lines((await server.call("GET", f"{PATH}?after={10**17}")).text)
        assert (gap["kind"], gap["id"]) == ("events_lost", journal.last)
        (lost,) = await stream(server, 1, headers={"Last-Event-ID": str(10**17)})
        assert (lost["kind"], lost["id"]) == ("events_lost", journal.last)
        await journal.keep(PULSE, {})
        told = await stream(server, 2, headers={"Last-Event-ID": str(lost["id"])})
        assert [event["kind"] for event in told] == ["output_on", "output_off"]


async def test_a_place_that_is_no_text_is_a_mistake_of_the_reader_and_no_defect() -> None:
    async with site() as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = (f"GET {PATH} HTTP/1.0", f"Authorization: {BASIC}", "Last-Event-ID: ÿ")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.split()[1] == b"400"
        assert json.loads(body)["detail"] == 'Last-Event-ID: expected the id of an event, a whole number, got "\\udcff"'
        writer.close()


async def test_events_are_for_those_who_are_logged_in() -> None:
    async with site() as (server, _):
        assert (await server.call("GET", PATH, authorization=None)).status == 401


async def test_a_stream_tells_what_happens_from_now_on_and_goes_on_where_it_was_cut() -> None:
    async with site() as (server, journal):
        await journal.keep(PULSE, {})
        begun = asyncio.Event()
        reading = asyncio.create_task(stream(server, 2, begun=begun))
        await begun.wait()
        await journal.keep(PULSE, {})
        first, second = await reading
        assert [first["kind"], second["kind"]] == ["output_on", "output_off"]
        again = await stream(server, 1, "?after=0", headers={"Last-Event-ID": str(first["id"])})
        assert again == [second]
        assert [event["kind"] for event in await stream(server, 2, "?after=0&kinds=output_off")] == ["output_off"] * 2


async def test_a_reader_that_is_cut_off_before_its_first_event_misses_none() -> None:
    async with site() as (server, journal):
        await journal.keep(PULSE, {})
        last = journal.last
        headers = {"Accept": "text/event-stream", "Authorization": BASIC}
        async with server.session.get(server.url + PATH, headers=headers) as response:
            told = [(await response.content.readline()).decode().strip() for _ in range(2)]
        assert told == ["retry: 3000", f"id: {last}"]
        await journal.keep(PULSE, {})
        found = await stream(server, 2, headers={"Last-Event-ID": str(last)})
        assert [event["kind"] for event in found] == ["output_on", "output_off"]


async def test_who_comes_again_after_the_log_was_cleared_is_told_so_and_gets_nothing_of_it() -> None:
    """Also where another reader was given the last of it, and where only other kinds are asked for."""
    async with site() as (server, journal):
        begun = asyncio.Event()
        reading = asyncio.create_task(stream(server, 2, begun=begun))
        await begun.wait()
        await journal.keep(PULSE[:1], {})
        await journal.keep(PULSE[1:], {})
        first, second = await reading
        await journal.clear()
        for query in ("", "&kinds=panel_back"):
            (lost,) = await stream(server, 1, f"?after={first['id']}{query}")
            assert (lost["kind"], lost["id"]) == ("events_lost", second["id"])
            (line,) = lines((await server.call("GET", f"{PATH}?after={first['id']}{query}")).text)
            assert (line["kind"], line["id"]) == ("events_lost", second["id"])
        assert (await server.call("GET", f"{PATH}?after={second['id']}")).text == ""
        assert (await server.call("GET", PATH)).text == "", "from the beginning of what there is"


async def stalled_reader(server: ApiServer, journal: Journal) -> socket.socket:
    """Begins a stream and takes nothing of it, while another reader takes more than any buffer holds."""
    stalled = socket.socket()
    stalled.setblocking(False)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stalled, ("127.0.0.1", server.port))
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nAccept: text/event-stream\r\n\r\n"
    await loop.sock_sendall(stalled, head.encode())
    assert await loop.sock_recv(stalled, 12) == b"HTTP/1.1 200"
    begun = asyncio.Event()
    reading = asyncio.create_task(stream(server, 400, begun=begun))
    await begun.wait()
    await journal.keep([SiteEvent(NOW, "output_on", "gate", {"detail": "x" * 20_000})] * 400, {})
    assert len(await reading) == 400
    return stalled


async def test_a_reader_that_stalls_is_cut_off_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TAKEN_WITHIN_S", 3.0)  # time for who does take it
    async with site() as (server, journal):
        told = Told()
        with await stalled_reader(server, journal):
            async with asyncio.timeout(30):
                await told.told.wait()


async def test_a_reader_that_stalls_does_not_delay_the_stop_of_the_gateway() -> None:
    async with AsyncExitStack() as stack:
        server, journal = await stack.enter_async_context(site())
        with await stalled_reader(server, journal):
            async with asyncio.timeout(events.TAKEN_WITHIN_S / 2):
                await stack.aclose()


async def test_a_stream_ends_with_the_session_that_it_was_begun_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_SILENCE_S", 0.05)
    async with site() as (server, _):
        login = f"/api/v1/login?username=admin&password={MD5}"
        token = (await server.call("GET", login, authorization=None)).json["token"]
        bearer = f"Bearer {token}"
        begun = asyncio.Event()
        reading = asyncio.create_task(stream(server, 1000, begun=begun, headers={"Authorization": bearer}))
        await begun.wait()
        await server.call("GET", "/api/v1/logout", authorization=bearer)
        async with asyncio.timeout(30):
            await reading


@pytest.mark.parametrize("ends", ["logout", "end of all sessions", "another password", "age"])
async def test_a_reader_who_may_no_longer_read_is_told_nothing_more(ends: str) -> None:
    async with site() as (server, journal):
        token = server.app[SESSIONS].begin("admin")
        begun = asyncio.Event()
        reading = asyncio.create_task(stream(server, 2, begun=begun, headers={"Authorization": f"Bearer {token}"}))
        await begun.wait()
        match ends:
            case "logout":
                assert (await server.call("GET", "/api/v1/logout", authorization=f"Bearer {token}")).status == 200
            case "end of all sessions":
                assert (await server.call("DELETE", "/gateway/v1/sessions/admin")).status == 200
            case "another password":
                reconfigure(server.app, settings(users=(UserSettings(name="admin", password="another"),)))
            case _:
                server.clock.now += TOKEN_LIFE_S
        await journal.keep(PULSE, {})
        async with asyncio.timeout(30):
            assert await reading == []


async def test_readers_whose_password_was_changed_are_no_guesses_that_lock_their_user_out() -> None:
    async with site() as (server, journal):
        begun = [asyncio.Event() for _ in range(AT_ONCE + 1)]
        reading = [asyncio.create_task(stream(server, 2, begun=each)) for each in begun]
        for each in begun:
            await each.wait()
        reconfigure(server.app, settings(users=(UserSettings(name="admin", password="another"),)))
        await journal.keep(PULSE, {})
        assert await asyncio.gather(*reading) == [[] for _ in begun]
        another = "Basic " + base64.b64encode(b"admin:another").decode()
        assert (await server.call("GET", "/gateway/v1/panels", authorization=another)).status == 200


async def test_logins_right_and_wrong_are_events_without_a_password() -> None:
    async with site() as (server, journal):
        await server.call("GET", f"/api/v1/login?username=admin&password={MD5}", authorization=None)
        await server.call("GET", "/api/v1/login?username=admin&password=wrong", authorization=None)
        await journal.keep([], {"gate": ("log", "1")})
        told = (await server.call("GET", PATH)).text
        assert [event["kind"] for event in lines(told)] == ["successful_login_api_call", "incorrect_login_api_call"]
        assert [event["user"] for event in lines(told)] == ["admin", "admin"]
        assert "wrong" not in told


async def test_a_client_that_logs_in_before_every_call_is_told_of_once_a_minute() -> None:
    async with site() as (server, journal):
        for seconds in (0, 30, 45):
            server.clock.now += seconds
            await server.call("GET", f"/api/v1/login?username=admin&password={MD5}", authorization=None)
        await journal.keep([], {"gate": ("log", "1")})
        assert len(lines((await server.call("GET", PATH)).text)) == 2


async def test_many_events_at_once_are_written_out_once_for_all_readers_while_others_take_turns() -> None:
    chunks, some = events.Chunks(), [SiteEvent(NOW, "output_on", "gate", {"output": 3}, id=number) for number in range(1, 5001)]
    asking = [asyncio.create_task(chunks.of(some, None)) for _ in range(3)]
    turns = 0
    while not all(each.done() for each in asking):
        await asyncio.sleep(0)
        turns += 1
    first, *others = await asyncio.gather(*asking)
    assert first.count(b"\nid: ") == 4999
    assert all(each is first for each in others)
    assert turns > 10


async def test_a_gateway_that_stops_ends_its_streams() -> None:
    async with site() as (server, _):
        begun = asyncio.Event()
        reading = asyncio.create_task(stream(server, 1, begun=begun))
        await begun.wait()
    assert await reading == []
