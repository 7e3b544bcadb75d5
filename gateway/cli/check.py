"""`panel-gateway check`: every mistake of a configuration and what may surprise, before a gateway meets them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from config.loader import ConfigurationError, check_settings
from config.locks import locks_of
from config.settings import DoorSettings
from gateway.cli.output import counted, say, say_json
from gateway.cli.tables import table


def check(path: Path, *, as_json: bool, strict: bool) -> int:
    """The report goes to stdout: it is what was asked for. `strict`: warnings count as mistakes."""
    try:
        settings, findings = check_settings(path)
    except ConfigurationError as error:
        if as_json:
            say_json({"mistakes": error.mistakes})
        else:
            _tell(path, error.mistakes)
        return 1
    warnings = tuple(map(str, findings))
    panels, rules = sum(len(line.panels) for line in settings.lines), len(settings.bindings)
    if as_json:
        counts = {"mistakes": [], "lines": len(settings.lines), "panels": panels}
        found = {"doors": _doors(settings.doors), "warnings": warnings}
        say_json(counts | {key: value for key, value in found.items() if value})
    else:
        if settings.doors:
            rows = [tuple({**row, "pulse_s": f"{row['pulse_s']:g}"}.values()) for row in _doors(settings.doors)]
            say(table([("door", "number", "panel", "output", "lock", "pulse_s"), *rows]))
        _tell(path, (f"warning: {warning}" for warning in warnings))
        say(
            "no mistakes: "
            + ", ".join([counted(len(settings.lines), "line"), counted(panels, "panel"), counted(rules, "binding rule")])
        )
    return 1 if strict and warnings else 0


def _doors(doors: Sequence[DoorSettings]) -> list[dict[str, object]]:
    """Every door, with the lock of its panel that it is beside `all`."""
    return [
        {
            "id": door.id,
            "number": door.number,
            "panel": door.panel,
            "output": door.output,
            "lock": _lock(door, doors),
            "pulse_s": door.pulse_s,
        }
        for door in doors
    ]


def _lock(door: DoorSettings, doors: Sequence[DoorSettings]) -> str | None:
    return next((name for name, outputs in locks_of(doors, door.panel).items() if door.output in outputs), None)


def _tell(path: Path, lines: Iterable[str]) -> None:
    for line in lines:
        say(f"{path}: {line}")
