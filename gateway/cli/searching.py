"""`panel-gateway scan uhppote:HOST`: the controllers that answer a broadcast, and what to write into a configuration for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from config.settings import LineSettings, UhppoteLineSettings
from drivers.errors import BusUnavailable
from drivers.uhppote.scan import FoundController, block, scan
from gateway.cli.output import Mistakes, counted, say, say_json
from gateway.cli.tables import table

_KIND = "uhppote"


def line_of(text: str, known: Iterable[LineSettings]) -> UhppoteLineSettings | None:
    """The line of controllers that is meant: one of `known`, or `uhppote:HOST[:PORT]`; None: it is another kind of line.

    Raises Mistakes.
    """
    for each in known:
        if each.id == text:
            return each if isinstance(each, UhppoteLineSettings) else None
    kind, _, place = text.partition(":")
    if kind != _KIND:
        return None
    host, _, port = place.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535)):
        raise Mistakes([f"{text}: expected uhppote:HOST or uhppote:HOST:PORT, best with a broadcast address"])
    line = UhppoteLineSettings(id="boards", host=host)
    return line.model_copy(update={"port": int(port)}) if port else line


async def searched(line: UhppoteLineSettings) -> tuple[FoundController, ...]:
    """Every controller that answers. Raises Mistakes where nothing can be sent."""
    try:
        return await scan((line.host, line.port), line.bind)
    except BusUnavailable as error:
        raise Mistakes([str(error)]) from error


def block_of(line: UhppoteLineSettings, found: Sequence[FoundController], name: str) -> str:
    """What to write into a configuration for the controllers that were found on the line, which is called `name` there."""
    return block(found, (line.host, line.port), name)


def search(line: UhppoteLineSettings, *, as_json: bool) -> int:
    """Raises Mistakes where nobody answers."""
    found = asyncio.run(searched(line))
    if as_json:
        rows = [{"host": each.host, **asdict(each.device)} for each in found]
        say_json({"line": {"kind": _KIND, "host": line.host, "port": line.port}, "controllers": rows})
    elif found:
        say(f"{line.host}:{line.port}: {counted(len(found), 'controller')} answer{'s' if len(found) == 1 else ''}")
        say("\n" + table([("serial", "address", "firmware", "released"), *map(_row, found)]))
        say("\n" + block_of(line, found, line.id))
    if not found and not as_json:
        raise Mistakes([f"{line.host}:{line.port}: no controller answers"])
    return 0 if found else 1


def _row(found: FoundController) -> tuple[object, ...]:
    return found.device.serial, found.host, found.device.version, found.device.released
