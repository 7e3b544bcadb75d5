"""A server that is told of events gets each in order and signed, however often it fails, hangs or is gone, and over restarts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from config.settings import WebhookSettings
from config.tls import read_pair
from drivers.clock import SystemClock
from gateway.journal import outbox, webhooks
from gateway.journal.journal import Journal
from gateway.journal.manager import Manager
from gateway.journal.manager_settings import ManagerLink
from gateway.journal.receivers import Receivers
from gateway.journal.retention import Retention
from gateway.ops.metrics import Metrics
from gateway.store.events import SiteEvent
from tests.support.memory_store import MemoryStore

PAIRS = Path(__file__).parents[1] / "vectors" / "tls"
SECRET = "a secret"
NOW = 1_793_484_000.0


@dataclass
class Receiver:
    """A real HTTP server. `answers`: statuses of the next requests, then 200; 0: it never answers."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    """What it took."""
    refused: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        status = self.answers.pop(0) if self.answers else 200
        if not status:
            await self.over.wait()
        async with self._came:
            if status == 200:
                self.bodies.append(json.loads(body))
                self.headers.append({**request.headers})
                at, code = (part.partition("=")[2] for part in request.headers[webhooks.SIGNATURE].split(","))
                expected = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
                assert hmac.compare_digest(code, expected)
            else:
                self.refused += 1
            self._came.notify_all()
        return web.Response(status=status, headers={"Location": self.url})

    @property
    def events(self) -> list[Any]:
        return [event for body in self.bodies for event in body["events"]]

    @property
    def numbers(self) -> list[int]:
        return [event["n"] for event in self.events if "n" in event]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(met)


@asynccontextmanager
async def serving(*, certified: bool = False) -> AsyncIterator[Receiver]:
    """`certified`: over TLS, with a certificate that nobody trusts."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    tls = read_pair(PAIRS / "first.pem", PAIRS / "first.key").context if certified else None
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    receiver.url = f"{'https' if certified else 'http'}://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    receiver.over.set()
    await runner.cleanup()


def nobody(link: ManagerLink) -> Manager:
    return Manager(link, "serial", tuple)


@asynccontextmanager
async def gateway(store: MemoryStore, *hooks: WebhookSettings) -> AsyncIterator[tuple[Journal, Receivers]]:
    snapshot = await store.open()
    journal = Journal(store, snapshot, lambda: NOW, Retention(90, 100_000))
    writing = asyncio.create_task(journal.run())
    receivers = Receivers(journal, store, snapshot.facts, SystemClock(), lambda: NOW, nobody)
    await receivers.apply(hooks)
    yield journal, receivers
    await receivers.stop()
    journal.stop()
    await writing
    await store.close()


def numbered(*numbers: int) -> list[SiteEvent]:
    return [SiteEvent(NOW, "output_on" if number % 2 else "output_off", "gate", {"n": number}) for number in numbers]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "back_off_s", lambda name, failures: 0.01)


def noticing(failed: asyncio.Event, pause_s: float) -> Callable[[str, int], float]:
    """A back-off that notices the first failure."""

    def back_off_s(name: str, failures: int) -> float:
        failed.set()
        return pause_s

    return back_off_s


def hook(receiver: Receiver, folder: Path, *kinds: str) -> WebhookSettings:
    secret = folder / "secret"
    secret.write_text(f"{SECRET}\n")
    return WebhookSettings(url=receiver.url, secret_file=secret, kinds=kinds)


async def test_events_come_in_order_signed_and_as_the_own_surface_shows_them(tmp_path: Path) -> None:
    async with serving() as receiver, gateway(MemoryStore(), hook(receiver, tmp_path)) as (journal, _):
        await journal.keep(numbered(1, 2), {})
        await journal.keep(numbered(3), {})
        await receiver.until(lambda: len(receiver.events) >= 3)
        assert receiver.numbers == [1, 2, 3]
        first = receiver.events[0]
        assert (first["kind"], first["panel"], first["at"], first["category"]) == ("output_on", "gate", NOW, "info")
        assert first["id"] < receiver.events[1]["id"]
        assert receiver.headers[0]["Content-Type"] == "application/json"


async def test_what_is_refused_is_sent_again_and_nothing_overtakes_it(tmp_path: Path) -> None:
    async with serving() as receiver, gateway(MemoryStore(), hook(receiver, tmp_path)) as (journal, _):
        receiver.answers = [500, 302, 404, 503]
        await journal.keep(numbered(1), {})
        await receiver.until(lambda: receiver.refused >= 2)
        await journal.keep(numbered(2), {})
        await receiver.until(lambda: len(receiver.numbers) >= 2)
        assert receiver.numbers == [1, 2]
        assert receiver.refused == 4


