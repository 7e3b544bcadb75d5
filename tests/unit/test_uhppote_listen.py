"""Events that controllers send by themselves: they are read at once, and nobody else's datagram has anything read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.panel_model import load_models
from config.settings import UhppoteLineSettings, UhppotePanelSettings
from drivers.clock import SystemClock
from drivers.contract import LogPage, PanelDriver, Priority
from drivers.uhppote.line import UhppoteLine
from simulators.uhppote_board import UhppoteBoard
from simulators.uhppote_bytes import reply
from tests.support.processes import port_for_later
from tests.unit.test_sim_uhppote_board import SERIAL, board, heard

NOW = Priority.BACKGROUND


@asynccontextmanager
async def listening(it: UhppoteBoard, listen: str | None) -> AsyncIterator[PanelDriver]:
    async with heard(it) as port:
        panel = UhppotePanelSettings(id="it", model="uhppote", serial=SERIAL)
        line = UhppoteLine(
            UhppoteLineSettings(id="boards", host="127.0.0.1", port=port, listen=listen, panels=(panel,)), SystemClock()
        )
        await line.bus.start()
        try:
            yield line.add_panel(panel, load_models(None))
        finally:
            await line.bus.stop(5)


async def test_an_event_wakes_its_reader_and_somebody_elses_datagram_does_not() -> None:
    it, place = board(), ("127.0.0.1", port_for_later(socket.SOCK_DGRAM))
    async with listening(it, f"{place[0]}:{place[1]}") as driver:
        news = asyncio.Event()
        driver.on_news = news.set
        assert await driver.read_log(None, NOW, None) == LogPage(0, (), f"{SERIAL:X}", (False,) * 4)
        assert it.listener == place
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            for frame in (reply(0x20, SERIAL), reply(0x20, SERIAL + 1), b"noise"):
                stranger.sendto(frame, place)
        await driver.read_log(None, NOW, None)
        assert not news.is_set()
        it.read("card", "7", 0)
        await asyncio.wait_for(news.wait(), 30)
        page = await driver.read_log(1, NOW, None)
        assert isinstance(page, LogPage)
        assert [event.card for event in page.events] == [7]


async def test_a_listener_of_another_product_is_left_alone() -> None:
    it = board()
    it.listener = ("192.0.2.7", 60_001)
    async with listening(it, None) as driver:
        await driver.read_log(None, NOW, None)
    assert it.listener == ("192.0.2.7", 60_001)
    assert it.traffic.writes == 0


async def test_a_place_that_is_taken_keeps_nobody_from_reading() -> None:
    it = board()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        async with listening(it, f"127.0.0.1:{taken.getsockname()[1]}") as driver:
            it.read("card", "7", 0)
            page = await driver.read_log(1, NOW, None)
            assert isinstance(page, LogPage)
            assert page.last == 1
