"""`panel-gateway scan`: which units answer on a line, at which rate and parity, and what models they look like. It reads only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from config.nearest import did_you_mean
from config.panel_model import PanelModel
from config.settings import (
    AnyModbusLine,
    ModbusRtuLine,
    ModbusRtuTcpLine,
    ModbusTcpLine,
    PanelSettings,
    Settings,
    UhppoteLineSettings,
)
from drivers.clock import Clock, SystemClock
from drivers.contract import PanelStatus, Priority
from drivers.errors import BusUnavailable, CorruptReply, DriverError, PanelException, StillWorking, UnexpectedReply
from drivers.link import UnitTiming
from drivers.modbus.line import ModbusLine
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import read_holding_registers
from gateway.cli.answers import UsedLine, UsedLines
from gateway.cli.client import Running
from gateway.cli.output import Mistakes, counted, say, say_json
from gateway.cli.progress import progress
from gateway.cli.reading import read_models, read_settings
from gateway.cli.searching import line_of, search
from gateway.cli.tables import table
from gateway.ops import local_socket

RATES = (9600, 19_200, 38_400, 57_600, 115_200)
_TIMEOUT_S = 0.1
_ASK = read_holding_registers(0, 1)
"""A unit that answers it, also with an exception, is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """`models`: those that it may be, the surest first; `damaged`: an answer came, and was not whole."""

    unit: int
    models: tuple[str, ...] = ()
    damaged: bool = False


def scan(config: Path | None, line: str, units: range, *, as_json: bool) -> int:
    """`line`: the id of a line of `config`, a serial port, HOST:PORT, or uhppote:HOST. Status 1 where nobody answers."""
    settings = None if config is None else read_settings(config, leave_out=("users", "http"))
    lines = () if settings is None else settings.lines
    controllers = line_of(line, lines)
    if controllers is not None:
        return search(controllers, as_json=as_json)
    known = {each.id: each for each in lines if not isinstance(each, UhppoteLineSettings)}
    of_panel = next((each.id for each in lines if line in [panel.id for panel in each.panels]), None)
    if of_panel is not None and line not in known:
        raise Mistakes([f"{line}: no such line; it is a panel of the line {of_panel}"])
    candidates = candidates_of(line, known, [each.id for each in lines])
    if line.startswith("/") and not Path(line).exists():
        raise Mistakes([f"{line}: there is no such port; `panel-gateway ports` lists those of this machine"])
    if settings is not None:
        _refuse_beside(line, candidates[0], settings)
    models = read_models(None if settings is None else settings.site.models_dir)
    spoken, found = asyncio.run(scanned(candidates, units, models, SystemClock()))
    if as_json:
        rows = [{"unit": each.unit, "models": each.models, "damaged": each.damaged} for each in found]
        say_json({"line": spoken.model_dump(mode="json", include={"kind", "port", "host", "baudrate", "parity"}), "units": rows})
    elif found:
        say(f"{how(spoken)}: {counted(len(found), 'unit')} answer{'s' if len(found) == 1 else ''}")
        say("\n" + table([("unit", "looks like"), *((each.unit, _likely(each)) for each in found)]))
    else:
        tried = ", ".join(dict.fromkeys(map(how, candidates)))
        raise Mistakes([f"{line}: nobody answers as unit {units.start} to {units.stop - 1} (tried: {tried})"])
    return 0


def _refuse_beside(line: str, place: AnyModbusLine, settings: Settings) -> None:
    """Two masters on a line disturb each other: refuse a place that the running gateway uses, or may use."""
    try:
        local_socket.answering(settings.store.path)
    except FileNotFoundError:  # it does not run
        return
    except OSError as error:
        raise _unknown(line, error.strerror) from error
    try:
        used = Running(settings, None).ask(UsedLines, "/gateway/v1/lines").lines
        beside = next((each.id for each in used if _is_there(place, each)), None)
    except Mistakes as mistakes:
        raise _unknown(line, mistakes.lines[0]) from mistakes
    except OSError as error:
        raise _unknown(line, error.strerror) from error
    if beside is not None:
        told = f"the running gateway works on it as {beside}: stop it before a scan, or see `panel-gateway lines {beside}`"
        raise Mistakes([f"{line}: {told}"])


def _unknown(line: str, why: str | None) -> Mistakes:
    return Mistakes([f"{line}: whether the running gateway works on it is not known ({why}): stop it before a scan"])


def _is_there(place: AnyModbusLine, used: UsedLine) -> bool:
    """Whether a line of the gateway is at this place. Raises OSError where that cannot be told."""
    if isinstance(place, ModbusRtuLine) or used.host is None:
        return isinstance(place, ModbusRtuLine) and used.host is None and _is_same_port(place.port, str(used.port))
    return place.port == used.port and not _addresses(place.host).isdisjoint(_addresses(used.host))


