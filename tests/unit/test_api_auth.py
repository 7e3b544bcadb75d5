"""Login, tokens, Basic, logout, and that nothing secret is logged."""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.settings import UserSettings
from gateway.api.live import reconfigure
from tests.support.api_server import MD5, ApiServer, api_server, settings

LIST = "/api/v1/access/timeprofile/items/link"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


async def log_in(server: ApiServer) -> str:
    answer = await server.call("GET", f"/api/v1/login?username=admin&password={MD5}", authorization=None)
    token: str = answer.json["token"]
    return token


async def status(server: ApiServer, authorization: str | None) -> int:
    return (await server.call("GET", LIST, authorization=authorization)).status


@pytest.mark.parametrize("base", ["/api/v0", "/api/v1"])
@pytest.mark.parametrize("digest", [MD5, MD5.upper(), MD5.capitalize()])
async def test_login_takes_the_digest_in_any_letter_case(server: ApiServer, base: str, digest: str) -> None:
    answer = await server.call("GET", f"{base}/login?username=admin&password={digest}", authorization=None)
    assert answer.status == 200
    assert answer.json["account_type"] == "admin"
    assert str(uuid.UUID(answer.json["token"])) == answer.json["token"]
    assert await status(server, f"Bearer {answer.json['token']}") == 200
    assert await status(server, f"bearer {answer.json['token']}") == 200


async def test_login_by_post(server: ApiServer) -> None:
    body = {"username": "admin", "password": MD5}
    posted = await server.call("POST", "/api/v1/login", body, authorization=None, Content_Type="text/plain")
    assert await status(server, f"Bearer {posted.json['token']}") == 200
    by_query = await server.call("POST", f"/api/v1/login?username=admin&password={MD5}", authorization=None)
    assert by_query.status == 200


@pytest.mark.parametrize(
    "query",
    [
        f"username=admin&password={'0' * 32}",
        "username=admin&password=123456",
        f"username=nobody&password={MD5}",
        f"username=Admin&password={MD5}",
        f"username=admin&password={MD5}%20",
        "username=%FF&password=%ED%A0%80",
    ],
)
async def test_bad_credentials_are_400(server: ApiServer, query: str) -> None:
    answer = await server.call("GET", f"/api/v1/login?{query}", authorization=None)
    assert (answer.status, answer.json) == (400, {"error": "Wrong login or password"})


@pytest.mark.parametrize("query", ["", "username=admin", f"password={MD5}", f"username=&password={MD5}"])
async def test_missing_parameters_are_400(server: ApiServer, query: str) -> None:
    answer = await server.call("GET", f"/api/v1/login?{query}", authorization=None)
    assert (answer.status, answer.json) == (400, {"error": "Required parameters missed"})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{}", "Required parameters missed"),
        (b"[]", "Required parameters missed"),
        (b'{"username": 1, "password": true}', "Required parameters missed"),
        (b"not json", "Wrong JSON body"),
    ],
)
async def test_bad_login_bodies(server: ApiServer, body: bytes, error: str) -> None:
    answer = await server.call("POST", "/api/v1/login", body, authorization=None)
    assert (answer.status, answer.json["error"]) == (400, error)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (basic("admin:123456"), 200),
        (basic("admin:123456").replace("Basic", "BASIC"), 200),
        (basic("admin:12345"), 401),
        (basic(f"admin:{MD5}"), 401),
        (basic("admin"), 401),
        ("Basic !!!", 401),
        ("Basic /w==", 401),
        ("Bearer", 401),
        ("Bearer " + "0" * 36, 401),
        ("Digest x", 401),
        ("", 401),
        (None, 401),
    ],
)
async def test_who_gets_in(server: ApiServer, authorization: str | None, expected: int) -> None:
    answer = await server.call("GET", LIST, authorization=authorization)
    assert answer.status == expected
    assert (answer.json == {"error": "Log In"}) == (expected == 401)


async def test_the_own_surface_asks_for_the_same_login(server: ApiServer) -> None:
    answer = await server.call("GET", "/gateway/v1/panels", authorization=None)
    assert (answer.status, answer.json["error"]) == (401, "Log In")


async def test_a_token_lives_two_hours(server: ApiServer) -> None:
    bearer = f"Bearer {await log_in(server)}"
    server.clock.now += 7199
    assert await status(server, bearer) == 200
    server.clock.now += 1
    assert await status(server, bearer) == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_logout_ends_its_token_only(server: ApiServer, method: str) -> None:
    first, second = await log_in(server), await log_in(server)
    assert (await server.call(method, "/api/v1/logout", authorization=f"Bearer {first}")).status == 200
    assert await status(server, f"Bearer {first}") == 401
    assert await status(server, f"Bearer {second}") == 200
    assert (await server.call(method, "/api/v1/logout", authorization=f"Bearer {first}")).status == 401


async def test_tokens_are_bounded_and_the_oldest_goes_first(server: ApiServer) -> None:
    tokens = [await log_in(server) for _ in range(1025)]
    assert await status(server, f"Bearer {tokens[0]}") == 401
    assert await status(server, f"Bearer {tokens[1]}") == 200
    assert await status(server, f"Bearer {tokens[-1]}") == 200


async def test_a_password_file_counts_like_a_password(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("pass wörd\n", encoding="utf-8")
    async with api_server(settings(users=(UserSettings(name="link", password_file=file),))) as server:
        assert await status(server, basic("link:pass wörd")) == 200
        assert await status(server, basic("link:pass wörd\n")) == 401


async def test_a_user_without_password_gets_in_nowhere() -> None:
    async with api_server(settings(users=(UserSettings(name="admin"),))) as server:
        assert await status(server, basic("admin:")) == 401
        empty = "d41d8cd98f00b204e9800998ecf8427e"
        answer = await server.call("GET", f"/api/v1/login?username=admin&password={empty}", authorization=None)
        assert answer.status == 400


async def test_a_reload_that_changes_a_password_ends_its_tokens(server: ApiServer) -> None:
    bearer = f"Bearer {await log_in(server)}"
    reconfigure(server.app, settings())
    assert await status(server, bearer) == 200
    reconfigure(server.app, settings(users=(UserSettings(name="admin", password="other"),)))
    assert await status(server, bearer) == 401
    assert await status(server, basic("admin:other")) == 200


async def test_a_reload_tells_of_a_password_that_was_changed_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first\n", encoding="utf-8")
    given = settings(users=(UserSettings(name="admin", password_file=file),))
    async with api_server(given) as server:
        assert not reconfigure(server.app, given)
        file.write_text("second\n", encoding="utf-8")
        assert reconfigure(server.app, given)
        assert not reconfigure(server.app, given)


async def test_no_secret_and_no_query_is_logged(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = await log_in(server)
    await server.call("GET", "/api/v1/login?username=hunter2&password=hunter2", authorization=None)
    await server.call("POST", "/api/v1/login", {"username": "admin", "password": "hunter2"}, authorization=None)
    await server.call("GET", f"{LIST}?filter=hunter2", authorization=f"Bearer {token}")
    await server.call("GET", "/nowhere?password=hunter2")
    records = [str(vars(record)) + record.getMessage() for record in caplog.records]
    assert any("/api/v1/login" in record for record in records)
    for secret in ("hunter2", token, MD5, "123456", "?", "filter="):
        assert not [record for record in records if secret in record and "gateway" in record]
