"""The gateway as a device of a manager, over HTTP: it logs in, tells its events, and says every few seconds that it is there.

Experimental: the manager's side is known from two third parties only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from gateway.fleet.panel.backoff import back_off_s
from gateway.journal.manager_settings import ManagerLink
from gateway.journal.outbox import NotTaken, client_session, secret_in, why
from gateway.journal.vendor_form import Doors, model_of
from gateway.store.events import SiteEvent

PREFIX = "manager at "
PONG_S = 10.0
_ANSWERED_WITHIN_S = 10.0
_BASE = "/api/v0/devices"
_MOST_ANSWER = 64 * 1024
_log = logging.getLogger(__name__)


def fact_of(link: ManagerLink) -> str:
    """The key of the fact that keeps which events a manager has."""
    return PREFIX + hashlib.sha256(link.url.encode()).hexdigest()[:16]


class Manager:
    """A `gateway.journal.outbox.Send`, and the heartbeat. `serial`: of the gateway; `doors`: the site's at present."""

    def __init__(self, link: ManagerLink, serial: str, doors: Callable[[], Doors]) -> None:
        self.name = f"{PREFIX}{urlsplit(link.url).hostname}"
        self._link = link
        self._serial = serial
        self._doors = doors
        self._token: str | None = None
        self._logging_in = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, events: Sequence[SiteEvent]) -> None:
        await self._said("PUT", "logs", {"events": [told(event, self._doors()) for event in events]})

    async def beat(self) -> None:
        """Say that the gateway is there, without end."""
        failures = 0
        while True:
            try:
                await self._said("POST", "pong", {})
            except NotTaken as error:
                if not failures:
                    _log.warning("the manager does not answer", extra={"receiver": self.name, "error": str(error)})
                failures += 1
                await asyncio.sleep(back_off_s(self.name, failures))
            else:
                failures = 0
                await asyncio.sleep(PONG_S)

    async def _said(self, method: str, what: str, body: object) -> None:
        """Logs in where that is needed. Raises NotTaken."""
        token = self._token or await self._log_in(None)
        status, _ = await self._ask(method, what, body, token)
        if status == 401:
            status, _ = await self._ask(method, what, body, await self._log_in(token))
        if status != 200:
            raise NotTaken(f"{what} answered {status}")

    async def _log_in(self, refused: str | None) -> str:
        """A token other than the one that was refused. Raises NotTaken."""
        async with self._logging_in:
            if self._token is not None and self._token != refused:
                return self._token
            self._token = None
            file = self._link.password_file
            password = self._link.password if file is None else secret_in(file)
            status, answer = await self._ask("POST", "login", {"login": self._serial, "password": password}, None)
            token = answer.get("token") if isinstance(answer, dict) else None
            if status != 200 or not isinstance(token, str) or not token.isprintable():
                raise NotTaken(f"login answered {status}" if status != 200 else "login gave no token")
            self._token = token
            return token

    async def _ask(self, method: str, what: str, body: object, token: str | None) -> tuple[int, Any]:
        """Status and JSON of an answer (None where it is none). Raises NotTaken."""
        if self._session is None:
            self._session = client_session(_ANSWERED_WITHIN_S)
        url = f"{self._link.url.rstrip('/')}{_BASE}/{what}"
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.request(method, url, json=body, headers=headers, allow_redirects=False) as answer:
                text = await _whole(answer) if what == "login" else b""
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotTaken(why(error)) from error
        return answer.status, _json_of(text)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer, however many pieces it comes in; as much of it as an answer may hold."""
    text = b""
    while len(text) < _MOST_ANSWER and (piece := await answer.content.read(_MOST_ANSWER - len(text))):
        text += piece
    return text


def _json_of(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def told(event: SiteEvent, doors: Doors) -> dict[str, object]:
    """An event as devices tell it."""
    model = {key: value for key, value in asdict(model_of(event, doors)).items() if value != ""}
    return {"created_at": int(event.at * 1000), "category": event.category, "code": event.kind, "info": model}
