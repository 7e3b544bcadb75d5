"""The files of an installation that hold secrets: what a start refuses of them, also looked at while the gateway runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from config.files import MOST_PASSWORD, is_one_line, password_in, read_file
from config.findings import Finding
from config.settings import Settings
from config.tls import MOST

_PLACE = re.compile(r"(.*\.)?(password_file|secret_file)|http\.tls(\.certificate|\.key)?")


def is_of_a_secret(finding: Finding) -> bool:
    """Whether it is about a file that only the gateway itself has to read."""
    return _PLACE.fullmatch(finding.place) is not None


def secret_file(key: str, path: Path, what: str, secret_in: Callable[[str], str] = password_in) -> Iterator[Finding]:
    """`secret_in`: what of the file's text is the secret."""
    try:
        text = secret_in(read_file(path, MOST_PASSWORD).decode())
    except FileNotFoundError:
        yield Finding(key, f"there is no file {path}; it must hold {what}, on one line", elsewhere=True)
    except OSError as error:
        yield Finding(key, f"{path} is not readable: {error.strerror}", elsewhere=True)
    except UnicodeDecodeError:
        yield Finding(key, f"{path} is not UTF-8 text")
    else:
        if not is_one_line(text):
            yield Finding(key, f"{path} must hold one line, {what}")


def user_password_file(key: str, path: Path) -> Iterator[Finding]:
    """Version 0.1.0 started with a password of blanks, so that is a warning, no mistake; nobody logs in with it."""
    return secret_file(key, path, "the password", lambda text: text.rstrip("\r\n"))


def unusable_secrets(settings: Settings) -> tuple[Finding, ...]:
    """What a start would refuse of them now, each at its key."""
    return tuple(_unusable(settings))


def _unusable(settings: Settings) -> Iterator[Finding]:
    for index, user in enumerate(settings.users):
        if user.password_file is not None:
            yield from user_password_file(f"users[{index}].password_file", user.password_file)
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
