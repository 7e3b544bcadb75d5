"""The settings that handlers need, and how a reloaded configuration replaces them."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from config.settings import Settings
from gateway.api.auth import SESSIONS
from gateway.api.dialects import DIALECTS, Dialect
from gateway.api.users import Users


@dataclass(slots=True)
class Live:
    """The settings in use; only `reconfigure` changes them, in place."""

    site_name: str
    dialect: Dialect


LIVE = web.AppKey("live", Live)


def live_of(settings: Settings) -> Live:
    return Live(settings.site.name, DIALECTS[settings.site.dialect])


def reconfigure(app: web.Application, settings: Settings) -> bool:
    """Apply new users, site name and dialect. Returns whether a user is new or has another password, also in a file, or role.

    Raises OSError, and changes nothing, when a password file cannot be read.
    """
    users, before = Users(settings.users, settings.api_keys), app[SESSIONS].users
    app[SESSIONS].change_users(users)
    fresh, live = live_of(settings), app[LIVE]
    live.site_name, live.dialect = fresh.site_name, fresh.dialect
    return not all(users.are_same(before, user.name) for user in settings.users)
