"""The page's session: a cookie that no script reads and no other site's page can use."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping

import pytest

from config.settings import UserSettings
from gateway.api.live import reconfigure
from gateway.api.sessions import PAGE_LIFE_S
from tests.support.api_server import BASIC, Answer, ApiServer, api_server, settings

SESSION = "/gateway/v1/session"
BINDING = "/gateway/v1/bindings/91c615e3-1040-4815-8ecb-000000000001"
UNLOCK = "/api/v1/access/general/lock/open/remote/accepted/1"
RIGHT = {"name": "admin", "password": "123456"}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with api_server() as running:
        yield running


async def begin(server: ApiServer, body: object = RIGHT, **headers: str) -> Answer:
    return await server.call("POST", SESSION, body, authorization=None, **{"Origin": server.url, **headers})


async def logged_in(server: ApiServer) -> str:
    """The cookie as a browser sends it back."""
    return (await begin(server)).headers["Set-Cookie"].partition(";")[0]


async def status(server: ApiServer, cookie: str, method: str = "GET", path: str = SESSION, **headers: str) -> int:
    body = {"panels": ["lobby"]} if method == "PUT" else None
    return (await server.call(method, path, body, authorization=None, Cookie=cookie, **headers)).status


async def test_the_token_is_in_a_cookie_that_no_script_reads_and_nowhere_else(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await begin(server)
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {*attributes} == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert answer.json == {"user": "admin", "role": "admin"}
    shown = await server.call("GET", SESSION, authorization=None, Cookie=cookie)
    assert (shown.status, shown.json) == (200, answer.json)
    token = cookie.partition("=")[2]
    secrets = (token, "123456")
    assert not [each for each in caplog.records if any(one in str(vars(each)) for one in secrets) and "gateway" in each.name]


async def test_who_asks_by_other_credentials_is_told_too(server: ApiServer) -> None:
    assert (await server.call("GET", SESSION, authorization=BASIC)).json == {"user": "admin", "role": "admin"}
    assert (await server.call("GET", SESSION, authorization=None)).status == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "own"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
async def test_only_the_own_page_changes_anything_with_the_cookie(
    server: ApiServer, headers: Mapping[str, str], expected: int
) -> None:
    sent = {name.replace("-", "_"): server.url if value == "own" else value for name, value in headers.items()}
    cookie = await logged_in(server)
    assert await status(server, cookie, "PUT", BINDING, **sent) == expected
    acted = await status(server, cookie, "GET", UNLOCK, **sent)
    assert (acted == 403) == (expected == 403), "a GET that opens a door is no reading"
    assert (await status(server, cookie, "GET", "/api/v1/logout", **sent)) == expected
    stranger = await server.call("POST", SESSION, RIGHT, authorization=None, **sent)
    assert stranger.status == expected, "nobody is logged in by a page of another site"


async def test_a_typed_address_is_readable_with_the_cookie(server: ApiServer) -> None:
    assert await status(server, await logged_in(server), Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate") == 200
    assert await status(server, await logged_in(server)) == 200, "browsers say nothing without TLS"


async def test_logout_ends_the_session_for_whoever_has_the_cookie(server: ApiServer) -> None:
    cookie, other = await logged_in(server), await logged_in(server)
    answer = await server.call("DELETE", SESSION, authorization=None, Cookie=cookie, Origin=server.url)
    assert answer.status == 200
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert await status(server, cookie) == 401
    assert await status(server, other) == 200


async def test_a_login_takes_no_token_that_somebody_planted_and_ends_the_one_of_before(server: ApiServer) -> None:
    planted = "panel-gateway=00000000-0000-4000-8000-000000000000"
    before = (await begin(server, Cookie=planted)).headers["Set-Cookie"].partition(";")[0]
    assert before != planted
    assert await status(server, planted) == 401
    after = (await begin(server, Cookie=before)).headers["Set-Cookie"].partition(";")[0]
    assert await status(server, before) == 401
    assert await status(server, after) == 200


async def test_a_session_lasts_a_working_day_and_ends_with_its_password(server: ApiServer) -> None:
    cookie = await logged_in(server)
    server.clock.now += PAGE_LIFE_S - 1
    assert await status(server, cookie) == 200
    server.clock.now += 1
    assert await status(server, cookie) == 401
    cookie = await logged_in(server)
    reconfigure(server.app, settings(users=(UserSettings(name="admin", password="other"),)))
    assert await status(server, cookie) == 401


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"name": "admin", "password": "wrong"}, "wrong_login"),
        ({"name": "nobody", "password": "123456"}, "wrong_login"),
        ({"name": "admin", "password": "e10adc3949ba59abbe56e057f20f883e"}, "wrong_login"),
        ({"name": "admin", "password": ""}, "bad_request"),
        ({"name": "admin"}, "bad_request"),
        ({"name": ["admin"], "password": 1}, "bad_request"),
        (b"name=admin&password=123456", "bad_request"),
    ],
)
async def test_a_wrong_login_sets_no_cookie(server: ApiServer, body: object, error: str) -> None:
    answer = await begin(server, body)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert "Set-Cookie" not in answer.headers


async def test_guessing_is_limited_as_at_every_login(server: ApiServer) -> None:
    for _ in range(10):
        assert (await begin(server, {"name": "admin", "password": "wrong"})).status == 400
    assert (await begin(server)).status == 429


async def test_credentials_that_a_client_wrote_down_come_before_the_cookie(server: ApiServer) -> None:
    cookie = await logged_in(server)
    put = {"panels": ["lobby"]}
    assert (await server.call("PUT", BINDING, put, Cookie=cookie)).status == 200, "Basic, not the cookie"
    assert (await server.call("PUT", BINDING, put, authorization="Bearer x", Cookie=cookie, Origin=server.url)).status == 401


async def test_by_tls_the_cookie_is_sent_by_tls_only() -> None:
    given = settings()
    given = given.model_copy(update={"http": given.http.model_copy(update={"trusted_proxies": ("127.0.0.1",)})})
    async with api_server(given) as server:
        page = server.url.replace("http", "https")
        assert (await begin(server, X_Forwarded_Proto="https")).status == 403, "a page that anybody on the way may have written"
        cookie, *attributes = (await begin(server, Origin=page, X_Forwarded_Proto="https")).headers["Set-Cookie"].split("; ")
        assert cookie.startswith("__Host-panel-gateway=")
        assert {*attributes} == {"HttpOnly", "Path=/", "SameSite=Strict", "Secure"}
        assert await status(server, cookie, X_Forwarded_Proto="https") == 200
        assert await status(server, cookie) == 401
        assert await status(server, cookie.removeprefix("__Host-"), X_Forwarded_Proto="https") == 401
        cookie, *attributes = (await begin(server, X_Forwarded_Proto="http")).headers["Set-Cookie"].split("; ")
        assert "Secure" not in attributes, "a browser would not take it"
    async with api_server() as server:
        cookie = (await begin(server, X_Forwarded_Proto="https")).headers["Set-Cookie"]
        assert cookie.startswith("panel-gateway="), "nobody is believed to be a proxy"