def _is_same_port(one: str, other: str) -> bool:
    """Whether two names are of one serial port; a name that nothing has is of none."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    devices = [os.stat(name).st_rdev for name in (one, other) if os.path.exists(name)]
    return len(devices) == 2 and devices[0] == devices[1] != 0


def _addresses(host: str) -> Set[object]:
    return {found[4][0] for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}


def candidates_of(
    line: str, known: Mapping[str, AnyModbusLine] = MappingProxyType({}), names: Sequence[str] = ()
) -> list[AnyModbusLine]:
    """The ways to speak on a line, the likeliest first: on one of `known`, a serial port, or HOST:PORT. `names`: of all lines.

    Raises Mistakes.
    """
    return list(_candidates(line, known, names))


def _candidates(line: str, known: Mapping[str, AnyModbusLine], names: Sequence[str]) -> Iterator[AnyModbusLine]:
    if line in known:
        delay = {"connect_delay_ms": getattr(known[line], "connect_delay_ms", None) or 0}
        own = known[line].model_copy(update={"panels": (), **({} if isinstance(known[line], ModbusRtuLine) else delay)})
        yield own
        if isinstance(own, ModbusRtuLine):
            yield from (each for each in _serial(own.port) if (each.baudrate, each.parity) != (own.baudrate, own.parity))
    elif line.startswith("/"):
        yield from _serial(line)
    else:
        host, _, port = line.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
            ids = f"one of {', '.join(names)}, " if names else ""
            expected = f"expected a line: {ids}a serial port such as /dev/ttyUSB0, HOST:PORT, or uhppote:HOST"
            raise Mistakes([f"{line}: {expected}{did_you_mean(line, names)}"])
        yield ModbusTcpLine(id="scan", host=host, port=int(port), connect_delay_ms=0)
        yield ModbusRtuTcpLine(id="scan", host=host, port=int(port), connect_delay_ms=0)


def _serial(port: str) -> Iterator[ModbusRtuLine]:
    yield from (ModbusRtuLine(id="scan", port=port, baudrate=rate, parity="none") for rate in RATES)
    yield from (ModbusRtuLine(id="scan", port=port, baudrate=rate, parity="even") for rate in RATES)


def how(line: AnyModbusLine) -> str:
    """`/dev/ttyUSB0 at 9600 baud, parity none`."""
    if isinstance(line, ModbusRtuLine):
        return f"{line.port} at {line.baudrate} baud, parity {line.parity}"
    return f"{line.kind} at {line.host}:{line.port}"


def _likely(found: Found) -> str:
    if found.damaged:
        return "a damaged answer: another rate or parity, two units with one number, or no termination"
    return " or ".join(found.models) or "no model that is known here"


async def scanned(
    candidates: Sequence[AnyModbusLine], units: Collection[int], models: Mapping[str, PanelModel], clock: Clock
) -> tuple[AnyModbusLine, list[Found]]:
    """The first way of speaking at which a unit answers whole, with all units that do; where there is none the last one at which
    damaged answers came. Raises Mistakes where no candidate can be opened."""
    best: tuple[AnyModbusLine, list[Found]] = (candidates[0], [])
    refused: list[str] = []
    for line in candidates:
        try:
            with progress(how(line), len(units)) as reached:
                heard = await _answering(line, units, clock, reached)
        except BusUnavailable as error:
            refused.append(str(error))
            continue
        whole = [each.unit for each in heard if not each.damaged]
        if whole:
            return line, await _looked(line, whole, models, clock)
        best = (line, heard) if heard else best
    if len(refused) == len(candidates):
        raise Mistakes(refused[:1])
    return best


async def _answering(line: AnyModbusLine, units: Collection[int], clock: Clock, reached: Callable[[int], None]) -> list[Found]:
    """Raises BusUnavailable."""
    link, found = open_link(line, clock), []
    await link.open()
    try:
        for done, unit in enumerate(units):
            reached(done)
            try:
                await link.exchange(unit, _ASK, UnitTiming(0.0, _TIMEOUT_S), probe=True)
                found.append(Found(unit))
            except (PanelException, StillWorking):
                found.append(Found(unit))
            except (CorruptReply, UnexpectedReply):
                found.append(Found(unit, damaged=True))
            except BusUnavailable:
                raise
            except DriverError:
                continue
            if not link.connected:
                await link.open()
        reached(len(units))
    finally:
        await link.close()
    return found


async def _looked(line: AnyModbusLine, units: Sequence[int], models: Mapping[str, PanelModel], clock: Clock) -> list[Found]:
    """The models whose status each unit can tell. Models that can be told by a register of their own come first, and alone."""
    there = ModbusLine(line, clock)
    await there.bus.start()
    try:
        return [Found(unit, await _models(there, unit, models)) for unit in units]
    finally:
        await there.bus.stop(0.0)


def _is_told(model: PanelModel) -> bool:
    """Whether a register says what model it is."""
    return any(check.equals is not None for check in model.identity)


async def _models(line: ModbusLine, unit: int, models: Mapping[str, PanelModel]) -> tuple[str, ...]:
    found = []
    spoken = [name for name, model in models.items() if model.protocol == "modbus"]
    for name in sorted(spoken, key=lambda each: (not _is_told(models[each]), each)):
        panel = PanelSettings(id="scan", model=name, unit=unit)
        said = await line.add_panel(panel, models).status(Priority.OPERATOR, None)
        line.remove_panel(panel)
        if isinstance(said, PanelStatus) and _is_told(models[name]):
            return (name,)
        if isinstance(said, PanelStatus):
            found.append(name)
    return tuple(found)
