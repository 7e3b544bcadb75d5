"""The pages that people open in a browser. Each is the same document, without any data: its script asks for that over the HTTP
surface that scripts use, as the user who has logged in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader

from gateway.web.files import Files

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
)
PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "; ".join(_POLICY),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
)
"""No script or style but the gateway's own files, none made of text, no frame around the page, no address told to others."""


@dataclass(frozen=True, slots=True)
class View:
    """`static/views/<name>.js` draws it; `static/main.js` says how. It is at `/<name>` and below, the first one at `/`, too.
    `title`: in the navigation; None: it is reached from other views only."""

    name: str
    title: str | None


VIEWS = (
    View("overview", "Overview"),
    View("matrix", "Matrix"),
    View("try", "Try it"),
    View("panel", None),
    View("person", None),
    View("profile", None),
    View("doors", "Doors"),
    View("events", "Events"),
    View("lines", "Lines"),
    View("settings", "Settings"),
)


def add_pages(app: web.Application) -> None:
    """Serve the pages and their files. They need no login: there is nothing of the site in them."""
    aiohttp_jinja2.setup(app, loader=PackageLoader("gateway.web"))
    files = Files.of_the_package()
    app.router.add_get(f"{files.base}/{{path:.+}}", files.answer)

    modules = [name for name in files.held if name.endswith(".js") and "/" not in name and name != "theme.js"]

    @aiohttp_jinja2.template("page.html")
    async def page(request: web.Request) -> Mapping[str, object]:
        return {"static": files.base, "modules": modules, "views": VIEWS, "name": request.path.split("/")[1] or VIEWS[0].name}

    async def protected(request: web.Request) -> web.StreamResponse:
        answer = await page(request)
        answer.headers.update(PAGE_HEADERS)
        return answer

    app.router.add_get("/", protected)
    for view in VIEWS:
        app.router.add_get(f"/{view.name}{{rest:(/.*)?}}", protected)
