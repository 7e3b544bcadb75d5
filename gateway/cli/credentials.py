"""How a command that asks over HTTP says who asks: an API key, else the password of the configuration's first user."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Mapping
from functools import cache

import click

from config.files import read_secret, unread
from config.settings import Settings, UserSettings
from gateway.cli.output import Mistakes

ENVIRONMENT = "PANEL_GATEWAY_API_KEY"


def credentials(settings: Settings) -> Mapping[str, str]:
    """Headers. Raises Mistakes."""
    if key := os.environ.get(ENVIRONMENT):
        return {"Authorization": f"Bearer {key}"}
    if not settings.users:
        raise Mistakes(["users: the configuration has no user to log in as"])
    user = settings.users[0]
    text = b64encode(f"{user.name}:{_password(user)}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def _password(user: UserSettings) -> str:
    if user.password_hash is not None:
        return _asked(user.name)
    if user.password_file is None:
        return user.password or ""
    try:
        return read_secret(user.password_file)
    except (OSError, UnicodeDecodeError) as error:
        raise Mistakes([f"users[0].password_file: {user.password_file}: {unread(error)}"]) from error


@cache
def _asked(name: str) -> str:
    """Once, however often the command asks the gateway."""
    if not sys.stdin.isatty():
        expected = f"expected an API key in ${ENVIRONMENT}, or a terminal to ask for the password of {name}"
        raise Mistakes([f"users[0].password_hash: {expected}"])
    return str(click.prompt(f"Password of {name}", hide_input=True, err=True))
