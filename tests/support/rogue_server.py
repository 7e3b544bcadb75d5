"""A Modbus TCP server that misbehaves as a test says, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

CUT = None
"""As a piece of an answer: close the connection here."""

TcpAnswer = Callable[[bytes], Sequence[bytes | None]]
"""From a whole request to the pieces sent back, in order, in writes of their own."""


def good(request: bytes, unit: int | None = None) -> list[bytes | None]:
    """42 to every register read, the echo to every write."""
    if request[7] in (3, 4):
        count = int.from_bytes(request[10:12], "big")
        return [reply(request, bytes((request[7], 2 * count)) + b"\x00\x2a" * count, unit=unit)]
    return [reply(request, request[7:12], unit=unit)]


def reply(request: bytes, pdu: bytes, transaction: int | None = None, unit: int | None = None) -> bytes:
    """A reply frame to this request."""
    number = request[:2] if transaction is None else transaction.to_bytes(2, "big")
    body = bytes((request[6] if unit is None else unit,)) + pdu
    return number + b"\x00\x00" + len(body).to_bytes(2, "big") + body


class RogueServer:
    """`answer` is asked for each request; `connections` and `requests` count. `most_together`: how many requests came at once."""

    def __init__(self, answer: TcpAnswer) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.most_together = 0
        self.port = 0
        self.hung_up = asyncio.Event()
        """A connection ended."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(OSError):
            await self._converse(reader, writer)
        self._writers.discard(writer)
        self.hung_up.set()
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = b""
        while data := await reader.read(8192):
            came, waiting = _requests(waiting + data)
            self.most_together = max(self.most_together, len(came))
            for request in came:
                self.requests.append(request)
                for piece in self.answer(request):
                    if piece is CUT:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)

    def say(self, data: bytes) -> None:
        """Send this on every connection, unasked."""
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


def _requests(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole requests, and what is left."""
    found = []
    while len(data) >= 7 and len(data) >= (size := 6 + int.from_bytes(data[4:6], "big")):
        found.append(data[:size])
        data = data[size:]
    return found, data


@asynccontextmanager
async def rogue_server(answer: TcpAnswer) -> AsyncIterator[RogueServer]:
    rogue = RogueServer(answer)
    server = await asyncio.start_server(rogue.serve, "127.0.0.1", 0)
    rogue.port = server.sockets[0].getsockname()[1]
    try:
        yield rogue
    finally:
        rogue.hang_up()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)
