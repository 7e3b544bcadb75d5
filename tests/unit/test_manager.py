"""A manager hears of every event in order, over its own failures and restarts of the gateway; nobody reads its password here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from config.settings import ManagerSettings
from drivers.clock import SystemClock
from gateway.api.inert import InertSettings
from gateway.journal import manager, outbox
from gateway.journal.journal import Journal
from gateway.journal.manager import Manager
from gateway.journal.manager_settings import ManagerChoice, ManagerLink
from gateway.journal.receivers import Receivers
from gateway.journal.retention import Retention
from gateway.store.contract import StoreDamaged
from gateway.store.events import SiteEvent
from tests.support.api_server import ApiServer, api_server
from tests.support.memory_store import MemoryStore
from tests.unit.test_fleet_simulated import until

NOW = 1_793_484_000.0
SERVER, LINK = "/api/v1/network/management/server", "/api/v0/network/management/link"


@dataclass
class FakeManager:
    """A real HTTP server. A token counts until `forget`; `refuses` answers 500 to pushes."""

    url: str = ""
    logins: list[Any] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    """Logins with another password."""
    events: list[Any] = field(default_factory=list)
    pongs: int = 0
    refuses: int = 0
    in_pieces: bool = False
    """A login is answered in two parts, some time apart."""
    _token: str = ""
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        self._token = ""

    async def login(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["password"] != "secret":
            self.refused.append(body)
            return web.json_response({"error": "no"}, status=400)
        self.logins.append(body)
        self._token = f"token-{len(self.logins)}"
        if self.in_pieces:
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(b'{"token": ')
            await asyncio.sleep(0.05)
            await answer.write(b'"%b"}' % self._token.encode())
            return answer
        return web.json_response({"token": self._token})

    async def logs(self, request: web.Request) -> web.Response:
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=500)
        return await self._noted(request, (await request.json())["events"])

    async def pong(self, request: web.Request) -> web.Response:
        return await self._noted(request, None)

    async def _noted(self, request: web.Request, events: Any) -> web.Response:
        if not self._token or request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(status=401)
        async with self._came:
            self.pongs += events is None
            self.events += events or ()
            self._came.notify_all()
        return web.json_response({})

    @property
    def codes(self) -> list[str]:
        return [event["code"] for event in self.events]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(met)


@asynccontextmanager
async def managing() -> AsyncIterator[FakeManager]:
    fake = FakeManager()
    app = web.Application()
    app.router.add_post("/api/v0/devices/login", fake.login)
    app.router.add_put("/api/v0/devices/logs", fake.logs)
    app.router.add_post("/api/v0/devices/pong", fake.pong)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@asynccontextmanager
async def gateway(store: MemoryStore, link: ManagerLink) -> AsyncIterator[tuple[Journal, Receivers]]:
    snapshot = await store.open()
    journal = Journal(store, snapshot, lambda: NOW, Retention(90, 100_000))
    writing = asyncio.create_task(journal.run())
    receivers = Receivers(
        journal, store, snapshot.facts, SystemClock(), lambda: NOW, lambda given: Manager(given, "a-serial", tuple)
    )
    await receivers.manage(link)
    yield journal, receivers
    await receivers.stop()
    journal.stop()
    await writing
    await store.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (outbox, manager):
        monkeypatch.setattr(module, "back_off_s", lambda name, failures: 0.01)
    monkeypatch.setattr(manager, "PONG_S", 0.05)


def linked(fake: FakeManager, *, heartbeat: bool = False, password: str = "secret") -> ManagerLink:
    return ManagerLink(True, "http", fake.url, password, is_logging_enabled=True, is_heartbeat_enabled=heartbeat)


ANN = {"link_id": None, "uid": 1, "type": "card", "number": "4711", "owner": "Ann", "apartment_link_id": None}
CARD = SiteEvent(NOW, "access_granted_by_valid_identifier", "lobby", {"identifier": ANN, "output": 1})
AWAY, BACK = SiteEvent(NOW, "panel_away", "gate"), SiteEvent(NOW, "panel_back", "gate")


async def test_events_are_told_as_devices_tell_them_after_a_login() -> None:
    async with managing() as fake, gateway(MemoryStore(), linked(fake)) as (journal, _):
        await journal.keep([CARD, AWAY], {})
        await fake.until(lambda: len(fake.events) >= 2)
        assert fake.logins == [{"login": "a-serial", "password": "secret"}]
        assert fake.events[0] == {
            "created_at": 1_793_484_000_000,
            "category": "access",
            "code": "access_granted_by_valid_identifier",
            "info": {"lock": 2, "owner": "Ann", "number": "4711", "card": "4711", "type": "card"},
        }
        assert fake.codes == ["access_granted_by_valid_identifier", "panel_away"]


async def test_a_manager_that_fails_and_forgets_its_tokens_gets_everything_in_order() -> None:
    store = MemoryStore()
    async with managing() as fake:
        async with gateway(store, linked(fake)) as (journal, _):
            fake.refuses = 3
            await journal.keep([AWAY], {})
            await fake.until(lambda: len(fake.events) >= 1)
            fake.forget()
            await journal.keep([BACK], {})
            await fake.until(lambda: len(fake.events) >= 2)
            assert len(fake.logins) == 2
            fake.refuses = 10_000
            await journal.keep([CARD], {})
        store.crash(lose_lazy=True)
        fake.refuses = 0
        async with gateway(store, linked(fake)):
            await fake.until(lambda: CARD.kind in fake.codes)
    assert list(dict.fromkeys(fake.codes)) == ["panel_away", "panel_back", CARD.kind]


async def test_a_heartbeat_goes_on_by_itself_and_ends_with_the_link() -> None:
    async with managing() as fake, gateway(MemoryStore(), linked(fake, heartbeat=True)) as (_, receivers):
        await fake.until(lambda: fake.pongs >= 2)
        fake.forget()
        await fake.until(lambda: fake.pongs >= 4)
        await receivers.manage(ManagerLink())
        before = fake.pongs
        await receivers.manage(linked(fake))
        assert fake.pongs == before


async def test_a_wrong_password_tells_nothing() -> None:
    async with managing() as fake, gateway(MemoryStore(), linked(fake, password="wrong")) as (journal, receivers):
        await journal.keep([AWAY], {})
        await journal.keep([AWAY], {})
        assert fake.events == []
        await receivers.manage(linked(fake))
        await journal.keep([BACK], {})
        await fake.until(lambda: "panel_back" in fake.codes)


UNREADABLE: tuple[Callable[[Path], object], ...] = (
    lambda file: None,
    lambda file: file.write_text(""),
    lambda file: file.write_text(" \n"),
    lambda file: file.write_text("secret\nand more\n"),
    lambda file: file.write_bytes(b"\xff"),
    lambda file: file.mkdir(),
    lambda file: file.symlink_to(file),
)
"""What may stand where the password does."""


@pytest.mark.parametrize("make", UNREADABLE)
async def test_nobody_logs_in_with_an_empty_password_where_its_file_cannot_be_read_and_it_is_read_again(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    file = tmp_path / "secret"
    make(file)
    async with managing() as fake:
        link = replace(linked(fake, heartbeat=True), password="", password_file=file)
        async with gateway(MemoryStore(), link) as (journal, receivers):
            await journal.keep([AWAY], {})
            await failing(receivers)
            assert (fake.logins, fake.refused, fake.pongs) == ([], [], 0)
            (why,) = receivers.behind(0).values()
            assert why.startswith(f"{file}: ")
            file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
            file.write_text("secret\r\n")
            await fake.until(lambda: fake.codes == ["panel_away"] and fake.pongs > 0)
            assert (len(fake.logins), fake.refused) == (1, [])


async def test_a_password_that_is_changed_in_its_file_counts_at_the_next_login(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of before\n")
    async with managing() as fake:
        link = replace(linked(fake), password="", password_file=file)
        async with gateway(MemoryStore(), link) as (journal, receivers):
            await journal.keep([AWAY], {})
            await failing(receivers)
            file.write_text("secret\n")
            await fake.until(lambda: fake.codes == ["panel_away"])


async def failing(receivers: Receivers) -> None:
    """Wait for a second attempt that failed."""
    await until(lambda: sum(each.failed for each in receivers.view()) >= 2)


async def test_a_login_whose_answer_comes_in_pieces_is_a_login() -> None:
    async with managing() as fake, gateway(MemoryStore(), linked(fake)) as (journal, _):
        fake.in_pieces = True
        await journal.keep([AWAY], {})
        await fake.until(lambda: len(fake.events) >= 1)
        assert len(fake.logins) == 1


async def test_one_manager_is_left_however_fast_it_was_changed() -> None:
    async with managing() as first, managing() as second, gateway(MemoryStore(), linked(first, heartbeat=True)) as (journal, own):
        await asyncio.gather(own.manage(linked(second)), own.manage(ManagerLink()), own.manage(linked(second, heartbeat=True)))
        await second.until(lambda: second.pongs >= 1)
        before = first.pongs
        await journal.keep([AWAY], {})
        await second.until(lambda: second.pongs >= 3 and len(second.events) >= 1)
        assert (first.events, first.pongs) == ([], before)
        await asyncio.gather(own.manage(linked(first)), own.manage(ManagerLink()))
        pongs, told = second.pongs, len(second.events)
        await journal.keep([BACK], {})
        await journal.keep([BACK], {})
        assert (second.pongs, len(second.events), first.events) == (pongs, told, [])


# what the API says of it


async def test_what_the_api_says_counts_until_it_is_deleted_then_the_file(tmp_path: Any) -> None:
    changed: list[ManagerLink] = []
    facts: dict[str, str] = {}

    async def put(key: str, value: str | None) -> None:
        facts.pop(key, None)
        if value is not None:
            facts[key] = value

    async def note(link: ManagerLink) -> None:
        changed.append(link)

    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    file = ManagerSettings(is_enabled=True, url="https://file.example", password_file=secret)
    choice = ManagerChoice(facts, file, put, note)
    assert (choice.current().url, choice.current().password_file) == ("https://file.example", secret)
    assert (await choice.revise(lambda before: replace(before, is_enabled=False))).password == "from the file"
    await choice.unsay()
    changed.clear()
    said = ManagerLink(True, "http", "https://api.example", "p")
    assert await choice.revise(lambda before: said) == said
    again = ManagerChoice(facts, file, put, note)
    assert again.current() == said
    await again.reconfigure(file)
    await again.unsay()
    assert [link.url for link in changed] == ["https://api.example", "https://api.example", "https://file.example"]
    assert ManagerChoice(facts, None, put, note).current() == ManagerLink()
    assert "from the file" not in repr(choice.current())


async def test_what_two_clients_change_at_once_counts_both() -> None:
    async def put(key: str, value: str | None) -> None:
        await asyncio.sleep(0)

    async def note(link: ManagerLink) -> None:
        await asyncio.sleep(0)

    choice = ManagerChoice({}, None, put, note)
    await asyncio.gather(
        choice.revise(lambda before: replace(before, url="https://manager.example")),
        choice.revise(lambda before: replace(before, is_enabled=True)),
    )
    assert (choice.current().url, choice.current().is_enabled) == ("https://manager.example", True)
    inert = InertSettings({}, put)
    await asyncio.gather(inert.keep("/network/ntp", {"enabled": True}), inert.keep("/network/ntp", {"custom_server": "a"}))
    assert inert.of("/network/ntp") == {"enabled": True, "custom_server": "a"}


def test_a_manager_in_the_store_that_no_gateway_wrote_is_told_with_its_place() -> None:
    async def put(key: str, value: str | None) -> None: ...

    async def note(link: ManagerLink) -> None: ...

    with pytest.raises(StoreDamaged, match="what is kept of the manager is not readable"):
        ManagerChoice({"manager": '{"url": 5}'}, None, put, note)


async def say(server: ApiServer, path: str, body: Any, method: str = "PUT") -> int:
    return (await server.call(method, path, body)).status


async def test_both_generations_set_one_manager_and_no_answer_holds_its_password() -> None:
    async with api_server() as server:
        settings = {"url": "https://manager.example", "password": "hunter2", "is_logging_enabled": True}
        assert await say(server, SERVER, {"is_enabled": True, "protocol": "http", "settings": settings}) == 200
        shown = await server.call("GET", SERVER)
        assert shown.json == {
            "is_enabled": True,
            "protocol": "http",
            "settings": {"url": "https://manager.example", "is_logging_enabled": True, "is_heartbeat_enabled": True},
        }
        older = await server.call("GET", LINK)
        assert older.json["link_url"] == "https://manager.example"
        assert "hunter2" not in shown.text + older.text
        assert await say(server, LINK, {"link_enable": False, "heartbeat": False}, "POST") == 200
        shown = await server.call("GET", SERVER)
        assert (shown.json["is_enabled"], shown.json["settings"]["is_heartbeat_enabled"]) == (False, False)
        assert (await server.call("DELETE", SERVER)).json == {}
        assert (await server.call("GET", SERVER)).json["settings"]["url"] == ""


async def test_a_password_never_goes_to_another_place_than_it_was_said_for() -> None:
    async with api_server() as server:
        settings = {"url": "https://manager.example", "password": "hunter2"}
        await say(server, SERVER, {"is_enabled": True, "settings": settings})
        assert server.manager.current().password == "hunter2"
        await say(server, SERVER, {"settings": {"is_logging_enabled": False}})
        assert server.manager.current().password == "hunter2"
        await say(server, SERVER, {"settings": {"url": "https://elsewhere.example"}})
        assert server.manager.current().password == ""


async def test_a_client_that_says_no_password_takes_none_over_that_cannot_be_read(tmp_path: Path) -> None:
    async with api_server() as server:
        file = tmp_path / "secret"
        await server.manager.reconfigure(ManagerSettings(is_enabled=True, url="https://manager.example", password_file=file))
        before = server.manager.current()
        refused = await server.call("PUT", SERVER, {"settings": {"is_logging_enabled": False}})
        assert (refused.status, str(tmp_path) in refused.text) == (503, False)
        assert server.manager.current() == before
        assert await say(server, SERVER, {"settings": {"password": "hunter2", "is_logging_enabled": False}}) == 200
        assert (server.manager.current().password, server.manager.current().password_file) == ("hunter2", None)
        await server.manager.unsay()
        assert await say(server, SERVER, {"settings": {"url": "https://elsewhere.example"}}) == 200
        assert (server.manager.current().password, server.manager.current().password_file) == ("", None)
        await server.manager.unsay()
        file.write_text("from the file\n")
        assert await say(server, SERVER, {"settings": {"is_logging_enabled": False}}) == 200
        assert (server.manager.current().password, server.manager.current().password_file) == ("from the file", None)


@pytest.mark.parametrize(
    "body",
    [
        {"is_enabled": "yes"},
        {"protocol": "ftp"},
        {"settings": []},
        {"settings": {"url": "manager.example"}},
        {"settings": {"url": "http://"}},
        {"settings": {"url": "https://ann:hunter2@manager.example"}},
        {"settings": {"url": "https://manager.example/?key=hunter2"}},
        {"settings": {"url": "http://a/" + "x" * 3000}},
        {"settings": {"password": 7_654_321}},
    ],
)
async def test_a_manager_that_cannot_be_is_refused_and_changes_nothing(body: Any) -> None:
    async with api_server() as server:
        refused = await server.call("PUT", SERVER, body)
        assert refused.status == 400
        assert not any(secret in refused.text for secret in ("hunter2", "7654321"))
        assert server.manager.current() == ManagerLink()
