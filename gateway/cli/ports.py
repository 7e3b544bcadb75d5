"""`panel-gateway ports`: the serial ports of this machine, by the names that they keep after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from serial.tools import list_ports

from gateway.cli.output import say, say_json
from gateway.cli.tables import table

BY_ID = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class Port:
    """`name`: the one to put into a configuration; `device`: what the kernel calls it now; `what`: what it says of itself."""

    name: str
    device: str
    what: str | None


def ports(*, as_json: bool) -> int:
    found = list(serial_ports())
    if as_json:
        say_json({"ports": [asdict(port) for port in found]})
    elif found:
        say(table([("port", "device", "adapter"), *((port.name, port.device, port.what) for port in found)]))
    else:
        say("this machine has no serial port: is the adapter plugged in?")
    return 0


def serial_ports(by_id: Path = BY_ID) -> Iterator[Port]:
    """The stable name where there is one, else the device itself."""
    names = dict(_named(by_id.iterdir() if by_id.is_dir() else ()))
    for port in sorted(list_ports.comports(), key=lambda each: each.device):
        what = port.description if port.description != "n/a" else None
        yield Port(names.pop(port.device, port.device), port.device, what)
    yield from (Port(name, device, None) for device, name in sorted(names.items()))


def _named(links: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for link in links:
        if link.exists():
            yield str(link.resolve()), str(link)
