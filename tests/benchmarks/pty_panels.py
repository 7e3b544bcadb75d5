"""Panels on pseudo-terminals, or one on a socket, in a process of their own, for benchmarks.

    python -m tests.benchmarks.pty_panels COUNT DELAY_S

COUNT 0: one on a socket, by Modbus TCP and without delay. Prints the paths, or the port, then answers every read of registers
with zeros and every write with its echo, each DELAY_S after the request. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.scripted_line import crc


class _Panel:
    def __init__(self, master: int, delay_s: float) -> None:
        self._master = master
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._replies: dict[bytes, bytes] = {}
        self._loop.add_reader(master, self._readable)

    def _readable(self) -> None:
        request = os.read(self._master, 4096)
        reply = self._replies.get(request)
        if reply is None:
            reply = self._replies[request] = _reply(request)
        if self._delay_s:
            self._loop.call_later(self._delay_s, os.write, self._master, reply)
        else:
            os.write(self._master, reply)


def _reply(request: bytes) -> bytes:
    body = request[:6]
    if request[1] in (3, 4):
        size = 2 * int.from_bytes(request[4:6], "big")
        body = request[:2] + bytes((size,)) + bytes(size)
    return body + crc(body)


class _SocketPanel(asyncio.Protocol):
    def __init__(self) -> None:
        self._replies: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        body = data[6:]
        reply = self._replies.get(body)
        if reply is None:
            reply = self._replies[body] = _reply(body)[:-2]
        self._transport.write(data[:4] + len(reply).to_bytes(2, "big") + reply)


async def _serve(count: int, delay_s: float) -> None:
    if not count:
        server = await asyncio.get_running_loop().create_server(_SocketPanel, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    for _ in range(count):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        _Panel(master, delay_s)
        print(os.ttyname(slave), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


@contextmanager
def pty_panels(count: int, delay_s: float) -> Iterator[list[str]]:
    """The paths of `count` pseudo-terminals that are answered by another process; `count` 0: the port of a socket."""
    command = [sys.executable, "-m", "tests.benchmarks.pty_panels", str(count), str(delay_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as panels:
        assert panels.stdout is not None
        assert panels.stdin is not None
        yield [panels.stdout.readline().strip() for _ in range(count or 1)]
        panels.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