async def test_a_server_that_never_answers_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ANSWERED_WITHIN_S", 0.2)
    async with serving() as receiver, gateway(MemoryStore(), hook(receiver, tmp_path)) as (journal, _):
        receiver.answers = [0, 0]
        await journal.keep(numbered(1), {})
        await receiver.until(lambda: bool(receiver.numbers))
        assert receiver.numbers == [1]


async def test_a_restart_loses_nothing_and_a_new_webhook_gets_no_history(tmp_path: Path) -> None:
    store = MemoryStore()
    async with gateway(store) as (journal, _):
        await journal.keep(numbered(1), {})
    async with serving() as receiver:
        async with gateway(store, hook(receiver, tmp_path)) as (journal, _):
            await journal.keep(numbered(2), {})
            await receiver.until(lambda: bool(receiver.numbers))
            receiver.answers = [500] * 10_000
            await journal.keep(numbered(3, 4), {})
            await receiver.until(lambda: receiver.refused > 0)
        store.crash(lose_lazy=True)
        receiver.answers = []
        async with gateway(store, hook(receiver, tmp_path)) as (journal, _):
            await journal.keep(numbered(5), {})
            await receiver.until(lambda: 5 in receiver.numbers)
    assert sorted(set(receiver.numbers)) == [2, 3, 4, 5]
    assert receiver.numbers[-3:] == [3, 4, 5]


async def test_only_the_kinds_that_were_named_are_sent(tmp_path: Path) -> None:
    async with serving() as receiver, gateway(MemoryStore(), hook(receiver, tmp_path, "output_on")) as (journal, _):
        await journal.keep(numbered(1, 2, 3), {})
        await receiver.until(lambda: len(receiver.numbers) >= 2)
        assert receiver.numbers == [1, 3]


async def test_a_server_that_is_gone_for_long_loses_the_oldest_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 100)
    async with serving() as receiver, gateway(MemoryStore(), hook(receiver, tmp_path)) as (journal, _):
        receiver.answers = [500] * 3
        await journal.keep(numbered(*range(115)), {})
        await receiver.until(lambda: 114 in receiver.numbers)
        assert receiver.numbers == [*range(16, 115)]
        await receiver.until(lambda: receiver.events[-1]["kind"] == "events_lost")
        lost = receiver.events[-1]
        assert (lost["count"], lost["receiver"], lost["why"]) == (16, "webhook 127.0.0.1", "too many waited for it")


async def test_the_metrics_tell_what_is_stored_and_who_is_behind(tmp_path: Path) -> None:
    async with serving() as receiver, serving() as other:
        hooks = hook(receiver, tmp_path), hook(other, tmp_path)
        async with gateway(MemoryStore(), *hooks) as (journal, receivers):
            metrics = Metrics()
            metrics.watch_journal(journal, receivers.view)
            lines = metrics.exposition().decode().splitlines()
            assert 'panel_gateway_events_total{kind="events_lost"} 0.0' in lines, "a counter that begins at 1 rises by nothing"
            receiver.answers = [500] * 10_000
            await journal.keep(numbered(1, 2, 3), {})
            await receiver.until(lambda: receiver.refused > 3)
            await other.until(lambda: len(other.numbers) == 3)
            lines = metrics.exposition().decode().splitlines()
            assert 'panel_gateway_events_total{kind="output_on"} 2.0' in lines
            assert 'panel_gateway_receiver_backlog{receiver="webhook 127.0.0.1"} 3.0' in lines, "two at one host are one"
            (failures,) = [line for line in lines if line.startswith("panel_gateway_receiver_failures_total{")]
            assert float(failures.split()[-1]) >= 3
            receiver.answers = []
            await receiver.until(lambda: len(receiver.numbers) == 3)
            await journal.keep(numbered(4), {})
            await receiver.until(lambda: 4 in receiver.numbers)
            assert 'panel_gateway_receiver_backlog{receiver="webhook 127.0.0.1"} 0.0' in metrics.exposition().decode()
            assert "/hook" not in metrics.exposition().decode(), "the rest of an URL may be a secret"


async def test_a_reload_ends_one_webhook_and_leaves_another_alone(tmp_path: Path) -> None:
    async with serving() as one, serving() as other:
        kept, gone = hook(one, tmp_path), hook(other, tmp_path)
        async with gateway(MemoryStore(), kept, gone) as (journal, receivers):
            await journal.keep(numbered(1), {})
            await one.until(lambda: bool(one.numbers))
            await other.until(lambda: bool(other.numbers))
            assert not await receivers.apply([kept, gone])
            assert await receivers.apply([kept])
            await journal.keep(numbered(2), {})
            await one.until(lambda: 2 in one.numbers)
            assert other.numbers == [1]


