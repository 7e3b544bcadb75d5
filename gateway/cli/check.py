"""`panel-gateway check`: every mistake of a configuration and what may surprise, before a gateway meets them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.loader import ConfigurationError, check_settings
from gateway.cli.output import counted, say, say_json


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
        say_json(counts | {"warnings": warnings} if warnings else counts)
    else:
        _tell(path, (f"warning: {warning}" for warning in warnings))
        say(
            "no mistakes: "
            + ", ".join([counted(len(settings.lines), "line"), counted(panels, "panel"), counted(rules, "binding rule")])
        )
    return 1 if strict and warnings else 0


def _tell(path: Path, lines: Iterable[str]) -> None:
    for line in lines:
        say(f"{path}: {line}")
