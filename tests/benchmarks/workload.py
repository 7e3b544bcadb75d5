"""What the benchmarks ask for, and the sites that they ask it of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MONDAY = 1_793_570_400
"""2026-11-02T00:00 in Europe/Kyiv."""
HOUR, DAY = 3600, 86_400
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def link_id(number: int) -> str:
    return f"91c615e3-1040-4815-8ecb-{number:012x}"


def item(number: int, version: int = 0) -> dict[str, Any]:
    """A weekly profile that takes one slot. Versions of one item differ in the minute at which it closes."""
    opens = MONDAY + number % 60 * 60 + 8 * HOUR
    return {
        "link_id": link_id(number),
        "name": f"profile {number}",
        "time_options": {
            "is_all_day": False,
            "date_from": opens,
            "date_to": MONDAY + closing_minute(version) * 60,
        },
        "repeat_options": {
            "repeat_enable": True,
            "repeat_format": {
                "repeat_type": "custom",
                "repeat_end": {"format": "never"},
                "repeat_custom": {
                    "repeat_point_type": "week",
                    "repeat_looper": 1,
                    "repeat_options": ["MON", *_DAYS[1 : 1 + number % 7]],
                },
            },
        },
    }


def closing_minute(version: int) -> int:
    """Minutes since midnight."""
    return 720 + version % 600


@dataclass(frozen=True, slots=True)
class SiteText:
    """A site of panels on Modbus TCP lines of their own, named `p0`, `p1` ...; a binding is a link_id and its panels."""

    panels: int
    bindings: Sequence[tuple[str, Sequence[str]]] = (("*", ("@all",)),)
    latency_ms: float = 0.0
    deadline_ms: int = 120_000
    drift_share: float = 0.0
    timeout_ms: float = 300.0
    doors: bool = False
    """Output 0 of each panel is a door, named as the panel."""

    def toml(self, ports: Mapping[str, int]) -> str:
        """The configuration; lines that have no port yet get one of their own, where nobody listens."""
        head = (
            f'[site]\ntimezone = "Europe/Kyiv"\n[http]\nport = 0\ndeadline_ms = {self.deadline_ms}\n'
            '[store]\npath = "panel-gateway.db"\n[[users]]\nname = "admin"\npassword = "123456"\n'
        )
        lines = "".join(self._line(f"p{number}", ports) for number in range(self.panels))
        return head + lines + "".join(map(_binding, self.bindings)) + "".join(self._doors())

    def _doors(self) -> Iterator[str]:
        for number in range(self.panels if self.doors else 0):
            yield f'[[doors]]\nid = "p{number}"\npanel = "p{number}"\noutput = 0\n'

    def _line(self, name: str, ports: Mapping[str, int]) -> str:
        return (
            f'[[lines]]\nid = "{name}"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {ports.get(name, int(name[1:]) + 1)}\n'
            f"drift_share = {self.drift_share}\ntimeout_ms = {self.timeout_ms}\n"
            f'  [[lines.panels]]\n  id = "{name}"\n  model = "open-access-panel"\n'
            f"  simulator = {{ latency_ms = {self.latency_ms} }}\n"
        )


@dataclass(frozen=True, slots=True)
class BoardsText(SiteText):
    """A site of UHPPOTE boards instead, a line each, so that each can be in any process."""

    def _line(self, name: str, ports: Mapping[str, int]) -> str:
        number = int(name[1:])
        return (
            f'[[lines]]\nid = "{name}"\nkind = "uhppote"\nhost = "127.0.0.1"\nport = {ports.get(name, number + 1)}\n'
            f"drift_share = {self.drift_share}\ntimeout_ms = {self.timeout_ms}\n"
            f'  [[lines.panels]]\n  id = "{name}"\n  model = "uhppote"\n  serial = {board_serial(name)}\n'
            f"  simulator = {{ latency_ms = {self.latency_ms} }}\n"
        )


def board_serial(name: str) -> int:
    return 405_000_001 + int(name[1:])


def _binding(rule: tuple[str, Sequence[str]]) -> str:
    link, panels = rule
    names = ", ".join(f'"{name}"' for name in panels)
    return f'[[bindings]]\nlink_id = "{link}"\npanels = [{names}]\n'
