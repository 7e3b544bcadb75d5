"""Reads the small files of an installation, and never one without an end or one that waits for a writer."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_CONFIGURATION = 16 * 1024 * 1024
MOST_MODEL = 1024 * 1024
MOST_PASSWORD = 4096


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_file(path: Path, most: int) -> bytes:
    """A regular file's bytes. Raises OSError for anything else, and for one larger than `most` bytes."""
    if "\0" in str(path):  # open() has an error of its own for it
        raise OSError(errno.EINVAL, "no file has a NUL in its name", str(path))
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return content


def read_password(path: Path) -> str:
    """The password of a file. Raises OSError, and UnicodeDecodeError for what is not UTF-8."""
    return password_in(read_file(path, MOST_PASSWORD).decode())


def read_secret(path: Path) -> str:
    """The one line of a file that others rely on to be secret. Raises OSError, also where it is none, and UnicodeDecodeError."""
    text = read_password(path)
    if not is_one_line(text):
        raise OSError(errno.EINVAL, "must hold one line", str(path))
    return text


def unread(error: OSError | UnicodeDecodeError) -> str:
    """Why one of these files was not read."""
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__


def is_one_line(text: str) -> bool:
    """Whether it can be a secret."""
    return bool(text) and "\n" not in text


def password_in(text: str) -> str:
    """What editors add is no part of a password: a byte order mark before it, blanks and the end of the line after it."""
    return text.removeprefix("\ufeff").rstrip()
