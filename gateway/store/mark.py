"""The mark beside a store: how far it was. A store that is gone, or older than its mark, is noticed by it.

It is written when the store is opened, right after a durable commit, at most once a second, and at close; always after the
commit that it speaks of, so it is never ahead of what is on the medium. A loss of the write-ahead log goes unnoticed only
where all that is lost is younger than the mark: at most the last second before a kill.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.store.codec import Codec, CodecError
from gateway.store.files import beside, replacing


@dataclass(frozen=True, slots=True)
class Mark:
    """`identity`: of the store. `revision`: its last. `durable`: writes of which a power cut loses none; `writes`: all of them.

    `doubt`: why the store is not trusted until an operator says so; empty: it is trusted. `doubted`: the revision that the store
    had when it was found so.
    """

    identity: str
    revision: int
    durable: int
    writes: int
    doubt: str = ""
    doubted: int | None = None


_CODEC: Codec[Mark] = Codec(Mark, "mark")
_UNREADABLE = Mark("", 0, 0, 0, "its mark cannot be read")


def read_mark(store: Path) -> Mark | None:
    """None where there is none; one that cannot be read is a doubt. Raises OSError."""
    mark = beside(store, ".mark")
    if os.path.lexists(mark) and not mark.is_file():
        return _UNREADABLE
    try:
        return _CODEC.decode(mark.read_text("ascii"))
    except FileNotFoundError:
        return None
    except (CodecError, UnicodeDecodeError):
        return _UNREADABLE


def write_mark(store: Path, mark: Mark) -> None:
    """Write the mark in place of the older one, whole or not at all. Raises OSError."""
    with replacing(beside(store, ".mark")) as new:
        new.write_text(_CODEC.encode(mark), "ascii")


def compared(found: Mark, mark: Mark | None) -> Mark:
    """What to remember of a store that is now as `found` says, beside a mark."""
    if mark is None:
        return found
    doubt = mark.doubt or _doubt(found, mark)
    known = mark.doubted if mark.doubt and mark.doubted is not None else found.revision
    return replace(found, doubt=doubt, doubted=known if doubt else None)


def _doubt(found: Mark, mark: Mark) -> str:
    if found.identity != mark.identity:
        return "the mark beside it is another store's"
    if found.durable < mark.durable:
        return f"it is older than its mark: revision {found.revision}, where {mark.revision} was reached"
    return ""
