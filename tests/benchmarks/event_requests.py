"""Small requests, one after the other, from a process of their own: `python -m tests.benchmarks.event_requests HOST PORT`.

Every second one is a change, which is durable before it is answered. Prints one line when it asks, and, once its standard input
ends, JSON: `questions` and `changes`, of each request when it began (monotonic seconds, the same in all processes) and how many
milliseconds it took.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import time
from itertools import cycle

from tests.benchmarks.workload import link_id
from tests.support.api_server import BASIC

_MOST_PAUSE_S = 0.005
_MOST = 1 << 16
_ITEMS = 50


def _answer(connection: socket.socket) -> None:
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += connection.recv(_MOST)
    assert taken.startswith(b"HTTP/1.1 200 "), taken
    head, _, body = taken.partition(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(connection.recv(_MOST))


def _requests(host: str) -> tuple[bytes, list[bytes]]:
    """A question, and changes of several items."""
    head = f"Host: {host}\r\nAuthorization: {BASIC}\r\n"
    body = '{"panels": []}'
    typed = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    changes = [f"PUT /gateway/v1/bindings/{link_id(number)} HTTP/1.1\r\n{typed}".encode() for number in range(_ITEMS)]
    return f"GET /gateway/v1/panels HTTP/1.1\r\n{head}\r\n".encode(), changes


def main(host: str, port: int) -> None:
    """The pauses are drawn: requests are not in step with anything that happens regularly."""
    question, changes = _requests(host)
    drawn, change = random.Random(1), cycle(changes)
    asked: dict[str, list[tuple[float, float]]] = {"questions": [], "changes": []}
    turns = cycle(asked)
    with socket.create_connection((host, port)) as connection:
        print("asking", flush=True)
        while not select.select([sys.stdin], [], [], drawn.uniform(0, _MOST_PAUSE_S))[0]:
            turn = next(turns)
            request = question if turn == "questions" else next(change)
            began = time.monotonic()
            connection.sendall(request)
            _answer(connection)
            asked[turn].append((began, 1000 * (time.monotonic() - began)))
    print(json.dumps(asked))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
