"""The link to one controller over real sockets on loopback: what is lost, late, doubled, foreign, refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from drivers.errors import BusUnavailable, ConnectionLost, CorruptReply, NoReply, UnexpectedReply
from drivers.link import UnitTiming, WireTally
from drivers.uhppote.wire.frames import Request, frame
from drivers.uhppote.wire.links import BoardLink, TcpLink, UdpLink
from drivers.uhppote.wire.messages import count_cards, get_card, get_profile, read_card, set_time
from drivers.uhppote.wire.places import search
from tests.unit.test_sim_uhppote_board import OTHER, SERIAL, board, heard

SOON = UnitTiming(0.0, 0.1)
"""Where silence has to run out."""
LONG = UnitTiming(0.0, 30.0)
Answer = Callable[[bytes], list[bytes]]


class _Far(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self.answer, self.senders = answer, list[int]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.senders.append(addr[1])
        for reply in self.answer(data):
            self.transport.sendto(reply, addr)


@asynccontextmanager
async def far_end(answer: Answer) -> AsyncIterator[tuple[UdpLink, _Far]]:
    transport, far = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Far(answer), local_addr=("127.0.0.1", 0))
    link = UdpLink(SERIAL, transport.get_extra_info("sockname"), None, WireTally(), "line")
    await link.open()
    try:
        yield link, far
    finally:
        await link.close()
        transport.abort()
        await asyncio.sleep(0)


def reply(function: int, body: bytes = b"", serial: int = SERIAL) -> bytes:
    return frame(serial, Request(function, body))


async def test_a_reply_is_told_by_serial_number_and_function() -> None:
    wrong = [reply(0x58, b"\x09", OTHER), reply(0x98, b"\x09"), b"noise"]
    async with far_end(lambda data: [*wrong, reply(0x58, b"\x02")]) as (link, _):
        assert (await link.exchange(SERIAL, count_cards(), LONG)).body[0] == 2
        assert (link.tally.late_dropped[SERIAL], link.tally.glitch_bytes[SERIAL]) == (2, 5)


@pytest.mark.parametrize(
    ("said", "error"),
    [([], NoReply), ([reply(0x98)], UnexpectedReply), ([b"noise"], CorruptReply), ([reply(0x58)[:63]], CorruptReply)],
)
async def test_silence_is_told_from_what_does_not_answer(said: list[bytes], error: type[Exception]) -> None:
    async with far_end(lambda data: said) as (link, _):
        with pytest.raises(error):
            await link.exchange(SERIAL, count_cards(), SOON)
        assert link.sent
        assert link.connected


async def test_a_late_not_found_is_never_taken_for_another_cards() -> None:
    """Such a reply names no card: it comes where the first question came from, and nobody waits there any more."""
    late: list[Callable[[], None]] = []

    def answer(data: bytes) -> list[bytes]:
        first = not late
        if first:
            to = far.senders[-1]
            late.append(lambda: far.transport.sendto(reply(0x5A), ("127.0.0.1", to)))
            return []
        late[0]()
        return [reply(0x5A, data[8:12] + b"\x20\x00\x01\x01" * 2)]

    async with far_end(answer) as (link, far):
        with pytest.raises(NoReply):
            await link.exchange(SERIAL, get_card(7), SOON)
        found = read_card(await link.exchange(SERIAL, get_card(8), LONG))
        assert found is not None
        assert found.card == 8
        assert (await link.exchange(SERIAL, get_card(8), LONG)).body[0] == 8
        assert link.tally.late_dropped[SERIAL] == 1


async def test_a_doubled_reply_answers_one_question() -> None:
    async with far_end(lambda data: [reply(data[1], data[8:9])] * 2) as (link, far):
        assert [(await link.exchange(SERIAL, get_profile(number), LONG)).body[0] for number in (2, 3, 4)] == [2, 3, 4]
        assert link.tally.late_dropped[SERIAL] == 2
        assert len(set(far.senders)) == 3


async def test_a_port_where_nobody_listens_is_refused_at_once_and_nothing_was_sent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        place = taken.getsockname()
    link = UdpLink(SERIAL, place, None, WireTally(), "line")
    await link.open()
    with pytest.raises(BusUnavailable):
        await asyncio.wait_for(link.exchange(SERIAL, count_cards(), LONG), 15)
    assert not link.connected
    await link.close()


async def test_somebody_elses_datagrams_do_not_reach_the_question() -> None:
    async with far_end(lambda data: []) as (link, far):
        asked = asyncio.create_task(link.exchange(SERIAL, count_cards(), SOON))
        while not far.senders:  # noqa: ASYNC110
            await asyncio.sleep(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(reply(0x58, b"\x07"), ("127.0.0.1", far.senders[0]))
        with pytest.raises(NoReply):
            await asked


async def test_a_controller_is_found_by_broadcast_and_by_its_serial_number_alone() -> None:
    async with heard(board(), board(OTHER), host="127.255.255.255") as port:
        link = UdpLink(OTHER, ("127.255.255.255", port), None, WireTally(), "line")
        await link.open()
        assert (await link.exchange(OTHER, count_cards(), LONG)).serial == OTHER
        await link.close()
        missing = UdpLink(7, ("127.255.255.255", port), None, WireTally(), "line")
        with pytest.raises(BusUnavailable, match="serial number 7"):
            await missing.open()
        assert not missing.connected


async def test_a_controller_that_was_searched_for_is_looked_for_again_when_it_falls_silent() -> None:
    it = board()
    async with heard(it, host="127.255.255.255") as port:
        link = UdpLink(SERIAL, ("127.255.255.255", port), None, WireTally(), "line")
        await link.open()
        it.off()
        for _ in range(3):
            assert not link.stale
            with pytest.raises(NoReply):
                await link.exchange(SERIAL, count_cards(), SOON)
        was_stale = link.stale
        it.on()
        await link.open()
        assert (was_stale, link.stale) == (True, False)
        await link.close()


async def test_every_controller_is_found_by_one_search() -> None:
    async with heard(board(), board(OTHER), host="127.255.255.255") as port:
        found = {reply.serial async for reply, _ in search(("127.255.255.255", port), None, 0, 1.0)}
        assert found == {SERIAL, OTHER}


@asynccontextmanager
async def tcp_host(said: bytes) -> AsyncIterator[BoardLink]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(64):
            for at in range(0, len(said), 40):
                writer.write(said[at : at + 40])
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = TcpLink(SERIAL, server.sockets[0].getsockname(), None, WireTally(), "line")
    await link.open()
    try:
        yield link
    finally:
        await link.close()
        server.close()
        await server.wait_closed()


async def test_a_reply_in_pieces_is_put_together() -> None:
    async with tcp_host(reply(0x58, b"\x02")) as link:
        assert (await link.exchange(SERIAL, count_cards(), LONG)).body[0] == 2
        assert (await link.exchange(SERIAL, count_cards(), LONG)).body[0] == 2


async def test_the_time_is_that_of_when_the_frame_leaves_not_of_before_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = [0]
    async with tcp_host(reply(0x30)) as link:
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def takes_five_seconds(sock: socket.socket, place: tuple[str, int]) -> None:
            await connect(sock, place)
            seconds[0] += 5

        monkeypatch.setattr(loop, "sock_connect", takes_five_seconds)
        caplog.set_level("DEBUG")
        await link.exchange(SERIAL, set_time(lambda: (20_000, seconds[0])), SOON)
        sent = [bytes.fromhex(getattr(each, "frame", "")) for each in caplog.records if each.message == "request sent"]
        assert [each[12:15].hex() for each in sent] == ["000005"]


@pytest.mark.parametrize(
    ("said", "error"), [(b"", ConnectionLost), (reply(0x58)[:50], ConnectionLost), (reply(0x98), UnexpectedReply)]
)
async def test_a_connection_that_brings_no_reply(said: bytes, error: type[Exception]) -> None:
    async with tcp_host(said) as link:
        with pytest.raises(error):
            await link.exchange(SERIAL, count_cards(), LONG)


async def test_a_tcp_port_where_nobody_listens_is_no_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        link = TcpLink(SERIAL, taken.getsockname(), None, WireTally(), "line")
        with pytest.raises(BusUnavailable):
            await link.open()


async def test_tcp_does_not_search() -> None:
    with pytest.raises(BusUnavailable, match="each controller needs its own"):
        await TcpLink(SERIAL, ("127.255.255.255", 60_000), None, WireTally(), "line").open()
