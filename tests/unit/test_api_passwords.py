"""Hashed passwords: who gets in with them, how seldom that is slow, and that guesses at the same time are counted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator

import pytest

from config.api_keys import key_hash, new_key
from config.password_hash import PasswordHash, md5_form
from config.settings import ApiKeySettings, UserSettings
from gateway.api.auth import PASSWORDS
from gateway.api.errors import ApiError
from gateway.api.live import reconfigure
from gateway.api.passwords import REMEMBERED_S, Passwords
from gateway.api.users import Users
from tests.support.api_server import ApiServer, OwnedClock, api_server, settings

LIST = "/api/v1/access/timeprofile/items/link"
SESSION = "/gateway/v1/session"


def hashed(password: str) -> str:
    """As `panel-gateway password` makes it, and a thousand times cheaper."""
    salt = b"of a test"
    made = hashlib.scrypt(md5_form(password), salt=salt, n=1 << 10, r=1, p=1, dklen=32)
    return str(PasswordHash(10, 1, 1, salt, made))


ADMIN = UserSettings(name="admin", password_hash=hashed("123456"))
KEY = new_key()
MACHINE = ApiKeySettings(name="report", hash=key_hash(KEY), role="viewer", note="each night")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    given = settings(users=(ADMIN,)).model_copy(update={"api_keys": (MACHINE,)})
    async with api_server(given) as running:
        yield running


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was hashed."""
    seen: list[bytes] = []
    fits = PasswordHash.fits

    def counted(self: PasswordHash, md5_hex: bytes) -> bool:
        seen.append(md5_hex)
        return fits(self, md5_hex)

    monkeypatch.setattr(PasswordHash, "fits", counted)
    return seen


def test_a_hash_says_the_same_after_it_was_written_down_and_never_twice_the_same() -> None:
    made = PasswordHash.of("pass wörd")
    read = PasswordHash.parsed(str(made))
    assert read == made
    assert made != PasswordHash.of("pass wörd")
    assert read.fits(md5_form("pass wörd"))
    assert not read.fits(md5_form("pass word"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123456",
        "e10adc3949ba59abbe56e057f20f883e",
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=17,r=99,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=14,r=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=14,r=8,p=9$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=14,r=8,p=1$c2$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$aGFzaA",
        "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$A",
    ],
)
def test_what_is_no_hash_or_costs_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        PasswordHash.parsed(text)


async def test_every_way_to_log_in_takes_the_password_that_was_hashed(server: ApiServer) -> None:
    for password, status in (("123456", 200), ("123457", 400)):
        md5 = hashlib.md5(password.encode()).hexdigest().upper()
        assert (await server.call("GET", f"/api/v1/login?username=admin&password={md5}", authorization=None)).status == status
        body = {"name": "admin", "password": password}
        assert (await server.call("POST", SESSION, body, authorization=None, Origin=server.url)).status == status
    assert (await server.call("GET", LIST, authorization=basic("admin", "123456"))).status == 200
    assert (await server.call("GET", LIST, authorization=basic("admin", ADMIN.password_hash or ""))).status == 401


async def test_a_client_that_sends_its_password_with_each_request_is_slow_once_in_ten_minutes(
    server: ApiServer, slow: list[bytes]
) -> None:
    right = basic("admin", "123456")
    together = await asyncio.gather(*(server.call("GET", LIST, authorization=right) for _ in range(8)))
    assert [answer.status for answer in together] == [200] * 8
    assert len(slow) == 1
    server.clock.now += REMEMBERED_S - 1
    assert (await server.call("GET", LIST, authorization=right)).status == 200
    assert len(slow) == 1
    server.clock.now += 1
    assert (await server.call("GET", LIST, authorization=right)).status == 200
    assert len(slow) == 2
    assert (await server.call("GET", LIST, authorization=basic("admin", "wrong"))).status == 401


async def test_a_changed_password_is_not_remembered_with_the_old_one(server: ApiServer) -> None:
    right = basic("admin", "123456")
    assert (await server.call("GET", LIST, authorization=right)).status == 200
    reconfigure(server.app, settings(users=(UserSettings(name="admin", password_hash=hashed("other")),)))
    assert (await server.call("GET", LIST, authorization=right)).status == 401
    assert (await server.call("GET", LIST, authorization=basic("admin", "other"))).status == 200
    assert (await server.call("GET", LIST, authorization=f"Bearer {KEY}")).status == 401, "the key has gone"


