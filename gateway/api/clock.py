"""`/gateway/v1/clock`: whether the host's clock is trusted, and how an operator vouches for it."""

from __future__ import annotations

import math

from aiohttp import web

from gateway.api.errors import ApiError, bad_value
from gateway.api.errors import shown as shown_value
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.shapes import ClockAnswer
from gateway.fleet.host_clock import ClockTooEarly, ClockWasSet


async def shown(request: web.Request) -> web.Response:
    return json_response(ClockAnswer(request.app[SERVICES].fleet.clock()))


async def trust(request: web.Request) -> web.Response:
    """An operator vouches for the clock, until the host boots or its clock is set. Query `at` and `up_s`, as `/clock` showed
    them to the operator: 409 where the clock was set since then, or shows a time before this program was released."""
    seen = (_number(request, "at"), _number(request, "up_s"))
    try:
        await request.app[SERVICES].fleet.trust_clock(*seen)
    except ClockTooEarly as error:
        raise ApiError(409, str(error), code="clock_before_release") from error
    except ClockWasSet as error:
        raise ApiError(409, str(error), code="clock_was_set") from error
    return await shown(request)


def _number(request: web.Request, name: str) -> float:
    try:
        number = float(request.query.get(name, ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        seen = request.query.get(name)
        raise bad_value(name, "a number as `/gateway/v1/clock` shows it", "none" if seen is None else shown_value(seen))
    return number
