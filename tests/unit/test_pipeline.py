"""Several requests under way on one connection: each gets its own answer or none, and a doubt about one is a doubt about all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from config.settings import ModbusTcpLine
from drivers.clock import SystemClock
from drivers.contract import Availability, Priority
from drivers.errors import (
    ConnectionLost,
    CorruptReply,
    DeadlinePassed,
    DriverError,
    NoReply,
    NotSent,
    PanelException,
    QueueFull,
    Unconfirmed,
    UnexpectedReply,
)
from drivers.link import UnitTiming
from drivers.modbus.line import ModbusBus
from drivers.modbus.wire.open import open_link
from drivers.modbus.wire.requests import read_holding_registers, write_register
from drivers.modbus.wire.tcp import TcpLink
from drivers.retry import RetryPolicy
from simulators.responder import Responder
from tests.support.lines import PROBE
from tests.support.rogue_server import CUT, RogueServer, TcpAnswer, reply, rogue_server
from tests.support.soak import SoakPanel
from tests.support.virtual_tcp import VirtualTcpLoop, run_virtual_tcp
from tests.support.virtual_time import VirtualClock

P = Priority.GRANT
TIMING = UnitTiming(0.0, 5.0)
BRIEF = UnitTiming(0.0, 0.25)
"""Where silence has to run out."""
FOUR = [read_holding_registers(address, 1) for address in range(4)]
WRITES = [write_register(address, address + 100) for address in range(4)]
Pieces = list[bytes | None]


def own(request: bytes) -> bytes:
    """The address as the word at it; the echo of a write."""
    return reply(request, request[7:12] if request[7] > 4 else bytes((request[7], 2)) + request[8:10])


def when_all_came(answer: Callable[[Sequence[bytes]], Pieces], most: int = 4) -> TcpAnswer:
    """Answers when that many requests are there: a server that got one at a time would never answer."""
    came: list[bytes] = []

    def gather(request: bytes) -> Pieces:
        came.append(request)
        if len(came) < most:
            return []
        asked = came.copy()
        came.clear()
        return answer(asked)

    return gather


@asynccontextmanager
async def linked(answer: TcpAnswer) -> AsyncIterator[tuple[TcpLink, RogueServer]]:
    async with rogue_server(answer) as server:
        link = TcpLink("127.0.0.1", server.port, SystemClock())
        await link.open()
        yield link, server
        await link.close()


@asynccontextmanager
async def bussed(answer: TcpAnswer, pipeline: int = 4, **settings: object) -> AsyncIterator[tuple[ModbusBus, RogueServer]]:
    async with rogue_server(answer) as server:
        line = ModbusTcpLine.model_validate(
            {"id": "annex", "host": "127.0.0.1", "port": server.port, "timeout_ms": 500.0, **settings}
        )
        policy = RetryPolicy(silent_delay_s=0.0, busy_delay_s=0.0)
        bus = ModbusBus(line, open_link(line, SystemClock()), SystemClock(), policy)
        bus.attach(1, probe=PROBE, pipeline=pipeline)
        await bus.start()
        yield bus, server
        await bus.stop(5)


@pytest.mark.parametrize(
    "order",
    [
        lambda asked: [own(each) for each in asked],
        lambda asked: [own(each) for each in reversed(asked)],
        lambda asked: [b"".join(own(each) for each in reversed(asked))],
        lambda asked: [bytes((byte,)) for each in asked for byte in own(each)],
    ],
    ids=["in their order", "the last one first", "all in one piece", "byte by byte"],
)
async def test_each_request_gets_its_own_answer_in_whatever_order_they_come(order: Callable[[Sequence[bytes]], Pieces]) -> None:
    async with linked(when_all_came(order)) as (link, server):
        for _ in range(2):
            assert await link.exchange_all(1, FOUR, TIMING) == [(0,), (1,), (2,), (3,)]
        assert server.connections == 1


async def test_requests_leave_in_their_order_with_ids_that_run_on() -> None:
    async with linked(when_all_came(lambda asked: [own(each) for each in asked])) as (link, server):
        assert await link.exchange_all(7, WRITES, TIMING) == [(), (), (), ()]
        first = int.from_bytes(server.requests[0][:2], "big")
        for place, request in enumerate(server.requests):
            transaction = (first + place - 1) % 65_000 + 1
            assert request == transaction.to_bytes(2, "big") + bytes.fromhex(f"0000 0006 07 06 {place:04x} {place + 100:04x}")


async def test_a_refusal_is_the_refused_requests_own() -> None:
    def answer(asked: Sequence[bytes]) -> Pieces:
        return [own(asked[0]), reply(asked[1], b"\x83\x02"), own(asked[2]), own(asked[3])]

    async with linked(when_all_came(answer)) as (link, server):
        first, second, third, fourth = await link.exchange_all(1, FOUR, TIMING)
        assert (first, third, fourth) == ((0,), (2,), (3,))
        assert isinstance(second, PanelException)
        assert second.code == 2
        assert server.connections == 1


def test_a_server_that_serves_one_after_the_other_gets_the_timeout_for_each() -> None:
    """Four answers, 200 ms apart, with a timeout of 300 ms."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTcpLoop)
        panel = SoakPanel(1)
        panel.latency_s = 0.2
        loop.serial, loop.responder = True, Responder([panel])
        link = TcpLink("192.0.2.1", 502, VirtualClock())
        answers = await link.exchange_all(1, FOUR, UnitTiming(0.0, 0.3))
        assert answers == [(panel.content(address),) for address in range(4)]
        assert loop.time() == pytest.approx(0.8)
        panel.off()
        assert all(isinstance(each, NoReply) for each in await link.exchange_all(1, FOUR, UnitTiming(0.0, 0.3)))
        assert loop.time() == pytest.approx(1.1)
        await link.close()

    run_virtual_tcp(main())


