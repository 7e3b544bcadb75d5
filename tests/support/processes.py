"""The gateway as a user runs it: a process of its own, spoken to over its real HTTP port."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = (sys.executable, "-m", "gateway")
START_S = 60.0


def port_for_later(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A free port of 127.0.0.1, below those that the kernel gives to a server that names none: such a one may be taken soon."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.SystemRandom().randrange(10_000, 30_000)))
            return int(probe.getsockname()[1])


@dataclass
class Running:
    """A started command. `output` is what it wrote to stdout until it was ready."""

    process: asyncio.subprocess.Process
    output: str
    log: Path

    @property
    def url(self) -> str:
        found = re.search(r"https?://\S+", self.output)
        assert found, self.output
        return found[0]

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), START_S)


@asynccontextmanager
async def run(
    *arguments: str,
    log: Path,
    ready: str = "http://",
    environment: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
    within_s: float = START_S,
) -> AsyncIterator[Running]:
    """Start `panel-gateway ARGUMENTS`; inside once a line of its stdout holds `ready`. It is killed at the end.

    `before`: words before the command, for example what gives it a file system of its own. `within_s`: for the start.
    """
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *before,
            *PROGRAM,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONWARNINGS": "error", "TMPDIR": str(log.parent), **(environment or {})},
            cwd=Path(__file__).parents[2],
        )
    try:
        output = await asyncio.wait_for(_until(process, ready), within_s)
        yield Running(process, output, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until(process: asyncio.subprocess.Process, ready: str) -> str:
    assert process.stdout is not None
    output = ""
    while ready not in output:
        line = await process.stdout.readline()
        assert line, f"it ended before {ready!r}: {output}"
        output += line.decode()
    return output


@dataclass
class Client:
    """A client of the panel API with a token."""

    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        async with self.session.request(method, self.url + path, json=body, headers=self.headers) as response:
            read = await response.json()
            assert response.status == status, read
            return read

    async def upsert(self, *items: object) -> list[dict[str, Any]]:
        answer = await self.call("POST", "/api/v1/access/timeprofile/items/link", {"list_items": items})
        return list(answer["result"])

    async def delete(self, *link_ids: str) -> list[dict[str, Any]]:
        answer = await self.call("DELETE", "/api/v1/access/timeprofile/items/link", {"link_ids": link_ids})
        return list(answer["result"])

    async def profiles(self) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/api/v1/access/timeprofile/items/link?limit=50&page_number=1")
        return list(answer["list_items"])

    async def panels(self) -> dict[str, dict[str, Any]]:
        return {panel["id"]: panel for panel in (await self.call("GET", "/gateway/v1/panels"))["panels"]}

    async def until_in_sync(self, *panels: str) -> None:
        """Wait until these panels (all where none is named) hold what is desired."""
        seen: dict[str, dict[str, Any]] = {}
        try:
            async with asyncio.timeout(START_S):
                while True:
                    seen = await self.panels()
                    if all(seen[name]["state"] == "in_sync" for name in panels or seen):
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError({name: row for name, row in seen.items() if row["state"] != "in_sync"}) from None


@asynccontextmanager
async def logged_in(url: str, user: str = "admin", password: str = "123456") -> AsyncIterator[Client]:
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    async with aiohttp.ClientSession() as session:
        client = Client(session, url)
        token = (await client.call("GET", f"/api/v1/login?username={user}&password={digest}"))["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
