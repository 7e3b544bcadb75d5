"""What is configured, as an administrator's page shows it: without a secret, and with everybody who is logged in."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import ManagerSettings, UserSettings, WebhookSettings
from tests.support.api_server import BASIC, api_server, settings

SETTINGS = "/gateway/v1/settings"
SECRETS = ("hunter2", "s3cret", "tok3n", "123456")


async def test_no_secret_is_shown(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret")
    given = settings().model_copy(
        update={
            "webhooks": (WebhookSettings(url="https://user:hunter2@hooks.example:8443/in/tok3n?key=tok3n", secret_file=key),),
            "manager": ManagerSettings(url="wss://x:hunter2@manager.example/ws?tok3n", is_enabled=True, password_file=key),
        }
    )
    async with api_server(given) as server:
        answer = await server.call("GET", SETTINGS)
        assert answer.status == 200
    shown = answer.json
    assert shown["settings"]["webhooks"] == [{"url": "https://hooks.example:8443", "kinds": []}]
    assert shown["settings"]["manager"]["url"] == "wss://manager.example"
    assert shown["users"][0] == {"name": "admin", "role": "admin", "password": "plain"}
    assert not [secret for secret in SECRETS if secret in str(shown)]


async def test_an_administrator_sees_who_is_logged_in_and_ends_it_for_good(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "audit")
    users = (UserSettings(name="admin", password="123456"), UserSettings(name="guard", password="456789", role="operator"))
    async with api_server(settings().model_copy(update={"users": users})) as server:
        login = "/api/v1/login?username=guard&password=e35cf7b66449df565f93c607d5a81d09"
        tokens = [(await server.call("GET", login, authorization=None)).json["token"] for _ in range(2)]
        (seen,) = (await server.call("GET", SETTINGS)).json["sessions"]
        assert (seen["user"], seen["open"]) == ("guard", 2)
        assert seen["until"] > seen["last_begun_at"]
        assert (await server.call("DELETE", "/gateway/v1/sessions/guard", authorization=f"Bearer {tokens[0]}")).status == 403
        assert (await server.call("DELETE", "/gateway/v1/sessions/guard", authorization=BASIC)).status == 200
        (told,) = [vars(record) for record in caplog.records if record.name == "audit"]
        assert (told["message"], told["of"], told["user"], told["address"]) == ("sessions ended", "guard", "admin", "127.0.0.1")
        for token in tokens:
            assert (await server.call("GET", "/gateway/v1/panels", authorization=f"Bearer {token}")).status == 401
        assert (await server.call("GET", SETTINGS)).json["sessions"] == []
        again = await server.call("DELETE", "/gateway/v1/sessions/guard")
        assert (again.status, again.json["error"]) == (404, "unknown_session")


async def test_the_minutes_of_lines_are_given_where_they_are_asked_for() -> None:
    async with api_server() as server:
        assert (await server.call("GET", "/gateway/v1/lines?minutes=1")).status == 200
        wrong = await server.call("GET", "/gateway/v1/lines?minutes=yes")
        assert (wrong.status, wrong.json["detail"]) == (400, 'minutes: expected 0 or 1, got "yes"')


async def test_a_link_on_another_sites_page_leads_to_the_page_but_to_no_data() -> None:
    async with api_server() as server:
        assert (await server.call("GET", "/nowhere", Sec_Fetch_Site="cross-site")).status == 404
        assert (await server.call("GET", "/gateway/v1/panels", Sec_Fetch_Site="cross-site")).status == 403
