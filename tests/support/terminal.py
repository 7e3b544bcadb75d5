"""A command on a terminal: a pseudo-terminal of 100 columns, without colours, and a person who answers what it asks."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

CTRL_C = "\x03"
PROGRAM = Path(sys.executable).with_name("panel-gateway")


def on_a_terminal(
    *arguments: str, answers: Iterable[tuple[str, str]] = (), environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The status, and all that stood on the terminal. `answers`: what is waited for, and what is typed then."""
    ours, theirs = pty.openpty()
    known = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", **(environment or {})}
    with os.fdopen(theirs, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=known,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    shown, place = b"", 0  # what comes at once may end within a letter
    try:
        for prompt, text in answers:
            while prompt.encode() not in shown[place:]:
                shown += _some(ours, shown)
            place = len(shown)
            os.write(ours, text.encode() if text == CTRL_C else f"{text}\n".encode())
        with suppress(EOFError):
            while True:
                shown += _some(ours, shown)
        return process.wait(60), shown.decode().replace("\r\n", "\n")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def _some(terminal: int, shown: bytes) -> bytes:
    """What came. Raises EOFError where the command has ended, with all that it said."""
    try:
        return os.read(terminal, 65_536)
    except OSError as error:  # Linux says EIO where nobody holds the other end any more
        raise EOFError(shown) from error
