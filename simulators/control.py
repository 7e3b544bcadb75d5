"""The control address of a simulated site: HTTP on 127.0.0.1, JSON, no authentication.

`POST /panels/{id}/off|on|power-cut|reset|restore` and `GET /panels/{id}` answer what the panel is like now (`panel_view`),
`GET /panels` all of them. What the actions do is described at `SimulatedPanel`.

`POST /panels/{id}/replace` puts a blank unit of the same model in the panel's place and answers what it is like. The body may
be empty or `{"serial": …}`, a number or hexadecimal text; without one the unit has a number of its own.

`POST /panels/{id}/read` shows an identifier to a reader: `{"type": "card", "number": "1234", "door": "first"}`. Types and
numbers are the panel API's; a door is `first` (reader 0), `second` (reader 1) or a reader's number from 0 on. The answer is
`{"granted": true, "reason": "granted"}`, or false with the panel's objection: `unknown`, `clock_not_set`, `not_valid_now`,
`no_passes`, `schedule_closed`, `not_this_door`. With `ago_s` it was that long ago (seconds): it is logged then and nothing moves.

`POST /panels/{id}/door` opens or closes a door where the panel has a contact for it: `{"door": "first", "open": true}`.

`POST /lines/{id}/faults` takes `{"seed": 1, "rates": {"lose": 0.1}}`; rates that are not named are 0, so `{}` ends all faults.

Errors are `{"error": token, "detail": prose}`: 404 for an unknown panel, line or action, 422 for faults that cannot be drawn,
400 for any other body that cannot be used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from simulators.clock import civil
from simulators.crash import Crashes
from simulators.faults import FaultRates, Faults
from simulators.panel import CannotRead, SimulatedPanel
from simulators.responder import Responder

_RATES = {field.name for field in fields(FaultRates)}
_ACTIONS: dict[str, Callable[[SimulatedPanel], None]] = {
    "off": lambda panel: panel.off(),
    "on": lambda panel: panel.on(),
    "power-cut": lambda panel: panel.power_cut(),
    "reset": lambda panel: panel.reset(),
    "restore": lambda panel: panel.restore(),
}


_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,16}")
_DOORS = {"first": 0, "second": 1}
_SERIALS = 1 << 64
_LONGEST_AGO_S = 7 * 86_400


class Unusable(ValueError):
    """The body of a request cannot be used; the message says why."""

    status = 422
    code = "unusable"


class BadRequest(Unusable):
    status = 400
    code = "bad_request"


def panel_view(panel: SimulatedPanel) -> dict[str, object]:
    """The answer to `GET /panels/{id}`. `frames` counts requests that reached the panel, `replies` what it sent."""
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
        **panel.details(),
    }


def parse_body(data: bytes, keys: Collection[str]) -> dict[str, Any]:
    """The body as a JSON object without other keys; an empty body is an empty object. Raises Unusable."""
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise Unusable("the body is not JSON") from error
    if not isinstance(body, dict) or set(body) - set(keys):
        raise Unusable(f"the body is an object with {', '.join(keys)}")
    return body


def parse_faults(data: bytes) -> Faults:
    """Raises Unusable."""
    body = parse_body(data, ("seed", "rates"))
    try:
        return Faults(_rates(body.get("rates", {})), _whole("seed", body.get("seed", 0)))
    except ValueError as error:
        raise Unusable(str(error)) from error


def parse_reading(data: bytes) -> tuple[str, str, int, float | None]:
    """The type, number and reader, and how long ago it was (seconds; None: now). Raises BadRequest."""
    body = _usable(data, ("type", "number", "door", "ago_s"))
    for key in ("type", "number"):
        if not isinstance(body.get(key), str):
            raise BadRequest(f"{key}: expected a string")
    door = _door(body.get("door"))
    ago_s = body.get("ago_s")
    if ago_s is not None and (isinstance(ago_s, bool) or not isinstance(ago_s, int | float) or not 0 <= ago_s <= _LONGEST_AGO_S):
        raise BadRequest(f"ago_s: expected seconds, at most {_LONGEST_AGO_S}")
    return body["type"], body["number"], door, ago_s


def parse_leaf(data: bytes) -> tuple[int, bool]:
    """The door, and whether it stands open from now on. Raises BadRequest."""
    body = _usable(data, ("door", "open"))
    if not isinstance(body.get("open"), bool):
        raise BadRequest("open: expected true or false")
    return _door(body.get("door")), body["open"]


def _door(said: object) -> int:
    door = _DOORS.get(said) if isinstance(said, str) else said
    if isinstance(door, bool) or not isinstance(door, int):
        raise BadRequest("door: first, second, or a reader's number from 0 on")
    return door


def parse_serial(data: bytes) -> int | None:
    """Raises BadRequest."""
    serial = _usable(data, ("serial",)).get("serial")
    if isinstance(serial, str) and _HEXADECIMAL.fullmatch(serial):
        return int(serial, 16)
    if serial is None or (isinstance(serial, int) and not isinstance(serial, bool) and 0 <= serial < _SERIALS):
        return serial
    raise BadRequest("serial: a whole number of at most 64 bits, or up to 16 hexadecimal digits as text")


def _usable(data: bytes, keys: Collection[str]) -> dict[str, Any]:
    try:
        return parse_body(data, keys)
    except Unusable as error:
        raise BadRequest(str(error)) from error


def _rates(wanted: object) -> FaultRates:
    if not isinstance(wanted, dict):
        raise Unusable("rates: expected an object")
    if unknown := set(wanted) - _RATES:
        raise Unusable(f"rates: unknown {', '.join(sorted(unknown))}")
    refusals = wanted.get("refusals", list(FaultRates().refusals))
    if not isinstance(refusals, list):
        raise Unusable("refusals: expected an array")
    chances = {name: _number(name, value) for name, value in wanted.items() if name != "refusals"}
    return FaultRates(**chances, refusals=tuple(_whole("refusals", code) for code in refusals))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name}: expected a number")
    return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"{name}: expected a whole number")
    return value


class Control:
    def __init__(self, panels: Mapping[str, SimulatedPanel], responders: Mapping[str, Responder], crashes: Crashes) -> None:
        self._panels, self._responders = panels, responders
        app = web.Application(middlewares=[_errors(crashes)])
        app.router.add_get("/panels", self._list)
        app.router.add_get("/panels/{id}", self._show)
        app.router.add_post("/panels/{id}/read", self._read)
        app.router.add_post("/panels/{id}/door", self._stand)
        app.router.add_post("/panels/{id}/replace", self._replace)
        app.router.add_post("/panels/{id}/{action}", self._act)
        app.router.add_post("/lines/{id}/faults", self._faults)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def start(self, port: int) -> str:
        """Listen, and return the URL. Port 0: a free one."""
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

    async def _read(self, request: web.Request) -> web.Response:
        panel = self._panel(request)
        kind, number, door, ago_s = parse_reading(await request.read())
        try:
            reading = panel.read(kind, number, door) if ago_s is None else panel.read_earlier(kind, number, door, ago_s)
            return web.json_response(asdict(reading))
        except CannotRead as error:
            raise BadRequest(str(error)) from error

    async def _stand(self, request: web.Request) -> web.Response:
        panel = self._panel(request)
        try:
            panel.stand(*parse_leaf(await request.read()))
        except CannotRead as error:
            raise BadRequest(str(error)) from error
        return web.json_response(panel_view(panel))

    async def _replace(self, request: web.Request) -> web.Response:
        panel = self._panel(request)
        serial = parse_serial(await request.read())
        if serial is not None and panel.serial is None:
            raise BadRequest(f"serial: a {panel.model} has no serial number")
        panel.replace(serial)
        return web.json_response(panel_view(panel))

    async def _faults(self, request: web.Request) -> web.Response:
        responder = self._responders.get(request.match_info["id"])
        if responder is None:
            raise web.HTTPNotFound(reason="unknown_line")
        faults = parse_faults(await request.read())
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
        return web.json_response({"error": error.code, "detail": str(error)}, status=error.status)
    except web.HTTPError as error:
        token = error.reason.lower().replace(" ", "_")
        return web.json_response({"error": token, "detail": request.path}, status=error.status)
