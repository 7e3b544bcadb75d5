"""How many connections there may be, and which one is closed when there are too many. Pure; the clock is injected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HEALTH_PLACES = 16
"""Places that are reserved for the health paths."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`total` includes the places for the health paths."""

    total: int
    per_address: int

    @property
    def general(self) -> int:
        return max(1, self.total - HEALTH_PLACES)


@dataclass(slots=True, eq=False)
class Connection:
    """`address` None: counted by the total only. `general`: it has a place for every request, not just for the health paths."""

    address: str | None
    close: Callable[[], None]
    general: bool = True
    admitted: bool = False
    """Whether its last request came from a client that is logged in."""
    has_bytes: Callable[[], bool] = lambda: False
    """Whether something has arrived that was not read yet."""


class Connections:
    """All open connections.

    At a limit, the connection that is idle for longest and not logged in is closed, never one with a request under way. One whose
    login is still arriving is idle.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[Connection] = set()
        self._general = 0
        self._of_address: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}
        """The longest idle one is first."""

    def opened(
        self,
        address: str | None,
        close: Callable[[], None],
        has_bytes: Callable[[], bool] = lambda: False,
        *,
        is_known: bool = False,
    ) -> Connection | None:
        """A place for a new connection; None: there is none, so it has to be closed. May close another connection.

        `is_known`: somebody has logged in from the address. It gets more than its share while all its connections are in use:
        a burst of its requests, or a delay here, must not cost it any.
        """
        if address is not None and self._of_address[address] >= self._limits.per_address:
            made_way = self._make_way(address, unless_used=is_known)
            if not made_way and not is_known:
                return None
        if self._general >= self._limits.general:
            self._make_way(None)
        if len(self._open) >= self._limits.total:
            return None
        made = Connection(address, close, general=self._general < self._limits.general, has_bytes=has_bytes)
        self._open.add(made)
        self._general += made.general
        if address is not None:
            self._of_address[address] += 1
        self._idle[made] = None
        return made

    def gone(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._idle.pop(connection, None)
        self._general -= connection.general
        if connection.address is not None:
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]

    def arrived(self, connection: Connection) -> None:
        """A request has arrived and is about to begin: the connection is idle no more."""
        self._idle.pop(connection, None)

    def begins(self, connection: Connection) -> bool:
        """Begin a request; returns whether it may be any request, else only one for the health paths."""
        self.arrived(connection)
        if connection in self._open and not connection.general and self._general < self._limits.general:
            connection.general = True
            self._general += 1
        return connection.general

    def ends(self, connection: Connection) -> None:
        """End the request: it is answered."""
        if connection in self._open:
            self._idle[connection] = None

    @contextmanager
    def arriving(self, connection: Connection) -> Iterator[None]:
        """Inside, a request without a login is still arriving: that is not work yet."""
        self.ends(connection)
        try:
            yield
        finally:
            self.arrived(connection)

    def _make_way(self, address: str | None, *, unless_used: bool = False) -> bool:
        """Close one connection (of this address); False: none may be closed. `unless_used`: none that has sent something."""
        for connection in self._idle:
            if connection.admitted or (unless_used and connection.has_bytes()):
                continue
            if address is None or connection.address == address:
                self.gone(connection)
                connection.close()
                return True
        return False
