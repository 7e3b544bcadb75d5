"""One request that fails costs nobody else's."""

from __future__ import annotations

import asyncio

from drivers.contract import Availability, Priority
from drivers.errors import PanelException
from tests.support.lines import bus_on
from tests.support.scripted_line import Answer, ScriptedLine, framed
from tests.support.virtual_time import run_virtual
from tests.unit.test_bus_quarantine import READ, obedient


def test_what_waits_behind_a_request_that_the_panel_refuses_is_sent_all_the_same() -> None:
    async def main() -> None:
        answers: list[Answer] = [[(0.005, framed("01 83 02"))]]
        line = ScriptedLine(lambda frame: answers.pop() if answers else obedient(frame))
        async with bus_on(line) as bus:
            asked = [asyncio.create_task(bus.exchange(1, READ, Priority.GRANT)) for _ in range(4)]
            first, *others = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(first, PanelException)
            assert others == [(42,)] * 3
            assert bus.availability(1).current is Availability.ONLINE

    run_virtual(main())
