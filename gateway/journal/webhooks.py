"""Webhooks: events posted to somebody's server, signed with a secret that both know."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import aiohttp
from pydantic_core import to_json

from config.settings import WebhookSettings
from gateway.journal.outbox import NotTaken, client_session, secret_in, why
from gateway.journal.shape import shown_event
from gateway.store.events import SiteEvent

SIGNATURE = "X-Panel-Gateway-Signature"
PREFIX = "webhook "
ANSWERED_WITHIN_S = 10.0
_TAKEN = range(200, 300)


def fact_of(webhook: WebhookSettings) -> str:
    """The key of the fact that keeps a webhook's place; an URL may hold a secret."""
    return PREFIX + hashlib.sha256(webhook.url.encode()).hexdigest()[:16]


def name_of(webhook: WebhookSettings) -> str:
    """A webhook's name in logs and events: its host, since the rest of an URL may hold a secret."""
    return f"{PREFIX}{urlsplit(webhook.url).hostname}"


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=` the time of sending (Unix seconds), `v1=` the HMAC-SHA256 of that time, a dot and the body, in hexadecimal."""
    code = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={code}"


class Webhook:
    """A `gateway.journal.outbox.Send`. `wall`: Unix seconds."""

    def __init__(self, settings: WebhookSettings, wall: Callable[[], float]) -> None:
        self._settings = settings
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, events: Sequence[SiteEvent]) -> None:
        body = to_json({"events": [shown_event(event) for event in events]}, inf_nan_mode="null")
        signed = {SIGNATURE: signature(secret_in(self._settings.secret_file), int(self._wall()), body)}
        if self._session is None:
            self._session = client_session(ANSWERED_WITHIN_S)
        try:
            headers = {"Content-Type": "application/json", **signed}
            async with self._session.post(self._settings.url, data=body, headers=headers, allow_redirects=False) as answer:
                if answer.status not in _TAKEN:
                    raise NotTaken(f"answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotTaken(why(error)) from error

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
