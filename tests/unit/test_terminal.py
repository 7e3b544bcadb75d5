"""Names that people choose for others do nothing to the terminal or the log of who reads them."""

from __future__ import annotations

import asyncio
import io
import json
import logging

import pytest

from gateway.cli.client import Running
from gateway.cli.output import Mistakes
from gateway.ops import logs
from gateway.ops.terminal import harmless
from tests.support.api_server import api_server, settings
from tests.unit.test_api_time_profiles import work_week

FORGED = "Bob\r\n00:00:01 info audit: door commanded user=admin\x1b[2J\x9b1m\u202egnp\u2028"
"""It begins a line of its own, clears the screen and turns the rest around."""
SHOWN = r"Bob\u000d\u000a00:00:01 info audit: door commanded user=admin\u001b[2J\u009b1m\u202egnp\u2028"
LISTED = "/api/v1/access/timeprofile/items/link"


async def test_a_name_from_the_gateway_is_one_line_that_a_terminal_only_shows() -> None:
    async with api_server() as server:
        await server.upsert(work_week(name=FORGED))
        for program, name in ((False, SHOWN), (True, FORGED)):
            gateway = Running(settings(), server.url, as_it_is=program)
            (listed,) = (await asyncio.to_thread(gateway.get, f"{LISTED}?page_number=1&limit=10"))["list_items"]
            assert listed["name"] == name
        with pytest.raises(Mistakes) as refused:
            await asyncio.to_thread(Running(settings(), server.url).get, "/gateway/v1/doors/x%1B%5B2J")
        assert r"x\u001b[2J: no such door" in str(refused.value)


def test_names_in_other_scripts_are_left_as_they_are() -> None:
    for name in ("Zoë Müller-Łukasz", "\u05d3\u05d5\u05d3", "محمد\u200c علی", "山田 太郎", "\U0001f469\u200d\U0001f527"):
        assert harmless(name) == name


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.TextFormatter()], ids=["journal", "terminal"])
def test_a_fact_that_somebody_else_chose_forges_no_record(formatter: logging.Formatter) -> None:
    handler = logging.StreamHandler(sink := io.StringIO())
    handler.setFormatter(formatter)
    handler.handle(logging.makeLogRecord({"name": "api", "msg": "refused", "levelno": logging.INFO, "person": FORGED}))
    (line,) = sink.getvalue().splitlines()
    assert line.isprintable()
    if isinstance(formatter, logs.JsonFormatter):
        assert json.loads(line)["person"] == FORGED
