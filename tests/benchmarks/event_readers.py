"""Readers of a stream of events, in a process of their own: `python -m tests.benchmarks.event_readers HOST PORT READERS EVENTS`.

Prints one line when all of them read, and at the end JSON: how many events each took, and the lag of each chunk in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

from tests.support.api_server import BASIC

_SENT = re.compile(rb'"sent_at":([0-9.]+)')


async def _read(host: str, port: int, events: int, begun: asyncio.Semaphore) -> tuple[int, list[float]]:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    head = f"GET /gateway/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\n\n")  # its place
    begun.release()
    taken, lags, rest = 0, list[float](), b""
    while taken < events:
        chunk = await reader.read(1 << 20)
        assert chunk, "the stream ended"
        whole, _, rest = (rest + chunk).rpartition(b"\n\n")
        sent = _SENT.findall(whole)
        taken += len(sent)
        if sent:
            lags.append(1000 * (time.time() - float(sent[0])))
    writer.close()
    return taken, lags


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
