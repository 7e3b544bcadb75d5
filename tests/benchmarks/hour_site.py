"""The site of the real hour: panels of every shipped model on pseudo-terminals and TCP, a gateway, and a disk of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.host_time import clock_off_by, faketime, kernel_that_says
from tests.support.processes import Running, run

ZONE = "Europe/Kyiv"
LEASE_S = 20
ACCESS = ("lobby", "gate", "vault")
TABLES = (*ACCESS, "hall", "barn", "room")
OUTPUTS = ("relay:1", "relay:4")
EVERYWHERE = (*TABLES, *OUTPUTS)
STORAGE = {"lobby": "commits", "gate": "commits", "vault": "commits", "hall": "saves", "barn": "saves", "room": "eeprom_writes"}
"""What the control URL calls the writes to a panel's storage."""
_START_S = 600.0
"""A busy machine is no fault."""
_SITE = """
[site]
timezone = "{zone}"
[http]
port = 0
deadline_ms = 3000
[store]
path = "{folder}/disk/panel-gateway.db"
[[users]]
name = "admin"
password = "123456"

[[lines]]
id = "west"
kind = "modbus-rtu"
port = "{folder}/west"
baudrate = 115200
  [[lines.panels]]
  id = "lobby"
  model = "open-access-panel"
  simulator = {{ schedules = 12, identifiers = 8 }}

[[lines]]
id = "east"
kind = "modbus-rtu"
port = "{folder}/east"
baudrate = 115200
  [[lines.panels]]
  id = "gate"
  model = "open-access-panel"
  simulator = {{ schedules = 12, identifiers = 8 }}

[[lines]]
id = "north"
kind = "modbus-rtu"
port = "{folder}/north"
baudrate = 115200
  [[lines.panels]]
  id = "hall"
  model = "ge-a-series"
  unit = 1
  [[lines.panels]]
  id = "room"
  model = "domat-fc013"
  unit = 2
  [[lines.panels]]
  id = "relay"
  model = "waveshare-relay-8ch"
  unit = 3
  hold_lease_s = {lease_s}

[[lines]]
id = "annex"
kind = "modbus-tcp"
host = "127.0.0.1"
port = {ports[0]}
  [[lines.panels]]
  id = "vault"
  model = "open-access-panel"
  simulator = {{ schedules = 12, identifiers = 8, busy_ms = 150 }}

[[lines]]
id = "plant"
kind = "modbus-rtu-tcp"
host = "127.0.0.1"
port = {ports[1]}
baudrate = 115200
  [[lines.panels]]
  id = "barn"
  model = "ge-a-series"

[[bindings]]
link_id = "*"
panels = [{everywhere}]
"""
LINES = ("west", "east", "north", "annex", "plant")


def write_site(folder: Path) -> Path:
    """The configuration, with ports that are free now."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (one, other)]
    config = folder / "site.toml"
    everywhere = ", ".join(f'"{name}"' for name in EVERYWHERE)
    config.write_text(_SITE.format(zone=ZONE, folder=folder, lease_s=LEASE_S, ports=ports, everywhere=everywhere))
    return config


class Disk:
    """A small file system that outlives the gateways on it. Where none can be mounted it is a folder that is never full."""

    def __init__(self, folder: Path, holder: subprocess.Popen[bytes] | None) -> None:
        self._folder, self._holder = folder, holder

    @property
    def words(self) -> tuple[str, ...]:
        """Before a command that is to see it."""
        if self._holder is None:
            return ()
        return "nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--wd={Path.cwd()}"

    @property
    def can_be_full(self) -> bool:
        return self._holder is not None

    def fill(self) -> None:
        """To the last byte."""
        if self._holder is not None:
            filler = self._seen() / "filler"
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=512"], capture_output=True, check=False)

    def clear(self) -> None:
        (self._seen() / "filler").unlink(missing_ok=True)

    def _seen(self) -> Path:
        return self._folder if self._holder is None else Path(f"/proc/{self._holder.pid}/root{self._folder}")


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """One that the store and its log do not fill by themselves: the log grows to 4 MB before it begins anew."""
    folder.mkdir()
    user = () if os.getuid() == 0 else ("-U", "-r")
    words = ["unshare", "-m", *user, "sh", "-c", f'mount -t tmpfs -o size=12m none "{folder}" && echo && exec sleep infinity']
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as holder:
        assert holder.stdout is not None
        is_mounted = os.getuid() == 0 and bool(holder.stdout.readline())
        try:
            yield Disk(folder, holder if is_mounted else None)
        finally:
            holder.kill()


@dataclass(frozen=True, slots=True)
class HostTime:
    """`offset` in the words of libfaketime; `said`: what the kernel says of its clock."""

    offset: str = "+0"
    said: str = "synchronised"

    @property
    def is_right(self) -> bool:
        return self.offset == "+0"


@asynccontextmanager
async def gateway_of(config: Path, disk: Disk, time: HostTime, log: Path) -> AsyncIterator[Running]:
    before = (*disk.words, *kernel_that_says(time.said))
    program = faketime()
    environment = {} if time.is_right or program is None else clock_off_by(time.offset, program)
    words = ("serve", "--config", str(config))
    async with run(*words, log=log, before=before, environment=environment, within_s=_START_S) as running:
        yield running


@asynccontextmanager
async def panels_of(config: Path, log: Path) -> AsyncIterator[Running]:
    """Its URL is the control URL."""
    async with run("simulate", "--config", str(config), log=log, ready="control URL", within_s=_START_S) as running:
        yield running


def swap_adapters(folder: Path) -> None:
    """Two serial adapters change names; who has one open keeps it."""
    west, east = folder / "west", folder / "east"
    targets = os.readlink(west), os.readlink(east)
    for link, target in zip((east, west), targets, strict=True):
        link.unlink()
        link.symlink_to(target)


def cost(process: int) -> tuple[float, int]:
    """Resident memory of a process in MiB, and how many descriptors it has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(f"/proc/{process}/fd"))