async def test_guesses_at_the_same_time_are_no_more_guesses(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    all_here, hashed_ones = threading.Event(), []

    def fits(self: PasswordHash, md5_hex: bytes) -> bool:
        all_here.wait()
        hashed_ones.append(md5_hex)
        return False

    monkeypatch.setattr(PasswordHash, "fits", fits)
    guesses = [server.call("GET", LIST, authorization=basic("admin", f"guess {number}")) for number in range(25)]
    answers = asyncio.gather(*guesses)
    try:
        async with asyncio.timeout(30):
            while server.app[PASSWORDS].waiting < len(guesses):  # noqa: ASYNC110 - nothing tells that a request waits
                await asyncio.sleep(0)
    finally:
        all_here.set()
    assert sorted(answer.status for answer in await answers) == [401] * 10 + [429] * 15
    assert len(hashed_ones) == 10
    assert (await server.call("GET", LIST, authorization=basic("admin", "123456"))).status == 429
    assert len(hashed_ones) == 10, "nothing is hashed for who may not try"


async def test_an_unknown_name_takes_as_long_as_a_known_one(server: ApiServer, slow: list[bytes]) -> None:
    for name in ("admin", "nobody"):
        assert (await server.call("GET", LIST, authorization=basic(name, "wrong"))).status == 401
    assert len(slow) == 2
    assert (await server.call("GET", LIST, authorization=basic("nobody", "123456"))).status == 401, "the hash of another user"


async def test_users_that_are_replaced_while_a_password_is_checked_let_nobody_in_by_the_old_one() -> None:
    users = [Users((ADMIN,))]
    passwords = Passwords(lambda: users[0], OwnedClock())
    try:
        checking = asyncio.create_task(passwords.is_right("admin", md5_form("123456"), lambda: True))
        await asyncio.sleep(0)
        users[0] = Users((UserSettings(name="admin", password_hash=hashed("other")),))
        assert await checking is False
    finally:
        passwords.close()


async def test_a_flood_of_strangers_waits_in_part_and_delays_nobody_who_is_known() -> None:
    """One more than may wait is told to come again; a client that has logged in is served next."""
    passwords, ended = Passwords(lambda: users, OwnedClock()), list[str]()
    users = Users((ADMIN,))

    async def checked(name: str, md5_hex: bytes, *, is_known: bool) -> bool | None:
        right = await passwords.is_right(name, md5_hex, lambda: True, is_known=is_known)
        ended.append(name)
        return right

    try:
        strangers = [asyncio.create_task(checked(f"user {number}", b"", is_known=False)) for number in range(65)]
        await asyncio.sleep(0)
        assert await checked("admin", md5_form("123456"), is_known=True) is True
        assert len(ended) <= 3, "the one that was being checked, and the one too many"
        done = await asyncio.gather(*strangers, return_exceptions=True)
    finally:
        passwords.close()
    assert done[:64] == [False] * 64
    assert isinstance(done[64], ApiError)
    assert done[64].status == 503


async def test_an_api_key_is_its_machine_and_has_its_role(server: ApiServer) -> None:
    shown = await server.call("GET", SESSION, authorization=f"Bearer {KEY}")
    assert (shown.status, shown.json) == (200, {"user": "key:report", "role": "viewer"})
    assert (await server.call("POST", "/gateway/v1/reload", authorization=f"Bearer {KEY}")).status == 403
    for wrong in (f"Bearer {KEY[:-1]}", f"Bearer {MACHINE.hash}", basic("key:report", KEY), basic("report", KEY)):
        assert (await server.call("GET", SESSION, authorization=wrong)).status == 401
    by_cookie = await server.call("GET", SESSION, authorization=None, Cookie=f"panel-gateway={KEY}")
    assert by_cookie.status == 401, "a cookie holds a session, nothing else"


def test_a_changed_role_or_hash_ends_the_tokens() -> None:
    for changed in ({"role": "viewer"}, {"password_hash": hashed("123456 ")}):
        users = Users((ADMIN,))
        assert users.are_same(Users((ADMIN.model_copy(),)), "admin")
        assert not users.are_same(Users((ADMIN.model_copy(update=changed),)), "admin")
