"""Commands for a device that this gateway is not: refused with the reason, or answered where there is nothing to do."""

from __future__ import annotations

from typing import Any, NoReturn

from aiohttp import web

from gateway.api.dialects import WRONG_BODY
from gateway.api.errors import ApiError
from gateway.api.filters import Choice
from gateway.api.listing import list_page
from gateway.api.queries import read_query
from gateway.api.responses import json_text


async def nothing_listed(request: web.Request) -> web.Response:
    """A list of what this gateway does not have."""
    nothing = Choice({})
    return json_text(await list_page((), read_query(request.query, nothing), nothing, lambda item: b""))


def _refusal(text: str, detail: str) -> Any:
    async def refuse(request: web.Request) -> NoReturn:
        raise ApiError(400, detail, vendor=text)

    return refuse


reboot = _refusal("Reboot is not available", "the gateway is restarted by its host, not by the API")
password = _refusal(WRONG_BODY, "users and passwords are in the gateway's configuration, where alone they are changed")
photo = _refusal("Photo is not available", "there is no camera")
call = _refusal("Calls are not available", "there is no telephony")
