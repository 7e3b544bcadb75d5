"""Which controllers answer a broadcast, and what to write into a configuration for them. It reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import BusUnavailable
from drivers.uhppote.wire.messages import Device, read_device
from drivers.uhppote.wire.places import Place, search


@dataclass(frozen=True, slots=True)
class FoundController:
    """`host`: where the answer came from, which a router may have changed; `device` has the controller's own word for it."""

    host: str
    device: Device


async def scan(place: Place, bind: str | None = None, within_s: float = 2.5) -> tuple[FoundController, ...]:
    """Every controller that answers within the time, by serial number. `place`: a broadcast address, or one controller, and the
    port. `bind`: the address of this machine to ask from. What cannot be read is passed over.

    Raises BusUnavailable where nothing can be sent.
    """
    found: dict[int, FoundController] = {}
    try:
        async for reply, host in search(place, bind, 0, within_s):
            try:
                found[reply.serial] = FoundController(host, read_device(reply))
            except ValueError:
                continue
    except OSError as error:
        raise BusUnavailable(f"{place[0]}:{place[1]}: {error.strerror or error}") from error
    return tuple(found[serial] for serial in sorted(found))


def block(found: Sequence[FoundController], place: Place, line: str = "boards") -> str:
    """The lines of a configuration for these controllers. The first digit of a serial number is the number of doors."""
    panels = (
        f"\n  [[lines.panels]]\n"
        f'  id = "board-{each.device.serial}"\n'
        f'  model = "uhppote"\n'
        f"  serial = {each.device.serial}\n"
        f'  host = "{each.host}"\n'
        f"  doors = {_doors(each.device.serial)}\n"
        for each in found
    )
    return f'[[lines]]\nid = "{line}"\nkind = "uhppote"\nhost = "{place[0]}"\nport = {place[1]}\n' + "".join(panels)


def _doors(serial: int) -> int:
    first = int(str(serial)[0])
    return first if first in (1, 2) else 4
