"""Guessing passwords and tokens, by each way in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.site import DIGEST, LINK, Attacked, attacked, long_half

LOGIN = "/api/v1/login?username=admin&password="


def _basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


def _by_login(number: int) -> tuple[str, Mapping[str, str]]:
    return LOGIN + hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest(), {}


def _by_basic(number: int) -> tuple[str, Mapping[str, str]]:
    return LINK, _basic(str(number))


def _by_token(number: int) -> tuple[str, Mapping[str, str]]:
    return LINK, {"Authorization": f"Bearer {uuid.uuid4()}"}


WAYS = {"login": (_by_login, 400), "basic": (_by_basic, 401), "token": (_by_token, 401)}


async def _told(gateway: Attacked, path: str, headers: Mapping[str, str], whence: str = "127.0.0.1") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(whence, 0))
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def _warnings(gateway: Attacked) -> list[dict[str, Any]]:
    records = map(json.loads, gateway.log().splitlines())
    return [record for record in records if record["message"] == "incorrect_login_api_call"]


@pytest.mark.parametrize(("guess", "refused"), WAYS.values(), ids=WAYS)
async def test_ten_guesses_then_no_answer_but_wait(
    tmp_path: Path, guess: Callable[[int], tuple[str, Mapping[str, str]]], refused: int
) -> None:
    async with attacked(tmp_path) as gateway:
        stranger = "127.0.0.7"
        answers = [await _told(gateway, *guess(number), stranger) for number in range(60)]
        statuses = [int(answer.split()[1]) for answer in answers]
        assert statuses == [refused] * 10 + [429] * 50
        assert b"Retry-After: " in answers[-1]
        assert int(answers[-1].partition(b"Retry-After: ")[2].split()[0]) in range(1, 37)
        (warning,) = _warnings(gateway)
        assert warning["remote"] == stranger
        assert warning["user"] == ("(by token)" if guess is _by_token else "admin")
        if guess is not _by_token:
            for path, headers in ((LOGIN + DIGEST, {}), (LINK, _basic("123456"))):
                assert b" 429 " in (await _told(gateway, path, headers, stranger)).splitlines()[0], "the right password waits too"
        valid = {"Authorization": gateway.bearer}
        assert b" 200 " in (await _told(gateway, LINK, valid, stranger)).splitlines()[0], "a valid token is no guess"
        assert len(gateway.log().splitlines()) < 40


async def test_a_client_that_logs_in_before_every_call_never_waits_for_a_guesser(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        for number in range(300):
            await _told(gateway, *_by_login(number), f"127.0.1.{number % 30 + 1}")
            if number % 3 == 0:
                answer = await _told(gateway, LOGIN + DIGEST, {}, "127.0.0.1")
                token = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
                for spelt in (token, f"bearer {token}", f"BEARER {token}"):
                    assert b" 200 " in (await _told(gateway, LINK, {"Authorization": spelt})).splitlines()[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=long_half)])
async def test_who_logged_in_before_a_restart_does_not_wait_for_those_who_guess_after_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    client = "127.0.0.3"
    async with attacked(tmp_path, store='path = "site.db"', ends=number) as gateway:
        for known in (client, "127.0.0.4"):
            assert b" 200 " in (await _told(gateway, LOGIN + DIGEST, {}, known)).splitlines()[0]
        async with asyncio.timeout(20):
            while number is signal.SIGKILL and b"127.0.0.4" not in (tmp_path / "site.db-wal").read_bytes():
                await gateway.status("/healthz")
    async with attacked(tmp_path, store='path = "site.db"') as gateway:
        for first in range(0, 120, 10):
            await asyncio.gather(*(_told(gateway, *_by_login(guess), f"127.0.1.{guess}") for guess in range(first, first + 10)))
        assert b" 200 " in (await _told(gateway, LOGIN + DIGEST, {}, client)).splitlines()[0]
        assert b" 200 " in (await _told(gateway, LINK, _basic("123456"), "127.0.0.4")).splitlines()[0]
        assert b" 429 " in (await _told(gateway, LOGIN + DIGEST, {}, "127.0.0.5")).splitlines()[0], "who is a stranger waits"


async def test_a_client_whose_token_ended_with_the_process_before_is_told_to_log_in(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        old = {"Authorization": f"Bearer {uuid.uuid4()}"}
        for _ in range(30):
            assert b" 401 " in (await _told(gateway, LINK, old)).splitlines()[0]


async def test_behind_a_trusted_proxy_the_forwarded_address_counts(tmp_path: Path) -> None:
    async with attacked(tmp_path, 'trusted_proxies = ["127.0.0.0/8"]') as gateway:
        bad, good = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "203.0.113.9, 198.51.100.8"}
        for number in range(20):
            await _told(gateway, _by_login(number)[0], bad)
        assert b" 429 " in (await _told(gateway, LOGIN + DIGEST, bad)).splitlines()[0]
        assert b" 200 " in (await _told(gateway, LOGIN + DIGEST, good)).splitlines()[0]
        assert [warning["remote"] for warning in _warnings(gateway)] == ["198.51.100.7"]
    (tmp_path / "log").unlink()
    async with attacked(tmp_path) as gateway:
        for number in range(20):
            await _told(gateway, _by_login(number)[0], {"X-Forwarded-For": f"198.51.100.{number}"}, "127.0.0.9")
        assert [warning["remote"] for warning in _warnings(gateway)] == ["127.0.0.9"], "nobody's word counts unless trusted"
