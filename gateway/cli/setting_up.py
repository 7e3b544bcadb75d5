"""`panel-gateway init`: asks for what a site needs, and writes a configuration that `check` accepts."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import available_timezones

import click

from config.loader import ConfigurationError, check_settings
from config.nearest import did_you_mean
from config.panel_model import load_models
from config.password_hash import PasswordHash
from config.settings import NAME, AnyModbusLine, ModbusRtuLine, UhppoteLineSettings
from config.toml import quoted
from drivers.clock import SystemClock
from gateway.cli.certificates import PAIR, made_pair, name_mistake, names_here, split
from gateway.cli.new_files import write_new
from gateway.cli.options import INSTALLED
from gateway.cli.output import Mistakes, say
from gateway.cli.ports import serial_ports
from gateway.cli.scanning import Found, candidates_of, how, scanned
from gateway.cli.searching import block_of, line_of, searched
from gateway.cli.secrets import asked_password

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LAST_UNIT = 247
_STORE = "panel-gateway.db"
_SERVICE_STATE = Path("/var/lib/panel-gateway")
_ZONE_FILE = Path("/etc/timezone")


@dataclass(frozen=True, slots=True)
class Panel:
    id: str
    model: str
    unit: int


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    line: AnyModbusLine
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the person at the terminal said. `controllers`: lines of them, as they stand in a configuration."""

    site: str
    zone: str
    user: str
    password_hash: str
    lines: tuple[Line, ...] = field(default=())
    tls: tuple[str, str] | None = None
    """The files of a certificate and of its key."""
    store: str = _STORE
    controllers: tuple[str, ...] = ()


def init(output: Path) -> int:
    """Raises Mistakes where nobody is there to ask, or the file is there already."""
    if not sys.stdin.isatty():
        raise Mistakes(["this asks questions: run it on a terminal"])
    if output.exists():
        raise Mistakes([f"{output}: is there already; move it away, or choose another --output"])
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise Mistakes([f"{output}: nothing can be written there: expected a folder that is there, and that you may write to"])
    certificate, key = (output.with_name(name) for name in PAIR)
    answers = replace(_asked(), store=store_of(output))
    files: dict[Path, str] = {}
    if there := [path for path in (certificate, key) if path.exists()]:
        say(f"{there[0]}: is there already, so none is made: `panel-gateway certificate` tells how HTTPS is served with one")
    elif names := _names_for_tls():
        files[certificate], files[key] = made_pair(names)
        answers = replace(answers, tls=(certificate.name, key.name))
    try:
        for path, text in (*files.items(), (output, configuration(answers))):
            write_new(path, text)
    except OSError as error:
        raise Mistakes([f"{error.filename}: {error.strerror}"]) from error
    try:
        _, warnings = check_settings(output)
    except ConfigurationError as error:
        raise Mistakes([f"{output}: {mistake}" for mistake in error.mistakes]) from error
    say(f"{output}: written, and it has no mistakes")
    for warning in warnings:
        say(f"  warning: {warning}")
    if answers.tls:
        say(f"{certificate}: for browsers and for --ca; {key}: its key, not readable by everybody")
    say(f"next: {'systemctl start panel-gateway' if answers.store != _STORE else f'panel-gateway serve --config {output}'}")
    return 0


def store_of(output: Path) -> str:
    """Where the store of a new configuration is: beside it, unless that is where the service may write nothing."""
    return str(_SERVICE_STATE / _STORE) if output.absolute().parent == INSTALLED.parent else _STORE


# questions


def _asked() -> Answers:
    site = click.prompt("Name of the site", default="Site")
    zone = _until_right("Time zone", _zone(), _is_zone)
    lines: list[Line] = []
    ports = [port.name for port in serial_ports()]
    if ports:
        say("serial ports of this machine:\n" + "\n".join(f"  {port}" for port in ports))
    controllers: list[str] = []
    places: list[object] = []
    serials: set[int] = set()
    while place := click.prompt(_WHICH_LINE, default="", show_default=False):
        name = f"line-{len(lines) + len(controllers) + 1}"
        try:
            boards = line_of(place, ())
            candidates = candidates_of(place) if boards is None else []
            where = (boards or candidates[0]).model_dump(include={"host", "port"})
            if where in places:
                raise Mistakes([f"{place}: is there already"])
            if boards is None:
                lines.append(_line(candidates, name, {panel.id for line in lines for panel in line.panels}))
            elif text := _controllers(boards, name, serials):
                controllers.append(text)
            else:
                continue
            places.append(where)
        except Mistakes as mistakes:
            say(mistakes.lines[0])
    user = click.prompt("First user of the HTTP surface", default="admin")
    password = str(PasswordHash.of(asked_password(f"Password of {user}")))
    return Answers(site, zone, user, password, tuple(lines), controllers=tuple(controllers))


_WHICH_LINE = "Line: a serial port, HOST:PORT or uhppote:HOST (Enter: no more)"


def _controllers(line: UhppoteLineSettings, name: str, known: set[int]) -> str:
    """The line of the controllers that answer, but for those on other lines; empty where there are none. Raises Mistakes.

    `known`: the serial numbers of all lines before, to which these are added.
    """
    every = asyncio.run(searched(line))
    found = [each for each in every if each.device.serial not in known]
    known.update(each.device.serial for each in found)
    which = ", ".join(str(each.device.serial) for each in found) or ("none but those above" if every else "none")
    say(f"{line.host}:{line.port}: {which} {_answers(len(found))}")
    return block_of(line, found, name) if found else ""


