"""Talking to the running gateway of a configuration, as its first user."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address
from typing import Any

import aiohttp

from config.files import read_password
from config.settings import Settings, UserSettings

_TIMEOUT_S = 30.0


class GatewayRefused(Exception):
    """The gateway is not there, or said no; the text says what and where."""


def _reachable(host: str) -> str:
    """An address that stands for all addresses of a machine is met at its loopback."""
    try:
        address = ip_address(host or "127.0.0.1")
    except ValueError:
        return host
    loopback = "127.0.0.1" if address.version == 4 else "::1"
    return loopback if address.is_unspecified else str(address)


def address_of(settings: Settings) -> str:
    """The URL that a gateway of this configuration answers at, from the same machine."""
    host = _reachable(settings.http.host)
    return f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}"


def _password(user: UserSettings) -> str:
    if user.password is not None:
        return user.password
    if user.password_file is None:
        return ""
    try:
        return read_password(user.password_file)
    except OSError as error:
        raise GatewayRefused(f"users[0].password_file: {error.strerror}") from error


async def call(settings: Settings, method: str, path: str, url: str | None = None) -> Any:
    """One request; the decoded JSON body. Raises GatewayRefused."""
    if not settings.users:
        raise GatewayRefused("users: the configuration has no user to log in as")
    user = settings.users[0]
    base = url or address_of(settings)
    credentials = b64encode(f"{user.name}:{_password(user)}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.request(method, base + path) as response,
        ):
            body = await response.json()
    except aiohttp.ClientConnectorError as error:
        raise GatewayRefused(f"{base}: no gateway answers there ({error.strerror})") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise GatewayRefused(f"{base}: no gateway answers there ({error or type(error).__name__})") from error
    except TimeoutError as error:
        raise GatewayRefused(f"{base}: no answer within {_TIMEOUT_S:g} s") from error
    if response.status >= 400:
        raise GatewayRefused(f"{base}: {body.get('detail') or body.get('error') or response.status}")
    return body
