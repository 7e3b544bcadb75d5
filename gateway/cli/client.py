"""Asking the running gateway of a configuration: on its local socket, or at a URL as the configuration's first user."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from config.files import read_password
from config.settings import Settings, UserSettings
from gateway.ops import local_socket

_TIMEOUT_S = 30.0
_LOCAL = "http://localhost"


class GatewayRefused(Exception):
    """The gateway is not there, or refused; `lines` say what and where."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _password(user: UserSettings) -> str:
    if user.password is not None:
        return user.password
    if user.password_file is None:
        return ""
    try:
        return read_password(user.password_file)
    except OSError as error:
        raise GatewayRefused(f"users[0].password_file: {error.strerror}") from error


def _credentials(settings: Settings) -> dict[str, str]:
    if not settings.users:
        raise GatewayRefused("users: the configuration has no user to log in as")
    user = settings.users[0]
    text = b64encode(f"{user.name}:{_password(user)}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


@asynccontextmanager
async def _session(settings: Settings, url: str | None) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with AsyncExitStack() as stack:
        if url is not None:
            session = aiohttp.ClientSession(headers=_credentials(settings), timeout=timeout)
        else:
            address = stack.enter_context(local_socket.address_of(_local_place(settings)))
            session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(address), timeout=timeout)
        yield await stack.enter_async_context(session)


def _local_place(settings: Settings) -> Path:
    store = settings.store.path
    try:
        return local_socket.answering(store)
    except PermissionError as error:
        raise GatewayRefused(f"{store}: its gateway answers only root and its own user; --url asks over HTTP instead") from error
    except OSError as error:
        raise GatewayRefused(f"{store}: no gateway of this store answers ({error.strerror})") from error


async def call(settings: Settings, method: str, path: str, url: str | None = None) -> Any:
    """One request; the decoded JSON body. Raises GatewayRefused."""
    place = url or str(settings.store.path)
    try:
        async with _session(settings, url) as session, session.request(method, (url or _LOCAL) + path) as response:
            body = await response.json()
    except aiohttp.ClientConnectorError as error:
        raise GatewayRefused(f"{place}: no gateway answers there ({error.strerror})") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise GatewayRefused(f"{place}: no gateway answers there ({error or type(error).__name__})") from error
    except TimeoutError as error:
        raise GatewayRefused(f"{place}: no answer within {_TIMEOUT_S:g} s") from error
    if response.status >= 400:
        mistakes = body.get("mistakes")
        raise GatewayRefused(*(mistakes or (f"{place}: {body.get('detail') or body.get('error') or response.status}",)))
    return body