async def test_a_secret_that_cannot_be_read_sends_nothing_unsigned(tmp_path: Path) -> None:
    async with serving() as receiver:
        settings = hook(receiver, tmp_path)
        settings.secret_file.unlink()
        async with gateway(MemoryStore(), settings) as (journal, _):
            await journal.keep(numbered(1), {})
            await journal.keep(numbered(2), {})
            assert receiver.bodies == []
            hook(receiver, tmp_path)
            await receiver.until(lambda: len(receiver.numbers) == 2)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n"])
async def test_a_secret_that_is_gone_from_its_file_signs_nothing_that_anybody_could_sign(tmp_path: Path, text: str) -> None:
    async with serving() as receiver:
        settings = hook(receiver, tmp_path)
        async with gateway(MemoryStore(), settings) as (journal, _):
            settings.secret_file.write_text(text)
            await journal.keep(numbered(1), {})
            await journal.keep(numbered(2), {})
            assert (receiver.bodies, receiver.refused) == ([], 0)
            hook(receiver, tmp_path)
            await receiver.until(lambda: len(receiver.numbers) == 2)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("missing", "{secret}: No such file or directory"),
        ("empty", "{secret}: must hold one line"),
        ("bytes", "{secret}: not UTF-8 text"),
        ("tls", "its certificate is not trusted: self-signed certificate"),
        ("closed", "Connect call failed"),
        ("redirect", "answered 307"),
    ],
)
async def test_why_a_webhook_takes_nothing_is_in_the_log_in_words_and_that_it_does_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    caplog.set_level("INFO", "gateway")
    failed, mends = asyncio.Event(), fault not in ("tls", "closed")
    monkeypatch.setattr(outbox, "back_off_s", noticing(failed, 0.01 if mends else 60))
    async with serving(certified=fault == "tls") as receiver:
        settings = hook(receiver, tmp_path)
        match fault:
            case "missing":
                settings.secret_file.unlink()
            case "empty":
                settings.secret_file.write_text("\n")
            case "bytes":
                settings.secret_file.write_bytes(b"\xff")
            case "closed":
                settings = settings.model_copy(update={"url": "http://127.0.0.1:9/hook"})
            case "redirect":
                receiver.answers = [307]
        async with gateway(MemoryStore(), settings) as (journal, receivers):
            await journal.keep(numbered(1), {})
            await failed.wait()
            assert told.format(secret=settings.secret_file) in receivers.behind(0)["webhook 127.0.0.1"]
            assert receivers.behind(60) == {}
            (record,) = (record for record in caplog.records if record.message == "events are not taken")
            assert told.format(secret=settings.secret_file) in vars(record)["error"]
            if mends:
                hook(receiver, tmp_path)
                await receiver.until(lambda: receiver.numbers == [1])
                await journal.keep(numbered(2), {})
                await receiver.until(lambda: receiver.numbers == [1, 2])
                assert "events are taken again" in caplog.text
                assert receivers.behind(0) == {}


def test_what_a_library_says_of_an_url_is_not_told() -> None:
    assert (
        outbox.why(aiohttp.ClientOSError(32, "Can not write request body for https://hook.test/?key=hunter2")) == "ClientOSError"
    )


async def test_a_name_server_that_does_not_answer_holds_up_no_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def getaddrinfo(*asked: Any, **options: Any) -> list[Any]:
        answers.wait(60)
        return []

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    monkeypatch.setattr("drivers.name_lookup._WITHIN_S", 0.05)
    (tmp_path / "secret").write_text(SECRET)
    failed = asyncio.Event()
    monkeypatch.setattr(outbox, "back_off_s", noticing(failed, 60))
    settings = WebhookSettings(url="http://hook.test/hook", secret_file=tmp_path / "secret")
    async with gateway(MemoryStore(), settings) as (journal, receivers):
        await journal.keep(numbered(1), {})
        await failed.wait()
        assert receivers.behind(0) == {"webhook hook.test": "no such host: hook.test: no answer from the name server"}
    try:
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().shutdown_default_executor()
    finally:
        answers.set()


async def test_what_was_passed_over_is_told_once_also_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 100)
    store = MemoryStore()

    def told() -> list[Any]:
        return [event.facts["count"] for event in store.kept_events if event.kind == "events_lost"]

    async with serving() as receiver:
        receiver.answers = [500] * 10_000
        async with gateway(store, hook(receiver, tmp_path, "output_on", "output_off")) as (journal, _):
            await journal.keep(numbered(*range(115)), {})
            await receiver.until(lambda: receiver.refused > 3)
        before = told()
        async with gateway(store, hook(receiver, tmp_path, "output_on", "output_off")):
            refused = receiver.refused
            await receiver.until(lambda: receiver.refused > refused + 3)
        assert (before, told()) == ([16], [16])
