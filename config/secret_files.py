"""The files of an installation that hold secrets, looked at while the gateway runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.files import read_file
from config.findings import Finding
from config.outbound_checks import secret_file
from config.settings import Settings
from config.tls import MOST


def unusable_secrets(settings: Settings) -> tuple[Finding, ...]:
    """What a start would refuse of them now, each at its key."""
    return tuple(_unusable(settings))


def _unusable(settings: Settings) -> Iterator[Finding]:
    for index, user in enumerate(settings.users):
        if user.password_file is not None:  # one of blanks is no mistake: nobody logs in with it
            yield from secret_file(
                f"users[{index}].password_file", user.password_file, "the password", lambda text: text.rstrip("\r\n")
            )
    for index, webhook in enumerate(settings.webhooks):
        yield from secret_file(f"webhooks[{index}].secret_file", webhook.secret_file, "the secret")
    if settings.manager is not None and settings.manager.password_file is not None:
        yield from secret_file("manager.password_file", settings.manager.password_file, "the password")
    tls = settings.http.tls
    if tls is not None:
        yield from _readable("http.tls.certificate", tls.certificate)
        yield from _readable("http.tls.key", tls.key)


def _readable(key: str, path: Path) -> Iterator[Finding]:
    try:
        text = read_file(path, MOST)
    except OSError as error:
        yield Finding(key, f"{path} is not readable: {error.strerror}", elsewhere=True)
    else:
        if not text.strip():
            yield Finding(key, f"{path} is empty", elsewhere=True)
