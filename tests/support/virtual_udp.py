"""Datagrams without a network on virtual time: what a link sends goes to simulated boards, and what they send comes to the very
socket that asked, however late.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from simulators.uhppote_line import BoardResponder
from tests.support.virtual_time import VirtualTimeLoop


class VirtualUdpLoop(VirtualTimeLoop):
    """`boards` hear every datagram. A socket that is closed when something comes gets nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.boards: BoardResponder | None = None
        self._heard: dict[socket.socket, asyncio.Queue[bytes]] = {}

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        self._heard = {each: queue for each, queue in self._heard.items() if each.fileno() >= 0}
        self._heard[sock] = asyncio.Queue()
        assert self.boards is not None
        for sending in self.boards.datagram(bytes(data)):
            self.call_later(sending.after_s, self._arrive, sock, sending.data)

    def _arrive(self, sock: socket.socket, data: bytes) -> None:
        if sock in self._heard and sock.fileno() >= 0:
            self._heard[sock].put_nowait(data)

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        return await self._heard[sock].get()
