"""What a configuration may say and an operator may not have meant. Warnings refuse nothing: the gateway starts."""

from __future__ import annotations

import os
import re
import stat
import termios
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from config.files import MOST_PASSWORD, password_in, read_file
from config.findings import Finding
from config.password_hash import PasswordHash, md5_form
from config.settings import (
    LineSettings,
    ModbusLineSettings,
    ModbusRtuLine,
    ModbusTcpLine,
    Settings,
    UhppoteLineSettings,
    UserSettings,
)

_CHANGING_NAME = re.compile(r"/dev/tty(USB|ACM)[0-9]+")
"""Device paths that are given in the order in which adapters are found."""
_BAUD_RATES = sorted(int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[1-9][0-9]{2,}", name))
_EVERYBODY_KNOWS = "123456"


def warnings_of(settings: Settings, file: Path) -> Iterator[Finding]:
    """`file`: where the settings stand."""
    if not settings.users and not settings.api_keys:
        yield Finding("users", "there are none: nobody can log in")
    for index, user in enumerate(settings.users):
        yield from _user(f"users[{index}]", user, settings, file)
    tls = settings.http.tls
    if tls is not None and tls.key.stat().st_mode & stat.S_IROTH:
        yield Finding("http.tls.key", f"every user of this machine may read {tls.key}: chmod o-r")
    yield from _store(settings.store.path)
    if not settings.lines:
        yield Finding("lines", "there are none: no panel is reached")
    for index, line in enumerate(settings.lines):
        yield from _line(f"lines[{index}]", line)
    lists = [(f"groups.{name}", members) for name, members in settings.groups.items()]
    lists += [(f"bindings[{index}].panels", rule.panels) for index, rule in enumerate(settings.bindings)]
    for place, names in lists:
        yield from (Finding(place, f"{name!r} stands there more than once and counts once") for name in _repeated(names))
    contacts = {
        panel.id: panel.doors for line in settings.lines if isinstance(line, UhppoteLineSettings) for panel in line.panels
    }
    for index, door in enumerate(settings.doors):
        if door.sensor is not None and door.sensor >= contacts.get(door.panel, 0):
            yield Finding(
                f"doors[{index}].sensor", f"{door.panel} has no input {door.sensor} that is read: the door has no sensor"
            )


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _user(path: str, user: UserSettings, settings: Settings, file: Path) -> Iterator[Finding]:
    key = "password_file" if user.password_file else "password_hash" if user.password_hash else "password"
    place, kept_in = f"{path}.{key}", user.password_file or file
    password = user.password or ""
    if user.password is not None:
        yield Finding(place, "stands in the file as it is typed: `panel-gateway password` makes a password_hash for its place")
    if user.password_file is not None:
        text = read_file(user.password_file, MOST_PASSWORD).decode()
        password = password_in(text)
        yield from _added(place, text)
        if not password:
            yield Finding(place, "the file holds blanks only: the user cannot log in")
    elif password != password.strip():
        yield Finding(place, "begins or ends with a blank, which is a part of this password")
    if kept_in.stat().st_mode & stat.S_IROTH:
        yield Finding(place, f"every user of this machine may read {kept_in}: chmod o-r")
    if not _is_loopback(settings.http.host) and _is_one_of(user, password, (_EVERYBODY_KNOWS, user.name)):
        yield Finding(place, f"anybody tries this password first, and [http] host {settings.http.host!r} is no loopback address")


def _is_one_of(user: UserSettings, password: str, words: tuple[str, ...]) -> bool:
    if user.password_hash is None:
        return password in words
    kept = PasswordHash.parsed(user.password_hash)
    return any(kept.fits(md5_form(word)) for word in words)


def _added(place: str, text: str) -> Iterator[Finding]:
    if text.startswith("\ufeff"):
        yield Finding(place, "the file begins with a byte order mark, which is no part of the password")
    line = text.rstrip("\r\n")
    if line != line.rstrip():
        yield Finding(place, "the line ends with a blank, which is no part of the password")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _store(path: Path) -> Iterator[Finding]:
    if os.path.isdir(path):
        yield Finding("store.path", f"{path} is a folder")
    elif os.path.exists(path) and not os.path.isfile(path):
        yield Finding("store.path", f"{path} is not a file")
    elif os.path.islink(path) and not os.path.exists(path):
        yield Finding("store.path", f"{path} is a link that leads to no file")
    elif not os.path.isdir(path.parent):
        yield Finding("store.path", f"there is no folder {path.parent}")


def _line(path: str, line: LineSettings) -> Iterator[Finding]:
    if isinstance(line, ModbusRtuLine):
        yield from _device(f"{path}.port", line.port)
    if isinstance(line, ModbusLineSettings) and "baudrate" not in line.without_effect and line.baudrate not in _BAUD_RATES:
        nearest = min(_BAUD_RATES, key=lambda rate: abs(rate - line.baudrate))
        yield Finding(f"{path}.baudrate", f"{line.baudrate} is an odd rate; did you mean {nearest}?")
    for key in type(line).model_fields:
        if key in line.model_fields_set and key in line.without_effect:
            yield Finding(f"{path}.{key}", f"has no effect on a {line.kind} line")
    if not line.panels:
        yield Finding(f"{path}.panels", "there are none on this line")
    for index, panel in enumerate(line.panels):
        if panel.unit == 0:
            what = "a bridge broadcasts writes to unit 0; nothing is written before a read as unit 0 is answered"
            yield Finding(f"{path}.panels[{index}].unit", what)
        if "pipeline" in panel.model_fields_set and not isinstance(line, ModbusTcpLine):
            yield Finding(f"{path}.panels[{index}].pipeline", f"has no effect on a {line.kind} line")


def _device(place: str, port: str) -> Iterator[Finding]:
    if "://" in port:
        return
    try:
        if not stat.S_ISCHR(os.stat(port).st_mode):
            yield Finding(place, f"{port} is no device")
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in its name
        yield Finding(place, f"there is no device {port}")
    except OSError as error:
        yield Finding(place, f"{port} cannot be looked at: {error.strerror}")
    if _CHANGING_NAME.fullmatch(port):
        yield Finding(place, f"{port} may name another adapter after a restart: use its name in /dev/serial/by-id")
