"""`/gateway/v1/settings`: what is configured, who may log in, and who is. What is shown is named here, so no secret is."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from aiohttp import web

from config.settings import Settings, UserSettings
from drivers.trace import who
from gateway.api.auth import SESSIONS
from gateway.api.errors import ApiError
from gateway.api.queries import refuse_selectors
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.api.sessions import Sessions
from gateway.api.shapes import MachineView, OpenSessions, Receiver, SettingsAnswer, SettingsView, UserView

_audit = logging.getLogger("audit")


async def settings(request: web.Request) -> web.Response:
    refuse_selectors(request.query)
    services = request.app[SERVICES]
    used = services.settings if services.configured is None else services.configured()
    sessions = request.app[SESSIONS]
    return json_response(
        SettingsAnswer(
            settings=_view(used),
            users=[UserView(user.name, user.role, _kept(user)) for user in used.users],
            api_keys=[MachineView(key.name, key.role, key.note) for key in used.api_keys],
            sessions=_open(sessions, services.clock.wall()),
        )
    )


async def end_sessions(request: web.Request) -> web.Response:
    """`DELETE /gateway/v1/sessions/{user}`: every token and session of a user ends, those of the caller, too."""
    user = request.match_info["user"]
    if not request.app[SESSIONS].end_all(user):
        raise ApiError(404, f"{user}: no session is open", code="unknown_session")
    _audit.info("sessions ended", extra={"of": user, **who()})
    return json_response({})


def _view(used: Settings) -> SettingsView:
    return SettingsView(
        site=used.site.model_dump(mode="json"),
        http=used.http.model_dump(mode="json"),
        store=used.store.model_dump(mode="json"),
        lines=[line.model_dump(mode="json", exclude_unset=True) for line in used.lines],
        groups={name: list(panels) for name, panels in used.groups.items()},
        bindings=[{"link_id": rule.link_id, "panels": list(rule.panels)} for rule in used.bindings],
        doors=[door.model_dump(mode="json") for door in used.doors],
        webhooks=[Receiver(_place(hook.url), list(hook.kinds)) for hook in used.webhooks],
        manager=None if used.manager is None else Receiver(_place(used.manager.url), []),
    )


def _place(url: str) -> str:
    """The place alone: user, password, path and query may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")


def _kept(user: UserSettings) -> str:
    return "hash" if user.password_hash is not None else "file" if user.password_file is not None else "plain"


def _open(sessions: Sessions, now: float) -> list[OpenSessions]:
    return [
        OpenSessions(user, count, int(now - last_begun_s), int(now + ends_in_s))
        for user, count, last_begun_s, ends_in_s in sessions.open_ones()
    ]
