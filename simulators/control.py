"""The control address of a simulated site: HTTP on 127.0.0.1, JSON, no authentication.

`POST /panels/{id}/off|on|power-cut|reset|restore` and `GET /panels/{id}` answer what the panel is like now (`panel_view`),
`GET /panels` all of them. `POST /lines/{id}/faults` takes `{"seed": 1, "rates": {"lose": 0.1}}`; rates that are not named
are 0, so `{}` ends all faults. What the actions do stands at `SimulatedPanel`. Errors are
`{"error": token, "detail": prose}`: 404 for an unknown panel, line or action, 422 for a body that cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from simulators.clock import civil
from simulators.crash import Crashes
from simulators.faults import FaultRates, Faults
from simulators.panel import SimulatedPanel
from simulators.responder import Responder

_RATES = {field.name for field in fields(FaultRates)}
_ACTIONS: dict[str, Callable[[SimulatedPanel], None]] = {
    "off": lambda panel: panel.off(),
    "on": lambda panel: panel.on(),
    "power-cut": lambda panel: panel.power_cut(),
    "reset": lambda panel: panel.reset(),
    "restore": lambda panel: panel.restore(),
}


class Unusable(ValueError):
    """The body of a request says nothing that can be done."""


def panel_view(panel: SimulatedPanel) -> dict[str, object]:
    """What `GET /panels/{id}` tells. `frames` counts requests that reached the panel, `replies` what it sent."""
    clock = panel.local_second()
    traffic = panel.traffic
    return {
        "panel": panel.id,
        "model": panel.settings.model,
        "unit": panel.unit,
        "on": panel.reachable,
        "bytes_in": traffic.bytes_in,
        "bytes_out": traffic.bytes_out,
        "frames": traffic.reads + traffic.writes,
        "reads": traffic.reads,
        "writes": traffic.writes,
        "replies": traffic.replies,
        "outputs": list(panel.outputs()),
        "schedules_open_now": list(panel.schedules_open_now()),
        "clock": None if clock is None else civil(clock).replace(tzinfo=None).isoformat(),
        "uptime_s": panel.uptime_s(),
    }


def parse_faults(text: str) -> Faults:
    """Raises Unusable."""
    try:
        body = json.loads(text or "{}")
        if not isinstance(body, dict) or set(body) - {"seed", "rates"}:
            raise Unusable('an object with "seed" and "rates" is wanted')
        return Faults(_rates(body.get("rates", {})), _whole("seed", body.get("seed", 0)))
    except ValueError as error:
        raise Unusable(str(error)) from error


def _rates(wanted: object) -> FaultRates:
    if not isinstance(wanted, dict):
        raise Unusable("rates: an object is wanted")
    if unknown := set(wanted) - _RATES:
        raise Unusable(f"rates: unknown {', '.join(sorted(unknown))}")
    refusals = wanted.get("refusals", list(FaultRates().refusals))
    if not isinstance(refusals, list):
        raise Unusable("refusals: a list is wanted")
    chances = {name: _number(name, value) for name, value in wanted.items() if name != "refusals"}
    return FaultRates(**chances, refusals=tuple(_whole("refusals", code) for code in refusals))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name}: a number is wanted")
    return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"{name}: a whole number is wanted")
    return value


class Control:
    def __init__(self, panels: Mapping[str, SimulatedPanel], responders: Mapping[str, Responder], crashes: Crashes) -> None:
        self._panels, self._responders = panels, responders
        app = web.Application(middlewares=[_errors(crashes)])
        app.router.add_get("/panels", self._list)
        app.router.add_get("/panels/{id}", self._show)
        app.router.add_post("/panels/{id}/{action}", self._act)
        app.router.add_post("/lines/{id}/faults", self._faults)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def start(self, port: int) -> str:
        """Listen; the URL. Port 0: a free one."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _panel(self, request: web.Request) -> SimulatedPanel:
        panel = self._panels.get(request.match_info["id"])
        if panel is None:
            raise web.HTTPNotFound(reason="unknown_panel")
        return panel

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"panels": [panel_view(panel) for panel in self._panels.values()]})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(panel_view(self._panel(request)))

    async def _act(self, request: web.Request) -> web.Response:
        panel, action = self._panel(request), _ACTIONS.get(request.match_info["action"])
        if action is None:
            raise web.HTTPNotFound(reason="unknown_action")
        action(panel)
        return web.json_response(panel_view(panel))

    async def _faults(self, request: web.Request) -> web.Response:
        responder = self._responders.get(request.match_info["id"])
        if responder is None:
            raise web.HTTPNotFound(reason="unknown_line")
        faults = parse_faults(await request.text())
        responder.set_faults(faults)
        return web.json_response({"line": request.match_info["id"], "rates": asdict(faults.rates)})


def _errors(crashes: Crashes) -> Middleware:
    """Errors as JSON; what breaks inside a panel is a crash of the site."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        with crashes:
            return await _told(request, handler)
        return web.json_response({"error": "crashed", "detail": request.path}, status=500)

    return middleware


async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Unusable as error:
        return web.json_response({"error": "unusable", "detail": str(error)}, status=422)
    except web.HTTPError as error:
        token = error.reason.lower().replace(" ", "_")
        return web.json_response({"error": token, "detail": request.path}, status=error.status)