BROKEN: dict[str, tuple[Callable[[Sequence[bytes]], Pieces], type[DriverError]]] = {
    "one is dropped": (lambda asked: [own(asked[0]), own(asked[2]), own(asked[3])], NoReply),
    "the connection is closed in the middle": (lambda asked: [own(asked[0]), own(asked[1]), CUT], ConnectionLost),
    "the connection is closed in a frame": (lambda asked: [own(asked[0]), own(asked[1])[:9], CUT], ConnectionLost),
    "nothing comes": (lambda asked: [], NoReply),
    "one is of another unit": (lambda asked: [*map(own, asked[:3]), reply(asked[3], b"\x03\x02\0\3", unit=2)], UnexpectedReply),
    "one is of no request": (lambda asked: [*map(own, asked[:3]), reply(asked[3], b"\x03\x02\0\3", 65_535)], UnexpectedReply),
    "one has another function": (lambda asked: [*map(own, asked[:3]), reply(asked[3], b"\x04\x02\0\3")], UnexpectedReply),
    "garbage follows": (lambda asked: [*map(own, asked[:3]), b"\xff" * 30], CorruptReply),
    "one is cut short and the next one completes it": (
        lambda asked: [own(asked[0])[:-2] + own(asked[1]) + own(asked[2]) + own(asked[3])],
        CorruptReply,
    ),
}


@pytest.mark.parametrize(("answer", "error"), BROKEN.values(), ids=BROKEN)
async def test_where_one_answer_is_in_doubt_none_is_believed(
    answer: Callable[[Sequence[bytes]], Pieces], error: type[DriverError]
) -> None:
    async with linked(when_all_came(answer)) as (link, server):
        answers = await link.exchange_all(1, FOUR, BRIEF)
        assert all(isinstance(each, Unconfirmed) for each in answers)
        assert any(isinstance(each, error) for each in answers)
        server.answer = lambda request: [own(request)]
        assert await link.exchange(1, FOUR[3], TIMING) == (3,)


async def test_an_answer_whose_end_is_another_answer_is_not_believed() -> None:
    """It is cut short by as many bytes as the next one has, and looks whole; the next one is missed."""
    asked = [read_holding_registers(0, 7), FOUR[1]]

    def answer(requests: Sequence[bytes]) -> Pieces:
        whole = reply(requests[0], b"\x03\x0e" + bytes(14))
        return [whole[:-11] + own(requests[1])]

    async with linked(when_all_came(answer, 2)) as (link, _):
        first, second = await link.exchange_all(1, asked, BRIEF)
        assert isinstance(first, CorruptReply)
        assert isinstance(second, NoReply)


async def test_what_was_given_up_together_answers_nothing_later() -> None:
    late: list[bytes] = []

    def hold(request: bytes) -> Pieces:
        late.append(reply(request, b"\x03\x02\xbe\xef"))
        return []

    async with linked(hold) as (link, server):
        call = asyncio.create_task(link.exchange_all(1, FOUR, TIMING))
        async with asyncio.timeout(30):
            while len(late) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.wait({call})
        server.answer = lambda request: [*late, own(request)]
        assert await link.exchange(1, FOUR[1], TIMING) == (1,)


async def test_a_server_that_answers_only_the_first_of_many_is_asked_one_at_a_time() -> None:
    came: list[bytes] = []

    def first_only(request: bytes) -> Pieces:
        """What arrives with an unanswered request is lost, as in a server that takes a frame from each piece of the stream."""
        came.append(request)
        together = len(came) > 1 and len(came) <= 4
        return [] if together else [own(request)]

    async with bussed(first_only) as (bus, server):
        assert await bus.exchange_all(1, FOUR, P) == [(0,), (1,), (2,), (3,)]
        server.answer = lambda request: [own(request)]
        server.most_together = 0
        assert await bus.exchange_all(1, FOUR, P) == [(0,), (1,), (2,), (3,)]
        assert server.most_together == 1


