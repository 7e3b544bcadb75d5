"""What the host says of its network, for clients that ask a panel for its address. Empty where it does not say."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_INTERFACES = Path("/sys/class/net")
_RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """The interface that the host reaches others by."""

    mask: str = ""
    gateway: str = ""
    dns: str = ""
    mac_address: str = ""


def host_network(routes: Path = _ROUTES, interfaces: Path = _INTERFACES, resolver: Path = _RESOLVER) -> HostNetwork:
    """Blocking, but short: small files of the kernel."""
    table = [line.split() for line in _lines(routes)[1:]]
    default = next((row for row in table if len(row) > 7 and row[1] == row[7] == "00000000"), None)
    name = default[0] if default is not None else next((row[0] for row in table if row), "")
    own = (row[7] for row in table if len(row) > 7 and row[0] == name and row[7] != "00000000")
    return HostNetwork(
        mask=_address(next(own, "")),
        gateway=_address(default[2]) if default is not None else "",
        dns=next(_name_servers(resolver), ""),
        mac_address=next(iter(_lines(interfaces / name / "address")), "") if name else "",
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii", "replace").splitlines()
    except OSError:
        return []


def _address(hexadecimal: str) -> str:
    """IPv4, as the kernel's table of routes writes it."""
    return socket.inet_ntoa(struct.pack("=I", int(hexadecimal, 16))) if hexadecimal else ""


def _name_servers(resolver: Path) -> Iterator[str]:
    for line in _lines(resolver):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            yield words[1]
