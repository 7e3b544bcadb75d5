"""Commands for a device that this gateway is not: refused with the reason, or answered where there is nothing to do."""

from __future__ import annotations

from typing import Any, NoReturn

from aiohttp import web

from gateway.api.dialects import WRONG_BODY
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.filters import Choice, FieldType
from gateway.api.listing import list_page
from gateway.api.plain import done, object_in
from gateway.api.queries import read_query
from gateway.api.responses import json_text

_KEYS = ("data_types", "clear_fields")
_LOGS = ["logs"]
LOG_PARAMETERS = ("locale", "from", "to")
LOG = Choice(
    {
        "timestamp": FieldType.of_number(lambda event: int(event["timestamp"]), "timestamp"),
        "category": FieldType.of_text(lambda event: str(event["category"])),
        "priority": FieldType.of_text(lambda event: str(event["priority"])),
    }
)


async def clear(request: web.Request) -> web.Response:
    """Logs only, in either dialect: there are none yet, so that nothing is left of them."""
    body = await object_in(request)
    asked = [body[key] for key in _KEYS if key in body]
    if not asked or any(each != _LOGS for each in asked):
        raise bad_value("body", f'{" or ".join(_KEYS)} with ["logs"], which is all that may be cleared', shown(_seen(asked)))
    return done()


def _seen(asked: list[Any]) -> object:
    return asked[0] if asked else None


async def log(request: web.Request) -> web.Response:
    """Events are not kept yet."""
    for name in ("from", "to"):
        text = request.query.get(name, "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise bad_value(name, "a time in Unix seconds or milliseconds", shown(text))
    query = read_query(request.query, LOG, LOG_PARAMETERS)
    return json_text(await list_page((), query, LOG, lambda event: b""))


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
