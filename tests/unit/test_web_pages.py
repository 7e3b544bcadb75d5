"""The pages without a browser: what they forbid, what caches may keep, and that nothing of the site is in them."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.web.files import Files
from gateway.web.pages import VIEWS, add_pages

Client = TestClient[web.Request, web.Application]


async def client() -> Client:
    app = web.Application()
    add_pages(app)
    return TestClient(TestServer(app))


@pytest.mark.parametrize("path", ["/", *(f"/{view.name}" for view in VIEWS), f"/{VIEWS[0].name}/a/b%2Fc"])
async def test_a_page_runs_no_script_but_its_own_and_stands_in_no_frame(path: str) -> None:
    async with await client() as asking:
        answer = await asking.get(path)
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= {*policy}
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = await answer.text()
    assert not re.search(r"<script(?![^>]* src=)|\bon\w+=|style=|javascript:|<style", text)
    assert not re.search(r"(?:src|href)=\"(?!/|#)", text), "from the gateway alone"


async def test_every_file_that_a_page_or_a_module_names_is_there_and_is_kept_for_good() -> None:
    async with await client() as asking:
        page = await (await asking.get("/")).text()
        waiting, seen = {*re.findall(r'(?:src|href)="(/static/[^"]+)"', page)}, set[str]()
        while waiting:
            path = waiting.pop()
            seen.add(path)
            answer = await asking.get(path)
            assert answer.status == 200, path
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            if path.endswith(".js"):
                assert answer.content_type == "text/javascript"
                folder = path.rpartition("/")[0]
                for name in re.findall(r'^(?:import|export) .*from "([^"]+)";$', await answer.text(), re.MULTILINE):
                    assert name.startswith("."), "nothing from elsewhere"
                    up = folder.rpartition("/")[0] if name.startswith("../") else folder
                    waiting |= {f"{up}/{name.lstrip('./')}"} - seen
        assert len(seen) > 10


async def test_every_view_has_its_module() -> None:
    held = Files.of_the_package().held
    assert {f"views/{view.name}.js" for view in VIEWS} <= held.keys()


@pytest.mark.parametrize(
    "path", ["/static/{}/../pages.py", "/static/{}/nothing.js", "/static/0000/main.js", "/overviews", "/static"]
)
async def test_nothing_else_is_there(path: str) -> None:
    base = Files.of_the_package().base.removeprefix("/static/")
    async with await client() as asking:
        assert (await asking.get(path.format(base))).status == 404


async def test_the_address_of_the_files_changes_with_any_of_them() -> None:
    files = Files.of_the_package()
    assert Files.of_the_package().base == files.base
    assert Files.of({**files.held, "main.js": b""}).base != files.base
    assert Files.of({**files.held, "more.js": b""}).base != files.base
