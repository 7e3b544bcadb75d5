"""Two hundred calls a second through one address, over new and over kept connections, as managers and proxies make them.

    python -m tests.benchmarks.polls [--seconds 600] [--rate 200]

Every second call logs in first, over a connection of its own. Ends with status 1 if one call failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import aiohttp

from tests.benchmarks.workload import SiteText, item
from tests.support.processes import logged_in
from tests.support.processes import run as process

_DIGEST = hashlib.md5(b"123456", usedforsecurity=False).hexdigest()
_LOGIN = f"/api/v1/login?username=admin&password={_DIGEST}"
_LIST = "/api/v1/access/timeprofile/items/link"
_CALL_S = 10.0


def own_address() -> str:
    """An address of this machine that is not loopback, where there is one: loopback has no limit of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


async def _get(session: aiohttp.ClientSession, url: str, token: str = "") -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=_CALL_S)) as answer:
        answer.raise_for_status()
        read: dict[str, str] = await answer.json()
        return read


async def _kept(session: aiohttp.ClientSession, base: str, token: str) -> None:
    await _get(session, base + _LIST, token)


async def _anew(base: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        await _get(session, base + _LIST, (await _get(session, base + _LOGIN))["token"])


async def polled(base: str, seconds: float, rate: float) -> Counter[str]:
    """How calls ended: `ok`, or the name of what went wrong."""
    ends: Counter[str] = Counter()

    async def ended(call: asyncio.Future[None]) -> None:
        try:
            await call
            ends["ok"] += 1
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            ends[f"{type(error).__name__}: {error}"] += 1

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as running:
        token = (await _get(session, base + _LOGIN))["token"]
        began = monotonic()
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
            call = _anew(base) if number % 2 else _kept(session, base, token)
            running.create_task(ended(asyncio.ensure_future(call)))
    return ends


async def _main(seconds: float, rate: float) -> int:
    with tempfile.TemporaryDirectory(prefix="polls-") as name:
        config = Path(name) / "site.toml"
        config.write_text(SiteText(0).toml({}).replace("[http]\n", '[http]\nhost = "0.0.0.0"\n'))
        async with process("serve", "--config", str(config), log=Path(name) / "log") as gateway:
            base = f"http://{own_address()}:{urlsplit(gateway.url).port}"
            async with logged_in(base) as client:
                await client.upsert(*(item(number) for number in range(10)))
            began = monotonic()
            ends = await polled(base, seconds, rate)
            took = monotonic() - began
            assert await gateway.end() == 0
    failed = ends.total() - ends["ok"]
    print(f"{ends.total()} calls to {base} in {took:.0f} s ({ends.total() / took:.0f} a second): {failed} failed")
    for what, count in ends.most_common():
        print(f"  {count} {what}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.polls", description="Calls through one address.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second")
    chosen = parser.parse_args()
    return asyncio.run(_main(chosen.seconds, chosen.rate))


if __name__ == "__main__":
    sys.exit(main())