async def test_a_server_that_hangs_up_on_many_still_carries_out_each() -> None:
    done: list[bytes] = []

    def alone(request: bytes) -> Pieces:
        if server.most_together > 1:
            server.most_together = 0
            return [CUT]
        done.append(request[7:])
        return [own(request)]

    async with bussed(alone) as (bus, server):
        assert await bus.exchange_all(1, WRITES, P) == [(), (), (), ()]
        assert set(done) == {request.pdu() for request in WRITES}


async def test_a_unit_that_works_on_one_of_many_requests_and_answers_no_other_is_there() -> None:
    """Two more that it misses are two, not three: it is not given up."""
    came: list[bytes] = []

    def working(request: bytes) -> Pieces:
        came.append(request)
        if len(came) == 1:
            return [reply(request, bytes((request[7] | 0x80, 5)))]
        return [own(request)] if len(came) > 6 else []

    async with bussed(working, timeout_ms=50.0) as (bus, _):
        await bus.exchange_all(1, FOUR, P)
        assert bus.availability(1).current is Availability.ONLINE


async def test_no_more_are_under_way_than_the_unit_takes() -> None:
    for pipeline in (1, 2, 3):
        async with bussed(lambda request: [own(request)], pipeline) as (bus, server):
            assert await bus.exchange_all(1, [*FOUR, *FOUR], P) == [(0,), (1,), (2,), (3,)] * 2
            assert server.most_together <= pipeline


async def test_what_must_not_leave_twice_leaves_alone() -> None:
    pulse = write_register(9, 1, repeatable=False)
    async with bussed(lambda request: [own(request)], 8) as (bus, server):
        assert await bus.exchange_all(1, [FOUR[0], pulse, FOUR[1]], P) == [(0,), (), (1,)]
        assert server.most_together == 1


async def test_callers_who_know_nothing_of_each_other_share_no_flight() -> None:
    """On and off of one output, asked by two: the first is never repeated behind the second."""
    on, off = write_register(7, 1), write_register(7, 0)
    async with bussed(lambda request: [own(request)], 8) as (bus, server):
        await asyncio.gather(bus.exchange(1, on, P), bus.exchange(1, off, P))
        assert server.most_together == 1


async def test_a_write_is_not_repeated_behind_somebody_elses() -> None:
    """One of a batch is lost; before it may be repeated, another caller writes to the same register."""
    newer, calls = write_register(2, 7), list[asyncio.Task[tuple[int, ...]]]()

    def answer(request: bytes) -> Pieces:
        if request[7:] == WRITES[2].pdu() and not calls:
            calls.append(asyncio.create_task(bus.exchange(1, newer, Priority.OPERATOR)))
            return []
        return [own(request)]

    async with bussed(answer) as (bus, server):
        answers = await bus.exchange_all(1, WRITES, P)
        assert await calls[0] == ()
        assert all(isinstance(each, Unconfirmed) for each in answers)
        assert server.requests[-1][7:] == newer.pdu()
        assert len(server.requests) == 5


async def test_a_write_is_repeated_behind_the_others_of_its_own_batch() -> None:
    lost = iter([True])

    def answer(request: bytes) -> Pieces:
        return [] if request[7:] == WRITES[0].pdu() and next(lost, False) else [own(request)]

    async with bussed(answer) as (bus, server):
        assert await bus.exchange_all(1, WRITES, P) == [(), (), (), ()]
        assert server.requests[-1][7:] == WRITES[0].pdu()


async def test_none_is_queued_where_not_all_find_room_or_time() -> None:
    async with bussed(lambda request: [own(request)], queue_limit=3) as (bus, server):
        with pytest.raises(QueueFull):
            await bus.exchange_all(1, FOUR, P)
        with pytest.raises(DeadlinePassed):
            await bus.exchange_all(1, FOUR[:2], P, deadline=0.0)
        assert await bus.exchange_all(1, FOUR[:3], P) == [(0,), (1,), (2,)]
        assert len(server.requests) == 3


async def test_a_batch_that_its_caller_gives_up_leaves_the_queue() -> None:
    release: list[bytes] = []

    def hold(request: bytes) -> Pieces:
        release.append(request)
        return []

    async with bussed(hold, 2, timeout_ms=30_000.0) as (bus, server):
        call = asyncio.create_task(bus.exchange_all(1, FOUR, P))
        async with asyncio.timeout(30):
            while len(release) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        for request in release:
            server.say(own(request))
        server.answer = lambda request: [own(request)]
        assert await bus.exchange(1, FOUR[3], P) == (3,)
        assert len(server.requests) == 3


async def test_a_line_that_stops_tells_what_left_and_what_did_not() -> None:
    async with bussed(lambda request: [], 2, timeout_ms=30_000.0) as (bus, server):
        call = asyncio.create_task(bus.exchange_all(1, FOUR, P))
        async with asyncio.timeout(30):
            while len(server.requests) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await bus.stop(0)
        answers = await call
        assert [isinstance(each, NoReply) for each in answers] == [True, True, False, False]
        assert all(isinstance(each, NotSent) for each in answers[2:])