def _answers(count: int) -> str:
    return "answers" if count <= 1 else "answer"


def _names_for_tls() -> list[str]:
    """The names in the certificate to make; none: plain HTTP."""
    if not click.confirm("Serve HTTPS, with a certificate that is made now", default=False):
        return []
    return split(_until_right("Names and addresses by which it is reached", ",".join(names_here()), name_mistake))


def _until_right(question: str, default: str, mistake: Callable[[str], str | None]) -> str:
    while True:
        answer = str(click.prompt(question, default=default))
        wrong = mistake(answer)
        if wrong is None:
            return answer
        say(f"{answer}: {wrong}")


def _zone() -> str:
    """What this machine is set to."""
    try:
        return _ZONE_FILE.read_text("ascii").strip() or "UTC"
    except (OSError, UnicodeDecodeError):
        return "UTC"


def _is_zone(name: str) -> str | None:
    known = available_timezones()
    return None if name in known else f"no such time zone{did_you_mean(name, known) or ', expected a name such as Europe/Kyiv'}"


def _line(candidates: Sequence[AnyModbusLine], name: str, taken: Collection[str]) -> Line:
    """A line with the panels that answer on it, and those that are added by hand. `taken`: ids of panels on other lines."""
    models, number = load_models(None), name.rpartition("-")[2]
    line, found = candidates[0], list[Found]()
    if click.confirm("Ask the units 1 to 32 on it now? Nothing is written", default=True):
        try:
            line, found = asyncio.run(scanned(candidates, range(1, 33), models, SystemClock()))
        except Mistakes as mistakes:
            say(mistakes.lines[0])
        which = f"unit{'s' if len(found) > 1 else ''} {', '.join(str(each.unit) for each in found)}" if found else "no unit"
        say(f"{how(line)}: {which} {_answers(len(found))}")
    panels: list[Panel] = []

    def added(unit: int, likely: Sequence[str]) -> None:
        known = {*taken, *(panel.id for panel in panels)}
        panels.append(Panel(_named(f"panel-{number}-{unit}", f"unit {unit}", known), _model(likely, models), unit))

    for each in found:
        added(each.unit, each.models)
    while not found and (unit := click.prompt("Unit of a panel (Enter: no more)", default="", show_default=False)):
        if not (unit.isascii() and unit.isdigit() and 1 <= int(unit) <= _LAST_UNIT):
            say(f"{unit}: expected a number from 1 to {_LAST_UNIT}")
        elif int(unit) in [panel.unit for panel in panels]:
            say(f"{unit}: is there already")
        else:
            added(int(unit), ())
    return Line(name, line, tuple(panels))


def _named(default: str, which: str, taken: Collection[str]) -> str:
    def mistake(name: str) -> str | None:
        if name in taken:
            return "another panel is called that"
        return None if _ID.fullmatch(name) else f"expected {NAME}"

    return _until_right(f"Id of the panel that is {which}", default, mistake)


def _model(likely: Sequence[str], models: Collection[str]) -> str:
    def mistake(name: str) -> str | None:
        return None if name in models else f"expected one of {', '.join(sorted(models))}{did_you_mean(name, models)}"

    return _until_right("Its model", likely[0] if likely else "open-access-panel", mistake)


def configuration(answers: Answers) -> str:
    """The text of a configuration, with comments for the person who reads it next."""
    return "\n".join(_text(answers)) + "\n"


def _text(answers: Answers) -> Iterator[str]:
    yield "# Written by `panel-gateway init`. `panel-gateway check` names every mistake, config/README.md describes every key."
    yield f"\n[site]\nname = {quoted(answers.site)}\ntimezone = {quoted(answers.zone)}"
    yield '\n[http]\nhost = "127.0.0.1"                   # "0.0.0.0": other machines may ask, too\nport = 8080'
    if answers.tls is not None:
        certificate, key = map(quoted, answers.tls)
        yield f"\n[http.tls]                            # the port above speaks TLS\ncertificate = {certificate}\nkey = {key}"
    yield f"\n[store]                               # keep backups: `panel-gateway backup FILE`\npath = {quoted(answers.store)}"
    yield f"\n[[users]]\nname = {quoted(answers.user)}\npassword_hash = {quoted(answers.password_hash)}"
    for each in answers.lines:
        yield from _line_text(each)
    yield from (f"\n{text.rstrip()}" for text in answers.controllers)
    yield '\n[[bindings]]\nlink_id = "*"                       # every item, unless a rule of its own says otherwise'
    yield 'panels = ["@all"]'


def _line_text(each: Line) -> Iterator[str]:
    line = each.line
    yield f"\n[[lines]]\nid = {quoted(each.id)}\nkind = {quoted(line.kind)}"
    if isinstance(line, ModbusRtuLine):
        yield f"port = {quoted(line.port)}\nbaudrate = {line.baudrate}\nparity = {quoted(line.parity)}"
    else:
        yield f"host = {quoted(line.host)}\nport = {line.port}"
    for panel in each.panels:
        yield f"\n  [[lines.panels]]\n  id = {quoted(panel.id)}\n  model = {quoted(panel.model)}\n  unit = {panel.unit}"
