"""What commands say, and how a mistake ends one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from config.settings import Settings
from gateway.cli import client


class Mistakes(Exception):
    """What was wrong, one line each. `is_final`: to try again later does not help."""

    def __init__(self, lines: Sequence[str], *, is_final: bool = False) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)
        self.is_final = is_final


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def counted(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def note(text: str) -> None:
    """Tell the person at the terminal something beside what was asked for."""
    sys.stderr.write(text + "\n")


def say_json(body: object) -> None:
    say(json.dumps(body, indent=1, ensure_ascii=False))


def called(settings: Settings, method: str, path: str, url: str | None) -> Any:
    """What the running gateway answers. Raises Mistakes."""
    try:
        return asyncio.run(client.call(settings, method, path, url))
    except client.GatewayRefused as error:
        raise Mistakes(error.lines) from error
