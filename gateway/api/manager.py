"""The manager that the gateway reports to as a device does: shown without its password, set by either generation of clients."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from config.files import unread
from config.outbound_checks import manager_mistake
from drivers.trace import who
from gateway.api.dialects import wrong_type
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.inert import of_right_type
from gateway.api.plain import done, object_in
from gateway.api.responses import json_response
from gateway.api.services import SERVICES, ManagerService, finish
from gateway.journal.manager_settings import ManagerLink

SERVER: Mapping[str, Any] = MappingProxyType(
    {
        "is_enabled": False,
        "protocol": "http",
        "settings": {"url": "", "is_logging_enabled": False, "is_heartbeat_enabled": False},
    }
)
LINK: Mapping[str, Any] = MappingProxyType({"link_enable": False, "link_url": "", "realtime_logging": False, "heartbeat": False})
_PROTOCOLS = ("http", "mqtt")
_MOST = 2048
_OF_SERVER = {"is_enabled": "is_enabled", "protocol": "protocol"}
_OF_SETTINGS = {name: name for name in ("url", "password", "is_logging_enabled", "is_heartbeat_enabled")}
_OF_LINK = {
    "link_enable": "is_enabled",
    "link_url": "url",
    "link_password": "password",
    "realtime_logging": "is_logging_enabled",
    "heartbeat": "is_heartbeat_enabled",
}
_log = logging.getLogger(__name__)


def _manager(request: web.Request) -> ManagerService:
    """Raises ApiError."""
    manager = request.app[SERVICES].manager
    if manager is None:
        raise ApiError(404, "there is no manager to report to")
    return manager


async def server(request: web.Request) -> web.Response:
    link = _manager(request).current()
    settings = {name: getattr(link, name) for name in SERVER["settings"]}
    return json_response({"is_enabled": link.is_enabled, "protocol": link.protocol, "settings": settings})


async def link(request: web.Request) -> web.Response:
    present = _manager(request).current()
    return json_response({name: getattr(present, field) for name, field in _OF_LINK.items() if name in LINK})


async def set_server(request: web.Request) -> web.Response:
    body = of_right_type(await object_in(request), {**SERVER, "settings": {**SERVER["settings"], "password": ""}})
    said = {_OF_SERVER[key]: value for key, value in body.items() if key in _OF_SERVER}
    said |= {_OF_SETTINGS[key]: value for key, value in body.get("settings", {}).items() if key in _OF_SETTINGS}
    return await _set(request, said, "body.settings.url")


async def set_link(request: web.Request) -> web.Response:
    body = of_right_type(await object_in(request), {**LINK, "link_password": ""})
    return await _set(request, {_OF_LINK[key]: value for key, value in body.items() if key in _OF_LINK}, "body.link_url")


async def unset(request: web.Request) -> web.Response:
    await finish(request, _manager(request).unsay())
    _note(request, "manager set by the configuration")
    return done()


async def _set(request: web.Request, said: Mapping[str, Any], place: str) -> web.Response:
    """Raises ApiError."""
    manager, url = _manager(request), said.get("url", "")
    if url and (mistake := "is too long" if len(url) > _MOST else manager_mistake(url)) is not None:
        raise ApiError(400, f"{place}: {mistake}", vendor=wrong_type(place.rpartition(".")[2]))
    if said.get("protocol", "http") not in _PROTOCOLS:
        raise bad_value("body.protocol", f"one of {', '.join(_PROTOCOLS)}", shown(said["protocol"]), wrong_type("protocol"))
    try:
        after = await finish(request, manager.revise(lambda before: _revised(before, said)))
    except (OSError, UnicodeDecodeError) as error:
        raise ApiError(
            503, f"the password of the configuration's manager: {unread(error)}; it may be said with the rest"
        ) from error
    _note(request, "manager set by a client", after)
    return done()


def _revised(before: ManagerLink, said: Mapping[str, Any]) -> ManagerLink:
    """What is absent stays, but a password goes to no other place than the one it was said for."""
    if before == ManagerLink():  # what nobody speaks of is told
        before = replace(before, is_logging_enabled=True, is_heartbeat_enabled=True)
    after = replace(before, **said)
    if "password" in said:
        return replace(after, password=after.password if after.url else "", password_file=None)
    return after if after.url and after.url == before.url else replace(after, password="", password_file=None)


def _note(request: web.Request, message: str, link: ManagerLink | None = None) -> None:
    what = {} if link is None else {"host": urlsplit(link.url).hostname, "enabled": link.is_enabled, "protocol": link.protocol}
    _log.info(message, extra={**what, **who()})
