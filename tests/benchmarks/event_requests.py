"""Small requests, one after the other, from a process of their own: `python -m tests.benchmarks.event_requests HOST PORT`.

Prints one line when it asks, and, once its standard input ends, JSON: when each request began (monotonic seconds, the same in all
processes) and how many milliseconds it took.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import time

from tests.support.api_server import BASIC

_MOST_PAUSE_S = 0.005
_MOST = 1 << 16


def _answer(connection: socket.socket) -> None:
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += connection.recv(_MOST)
    head, _, body = taken.partition(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(connection.recv(_MOST))


def main(host: str, port: int) -> None:
    """The pauses are drawn: requests are not in step with anything that happens regularly."""
    request = f"GET /gateway/v1/panels HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC}\r\n\r\n".encode()
    drawn, asked = random.Random(1), list[tuple[float, float]]()
    with socket.create_connection((host, port)) as connection:
        print("asking", flush=True)
        while not select.select([sys.stdin], [], [], drawn.uniform(0, _MOST_PAUSE_S))[0]:
            began = time.monotonic()
            connection.sendall(request)
            _answer(connection)
            asked.append((began, 1000 * (time.monotonic() - began)))
    print(json.dumps(asked))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
