"""A gateway process under attack: what it costs, and the sockets that attack it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.processes import Client, Running, logged_in, run

METER = Path(__file__).parents[1] / "support" / "loop_meter"
LONGEST_S = 0.1
ROUNDS = 3
LINK = "/api/v1/access/timeprofile/items/link"
DIGEST = "e10adc3949ba59abbe56e057f20f883e"

CONFIG = """
[site]
timezone = "Europe/Kyiv"
[http]
port = 0
{http}
[store]
{store}
[[users]]
name = "admin"
password = "123456"
"""


@dataclass(frozen=True, slots=True)
class Attacked:
    gateway: Running
    client: Client
    folder: Path

    @property
    def port(self) -> int:
        port = urlsplit(self.gateway.url).port
        assert port is not None
        return port

    @property
    def bearer(self) -> str:
        return self.client.headers["Authorization"]

    def memory_mib(self) -> float:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.gateway.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.gateway.process.pid}/fd").iterdir()))

    def children(self) -> list[int]:
        """The processes that it has started."""
        pid = self.gateway.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @staticmethod
    def gone(process: int) -> bool:
        return not Path(f"/proc/{process}").exists()

    async def never_holds_the_loop(self, act: Callable[[], Awaitable[None]]) -> None:
        """No callback of the loop takes `LONGEST_S` of the processor, whenever it is done.

        What holds the loop holds it each time; a machine that is busy elsewhere makes a callback slow once.
        """
        for _ in range(ROUNDS - 1):
            if (await self._longest_callback(act))[0] < LONGEST_S:
                return
        took, whose = await self._longest_callback(act)
        assert took < LONGEST_S, whose

    async def _longest_callback(self, act: Callable[[], Awaitable[None]]) -> tuple[float, str]:
        """CPU seconds of the longest callback of the loop meanwhile, and whose."""
        self.gateway.process.send_signal(signal.SIGUSR1)
        await act()
        cpu, _, name, _ = (self.folder / "meter").read_text().splitlines()
        return float(cpu), name

    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def status(self, path: str, **headers: str) -> int:
        """The status of a GET over a connection of its own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.send("GET", path, named)
        return int(answer.split()[1]) if answer else 0

    async def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """The whole answer of one request over a connection of its own; nothing where the connection was closed."""
        reader, writer = await self.connect()
        try:
            writer.write(head(method, path, {"Connection": "close", "Content-Length": str(len(body)), **(headers or {})}) + body)
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            return b""
        finally:
            await closed(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        return


@asynccontextmanager
async def attacked(
    folder: Path, http: str = "", before: tuple[str, ...] = (), *, store: str = "", ends: signal.Signals = signal.SIGTERM
) -> AsyncIterator[Attacked]:
    """A running gateway without panels, and somebody who is logged in. `ends`: the signal that ends the gateway."""
    config = folder / "site.toml"
    config.write_text(CONFIG.format(http=http, store=store))
    environment = {"PYTHONPATH": str(METER), "LOOP_METER": str(folder / "meter")}
    serve = ("serve", "--config", str(config))
    async with (
        run(*serve, log=folder / "log", environment=environment, before=before) as gateway,
        logged_in(gateway.url) as client,
    ):
        yield Attacked(gateway, client, folder)
        assert await gateway.end(ends) == (0 if ends is signal.SIGTERM else -ends), (folder / "log").read_text()[-2000:]


long_half = pytest.mark.skipif("HOSTILE" not in os.environ, reason="the long half: make hostile")
