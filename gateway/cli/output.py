"""What commands say, and how a mistake ends one. Imports nothing of the gateway, so that help and completion need not either."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence

from gateway.ops.terminal import harmless


class Mistakes(Exception):
    """What was wrong, one line each. `is_final`: to try again later does not help."""

    def __init__(self, lines: Sequence[str], *, is_final: bool = False) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)
        self.is_final = is_final


def say(text: str) -> None:
    """One or more lines. Nothing that a name holds moves the cursor."""
    sys.stdout.write("\n".join(map(harmless, text.split("\n"))) + "\n")


def terminal_width() -> int | None:
    """How many characters a line of the terminal has; None where what is said goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def counted(count: int, noun: str) -> str:
    """`1 line`, `2 lines`, `1,000 lines`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def numbered(name: str, number: str) -> str:
    """`Sherlock Holmes (card 12345678)`. `number`: with its kind; empty where there is none."""
    return f"{name} ({number})" if number else name


def note(text: str) -> None:
    """Tell the person at the terminal something beside what was asked for."""
    sys.stderr.write(text + "\n")


def say_json(body: object, *, indent: int | None = 1) -> None:
    """`indent` None: in one line."""
    sys.stdout.write(json.dumps(body, indent=indent, ensure_ascii=False) + "\n")


def confirmed(question: str) -> bool:
    """The answer of the person at the terminal. Raises Mistakes where nobody is there to ask."""
    if not sys.stdin.isatty():
        raise Mistakes(["this asks a question: run it on a terminal, or with --yes"])
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
