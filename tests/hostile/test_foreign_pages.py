"""Pages of other sites, in a real browser that knows the password."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.hostile.site import LINK, Attacked, attacked

pytestmark = pytest.mark.long
ITEM = json.loads((Path(__file__).parents[1] / "vectors" / "examples.json").read_text())["list_items"][0]

PAGE = """<!doctype html><title>page</title>
<form method="post" enctype="text/plain" action="http://admin:123456@{gateway}{link}">
  <input name='{{"list_items": [{item}], "x": "' value='"}}'>
</form>
<img src="http://{gateway}/api/v1/access/general/lock/open/remote/accepted/1">
<script>
  fetch("http://{gateway}{link}", {{method: "POST", mode: "no-cors", credentials: "include", body: '{{"list_items": []}}'}});
  setTimeout(() => document.forms[0].submit(), 1000);
</script>
"""
"""The form goes to the whole window: there browsers still take credentials from an address, and answer a challenge with them."""


async def _shown(request: web.Request) -> web.Response:
    return web.Response(text=request.app[_PAGE], content_type="text/html")


async def _challenged(request: web.Request) -> web.Response:
    """The gateway's answer; a 401 asks for Basic credentials, so that the browser has them as if somebody had typed them."""
    passed = {name: value for name, value in request.headers.items() if name not in ("Connection", "Content-Length")}
    body = await request.read()
    async with aiohttp.request(request.method, request.app[_GATEWAY] + request.path, headers=passed, data=body) as answer:
        challenge = {"WWW-Authenticate": 'Basic realm="panel-gateway"'} if answer.status == 401 else {}
        return web.Response(status=answer.status, body=await answer.read(), headers=challenge)


_PAGE = web.AppKey("page", str)
_GATEWAY = web.AppKey("gateway", str)


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    """Its port."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def foreign_site(page: str) -> web.Application:
    app = web.Application()
    app[_PAGE] = page
    app.router.add_get("/", _shown)
    return app


def front_of(gateway: Attacked) -> web.Application:
    app = web.Application()
    app[_GATEWAY] = gateway.gateway.url
    app.router.add_route("*", "/{path:.*}", _challenged)
    return app


async def visit(url: str, folder: Path) -> str:
    """What the page has become a while after a browser opened it."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={folder / 'chromium'}", "--host-resolver-rules=MAP * 127.0.0.1", "--virtual-time-budget=5000"),
    )
    browser = await asyncio.create_subprocess_exec(
        *(program, *flags, "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shown, _ = await asyncio.wait_for(browser.communicate(), 60)
    except TimeoutError:
        os.killpg(browser.pid, signal.SIGKILL)
        await browser.wait()
        raise
    return shown.decode()


def answered(gateway: Attacked) -> set[int]:
    """Statuses that the requests of the browser got: those after the login. Of equal refusals the log tells the first."""
    records = [json.loads(line) for line in gateway.log().splitlines()]
    return {each["status"] for each in records if each["message"] == "request" and each["path"] != "/api/v1/login"}


@pytest.mark.parametrize("name", ["localhost", "evil.example"])
async def test_a_page_of_another_site_changes_nothing(tmp_path: Path, name: str) -> None:
    async with attacked(tmp_path) as gateway, served(front_of(gateway)) as front:
        page = PAGE.format(gateway=f"127.0.0.1:{front}", link=LINK, item=json.dumps(ITEM).replace("'", "&#39;"))
        async with served(foreign_site(page)) as port:
            await visit(f"http://{name}:{port}/", tmp_path)
        assert answered(gateway) == {403}
        assert await gateway.client.profiles() == []


async def test_a_browser_is_not_asked_for_basic_credentials(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        asked = await gateway.send("GET", LINK, {"User-Agent": "Mozilla/5.0"})
        assert asked.startswith(b"HTTP/1.1 401 ")
        assert b"Basic" not in asked
        assert b'WWW-Authenticate: Bearer, Basic realm="panel-gateway"' in await gateway.send(
            "GET", LINK, {"User-Agent": "curl/8"}
        )


async def test_a_name_that_is_not_the_gateways_leads_nowhere(tmp_path: Path) -> None:
    async with attacked(tmp_path, 'hosts = ["gate.example"]') as gateway:
        shown = await visit(f"http://evil.example:{gateway.port}/api/info", tmp_path)
        assert "api_version" not in shown
        assert answered(gateway) == {403}
        assert "api_version" in await visit(f"http://gate.example:{gateway.port}/api/info", tmp_path)
