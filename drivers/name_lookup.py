"""Resolves host names so that a name server that does not answer delays no other line."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from threading import Thread

_WITHIN_S = 2.0
_MOST = 3
_MOST_KNOWN = 32


class NameLookup:
    """The addresses of one host. One look-up at a time runs, in a thread of its own that no stop waits for: a call into the
    resolver cannot be cancelled, and an executor shared with others would run out of threads."""

    def __init__(self, host: str) -> None:
        self._host = host.removeprefix("[").removesuffix("]")
        self._running: asyncio.Future[None] | None = None
        self._last: tuple[str, ...] = ()
        self._good: str | None = None
        self._turn = 0
        """How often addresses were given since one was reached."""
        self._error = "no answer from the name server"

    async def addresses(self) -> tuple[str, ...]:
        """One to three addresses to be tried in order, of the current ones, or of the last known ones where no answer comes
        within two seconds: first the one that was reached last, then the others in turns from call to call.

        Raises OSError.
        """
        if _is_address(self._host):
            return (self._host,)
        await asyncio.wait({self._asked()}, timeout=_WITHIN_S)
        if not self._last:
            raise OSError(f"no such host: {self._host}: {self._error}")
        return self._chosen()

    def reached(self, address: str) -> None:
        """A connection to this address was accepted."""
        self._good, self._turn = address, 0

    def _chosen(self) -> tuple[str, ...]:
        good = (self._good,) if self._good is not None and self._good in self._last else ()
        others = [address for address in self._last if address not in good]
        most = _MOST - len(good)
        start = self._turn * most % max(1, len(others))
        self._turn += 1
        return (*good, *[*others[start:], *others[:start]][:most])

    def _asked(self) -> asyncio.Future[None]:
        if self._running is None:
            loop = asyncio.get_running_loop()
            self._running = loop.create_future()
            Thread(target=self._look_up, args=(loop,), name=f"look up {self._host}", daemon=True).start()
        return self._running

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> None:
        found: tuple[str, ...] = ()
        error = "it has no address"
        try:
            entries = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))[:_MOST_KNOWN]
        except (OSError, ValueError) as failure:
            error = getattr(failure, "strerror", None) or str(failure)
        with suppress(RuntimeError):  # the loop is closed: no caller is waiting any more
            loop.call_soon_threadsafe(self._answered, found, error)

    def _answered(self, found: tuple[str, ...], error: str) -> None:
        self._last, self._error = found or self._last, error
        running, self._running = self._running, None
        if running is not None:
            running.set_result(None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
