"""Simulated panels in processes of their own, with a tap on what reaches them."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from config.settings import Settings
from simulators.responder import Responder, Sending
from simulators.site import SimulatedSite
from simulators.uhppote_line import BoardResponder

PRELOADED = ["simulators.site", "gateway.app", "gateway.__main__"]
"""Imported once, in the process that all others are forked from."""
_SLOTS, _SLOT_WORDS, _FIRST_SLOT = 64, 64, 0x1000
_READ_HOLDING = 3

Frame = tuple[float, bytes]
"""Monotonic seconds at which a request reached its panel, and its PDU."""

_LOG_READS = tuple(map(bytes.fromhex, ("04 0012", "03 7000", "10 7FFE", "03 7FFE")))


def for_requests(taken: Iterable[Frame]) -> list[Frame]:
    """The frames that were sent for requests. Logs of events are read by the clock, whatever is asked."""
    return [(at, pdu) for at, pdu in taken if not pdu.startswith(_LOG_READS)]


def requested(frames: Mapping[str, Sequence[Frame]]) -> list[bytes]:
    """The PDUs that were sent for requests."""
    return [pdu for taken in frames.values() for _, pdu in for_requests(taken)]


def forked() -> Any:
    """The multiprocessing context: processes start within milliseconds and share nothing with the caller."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class _Tap:
    """Between a line and its panels, which have one line each here."""

    def __init__(self, name: str, responder: Responder) -> None:
        self.name = name
        self.frames: list[Frame] = []
        if isinstance(responder, BoardResponder):
            self._datagram = responder.datagram
            vars(responder)["datagram"] = self._heard
            return
        self._inner = responder.tcp
        vars(responder)["tcp"] = self._tcp

    def _heard(self, frame: bytes) -> list[Sending]:
        self.frames.append((monotonic(), frame))
        return self._datagram(frame)

    def _tcp(self, transaction: int, unit: int, pdu: bytes) -> list[Sending]:
        self.frames.append((monotonic(), pdu))
        return self._inner(transaction, unit, pdu)


class _Host:
    """Carries out what the other side asks for; each public method is a command."""

    def __init__(self, site: SimulatedSite) -> None:
        self._site = site
        self._taps = [_Tap(name, responder) for name, responder in site.responders.items()]

    def frames(self) -> dict[str, list[Frame]]:
        """What came since the last time, by panel."""
        taken = {tap.name: tap.frames for tap in self._taps}
        for tap in self._taps:
            tap.frames = []
        return taken

    def act(self, name: str, action: str) -> dict[str, bool]:
        panel = self._site.panels.get(name)
        if panel is not None:
            {"on": panel.on, "off": panel.off, "restore": panel.restore, "power_cut": panel.power_cut}[action]()
        return {} if panel is None else {name: True}

    def slots(self) -> dict[str, dict[int, tuple[int, ...]]]:
        """The committed words of every used slot."""
        return {name: _used_slots(panel.read_words) for name, panel in self._site.panels.items()}


def _used_slots(read: Any) -> dict[int, tuple[int, ...]]:
    found = {number: tuple(read(_READ_HOLDING, _FIRST_SLOT + _SLOT_WORDS * number, _SLOT_WORDS)) for number in range(_SLOTS)}
    return {number: words for number, words in found.items() if words[0]}


def _main(connection: Connection, settings: Settings) -> None:
    asyncio.run(_serve(connection, settings))


async def _serve(connection: Connection, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    async with SimulatedSite(settings, tcp_port_override={line.id: 0 for line in settings.lines}) as site:
        host, ended = _Host(site), asyncio.Event()

        def readable() -> None:
            try:
                command, *arguments = connection.recv()
            except EOFError:
                loop.remove_reader(connection.fileno())
                ended.set()
                return
            connection.send(getattr(host, command)(*arguments))

        loop.add_reader(connection.fileno(), readable)
        connection.send({name: where[1] for name, where in site.lines.items()})
        await ended.wait()


class Farm:
    """`ports`: where each line listens. Calls block; none is made while something is timed."""

    def __init__(self, connections: Sequence[Connection], ports: Mapping[str, int]) -> None:
        self._connections = connections
        self.ports = ports

    def _ask(self, *command: object) -> dict[str, Any]:
        for connection in self._connections:
            connection.send(command)
        return {name: value for connection in self._connections for name, value in connection.recv().items()}

    def frames(self) -> dict[str, list[Frame]]:
        """Requests since the last call, by panel."""
        return self._ask("frames")

    def act(self, panel: str, action: str) -> None:
        """`on`, `off`, `restore` (to the factory state), `power_cut`."""
        assert self._ask("act", panel, action), panel

    def slots(self) -> dict[str, dict[int, tuple[int, ...]]]:
        """Panel -> slot number -> its 64 committed words, used ones only."""
        return self._ask("slots")


@contextmanager
def farm(settings: Settings, processes: int) -> Iterator[Farm]:
    """The panels of `settings`, their lines dealt out to `processes` processes. Ports are free ones."""
    context, connections, children = forked(), [], []
    for number in range(processes):
        ours, theirs = context.Pipe()
        share = settings.model_copy(update={"lines": settings.lines[number::processes]})
        child = context.Process(target=_main, args=(theirs, share), daemon=True)
        child.start()
        theirs.close()
        connections.append(ours)
        children.append(child)
    try:
        yield Farm(connections, {name: port for connection in connections for name, port in connection.recv().items()})
    finally:
        for connection in connections:
            connection.close()
        for child in children:
            child.join()
