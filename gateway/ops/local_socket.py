"""The UNIX socket on which the gateway of a store is asked on its own machine, without a password: by root and by its own user.

Under systemd it is in the service's runtime directory, named after the store; elsewhere it lies beside the store. A store has one
gateway at a time, so a socket that is there when the store could be opened is left over.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

_RUNTIME = Path("/run/panel-gateway")
"""The runtime directory of the unit that ships. Only the service itself is told its own."""
_LONGEST = 100
"""Bytes of a path that the kernel takes for an address, less some."""
_OWNER_ONLY = 0o177


def place_of(store: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the gateway of this store listens when it is started in this environment."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(runtime) / _named_after(store) if runtime else store.with_name(f"{store.name}.sock")


def places_of(store: Path, environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where the gateway of this store may listen, whatever started it."""
    return tuple(dict.fromkeys((place_of(store, environment), _RUNTIME / _named_after(store), place_of(store, {}))))


def _named_after(store: Path) -> str:
    return f"{hashlib.sha256(os.fsencode(os.path.realpath(store))).hexdigest()[:16]}.sock"


def bound(place: Path) -> socket.socket:
    """A socket at `place` in the stead of one that is left over, for the owner only. Raises OSError."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(place.lstat().st_mode):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
            place.unlink()
        others = os.umask(_OWNER_ONLY)
        try:
            with address_of(place) as address:
                listening.bind(address)
        finally:
            os.umask(others)
    except OSError:
        listening.close()
        raise
    return listening


def remove(place: Path) -> None:
    """Remove the socket at the end; one that cannot be removed is left over."""
    with contextlib.suppress(OSError):
        place.unlink()


@contextlib.contextmanager
def address_of(place: Path) -> Iterator[str]:
    """A text for `place` that is short enough for the kernel, valid inside."""
    if len(os.fsencode(place)) <= _LONGEST:
        yield str(place)
        return
    folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


def answering(store: Path) -> Path:
    """Where a gateway of this store answers. Raises OSError, the first that says more than that nothing is there."""
    told: OSError | None = None
    for place in places_of(store):
        try:
            with address_of(place) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(address)
            return place
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            continue
        except OSError as error:
            told = told or error
    raise told or FileNotFoundError(errno.ENOENT, "it does not run, or runs on another machine", str(store))
