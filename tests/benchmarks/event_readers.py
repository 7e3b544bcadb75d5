"""Readers of a stream of events, in a process of their own: `python -m tests.benchmarks.event_readers HOST PORT READERS EVENTS`.

Prints one line when all of them read, and at the end JSON: how many events each took, and the lag of each chunk in milliseconds.
Until then it does as little as it can: on a site readers do not take the gateway's CPU time.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

from tests.support.api_server import BASIC

_SENT = re.compile(rb'"sent_at":([0-9.]+)[,}]')
_LOOKED_AT = 1000
"""Bytes: the lag of a chunk is that of the first event in these."""


async def _read(host: str, port: int, events: int, begun: asyncio.Semaphore) -> tuple[int, list[float]]:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    head = f"GET /gateway/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\n\n")  # its place
    begun.release()
    taken, begun_with = 0, list[tuple[float, bytes]]()
    while taken < events:
        chunk = await reader.read(1 << 20)
        assert chunk, "the stream ended"
        taken += chunk.count(b"{")  # one flat object each
        begun_with.append((time.time(), chunk[:_LOOKED_AT]))
    writer.close()
    return taken, [1000 * (at - float(sent[1])) for at, first in begun_with if (sent := _SENT.search(first))]


async def main(host: str, port: int, readers: int, events: int) -> None:
    begun = asyncio.Semaphore(0)
    reading = [asyncio.create_task(_read(host, port, events, begun)) for _ in range(readers)]
    for _ in reading:
        await begun.acquire()
    print("reading", flush=True)
    done = await asyncio.gather(*reading)
    print(json.dumps({"taken": [taken for taken, _ in done], "lags_ms": [lag for _, lags in done for lag in lags]}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
