"""The files of a store and beside it: where they lie, and how one is replaced so that it is whole or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from gateway.store.contract import StoreInUse

_ENDINGS = ("", "-wal", "-shm", ".mark")
"""The endings of the files that make a store."""
_RESERVE_BYTES = tuple(1 << power for power in range(20, 15, -1))
"""What is reserved: the first that there is room for."""


def beside(store: Path, ending: str) -> Path:
    return store.with_name(store.name + ending)


def real(store: Path) -> Path:
    """The file that a store's path means, beside which its other files lie; a link that leads to no file stays as it is."""
    return Path(os.path.realpath(store)) if store.is_file() else store.absolute()


def take_lock(store: Path) -> int:
    """The descriptor that holds it. Raises StoreInUse, OSError."""
    path = beside(store, ".lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError:
        lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise StoreInUse(f"{store}: another gateway uses this store") from error
    return lock


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the store's lock: no gateway uses the store, and none can begin to. Raises StoreInUse, OSError."""
    lock = take_lock(store)
    try:
        yield
    finally:
        os.close(lock)


def sync_folder(folder: Path) -> None:
    """Makes what was created or renamed in it durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new file to write beside `target`, of mode 640, that takes its place at the end; after an error it is gone."""
    new = beside(target, ".part")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
    try:
        yield new
        descriptor = os.open(new, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(new, target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(target.absolute().parent)


def set_aside(store: Path, but: str = "") -> Path | None:
    """Moves the store and what belongs to it (`but` one ending) out of the way, under the first free number.

    Returns where the store, or what was left of it, is now; None where there was nothing. The mark goes last: begun and not
    finished, the store counts as lost.
    """
    there = [path for ending in _ENDINGS if (not but or ending != but) and os.path.lexists(path := beside(store, ending))]
    if not there:
        return None
    number = next(number for number in count(1) if not list(store.parent.glob(f"{store.name}.aside{number}*")))
    kept = beside(store, f".aside{number}")
    for path in there:
        os.replace(path, beside(kept, path.name.removeprefix(store.name)))
    sync_folder(store.parent)
    return kept


def free_room(store: Path) -> int | None:
    """Bytes that are free on the store's medium; None: that cannot be known."""
    try:
        room = os.statvfs(store.parent)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


def reserve_room(store: Path) -> None:
    """Takes as much room on the medium as there is, up to 1 MiB, to be given back to deletions when it is full."""
    path = beside(store, ".reserve")
    for size in _RESERVE_BYTES:
        if path.exists() and path.stat().st_size >= size:
            return
        try:
            with replacing(path) as new, new.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError:
            continue


def give_room(store: Path) -> None:
    beside(store, ".reserve").unlink(missing_ok=True)
