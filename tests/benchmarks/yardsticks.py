"""The yardsticks: what the parts of a request cost without a gateway. Each is measured beside what it is held against."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

from aiohttp import web
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import DecodePDU, ModbusPDU

from tests.benchmarks.farm import forked

# ---- the frames themselves, by bare pymodbus ----


@asynccontextmanager
async def sockets(ports: Mapping[str, int]) -> AsyncIterator[dict[str, AsyncModbusTcpClient]]:
    """A connected client of pymodbus for each panel."""
    async with AsyncExitStack() as stack:
        clients = {}
        for name, port in ports.items():
            clients[name] = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, reconnect_delay=0)
            stack.callback(clients[name].close)
            assert await clients[name].connect()
        yield clients


def requests(pdus: Iterable[bytes]) -> list[ModbusPDU]:
    """As pymodbus' own values, for unit 1."""
    decoder, made = DecodePDU(True), []
    for pdu in pdus:
        request = decoder.decode(pdu)
        assert request is not None, pdu.hex()
        request.dev_id = 1
        made.append(request)
    return made


async def send(client: AsyncModbusTcpClient, frames: Sequence[ModbusPDU]) -> None:
    for frame in frames:
        reply = await client.execute(False, frame)
        assert not reply.isError(), reply


async def replay(clients: Mapping[str, AsyncModbusTcpClient], frames: Mapping[str, Sequence[bytes]]) -> float:
    """Seconds that bare pymodbus takes for these PDUs: one after the other on a socket, the sockets side by side."""
    made = {name: requests(pdus) for name, pdus in frames.items() if pdus}
    began = perf_counter()
    await asyncio.gather(*(send(clients[name], pdus) for name, pdus in made.items()))
    return perf_counter() - began


# ---- a peer on the same work ----

_SLOT_AT, _COMMIT_AT, _COMMIT = 0x1000, 0x0200, (0xC0DE, 1)


async def peer(client: AsyncModbusTcpClient, words: Sequence[int]) -> float:
    """Seconds that a script takes that knows a panel's map and nothing else: slot 0 written whole, committed, read back."""
    began = perf_counter()
    assert not (await client.write_registers(_SLOT_AT, list(words), device_id=1)).isError()
    assert not (await client.write_registers(_COMMIT_AT, list(_COMMIT), device_id=1)).isError()
    held = await client.read_holding_registers(_SLOT_AT, count=len(words), device_id=1)
    assert tuple(held.registers) == tuple(words)
    return perf_counter() - began


# ---- one durable commit ----


class Commits:
    """Durable commits in a SQLite file beside the gateway's own."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "yardstick.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, body TEXT)")

    def one(self, body: str) -> float:
        """Seconds for one row, durable."""
        began = perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT OR REPLACE INTO row VALUES (1, ?)", (body,))
        self._connection.execute("COMMIT")
        return perf_counter() - began

    def close(self) -> None:
        self._connection.close()


# ---- a bare handler ----


async def _answer(connection: Connection, body: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection.send(runner.addresses[0][1])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(connection.fileno(), ended.set)
    await ended.wait()
    await runner.cleanup()


def _handler(connection: Connection, body: bytes) -> None:
    asyncio.run(_answer(connection, body))


@contextmanager
def bare_handler(body: bytes) -> Iterator[str]:
    """The URL of an aiohttp server in a process of its own that reads a request and answers `body`."""
    context = forked()
    ours, theirs = context.Pipe()
    child = context.Process(target=_handler, args=(theirs, body), daemon=True)
    child.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        child.join()
