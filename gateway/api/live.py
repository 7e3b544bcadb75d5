"""What the handlers need of the settings, and how a reloaded configuration replaces it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from config.settings import Settings
from gateway.api.auth import SESSIONS
from gateway.api.dialects import DIALECTS, Dialect
from gateway.api.sessions import Users


@dataclass(slots=True)
class Live:
    """Changed in place by `reconfigure` alone."""

    site_name: str
    dialect: Dialect


LIVE = web.AppKey("live", Live)


def live_of(settings: Settings) -> Live:
    return Live(settings.site.name, DIALECTS[settings.site.dialect])


def reconfigure(app: web.Application, settings: Settings) -> None:
    """Take over users, site name and dialect. Raises OSError, and changes nothing, when a password file cannot be read."""
    users = Users(settings.users)
    app[SESSIONS].change_users(users)
    fresh, live = live_of(settings), app[LIVE]
    live.site_name, live.dialect = fresh.site_name, fresh.dialect
