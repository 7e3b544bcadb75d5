"""`/gateway/v1/problems`: what is wrong now, since when, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.fleet.problems import Problem

_TOUCHED = ("panel", "line", "link_ids")


async def all_problems(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    look = request.app[SERVICES].problems
    found = () if look is None else await look()
    return json_response({"problems": [shown(problem) for problem in found]})


def shown(problem: Problem) -> dict[str, Any]:
    """Keys of what it does not touch are left out."""
    return {name: value for name, value in asdict(problem).items() if name not in _TOUCHED or value}
