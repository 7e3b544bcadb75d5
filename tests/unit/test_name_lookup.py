"""A name server that does not answer holds up neither a stop nor a deadline, and a host known before is still reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from config.settings import ModbusRtuTcpLine, ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Priority
from drivers.errors import BusUnavailable
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import read_holding_registers
from drivers.name_lookup import NameLookup
from tests.support.lines import PROBE
from tests.support.rogue_server import good, rogue_server

READ = read_holding_registers(0x10, 2)
HANGS_S = 60.0


class NameServer:
    """Knows `panel.test` as 127.0.0.1, until it is `hanging`."""

    def __init__(self) -> None:
        self.answers = Event()
        self.answers.set()
        self.asked = 0
        self.addresses: tuple[str, ...] = ("127.0.0.1",)

    def getaddrinfo(self, host: str, *more: Any, **options: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        assert self.answers.wait(HANGS_S)
        if host != "panel.test":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr("drivers.name_lookup.socket.getaddrinfo", server.getaddrinfo)
    yield server
    server.answers.set()


@pytest.mark.parametrize("kind", [ModbusTcpLine, ModbusRtuTcpLine])
async def test_a_look_up_that_hangs_keeps_no_deadline_and_no_stop(
    names: NameServer, kind: type[ModbusTcpLine | ModbusRtuTcpLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.name_lookup._WITHIN_S", HANGS_S)
    names.answers.clear()
    settings = kind(id="annex", host="panel.test", port=502)
    bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
    bus.attach(1, probe=PROBE)
    loop = asyncio.get_running_loop()
    await bus.start()
    began = loop.time()
    with pytest.raises(BusUnavailable):
        await bus.exchange(1, READ, Priority.GRANT, deadline=began + 0.2)
    await loop.run_in_executor(None, lambda: None)
    await bus.stop(0.1)
    assert loop.time() < began + HANGS_S / 2
    assert names.asked == 1


async def test_a_host_that_was_found_once_is_reached_though_its_name_server_hangs(names: NameServer) -> None:
    async with rogue_server(good) as server:
        settings = ModbusTcpLine(id="annex", host="panel.test", port=server.port, timeout_ms=2000)
        bus = ModbusBus(settings, open_link(settings, SystemClock()), SystemClock())
        bus.attach(1, probe=PROBE)
        await bus.start()
        assert await bus.exchange(1, READ, Priority.GRANT) == (42, 42)
        names.answers.clear()
        server.hang_up()
        assert await bus.exchange(1, READ, Priority.GRANT) == (42, 42)
        await bus.stop(1)


async def test_one_look_up_at_a_time_however_often_it_is_asked(names: NameServer) -> None:
    names.answers.clear()
    lookup = NameLookup("panel.test")
    asked = [asyncio.create_task(lookup.addresses()) for _ in range(5)]
    await asyncio.sleep(0.05)
    names.answers.set()
    assert await asyncio.gather(*asked) == [("127.0.0.1",)] * 5
    assert names.asked == 1


@pytest.mark.parametrize("host", ["nowhere.test", "a" * 300, "a..b"])
async def test_a_name_that_nobody_has_is_told(names: NameServer, host: str) -> None:
    with pytest.raises(OSError, match="no such host: "):
        await NameLookup(host).addresses()


async def test_the_address_that_was_reached_is_tried_first_and_the_others_in_turns(names: NameServer) -> None:
    """A host with several addresses, most of them out of order, cost three seconds at every connection, or was never reached."""
    names.addresses = tuple(f"192.0.2.{number}" for number in range(1, 8))
    lookup = NameLookup("panel.test")
    tried = [address for _ in range(3) for address in await lookup.addresses()]
    assert set(tried) == set(names.addresses)
    lookup.reached("192.0.2.5")
    for _ in range(2):
        assert (await lookup.addresses())[0] == "192.0.2.5"
    others = {address for _ in range(4) for address in await lookup.addresses()}
    assert others == set(names.addresses), "it may have moved all the same"
    names.addresses = ("192.0.2.9", "192.0.2.8")
    assert set(await lookup.addresses()) == set(names.addresses), "an address that the name has no more is somebody else's"


@pytest.mark.parametrize("kind", [ModbusTcpLine, ModbusRtuTcpLine])
async def test_a_connection_made_anew_goes_where_the_last_one_went(
    names: NameServer, kind: type[ModbusTcpLine | ModbusRtuTcpLine]
) -> None:
    names.addresses = ("127.0.0.2", "127.0.0.1")
    reached: asyncio.Queue[str] = asyncio.Queue()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.put_nowait(writer.get_extra_info("sockname")[0])
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(met, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = kind(id="annex", host="panel.test", port=port)
        link = open_link(settings, SystemClock())
        await link.open()
        async with await asyncio.start_server(met, "127.0.0.2", port):
            for _ in range(3):
                await link.open()
            assert [await reached.get() for _ in range(4)] == ["127.0.0.1"] * 4
            await link.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "192.0.2.7", "[::1]"])
async def test_an_address_is_not_looked_up(names: NameServer, address: str) -> None:
    assert await NameLookup(address).addresses() == (address.strip("[]"),)
    assert names.asked == 0
