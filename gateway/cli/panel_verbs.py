"""What an operator asks of one panel."""

from __future__ import annotations

from urllib.parse import quote

from gateway.cli.client import running
from gateway.cli.options import Asked
from gateway.cli.output import say, say_json


def act(asked: Asked, panel: str, action: str, query: str = "") -> int:
    """`action`: a verb of the gateway's own surface."""
    body = running(asked).post(f"/gateway/v1/panels/{quote(panel, safe='')}/{action}{query}")
    if asked.as_json:
        say_json(body)
    else:
        say(f"{body['panel']}: {body['action']} asked for")
    return 0
