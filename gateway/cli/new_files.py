"""Files that commands make for the service, and that nobody else may read."""

from __future__ import annotations

import grp
import os
from contextlib import suppress
from pathlib import Path

_OWNER_ONLY, _OWNER_AND_SERVICE = 0o600, 0o640
_SERVICE = "panel-gateway"


def write_new(path: Path, text: str) -> None:
    """A new file for this user alone; one that root makes may be read by the service, too. Raises OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            with suppress(KeyError):  # the service's user is made later
                os.fchown(file.fileno(), 0, grp.getgrnam(_SERVICE).gr_gid)
                os.fchmod(file.fileno(), _OWNER_AND_SERVICE)
        file.write(text)


def write_in_place(path: Path, text: str) -> None:
    """The same in place of the file that is there. Who reads it meanwhile reads the old one whole. Raises OSError."""
    coming = path.with_name(f"{path.name}.new")
    coming.unlink(missing_ok=True)
    write_new(coming, text)
    coming.replace(path)
