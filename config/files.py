"""Reading the small files of an installation: nothing that never ends, nothing that waits for a writer."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_CONFIGURATION = 16 * 1024 * 1024
MOST_MODEL = 1024 * 1024
MOST_PASSWORD = 4096


def read_file(path: Path, most: int) -> bytes:
    """A regular file's bytes. Raises OSError for anything else, and for one larger than `most` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return content


def read_password(path: Path) -> str:
    """Without the end of its line. Raises OSError, and UnicodeDecodeError for what is not UTF-8."""
    return read_file(path, MOST_PASSWORD).decode().rstrip("\r\n")
